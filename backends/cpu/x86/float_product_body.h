// Products in floats, and of int8 in pairs, for vectors of 8 or 16 weight rows:
// AVX2, and AVX-512 without VNNI, BF16 and VBMI.  Both have the same bits.
//
// In terms of vectors that the file which includes this has defined before:
// Floats, Ints, kLanes, kRowsAtOnce and what is done with them.
//
// Sums of floats are two chains (bf16: even and odd columns) or lanes (fp8: two
// columns of a row side by side) of 128 columns, then their sum times the scale.
//
// e4m3 becomes f16 by a shift (the exponent then is 8 too small, e4m3's
// subnormals stay subnormals) and float by F16C.  e2m1 becomes 2 * e2m1 + 12 for
// vpmaddubsw with int8 activations.  Sums of 16 such products may wrap around in
// 16 bits: without the 12 they are at most 16 * 12 * 127, and start from what
// takes it off.
#include "cpu/int8_block.h"
#include "cpu/product.h"
#include "cpu/unroll.h"
#include "cpu/x86/tile_block.h"
#include "numeric/fp4.h"

namespace baleen::cpu {
namespace {

constexpr int kParts = kTileRows / kLanes;  // Vectors of a tile's rows.
constexpr int64_t kPartBytes = kLanes * 4;

// ---- Weights ----
//
// Each adds one vector (the same four bytes of kLanes rows) to two sums of an
// activation row; Total makes kLanes rows of the sums.  PlaceOf is where a column
// goes among packed activations, kFloats is how many of those a vector meets.

struct Bf16Weights {
  static constexpr MatrixType kType = MatrixType::kBf16;
  static constexpr int kVectors = 64;  // Of a block.
  static constexpr int kFloats = 2;
  static int64_t PlaceOf(int64_t i) { return i; }
  template <int kRows>
  BALEEN_ALWAYS_INLINE void Add(Ints bits, const float* const* row, int64_t at,
                                Floats (*sums)[2]) const {
    const Floats even = AsFloats(ShiftLeft<16>(bits));
    const Floats odd = AsFloats(And(bits, BroadcastInt(-65536)));
    Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
      sums[r][0] = MultiplyAdd(even, Broadcast(row[r][at]), sums[r][0]);
      sums[r][1] = MultiplyAdd(odd, Broadcast(row[r][at + 1]), sums[r][1]);
    });
  }
  BALEEN_ALWAYS_INLINE static Floats Total(const Floats* sums) {
    return AddFloats(sums[0], sums[1]);
  }
};

struct Fp8Weights {
  static constexpr MatrixType kType = MatrixType::kFp8;
  static constexpr int kVectors = 32;
  static constexpr int kFloats = 4;
  // Columns 0 and 2 of four, then 1 and 3.
  static int64_t PlaceOf(int64_t i) {
    return i / 4 * 4 + i % 2 * 2 + i % 4 / 2;
  }
  template <int kRows>
  BALEEN_ALWAYS_INLINE void Add(Ints codes, const float* const* row, int64_t at,
                                Floats (*sums)[2]) const {
    const Ints used = BroadcastInt(static_cast<int32_t>(0xBF80BF80u));
    AddHalves<kRows>(And(HalveWords(HighBytes(codes)), used), row, at, sums);
    AddHalves<kRows>(And(HalveWords(codes), used), row, at + 2, sums);
  }
  BALEEN_ALWAYS_INLINE static Floats Total(const Floats* sums) {
    return AddNeighbors(sums[0], sums[1]);
  }

 private:
  // Words of f16 hold two columns of each row: half of the rows to a sum.
  template <int kRows>
  BALEEN_ALWAYS_INLINE static void AddHalves(Ints halves,
                                             const float* const* row,
                                             int64_t at, Floats (*sums)[2]) {
    const Floats low = LowFloats(halves);
    const Floats high = HighFloats(halves);
    Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
      const Floats pair = BroadcastPair(row[r] + at);
      sums[r][0] = MultiplyAdd(low, pair, sums[r][0]);
      sums[r][1] = MultiplyAdd(high, pair, sums[r][1]);
    });
  }
};

// Where the scales of a tile's fp8 blocks are; times 2^8, which f16 lacks.
class TileScales {
 public:
  void Find(const Matrix& matrix, int64_t tile) {
    shared_ = TilesShareScales(matrix);
    tile_ = tile;
    // Found once: 16 divisions take half as long as a block of one row.
    if (shared_) first_ = Fp8ScalesOfRow(matrix, tile * kTileRows);
  }
  BALEEN_ALWAYS_INLINE void Of(const Matrix& matrix, int64_t block,
                               Floats* parts) const {
    constexpr float kLacking = 256.0f;
    alignas(64) float scales[kTileRows];
    if (!shared_) Fp8TileScales(matrix, tile_, block, scales);
    const float shared = shared_ ? Fp8ScaleAt(matrix, first_ + block) : 0.0f;
    Unroll<kParts>([&](auto p) BALEEN_ALWAYS_INLINE {
      const Floats scale =
          shared_ ? Broadcast(shared) : LoadFloats(scales + p * kLanes);
      parts[p] = MultiplyFloats(scale, Broadcast(kLacking));
    });
  }

 private:
  bool shared_ = true;
  int64_t tile_ = 0;
  int64_t first_ = 0;
};

// ---- Sums ----

// Pages end the processor's own prefetching.
inline void PrefetchAhead(const uint8_t* data) {
  constexpr int64_t kAhead = 4096;
  _mm_prefetch(data + kAhead, _MM_HINT_T0);
}

// Adds a block of floats for kVectors vectors of rows from `part` on.
template <int kVectors, int kRows, typename Weights>
BALEEN_ALWAYS_INLINE inline void AddBlock(const Weights& weights,
                                          const TileBlock* blocks,
                                          const Floats* scales, int part,
                                          const float* const* row,
                                          Floats (*sums)[kRows]) {
  Floats chains[kVectors][kRows][2];
  Unroll<kVectors * kRows>([&](auto i) BALEEN_ALWAYS_INLINE {
    Floats* chain = chains[i / kRows][i % kRows];
    chain[0] = chain[1] = Broadcast(0.0f);
  });
  for (int v = 0; v < Weights::kVectors; ++v) {
    Unroll<kVectors>([&](auto i) BALEEN_ALWAYS_INLINE {
      const uint8_t* data = blocks[i / kParts].data +
                            (part + i % kParts) * kPartBytes + v * kVector;
      if constexpr (kRows == 1 && i % kParts == 0) PrefetchAhead(data);
      weights.template Add<kRows>(LoadInts(data), row, v * Weights::kFloats,
                                  chains[i]);
    });
  }
  Unroll<kVectors * kRows>([&](auto i) BALEEN_ALWAYS_INLINE {
    constexpr int vector = i / kRows;
    constexpr int r = i % kRows;
    const Floats total = Weights::Total(chains[vector][r]);
    Floats& sum = sums[part + vector][r];
    if constexpr (Weights::kType == MatrixType::kBf16) {
      sum = AddFloats(sum, total);
    } else {
      sum = MultiplyAdd(total, scales[part + vector], sum);
    }
  });
}

// ---- e2m1 times int8 ----

inline Ints BroadcastDword(const uint8_t* dword) {
  int32_t value;
  std::memcpy(&value, dword, sizeof(value));
  return BroadcastInt(value);
}

// Code `group` of four e8m0 codes in each dword, as floats.
template <int group>
inline Floats Fp4Scale(Ints codes) {
  Ints bits;
  if constexpr (group == 3) {
    bits = ShiftRight<1>(codes);
  } else {
    bits = ShiftLeft<23 - 8 * group>(codes);
  }
  // Code 0 is 2^-127, a subnormal.
  return AsFloats(
      Greater(And(bits, BroadcastInt(0x7F800000)), BroadcastInt(0x00400000)));
}

class Int8Weights {
 public:
  static constexpr MatrixType kType = MatrixType::kFp4;
  // Even columns of eight, then odd ones.
  Int8Weights() {
    alignas(64) uint8_t table[64];
    for (uint32_t i = 0; i < 64; ++i) {
      table[i] = static_cast<uint8_t>(Fp4Twice(i & 15u) + kInt8Raise);
    }
    table_ = LoadInts(table);
  }
  // Adds 32 columns, from `at` of the activations, to words of sums.
  template <int kRows>
  BALEEN_ALWAYS_INLINE void AddGroup(const uint8_t* data,
                                     const uint8_t* const* row, int64_t at,
                                     Ints* words) const {
    constexpr int kVectors = 4;
    const Ints mask = BroadcastInt(0x0F0F0F0F);
    Unroll<kVectors>([&](auto v) BALEEN_ALWAYS_INLINE {
      if constexpr (kRows == 1) PrefetchAhead(data + v * kVector);
      const Ints codes = LoadInts(data + v * kVector);
      const Ints even = Shuffle(table_, And(codes, mask));
      const Ints odd = Shuffle(table_, And(ShiftRight<4>(codes), mask));
      Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
        const uint8_t* from = row[r] + at + v * 8;
        words[r] =
            AddWords(words[r], MultiplyPairs(even, BroadcastDword(from)));
        words[r] =
            AddWords(words[r], MultiplyPairs(odd, BroadcastDword(from + 4)));
      });
    });
  }

 private:
  Ints table_;
};

// Adds group g for a vector of rows: 32 columns from `data` and `row` on.
template <int kRows>
BALEEN_ALWAYS_INLINE inline void AddGroup(const Int8Weights& weights,
                                          const uint8_t* data, Floats scale,
                                          int64_t g, const uint8_t* const* row,
                                          Floats* sums) {
  Ints words[kRows];
  Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
    words[r] = BroadcastDword(row[r] + kInt8WordSums + g * 4);
  });
  weights.AddGroup<kRows>(data, row, g * kFp4Group, words);
  Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
    const Floats both = MultiplyFloats(
        scale, AsFloats(BroadcastDword(row[r] + kInt8Scales + g * 4)));
    sums[r] = MultiplyAdd(ToFloats(SumOfPairs(words[r])), both, sums[r]);
  });
}

template <int kVectors, int kRows>
BALEEN_ALWAYS_INLINE inline void AddBlock(const Int8Weights& weights,
                                          const TileBlock* blocks,
                                          const Floats*, int part,
                                          const uint8_t* const* row,
                                          Floats (*sums)[kRows]) {
  constexpr int64_t kGroupBytes = 4 * kVector;
  Unroll<kVectors>([&](auto i) BALEEN_ALWAYS_INLINE {
    const TileBlock& block = blocks[i / kParts];
    const int64_t at = (part + i % kParts) * kPartBytes;
    const Ints codes = LoadInts(block.scales + at);
    Floats scales[kFp4Groups];
    Unroll<kFp4Groups>(
        [&](auto g) BALEEN_ALWAYS_INLINE { scales[g] = Fp4Scale<g>(codes); });
    const auto add = [&](int64_t g) BALEEN_ALWAYS_INLINE {
      const uint8_t* data = block.data + g * kGroupBytes + at;
      AddGroup<kRows>(weights, data, scales[g], g, row, sums[part + i]);
    };
    if constexpr (kRows == 1) {
      Unroll<kFp4Groups>(add);
    } else {  // Unrolled, the rows would not keep their registers.
      for (int64_t g = 0; g < kFp4Groups; ++g) add(g);
    }
  });
}

// ---- Tiles ----

// Lanes [begin, end) of a tile, and where the first of them goes in a row.
struct Lanes {
  int64_t begin;
  int64_t end;
  float* out;
  int64_t stride;
};

template <typename Weights>
constexpr bool kIsInt8 = std::is_same_v<Weights, Int8Weights>;

template <typename Weights>
constexpr int64_t kActivationBytes =
    kIsInt8<Weights> ? kInt8Bytes : kBlock* int64_t{sizeof(float)};

// The products of tiles for kRows rows.  One row has all vectors at once, to
// have sums enough for the processor; more would not fit registers.
template <int kTiles, int kRows, typename Weights>
void MultiplyTiles(const Weights& weights, const Matrix& matrix, int64_t tile,
                   const uint8_t* const* packed, const Lanes* lanes) {
  using Element = std::conditional_t<kIsInt8<Weights>, uint8_t, float>;
  constexpr int kVectors = kTiles * kParts;
  BlockBuffer buffers[kTiles];
  TileScales where[kTiles];
  Floats sums[kVectors][kRows];
  for (int i = 0; i < kVectors * kRows; ++i) {
    sums[i / kRows][i % kRows] = Broadcast(0.0f);
  }
  if constexpr (Weights::kType == MatrixType::kFp8) {
    for (int t = 0; t < kTiles; ++t) where[t].Find(matrix, tile + t);
  }
  for (int64_t b = 0; b < BlocksOf(matrix.columns); ++b) {
    TileBlock blocks[kTiles];
    Floats scales[kVectors];
    Unroll<kTiles>([&](auto t) BALEEN_ALWAYS_INLINE {
      blocks[t] = BlockOf<Weights::kType>(matrix, tile + t, b, &buffers[t]);
      if constexpr (Weights::kType == MatrixType::kFp8) {
        where[t].Of(matrix, b, scales + t * kParts);
      }
    });
    const Element* row[kRows];
    Unroll<kRows>([&](auto r) BALEEN_ALWAYS_INLINE {
      row[r] = reinterpret_cast<const Element*>(packed[r] +
                                                b * kActivationBytes<Weights>);
    });
    if constexpr (kRows == 1) {
      AddBlock<kVectors, 1>(weights, blocks, scales, 0, row, sums);
    } else {
      for (int part = 0; part < kParts; ++part) {
        AddBlock<1, kRows>(weights, blocks, scales, part, row, sums);
      }
    }
  }
  for (int i = 0; i < kTiles * kRows; ++i) {
    const Lanes& to = lanes[i / kRows];
    const int r = i % kRows;
    alignas(64) float values[kTileRows];
    for (int p = 0; p < kParts; ++p) {
      StoreFloats(values + p * kLanes, sums[i / kRows * kParts + p][r]);
    }
    std::memcpy(to.out + r * to.stride, values + to.begin,
                static_cast<size_t>(to.end - to.begin) * sizeof(float));
  }
}

// One tile for `rows` rows, at most kRowsAtOnce.
template <typename Weights, int kRows = kRowsAtOnce>
void MultiplyTile(const Weights& weights, const Matrix& matrix, int64_t tile,
                  const uint8_t* const* packed, int64_t rows,
                  const Lanes& lanes) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return MultiplyTile<Weights, kRows - 1>(weights, matrix, tile, packed,
                                              rows, lanes);
    }
  }
  MultiplyTiles<1, kRows>(weights, matrix, tile, packed, &lanes);
}

template <typename Weights>
void MultiplyBy(const Matrix& matrix, int64_t first, int64_t count,
                const uint8_t* const* packed, int64_t rows, float* out,
                int64_t out_stride) {
  // Chains of two tiles hide an addition's latency; bytes have no chains.  16
  // rows of a checkpoint are as many streams as memory serves well.
  const bool pairs = rows == 1 && matrix.packed && !kIsInt8<Weights>;
  const Weights weights;
  const int64_t end = first + count;
  for (int64_t at = first; at < end;) {
    const int64_t tile = at / kTileRows;
    Lanes lanes[2];
    int tiles = 0;
    for (; tiles < (pairs ? 2 : 1) && at < end; ++tiles) {
      const int64_t begin = (tile + tiles) * kTileRows;
      const int64_t stop = begin + kTileRows < end ? begin + kTileRows : end;
      lanes[tiles] = {at - begin, stop - begin, out + (at - first), out_stride};
      at = stop;
    }
    if constexpr (!kIsInt8<Weights>) {
      if (tiles == 2) {
        MultiplyTiles<2, 1>(weights, matrix, tile, packed, lanes);
        continue;
      }
    }
    for (int64_t r = 0; r < rows; r += kRowsAtOnce) {
      MultiplyTile(weights, matrix, tile, packed + r,
                   rows - r < kRowsAtOnce ? rows - r : kRowsAtOnce, lanes[0]);
      lanes[0].out += kRowsAtOnce * out_stride;
    }
  }
}

void MultiplyMatrix(const Matrix& matrix, int64_t first, int64_t count,
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

// ---- Packing of activations ----

template <typename Weights>
void PackAsFloats(const uint16_t* values, int64_t count, uint8_t* packed) {
  float* to = reinterpret_cast<float*>(packed);
  for (int64_t i = 0; i < kBlock; ++i) {
    to[Weights::PlaceOf(i)] = i < count ? Bf16ToFloat(values[i]) : 0.0f;
  }
}

void PackActivations(MatrixType type, const uint16_t* values, int64_t count,
                     uint8_t* packed) {
  switch (type) {
    case MatrixType::kBf16:
      return PackAsFloats<Bf16Weights>(values, count, packed);
    case MatrixType::kFp8:
      return PackAsFloats<Fp8Weights>(values, count, packed);
    case MatrixType::kFp4:
      return PackInt8Block(values, count, packed);
  }
}

int64_t PackedBlock(MatrixType type) {
  return type == MatrixType::kFp4 ? kInt8Bytes : kBlock * 4;
}

}  // namespace
}  // namespace baleen::cpu
