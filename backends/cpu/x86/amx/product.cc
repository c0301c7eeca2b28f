// Products with the tiles of AMX.
//
// A tile register of weights is 16 vectors of packed weights (bf16; 8 of int8):
// 32 columns of 16 rows.  Products of bf16 are added as tdpbf16ps is defined,
// from zero for 128 columns, then times the scale.  Sums of int8 are exact for 32
// columns: for few rows those of AVX-512 have the same bits, though there weights
// are raised to be unsigned and here they are not.
#include "cpu/product.h"
#include "cpu/x86/amx/few_rows.h"
#include "cpu/x86/amx/one_row.h"
#include "cpu/x86/avx512/pack.h"

namespace baleen::cpu {
namespace {

constexpr int64_t kFewRows = kRegisterRows;
constexpr int64_t kFewInt8Rows = 8;
using SignedWeights = Fp4Weights<0>;

struct Sums {
  alignas(64) uint8_t data[4][kRegisterRows * kVector];
};

// Sums of a run of registers, from `weights` (vectors of one or two tiles) and
// `at` of the activations.  Registers are named by literals, as GCC wants them.
template <typename Weights, bool two_groups, bool two_tiles>
inline void AddRun(const uint8_t* const* weights, const ActivationGroup* groups,
                   int64_t at, Sums* sums) {
  using Step = Steps<Weights>;
  FinishWrites();
  _tile_zero(0);
  if constexpr (two_tiles) _tile_zero(1);
  if constexpr (two_groups) _tile_zero(2);
  if constexpr (two_groups && two_tiles) _tile_zero(3);
  for (int64_t i = 0; i < Step::kRun; ++i) {
    const int64_t vector = i * Step::kVectors * kVector;
    const int64_t from = at + i * Step::kBytes;
    const auto row_stride = [&](int g) {
      return static_cast<size_t>(groups[g].stride);
    };
    _tile_loadd(6, weights[0] + vector, 64);
    _tile_loadd(4, groups[0].data + from, row_stride(0));
    if constexpr (two_tiles) _tile_loadd(7, weights[1] + vector, 64);
    if constexpr (two_groups) {
      _tile_loadd(5, groups[1].data + from, row_stride(1));
    }
    if constexpr (Step::kInt8) {
      _tile_dpbssd(0, 4, 6);
      if constexpr (two_tiles) _tile_dpbssd(1, 4, 7);
      if constexpr (two_groups) _tile_dpbssd(2, 5, 6);
      if constexpr (two_groups && two_tiles) _tile_dpbssd(3, 5, 7);
    } else {
      _tile_dpbf16ps(0, 4, 6);
      if constexpr (two_tiles) _tile_dpbf16ps(1, 4, 7);
      if constexpr (two_groups) _tile_dpbf16ps(2, 5, 6);
      if constexpr (two_groups && two_tiles) _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, sums->data[0], 64);
  if constexpr (two_tiles) _tile_stored(1, sums->data[1], 64);
  if constexpr (two_groups) _tile_stored(2, sums->data[2], 64);
  if constexpr (two_groups && two_tiles) _tile_stored(3, sums->data[3], 64);
}

// Adds the sums of a run for a group of rows by a tile, in register `which`,
// scaled, to what `lanes` has, or to zero in the first run of all.
template <typename Weights>
BALEEN_ALWAYS_INLINE inline void Finish(const Sums& sums, int which,
                                        int64_t run, __m512 scale,
                                        const ActivationGroup& group,
                                        int64_t block, const Lanes& lanes) {
  const uint8_t* packed = group.data + block * Steps<Weights>::kBlockBytes;
  const bool first = block == 0 && run == 0;
  for (int64_t r = 0; r < group.rows; ++r) {
    __m512 sum = first ? _mm512_setzero_ps() : lanes.Load(r);
    const uint8_t* from = sums.data[which] + r * kVector;
    if constexpr (Steps<Weights>::kInt8) {
      const __m512 both =
          _mm512_mul_ps(scale, BroadcastFloat(packed + kInt8Scales + run * 4));
      sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(from)), both,
                            sum);
    } else if constexpr (Weights::kType == MatrixType::kBf16) {
      sum = _mm512_add_ps(sum, _mm512_load_ps(from));
    } else {
      sum = _mm512_fmadd_ps(_mm512_load_ps(from), scale, sum);
    }
    lanes.Store(r, sum);
    packed += group.stride;
  }
}

// A decoded block of a tile.
template <typename Weights>
struct DecodedTile {
  alignas(64) uint8_t vectors[kBlockVectors<Weights> * kVector];
  __m512i fp4_scales;
  const uint8_t* data;  // Vectors, here or where they are packed.
};

template <typename Weights, typename Source>
void DecodeTile(const Weights& weights, const Matrix& matrix, int64_t tile,
                int64_t block, DecodedTile<Weights>* decoded) {
  constexpr int kParts = kStepVectors * Weights::kSplit;
  Decoding<Weights, Source> decoding(weights, matrix, tile);
  decoding.Seek(block);
  if constexpr (std::is_same_v<Weights, Bf16Weights> &&
                std::is_same_v<Source, PackedSource>) {
    decoded->data = matrix.data + tile * PackedTileBytes(matrix) +
                    block * PackedBlockBytes(matrix.type);
    return;
  }
  decoded->data = decoded->vectors;
  for (int64_t step = 0; step < Weights::kSteps; ++step) {
    __m512i parts[kParts];
    decoding.Step(step, parts);
    Unroll<kParts>([&](auto i) BALEEN_ALWAYS_INLINE {
      _mm512_store_si512(decoded->vectors + (step * kParts + i) * kVector,
                         parts[i]);
    });
  }
  if constexpr (Weights::kType == MatrixType::kFp4) {
    decoded->fp4_scales = decoding.Scales();
  }
}

// The scales of a tile's runs.
template <typename Weights>
inline void ScalesOf(const Matrix& matrix, int64_t tile, int64_t block,
                     const DecodedTile<Weights>& decoded, __m512* scales) {
  if constexpr (Weights::kType == MatrixType::kFp4) {
    Unroll<kFp4Groups>([&](auto run) BALEEN_ALWAYS_INLINE {
      scales[run] = Fp4Scale<run>(decoded.fp4_scales);
    });
  } else if constexpr (Weights::kType == MatrixType::kFp8) {
    scales[0] = BlockScales(matrix, tile).Of(block);
  }
}

// Adds a block of a part for one or two groups of rows, the first of which is
// row `row`.  A run is finished after the next has been given to the tiles, which
// work meanwhile.
template <typename Weights, bool two_groups, bool two_tiles>
void AddBlock(const Part& part, const DecodedTile<Weights>* decoded,
              int64_t block, const ActivationGroup* groups, int64_t row) {
  using Step = Steps<Weights>;
  constexpr int kRuns = Step::kCount / Step::kRun;
  constexpr int kTiles = two_tiles ? 2 : 1;
  Sums sums[2];
  __m512 scales[kTiles][kRuns];
  for (int t = 0; t < kTiles; ++t) {
    ScalesOf(part.matrix, part.first_tile + t, block, decoded[t], scales[t]);
  }
  const auto finish = [&](int64_t run) {
    for (int t = 0; t < kTiles; ++t) {
      Lanes lanes = part.lanes[t];
      lanes.out += row * lanes.stride;
      Finish<Weights>(sums[run % 2], t, run, scales[t][run], groups[0], block,
                      lanes);
      if constexpr (two_groups) {
        lanes.out += groups[0].rows * lanes.stride;
        Finish<Weights>(sums[run % 2], 2 + t, run, scales[t][run], groups[1],
                        block, lanes);
      }
    }
  };
  for (int64_t run = 0; run < kRuns; ++run) {
    const int64_t vectors = run * Step::kRun * Step::kVectors * kVector;
    const uint8_t* weights[2] = {
        decoded[0].data + vectors,
        two_tiles ? decoded[1].data + vectors : nullptr};
    AddRun<Weights, two_groups, two_tiles>(
        weights, groups,
        block * Step::kBlockBytes + run * Step::kRun * Step::kBytes,
        &sums[run % 2]);
    if (run > 0) finish(run - 1);
  }
  finish(kRuns - 1);
}

template <typename Weights, typename Source>
void MultiplyPart(const Part& part, const uint8_t* const* packed, int64_t rows,
                  Registers* registers) {
  constexpr bool kInt8 = Steps<Weights>::kInt8;
  const Weights weights;
  DecodedTile<Weights> decoded[kPartTiles];
  GroupSource<Weights> source(packed, rows);
  for (int64_t block = 0; block < BlocksOf(part.matrix.columns); ++block) {
    for (int64_t t = 0; t < part.tiles; ++t) {
      DecodeTile<Weights, Source>(weights, part.matrix, part.first_tile + t,
                                  block, &decoded[t]);
    }
    for (int64_t row = 0; row < rows; row += 2 * kRegisterRows) {
      const int64_t rest = rows - row;
      const int64_t first = rest < kRegisterRows ? rest : kRegisterRows;
      int64_t second = rest - first;
      if (second > kRegisterRows) second = kRegisterRows;
      registers->Configure(first, second, kInt8);
      ActivationGroup groups[2] = {source.Of(row, first, block, 0), {}};
      if (second != 0) groups[1] = source.Of(row + first, second, block, 1);
      const auto add = part.tiles == 1
                           ? (second == 0 ? AddBlock<Weights, false, false>
                                          : AddBlock<Weights, true, false>)
                           : (second == 0 ? AddBlock<Weights, false, true>
                                          : AddBlock<Weights, true, true>);
      add(part, decoded, block, groups, row);
    }
  }
}

template <typename Weights, typename Source>
void MultiplyPartFrom(const Part& part, const uint8_t* const* packed,
                      int64_t rows, Registers* registers) {
  if constexpr (!Steps<Weights>::kInt8) {
    if (rows <= kFewRows) {
      return part.tiles == 1 ? MultiplyFewRows<Weights, Source, false>(
                                   part, packed, rows, registers)
                             : MultiplyFewRows<Weights, Source, true>(
                                   part, packed, rows, registers);
    }
  }
  MultiplyPart<Weights, Source>(part, packed, rows, registers);
}

template <typename Weights>
void MultiplyBy(const Matrix& matrix, int64_t first, int64_t count,
                const uint8_t* const* packed, int64_t rows, float* out,
                int64_t out_stride) {
  const int64_t end = first + count;
  const bool one_row = std::is_same_v<Weights, Fp8Weights> && rows == 1 &&
                       matrix.packed &&
                       HasOrdinaryValues(packed[0], BlocksOf(matrix.columns));
  // 16 rows of a checkpoint are as many streams as memory serves well.
  const int64_t tiles = matrix.packed || rows > kFewRows ? kPartTiles : 1;
  Registers registers;
  for (int64_t at = first; at < end;) {
    Part part{matrix, at / kTileRows, 0, {}};
    for (; part.tiles < tiles && at < end; ++part.tiles) {
      const int64_t begin = at / kTileRows * kTileRows;
      const int64_t stop = begin + kTileRows < end ? begin + kTileRows : end;
      part.lanes[part.tiles] = {at - begin, stop - begin, out + (at - first),
                                out_stride};
      at = stop;
    }
    if (one_row && part.tiles == kPartTiles) {
      MultiplyOneRow(part, packed[0]);
      continue;
    }
    const auto multiply = matrix.packed
                              ? MultiplyPartFrom<Weights, PackedSource>
                              : MultiplyPartFrom<Weights, RawSource>;
    multiply(part, packed, rows, &registers);
  }
}

void MultiplyFp4(const Matrix& matrix, int64_t first, int64_t count,
                 const uint8_t* const* packed, int64_t rows, float* out,
                 int64_t out_stride) {
  const auto multiply = rows <= kFewInt8Rows ? kAvx512Kernels.multiply
                                             : MultiplyBy<SignedWeights>;
  multiply(matrix, first, count, packed, rows, out, out_stride);
}

void Multiply(const Matrix& matrix, int64_t first, int64_t count,
              const uint8_t* const* packed, int64_t rows, float* out,
              int64_t out_stride) {
  // As MatrixType counts them.
  static constexpr decltype(ProductKernels::multiply) kByType[] = {
      MultiplyBy<Bf16Weights>, MultiplyBy<Fp8Weights>, MultiplyFp4};
  kByType[static_cast<size_t>(matrix.type)](matrix, first, count, packed, rows,
                                            out, out_stride);
  // GCC 12 leaves it out where the last call within took a vector; the caller's
  // code without AVX would then take 70 cycles for each turn to it and back.
  _mm256_zeroupper();
}

}  // namespace

const ProductKernels kAmxKernels = {"amx", PackedBlock, Pack, Multiply,
                                    &kAvx512RowKernels};

}  // namespace baleen::cpu
