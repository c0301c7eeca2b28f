// Products with AVX-512 BF16, VNNI and VBMI.
//
// Sums of bf16 are two chains of vdpbf16ps (even and odd vectors, so that one
// does not wait for the other) of 128 columns, then their sum times the scale.
// Sums of int8 are exact for 32 columns.
#include "cpu/product.h"
#include "cpu/x86/avx512/pack.h"

namespace baleen::cpu {
namespace {

inline __m512bh AsBf16(__m512i bits) {
  return reinterpret_cast<__m512bh>(bits);
}

// Decoded vectors, from where another has put them, for many rows.
constexpr int64_t kChunk = 4;  // Blocks decoded at once: 16 KiB of bf16.

template <typename Weights>
struct DecodedChunk {
  alignas(64) uint8_t vectors[kChunk * kBlockVectors<Weights> * kVector];
  alignas(64) uint8_t scales[kChunk * kVector];
};

template <typename Weights>
class Decoded {
 public:
  static constexpr bool kDecoded = true;
  explicit Decoded(const DecodedChunk<Weights>& chunk) : chunk_(chunk) {}
  void Seek(int64_t block) { block_ = block % kChunk; }
  void Step(int64_t step, __m512i* parts) const {
    constexpr int kParts = kStepVectors * Weights::kSplit;
    const uint8_t* from =
        chunk_.vectors +
        (block_ * kBlockVectors<Weights> + step * kParts) * kVector;
    Unroll<kParts>([&](auto i) BALEEN_ALWAYS_INLINE {
      parts[i] = _mm512_load_si512(from + i * kVector);
    });
  }
  __m512i Scales() const {
    return _mm512_load_si512(chunk_.scales + block_ * kVector);
  }

 private:
  const DecodedChunk<Weights>& chunk_;
  int64_t block_ = 0;
};

template <typename Weights, typename Source>
void DecodeChunk(Decoding<Weights, Source>& decoding, int64_t first,
                 int64_t end, DecodedChunk<Weights>* chunk) {
  constexpr int kParts = kStepVectors * Weights::kSplit;
  uint8_t* to = chunk->vectors;
  for (int64_t block = first; block < end; ++block) {
    decoding.Seek(block);
    for (int64_t step = 0; step < Weights::kSteps; ++step) {
      __m512i parts[kParts];
      decoding.Step(step, parts);
      Unroll<kParts>([&](auto i) BALEEN_ALWAYS_INLINE {
        _mm512_store_si512(to + i * kVector, parts[i]);
      });
      to += kParts * kVector;
    }
    if constexpr (Weights::kType == MatrixType::kFp4) {
      _mm512_store_si512(chunk->scales + (block - first) * kVector,
                         decoding.Scales());
    }
  }
}

// ---- Sums ----

// Adds a block of bf16 products.
template <int kRows, typename Weights, typename Vectors>
BALEEN_ALWAYS_INLINE inline void AddBlock(const Weights&, Vectors& vectors,
                                          const BlockScales& scales,
                                          int64_t block,
                                          const uint8_t* const* packed,
                                          __m512* sums) {
  constexpr int kParts = kStepVectors * Weights::kSplit;
  __m512 chains[2][kRows];
  Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
    chains[0][r] = chains[1][r] = _mm512_setzero_ps();
  });
  vectors.Seek(block);
  for (int64_t step = 0; step < Weights::kSteps; ++step) {
    __m512i parts[kParts];
    vectors.Step(step, parts);
    const int64_t at = block * kBf16Bytes + step * kParts * 4;
    Unroll<kParts>([&](auto i) BALEEN_ALWAYS_INLINE {
      Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
        chains[i % 2][r] =
            _mm512_dpbf16_ps(chains[i % 2][r], AsBf16(parts[i]),
                             AsBf16(Broadcast(packed[r] + at + i * 4)));
      });
    });
  }
  Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
    sums[r] = AddBlockSum<Weights>(_mm512_add_ps(chains[0][r], chains[1][r]),
                                   scales, block, sums[r]);
  });
}

// Adds a block of int8 products.
template <int kRows, typename Vectors>
BALEEN_ALWAYS_INLINE inline void AddBlock(const Int8Weights&, Vectors& vectors,
                                          const BlockScales&, int64_t block,
                                          const uint8_t* const* packed,
                                          __m512* sums) {
  constexpr int kParts = kStepVectors * Int8Weights::kSplit;
  vectors.Seek(block);
  const __m512i codes = vectors.Scales();
  Unroll<Int8Weights::kSteps>([&](auto step) BALEEN_ALWAYS_INLINE {
    const int64_t base = block * kInt8Bytes;
    __m512i parts[kParts];
    vectors.Step(step, parts);
    __m512i products[kRows];
    Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
      products[r] = Broadcast(packed[r] + base + kInt8Sums + step * 4);
    });
    Unroll<kParts>([&](auto i) BALEEN_ALWAYS_INLINE {
      Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
        products[r] = _mm512_dpbusd_epi32(
            products[r], parts[i],
            Broadcast(packed[r] + base + (step * kParts + i) * 4));
      });
    });
    const __m512 scale = Fp4Scale<step>(codes);
    Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
      const __m512 both = _mm512_mul_ps(
          scale, BroadcastFloat(packed[r] + base + kInt8Scales + step * 4));
      sums[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products[r]), both, sums[r]);
    });
  });
}

// A tile that is read beside others.
template <typename Vectors>
struct Stream {
  Vectors vectors;
  BlockScales scales;
  Lanes lanes;
};

// Adds blocks [first, end) of kTiles tiles to what their lanes have of `rows`
// rows, or to zero where `first` is.  Rows beyond the last repeat it.
template <int kRows, int kTiles, typename Weights, typename Vectors>
void AddBlocks(const Weights& weights, Stream<Vectors>* streams, int64_t first,
               int64_t end, const uint8_t* const* packed, int64_t rows) {
  const uint8_t* row[kRows];
  __m512 sums[kTiles][kRows];
  Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
    const int64_t there = r < rows ? int64_t{r} : rows - 1;
    row[r] = packed[there];
    Unroll<kTiles>([&](auto t) BALEEN_ALWAYS_INLINE {
      sums[t][r] =
          first == 0 ? _mm512_setzero_ps() : streams[t].lanes.Load(there);
    });
  });
  for (int64_t block = first; block < end; ++block) {
    Unroll<kTiles>([&](auto t) BALEEN_ALWAYS_INLINE {
      AddBlock<kRows>(weights, streams[t].vectors, streams[t].scales, block,
                      row, sums[t]);
    });
  }
  Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
    Unroll<kTiles>([&](auto t) BALEEN_ALWAYS_INLINE {
      if (r < rows) streams[t].lanes.Store(r, sums[t][r]);
    });
  });
}

// ---- Tiles ----

// Two packed tiles side by side are read a tenth faster than one by one: what
// ends a tile does not end both.  More than four rows lack registers for two.
constexpr int64_t kPairRows = 4;

// All blocks of kTiles tiles, from `tile` on.
template <int kTiles, typename Weights, typename Source>
void FewRows(const Weights& weights, const Matrix& matrix, int64_t tile,
             const uint8_t* const* packed, int64_t rows, const Lanes* lanes) {
  using Vectors = Decoding<Weights, Source>;
  const int64_t blocks = BlocksOf(matrix.columns);
  const auto stream = [&](int t) {
    return Stream<Vectors>{Vectors(weights, matrix, tile + t, kTiles),
                           BlockScales(matrix, tile + t), lanes[t]};
  };
  const auto add = [&](Stream<Vectors>* streams) {
    const auto blocks_of = [&](auto row_count) {
      AddBlocks<row_count, kTiles>(weights, streams, 0, blocks, packed, rows);
    };
    if (rows == 1) return blocks_of(std::integral_constant<int, 1>());
    if (rows == 2) return blocks_of(std::integral_constant<int, 2>());
    if constexpr (kTiles == 1) {
      if (rows > 4) return blocks_of(std::integral_constant<int, 8>());
    }
    blocks_of(std::integral_constant<int, 4>());
  };
  if constexpr (kTiles == 2) {
    Stream<Vectors> streams[] = {stream(0), stream(1)};
    add(streams);
  } else {
    Stream<Vectors> one = stream(0);
    add(&one);
  }
}

constexpr int64_t kFewRows = 8;

template <typename Weights, typename Source>
void ManyRows(const Weights& weights, const Matrix& matrix, int64_t tile,
              const uint8_t* const* packed, int64_t rows, const Lanes& lanes) {
  const BlockScales scales(matrix, tile);
  const int64_t blocks = BlocksOf(matrix.columns);
  Decoding<Weights, Source> decoding(weights, matrix, tile);
  DecodedChunk<Weights> chunk;
  for (int64_t first = 0; first < blocks; first += kChunk) {
    const int64_t end = first + kChunk < blocks ? first + kChunk : blocks;
    DecodeChunk(decoding, first, end, &chunk);
    for (int64_t row = 0; row < rows; row += kFewRows) {
      const int64_t rest = rows - row;
      Stream<Decoded<Weights>> some{
          Decoded<Weights>(chunk), scales,
          Lanes{lanes.begin, lanes.end, lanes.out + row * lanes.stride,
                lanes.stride}};
      if (rest <= 4) {
        AddBlocks<4, 1>(weights, &some, first, end, packed + row, rest);
      } else {
        AddBlocks<8, 1>(weights, &some, first, end, packed + row,
                        rest < kFewRows ? rest : kFewRows);
      }
    }
  }
}

template <typename Weights, typename Source>
void MultiplyFrom(const Matrix& matrix, int64_t first, int64_t count,
                  const uint8_t* const* packed, int64_t rows, float* out,
                  int64_t out_stride) {
  const Weights weights;
  const int64_t end = first + count;
  // The lanes of a tile, of which those from weight row `at` on are wanted.
  const auto lanes_from = [&](int64_t at) {
    const int64_t begin = at / kTileRows * kTileRows;
    const int64_t stop = begin + kTileRows < end ? begin + kTileRows : end;
    return Lanes{at - begin, stop - begin, out + (at - first), out_stride};
  };
  const bool in_pairs = matrix.packed && rows <= kPairRows;
  for (int64_t at = first; at < end;) {
    const int64_t tile = at / kTileRows;
    const int64_t next = (tile + 1) * kTileRows;
    if (in_pairs && next < end) {
      const Lanes lanes[] = {lanes_from(at), lanes_from(next)};
      FewRows<2, Weights, Source>(weights, matrix, tile, packed, rows, lanes);
      at = next + kTileRows;
      continue;
    }
    const Lanes lanes = lanes_from(at);
    if (rows <= kFewRows) {
      FewRows<1, Weights, Source>(weights, matrix, tile, packed, rows, &lanes);
    } else {
      ManyRows<Weights, Source>(weights, matrix, tile, packed, rows, lanes);
    }
    at = next;
  }
}

template <typename Weights>
void MultiplyBy(const Matrix& matrix, int64_t first, int64_t count,
                const uint8_t* const* packed, int64_t rows, float* out,
                int64_t out_stride) {
  if (matrix.packed) {
    MultiplyFrom<Weights, PackedSource>(matrix, first, count, packed, rows, out,
                                        out_stride);
  } else {
    MultiplyFrom<Weights, RawSource>(matrix, first, count, packed, rows, out,
                                     out_stride);
  }
}

void Multiply(const Matrix& matrix, int64_t first, int64_t count,
              const uint8_t* const* packed, int64_t rows, float* out,
              int64_t out_stride) {
  // As MatrixType counts them.
  static constexpr decltype(ProductKernels::multiply) kByType[] = {
      MultiplyBy<Bf16Weights>, MultiplyBy<Fp8Weights>, MultiplyBy<Int8Weights>};
  kByType[static_cast<size_t>(matrix.type)](matrix, first, count, packed, rows,
                                            out, out_stride);
  // GCC 12 leaves it out where the last call within took a vector; the caller's
  // code without AVX would then take 70 cycles for each turn to it and back.
  _mm256_zeroupper();
}

}  // namespace

const ProductKernels kAvx512Kernels = {"avx512", PackedBlock, Pack, Multiply,
                                       &kAvx512RowKernels};

}  // namespace baleen::cpu
