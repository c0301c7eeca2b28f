// Products of few activation rows with the bits of tdpbf16ps, by AVX-512.
//
// That instruction is defined to add the even and the odd of 32 products each by
// itself, one after another from zero, with fused products and subnormals as
// zeros, then both to each other and to the sum.  Few rows do not fill its
// tiles; done in this way they take the time of reading the weights.
#pragma once

#include "cpu/x86/avx512/tile_weights.h"

namespace baleen::cpu {
namespace {

constexpr int kRegisterVectors = 16;  // 32 columns.
constexpr int kBlockDwords = kBlock / 2;

// Subnormals are zeros, as tdpbf16ps has them, for what is written to `sums`.
// Compilers do not know that sums depend on the mode: those in memory stay on
// their side of each change.
class FlushedSubnormals {
 public:
  explicit FlushedSubnormals(void* sums) : sums_(sums), saved_(_mm_getcsr()) {
    constexpr unsigned int kFlush = 0x8040;
    Change(saved_ | kFlush);
  }
  ~FlushedSubnormals() { Change(saved_); }
  FlushedSubnormals(const FlushedSubnormals&) = delete;
  FlushedSubnormals& operator=(const FlushedSubnormals&) = delete;

 private:
  void Change(unsigned int mode) const {
    __asm__ volatile("" : : "r"(sums_) : "memory");
    _mm_setcsr(mode);
    __asm__ volatile("" : : "r"(sums_) : "memory");
  }

  void* sums_;
  unsigned int saved_;
};

// The two bf16 of each dword as floats.
inline __m512 LowFloats(__m512i pairs) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
}
inline __m512 HighFloats(__m512i pairs) {
  return _mm512_castsi512_ps(
      _mm512_and_si512(pairs, _mm512_set1_epi32(-65536)));
}

// A block of activations as floats, by dword.
template <int kRows>
struct BlockFloats {
  alignas(64) float low[kRows][kBlockDwords];
  alignas(64) float high[kRows][kBlockDwords];
};

template <int kRows>
inline void LoadBlock(const uint8_t* const* row, int64_t block,
                      BlockFloats<kRows>* floats) {
  Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
    const uint8_t* from = row[r] + block * kBf16Bytes;
    for (int i = 0; i < kBlockDwords; i += 16) {
      const __m512i pairs = _mm512_loadu_si512(from + i * 4);
      _mm512_store_ps(floats->low[r] + i, LowFloats(pairs));
      _mm512_store_ps(floats->high[r] + i, HighFloats(pairs));
    }
  });
}

constexpr int64_t kSumBlocks = 8;

// What tile registers would hold of some blocks, before scales: one sum of a
// block, or four with fp4.
template <int kRows, typename Weights>
struct BlockSums {
  static constexpr int kCount = Weights::kType == MatrixType::kFp4 ? 4 : 1;
  __m512 sums[kSumBlocks][kCount][kRows];
  __m512i fp4_scales[kSumBlocks];
};

// The sums of a block's products.
template <int kRows, typename Weights, typename Vectors>
BALEEN_ALWAYS_INLINE inline void SumFewRows(const BlockFloats<kRows>& floats,
                                            const Vectors& vectors,
                                            __m512 (*sums)[kRows]) {
  constexpr int kParts = kStepVectors * Weights::kSplit;
  constexpr int kStepsOfRegister = kRegisterVectors / kParts;
  constexpr int kRegisters = kBlockDwords / kRegisterVectors;
  constexpr bool kFp4 = Weights::kType == MatrixType::kFp4;
  __m512 totals[kRows];
  Unroll<kRegisters>([&](auto g) BALEEN_ALWAYS_INLINE {
    __m512 low[kRows];
    __m512 high[kRows];
    Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
      low[r] = high[r] = _mm512_setzero_ps();
    });
    for (int step = 0; step < kStepsOfRegister; ++step) {
      __m512i parts[kParts];
      vectors.Step(g * kStepsOfRegister + step, parts);
      const int at = g * kRegisterVectors + step * kParts;
      Unroll<kParts>([&](auto i) BALEEN_ALWAYS_INLINE {
        const __m512 weight_low = LowFloats(parts[i]);
        const __m512 weight_high = HighFloats(parts[i]);
        Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
          low[r] = _mm512_fmadd_ps(
              weight_low, _mm512_set1_ps(floats.low[r][at + i]), low[r]);
          high[r] = _mm512_fmadd_ps(
              weight_high, _mm512_set1_ps(floats.high[r][at + i]), high[r]);
        });
      });
    }
    Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
      const __m512 both = _mm512_add_ps(low[r], high[r]);
      totals[r] = kFp4 || g == 0 ? both : _mm512_add_ps(totals[r], both);
      if (kFp4 || g == kRegisters - 1) sums[kFp4 ? g : 0][r] = totals[r];
    });
  });
}

// Adds what of a block is in `from`, scaled.
template <int kRows, typename Weights>
inline void AddScaled(const BlockSums<kRows, Weights>& from, int64_t i,
                      const BlockScales& scales, int64_t block, __m512* sums) {
  Unroll<BlockSums<kRows, Weights>::kCount>([&](auto g) BALEEN_ALWAYS_INLINE {
    __m512 scale = _mm512_set1_ps(1.0f);
    if constexpr (Weights::kType == MatrixType::kFp4) {
      scale = Fp4Scale<g>(from.fp4_scales[i]);
    } else if constexpr (Weights::kType == MatrixType::kFp8) {
      scale = scales.Of(block);
    }
    Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
      sums[r] = _mm512_fmadd_ps(from.sums[i][g][r], scale, sums[r]);
    });
  });
}

// A tile; rows beyond the last of `rows` repeat it.
template <int kRows, typename Weights, typename Source>
void FewRowsOfTile(const Weights& weights, const Matrix& matrix, int64_t tile,
                   const uint8_t* const* packed, int64_t rows,
                   const Lanes& lanes) {
  const BlockScales scales(matrix, tile);
  Decoding<Weights, Source> vectors(weights, matrix, tile);
  const uint8_t* row[kRows];
  __m512 sums[kRows];
  Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
    row[r] = packed[r < rows ? int64_t{r} : rows - 1];
    sums[r] = _mm512_setzero_ps();
  });
  const int64_t blocks = BlocksOf(matrix.columns);
  for (int64_t first = 0; first < blocks; first += kSumBlocks) {
    const int64_t end =
        first + kSumBlocks < blocks ? first + kSumBlocks : blocks;
    BlockSums<kRows, Weights> some;
    {
      // Scales may be subnormal: they are for the usual mode.
      const FlushedSubnormals mode(&some);
      for (int64_t block = first; block < end; ++block) {
        BlockFloats<kRows> floats;
        LoadBlock<kRows>(row, block, &floats);
        vectors.Seek(block);
        if constexpr (Weights::kType == MatrixType::kFp4) {
          some.fp4_scales[block - first] = vectors.Scales();
        }
        SumFewRows<kRows, Weights>(floats, vectors, some.sums[block - first]);
      }
    }
    for (int64_t block = first; block < end; ++block) {
      AddScaled<kRows, Weights>(some, block - first, scales, block, sums);
    }
  }
  Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
    if (r < rows) lanes.Store(r, sums[r]);
  });
}

template <typename Weights, typename Source>
void MultiplyFewRows(const Matrix& matrix, int64_t first, int64_t count,
                     const uint8_t* const* packed, int64_t rows, float* out,
                     int64_t out_stride) {
  const Weights weights;
  const int64_t end = first + count;
  for (int64_t at = first; at < end;) {
    const int64_t tile = at / kTileRows;
    const int64_t begin = tile * kTileRows;
    const int64_t stop = begin + kTileRows < end ? begin + kTileRows : end;
    const Lanes lanes{at - begin, stop - begin, out + (at - first), out_stride};
    const auto multiply = rows == 1   ? FewRowsOfTile<1, Weights, Source>
                          : rows == 2 ? FewRowsOfTile<2, Weights, Source>
                                      : FewRowsOfTile<4, Weights, Source>;
    multiply(weights, matrix, tile, packed, rows, lanes);
    at = stop;
  }
}

}  // namespace
}  // namespace baleen::cpu
