// Products with AVX-512 BF16, VNNI and VBMI.
//
// Sums of bf16 are two chains of vdpbf16ps (even and odd vectors, so that one
// does not wait for the other), of 128 columns, or 32 with fp4, then their sum
// times the scale.  Sums of int8 are exact for 32 columns.
//
// e4m3 becomes bf16 by two 128-entry byte tables: exact, and with e4m3's
// subnormals as normal numbers, since vdpbf16ps takes bf16 subnormals for zero.
// e2m1 becomes bf16 by vpermw, whose five index bits need no mask when the 16
// entries stand twice; for int8 activations it becomes 2 * e2m1 + 12 (unsigned,
// exact), and 12 times the sum of the activations is taken off.
#include "cpu/product.h"
#include "cpu/int8_block.h"
#include "cpu/unroll.h"
#include "cpu/x86/avx512/tile_source.h"
#include "numeric/fp4.h"
#include "numeric/fp8.h"

namespace baleen::cpu {
namespace {

inline __m512bh AsBf16(__m512i bits) {
  return reinterpret_cast<__m512bh>(bits);
}

inline __m512i Broadcast(const uint8_t* dword) {
  int32_t value;
  std::memcpy(&value, dword, sizeof(value));
  return _mm512_set1_epi32(value);
}

inline __m512 BroadcastFloat(const uint8_t* dword) {
  float value;
  std::memcpy(&value, dword, sizeof(value));
  return _mm512_set1_ps(value);
}

// Code `group` of four e8m0 codes in each dword, as floats.
template <int group>
inline __m512 Fp4Scale(__m512i codes) {
  __m512i bits;
  if constexpr (group == 3) {
    bits = _mm512_srli_epi32(codes, 1);
  } else {
    bits = _mm512_slli_epi32(codes, 23 - 8 * group);
  }
  bits = _mm512_and_si512(bits, _mm512_set1_epi32(0x7F800000));
  // Code 0 is 2^-127, a subnormal.
  return _mm512_castsi512_ps(
      _mm512_max_epi32(bits, _mm512_set1_epi32(0x00400000)));
}

// ---- Weights of a step, decoded ----
//
// kSplit vectors come of each of its four.  PlaceOf is where a column of a block
// goes among packed activations, so that each vector meets a dword of them.

struct Bf16Weights {
  static constexpr int kSplit = 1;
  static constexpr int kSteps = 16;
  static constexpr MatrixType kType = MatrixType::kBf16;
  static int64_t PlaceOf(int64_t i) { return i; }
  void Decode(__m512i bits, __m512i* parts) const { parts[0] = bits; }
};

struct Fp8Tables {
  alignas(64) uint8_t high[128];
  alignas(64) uint8_t low[128];
};

constexpr Fp8Tables MakeFp8Tables() {
  Fp8Tables tables{};
  for (uint32_t code = 0; code < 128; ++code) {
    uint32_t bits = (code << 4) + (120u << 7);
    if (code == 0) {
      bits = 0;
    } else if (code < 8) {
      // code * 2^-9, with the leading one taken out.
      const uint32_t exponent = code < 2 ? 0 : (code < 4 ? 1 : 2);
      bits = ((118u + exponent) << 7) | (((code << (3 - exponent)) & 7u) << 4);
    } else if (code == 127) {
      bits = 0x7FC0u;
    }
    tables.high[code] = static_cast<uint8_t>(bits >> 8);
    tables.low[code] = static_cast<uint8_t>(bits & 255u);
  }
  return tables;
}

constexpr Fp8Tables kFp8Tables = MakeFp8Tables();

class Fp8Weights {
 public:
  static constexpr int kSplit = 2;  // Columns 0 and 2 of four, then 1 and 3.
  static constexpr int kSteps = 8;
  static constexpr MatrixType kType = MatrixType::kFp8;
  static int64_t PlaceOf(int64_t i) {
    return (i / 4 * 2 + i % 2) * 2 + i % 4 / 2;
  }
  Fp8Weights()
      : high0_(_mm512_load_si512(kFp8Tables.high)),
        high1_(_mm512_load_si512(kFp8Tables.high + 64)),
        low0_(_mm512_load_si512(kFp8Tables.low)),
        low1_(_mm512_load_si512(kFp8Tables.low + 64)) {}
  void Decode(__m512i codes, __m512i* parts) const {
    const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
    const __m512i low_byte = _mm512_set1_epi16(0x00FF);
    // high | (codes & sign)
    const __m512i high = _mm512_ternarylogic_epi64(
        _mm512_permutex2var_epi8(high0_, codes, high1_), codes, sign, 0xF8);
    const __m512i low = _mm512_permutex2var_epi8(low0_, codes, low1_);
    // low_byte ? low : high, of bytes 0 and 2, then 1 and 3.
    parts[0] = _mm512_ternarylogic_epi64(low_byte, low,
                                         _mm512_slli_epi16(high, 8), 0xCA);
    parts[1] = _mm512_ternarylogic_epi64(low_byte, _mm512_srli_epi16(low, 8),
                                         high, 0xCA);
  }

 private:
  __m512i high0_, high1_, low0_, low1_;
};

class Fp4Weights {
 public:
  static constexpr int kSplit = 4;  // Columns i and i + 4 of eight.
  static constexpr int kSteps = 4;
  static constexpr MatrixType kType = MatrixType::kFp4;
  static int64_t PlaceOf(int64_t i) {
    return (i / 8 * 4 + i % 4) * 2 + i % 8 / 4;
  }
  Fp4Weights() {
    alignas(64) uint16_t table[32];
    for (uint32_t i = 0; i < 32; ++i) {
      table[i] = Bf16FromFloat(Fp4ToFloat(i & 15u));
    }
    table_ = _mm512_load_si512(table);
  }
  void Decode(__m512i codes, __m512i* parts) const {
    parts[0] = _mm512_permutexvar_epi16(codes, table_);
    parts[1] = _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 4), table_);
    parts[2] = _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 8), table_);
    parts[3] = _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 12), table_);
  }

 private:
  __m512i table_;
};

class Int8Weights {
 public:
  static constexpr int kSplit = 2;  // Even columns of eight, then odd ones.
  static constexpr int kSteps = 4;
  static constexpr MatrixType kType = MatrixType::kFp4;
  Int8Weights() {
    alignas(64) uint8_t table[64];
    for (uint32_t i = 0; i < 64; ++i) {
      table[i] = static_cast<uint8_t>(Fp4Twice(i & 15u) + kInt8Raise);
    }
    table_ = _mm512_load_si512(table);
  }
  // vpermb takes six bits of an index: the 16 entries stand four times.
  void Decode(__m512i codes, __m512i* parts) const {
    parts[0] = _mm512_permutexvar_epi8(codes, table_);
    parts[1] = _mm512_permutexvar_epi8(_mm512_srli_epi16(codes, 4), table_);
  }

 private:
  __m512i table_;
};

// Vectors of a block, and bytes of a block of packed activations.
template <typename Weights>
constexpr int64_t kBlockVectors =
    Weights::kSteps* kStepVectors* Weights::kSplit;

constexpr int64_t kBf16Bytes = kBlock * 2;

// ---- Where decoded vectors come from ----

// Decoded as they are read, for few rows of activations.
template <typename Weights, typename Source>
class Decoding {
 public:
  static constexpr bool kDecoded = false;
  Decoding(const Weights& weights, const Matrix& matrix, int64_t tile)
      : weights_(weights), source_(matrix, tile) {}
  void Seek(int64_t block) { source_.Seek(block); }
  void Step(int64_t step, __m512i* parts) const {
    __m512i vectors[kStepVectors];
    source_.Load(step, vectors);
    Unroll<kStepVectors>([&](auto i) BALEEN_ALWAYS_INLINE {
      weights_.Decode(vectors[i], parts + i * Weights::kSplit);
    });
  }
  __m512i Scales() { return source_.Scales(); }

 private:
  Weights weights_;
  Source source_;
};

// From where another has put them, for many.
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

// Scales of fp8 blocks, by lane; of others: 1.
class BlockScales {
 public:
  BlockScales(const Matrix& matrix, int64_t tile)
      : matrix_(matrix), tile_(tile), shared_(TilesShareScales(matrix)) {}
  __m512 Of(int64_t block) const {
    if (shared_) {
      return _mm512_set1_ps(Fp8Scale(matrix_, tile_ * kTileRows, block));
    }
    alignas(64) float scales[kTileRows];
    Fp8TileScales(matrix_, tile_, block, scales);
    return _mm512_load_ps(scales);
  }

 private:
  const Matrix& matrix_;
  int64_t tile_;
  bool shared_;
};

// Adds a block of bf16 products.
template <int kRows, typename Weights, typename Vectors>
BALEEN_ALWAYS_INLINE inline void AddBlock(const Weights&, Vectors& vectors,
                                          const BlockScales& scales,
                                          int64_t block,
                                          const uint8_t* const* packed,
                                          __m512* sums) {
  constexpr int kParts = kStepVectors * Weights::kSplit;
  constexpr bool kStepScales = Weights::kType == MatrixType::kFp4;
  __m512 chains[2][kRows];
  const auto clear = [&]() BALEEN_ALWAYS_INLINE {
    Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
      chains[0][r] = chains[1][r] = _mm512_setzero_ps();
    });
  };
  const auto finish = [&](__m512 scale) BALEEN_ALWAYS_INLINE {
    Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
      sums[r] = _mm512_fmadd_ps(_mm512_add_ps(chains[0][r], chains[1][r]),
                                scale, sums[r]);
    });
  };
  const auto add = [&](int64_t step) BALEEN_ALWAYS_INLINE {
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
  };
  vectors.Seek(block);
  if constexpr (kStepScales) {
    const __m512i codes = vectors.Scales();
    Unroll<Weights::kSteps>([&](auto step) BALEEN_ALWAYS_INLINE {
      clear();
      add(step);
      finish(Fp4Scale<step>(codes));
    });
  } else {
    clear();
    for (int64_t step = 0; step < Weights::kSteps; ++step) add(step);
    if constexpr (Weights::kType == MatrixType::kFp8) {
      finish(scales.Of(block));
    } else {
      Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
        sums[r] =
            _mm512_add_ps(sums[r], _mm512_add_ps(chains[0][r], chains[1][r]));
      });
    }
  }
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

// Lanes [begin, end) of a tile, and where the first of them goes in a row.
struct Lanes {
  int64_t begin;
  int64_t end;
  float* out;
  int64_t stride;
  __mmask16 mask() const {
    return static_cast<__mmask16>((1u << (end - begin)) - 1u);
  }
  __mmask16 own() const {
    return static_cast<__mmask16>(static_cast<unsigned>(mask()) << begin);
  }
  __m512 Load(int64_t row) const {
    const __m512 values = _mm512_maskz_loadu_ps(mask(), out + row * stride);
    return _mm512_maskz_expand_ps(own(), values);
  }
  void Store(int64_t row, __m512 values) const {
    _mm512_mask_storeu_ps(out + row * stride, mask(),
                          _mm512_maskz_compress_ps(own(), values));
  }
};

// Adds blocks [first, end) of a tile to what `lanes` has of `rows` rows, or to
// zero where `first` is.  Rows beyond the last repeat it.
template <int kRows, typename Weights, typename Vectors>
void AddBlocks(const Weights& weights, Vectors& vectors,
               const BlockScales& scales, int64_t first, int64_t end,
               const uint8_t* const* packed, int64_t rows, const Lanes& lanes) {
  const uint8_t* row[kRows];
  __m512 sums[kRows];
  Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
    const int64_t there = r < rows ? int64_t{r} : rows - 1;
    row[r] = packed[there];
    sums[r] = first == 0 ? _mm512_setzero_ps() : lanes.Load(there);
  });
  for (int64_t block = first; block < end; ++block) {
    AddBlock<kRows>(weights, vectors, scales, block, row, sums);
  }
  Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
    if (r < rows) lanes.Store(r, sums[r]);
  });
}

// ---- Tiles ----

template <typename Weights, typename Source>
void FewRows(const Weights& weights, const Matrix& matrix, int64_t tile,
             const uint8_t* const* packed, int64_t rows, const Lanes& lanes) {
  const BlockScales scales(matrix, tile);
  const int64_t blocks = BlocksOf(matrix.columns);
  Decoding<Weights, Source> vectors(weights, matrix, tile);
  switch (rows) {
    case 1:
      return AddBlocks<1>(weights, vectors, scales, 0, blocks, packed, rows,
                          lanes);
    case 2:
      return AddBlocks<2>(weights, vectors, scales, 0, blocks, packed, rows,
                          lanes);
    case 3:
    case 4:
      return AddBlocks<4>(weights, vectors, scales, 0, blocks, packed, rows,
                          lanes);
    default:
      return AddBlocks<8>(weights, vectors, scales, 0, blocks, packed, rows,
                          lanes);
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
    Decoded<Weights> vectors(chunk);
    for (int64_t row = 0; row < rows; row += kFewRows) {
      const int64_t rest = rows - row;
      const Lanes some{lanes.begin, lanes.end, lanes.out + row * lanes.stride,
                       lanes.stride};
      if (rest <= 4) {
        AddBlocks<4>(weights, vectors, scales, first, end, packed + row, rest,
                     some);
      } else {
        AddBlocks<8>(weights, vectors, scales, first, end, packed + row,
                     rest < kFewRows ? rest : kFewRows, some);
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
  for (int64_t at = first; at < end;) {
    const int64_t tile = at / kTileRows;
    const int64_t begin = tile * kTileRows;
    const int64_t stop = begin + kTileRows < end ? begin + kTileRows : end;
    const Lanes lanes{at - begin, stop - begin, out + (at - first), out_stride};
    if (rows <= kFewRows) {
      FewRows<Weights, Source>(weights, matrix, tile, packed, rows, lanes);
    } else {
      ManyRows<Weights, Source>(weights, matrix, tile, packed, rows, lanes);
    }
    at = stop;
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

void Multiply(Product product, const Matrix& matrix, int64_t first,
              int64_t count, const uint8_t* const* packed, int64_t rows,
              float* out, int64_t out_stride) {
  switch (product) {
    case Product::kBf16:
      return MultiplyBy<Bf16Weights>(matrix, first, count, packed, rows, out,
                                     out_stride);
    case Product::kFp8:
      return MultiplyBy<Fp8Weights>(matrix, first, count, packed, rows, out,
                                    out_stride);
    case Product::kFp4:
      return MultiplyBy<Fp4Weights>(matrix, first, count, packed, rows, out,
                                    out_stride);
    case Product::kFp4Int8:
      return MultiplyBy<Int8Weights>(matrix, first, count, packed, rows, out,
                                     out_stride);
  }
}

// ---- Packing of activations ----

template <typename Weights>
void PackBf16(const uint16_t* values, int64_t count, uint8_t* packed) {
  uint16_t* to = reinterpret_cast<uint16_t*>(packed);
  for (int64_t i = 0; i < kBlock; ++i) {
    to[Weights::PlaceOf(i)] = i < count ? values[i] : uint16_t{0};
  }
}

void Pack(Product product, const uint16_t* values, int64_t count,
          uint8_t* packed) {
  switch (product) {
    case Product::kBf16:
      return PackBf16<Bf16Weights>(values, count, packed);
    case Product::kFp8:
      return PackBf16<Fp8Weights>(values, count, packed);
    case Product::kFp4:
      return PackBf16<Fp4Weights>(values, count, packed);
    case Product::kFp4Int8:
      return PackInt8Block(values, count, packed);
  }
}

int64_t PackedBlock(Product product) {
  return product == Product::kFp4Int8 ? kInt8Bytes : kBf16Bytes;
}

}  // namespace

const ProductKernels kAvx512Kernels = {"avx512", Product::kFp4Int8, PackedBlock,
                                       Pack, Multiply};

}  // namespace baleen::cpu
