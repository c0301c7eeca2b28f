// Matrix instructions of a warp: the last lane that comes multiplies for all, so
// that numbers are unpacked once and columns are vectors of the host.
//
// Lane l = 4g + t holds what kernel.h says.  Sums are exact but for double's
// rounding, in the order of k, and rounded to float at the end.
#include <cstring>

#include "cuda/emulator/emulator.h"
#include "numeric/bf16.h"

#if defined(__x86_64__) && !defined(__clang__)
#define BALEEN_VECTORS \
  __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define BALEEN_VECTORS
#endif

namespace baleen::emulator {
namespace {

constexpr int kRows = 16;
constexpr int kColumns = 8;
constexpr int kLanes = 32;

struct FloatLane {
  uint32_t a[4];
  uint32_t b[2];
  float sum[4];
};
struct ByteLane {
  uint32_t a[4];
  uint32_t b[2];
  int32_t sum[4];
};

// Where sum[c] of a lane is in the result.
int RowOf(int lane, int c) { return lane / 4 + c / 2 * 8; }
int ColumnOf(int lane, int c) { return lane % 4 * 2 + c % 2; }

template <typename T, int kInner>
struct Operands {
  T a[kRows][kInner];
  T b[kInner][kColumns];
};

BALEEN_VECTORS void MultiplyDoubles(const Operands<double, 16>& in,
                                    double sum[kRows][kColumns]) {
  for (int row = 0; row < kRows; ++row) {
    for (int k = 0; k < 16; ++k) {
      const double a = in.a[row][k];
      for (int column = 0; column < kColumns; ++column) {
        sum[row][column] += a * in.b[k][column];
      }
    }
  }
}

BALEEN_VECTORS void MultiplyIntegers(const Operands<int32_t, 32>& in,
                                     int32_t sum[kRows][kColumns]) {
  for (int row = 0; row < kRows; ++row) {
    for (int k = 0; k < 32; ++k) {
      const int32_t a = in.a[row][k];
      for (int column = 0; column < kColumns; ++column) {
        sum[row][column] += a * in.b[k][column];
      }
    }
  }
}

void JoinFloats(void* all) {
  FloatLane* const lanes = static_cast<FloatLane*>(all);
  Operands<double, 16> in;
  double sum[kRows][kColumns];
  for (int lane = 0; lane < kLanes; ++lane) {
    const FloatLane& one = lanes[lane];
    const int g = lane / 4;
    const int k = lane % 4 * 2;
    for (int half = 0; half < 2; ++half) {
      const auto value = [half](uint32_t word) {
        return static_cast<double>(
            Bf16ToFloat(static_cast<uint16_t>(word >> (16 * half))));
      };
      for (int i = 0; i < 4; ++i) {
        in.a[g + i % 2 * 8][k + i / 2 * 8 + half] = value(one.a[i]);
      }
      for (int i = 0; i < 2; ++i) in.b[k + i * 8 + half][g] = value(one.b[i]);
    }
    for (int c = 0; c < 4; ++c) {
      sum[RowOf(lane, c)][ColumnOf(lane, c)] = static_cast<double>(one.sum[c]);
    }
  }
  MultiplyDoubles(in, sum);
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int c = 0; c < 4; ++c) {
      lanes[lane].sum[c] =
          static_cast<float>(sum[RowOf(lane, c)][ColumnOf(lane, c)]);
    }
  }
}

void JoinBytes(void* all) {
  ByteLane* const lanes = static_cast<ByteLane*>(all);
  Operands<int32_t, 32> in;
  int32_t sum[kRows][kColumns] = {};
  for (int lane = 0; lane < kLanes; ++lane) {
    const ByteLane& one = lanes[lane];
    const int g = lane / 4;
    const int k = lane % 4 * 4;
    for (int byte = 0; byte < 4; ++byte) {
      const auto value = [byte](uint32_t word) {
        return int32_t{static_cast<int8_t>(word >> (8 * byte))};
      };
      for (int i = 0; i < 4; ++i) {
        in.a[g + i % 2 * 8][k + i / 2 * 16 + byte] = value(one.a[i]);
      }
      for (int i = 0; i < 2; ++i) in.b[k + i * 16 + byte][g] = value(one.b[i]);
    }
  }
  MultiplyIntegers(in, sum);
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int c = 0; c < 4; ++c) {
      lanes[lane].sum[c] = sum[RowOf(lane, c)][ColumnOf(lane, c)];
    }
  }
}

template <typename Lane>
const Lane& Meet(const Lane& mine, void (*join)(void*)) {
  const unsigned int lane = Where().thread.x % kLanes;
  return static_cast<const Lane*>(Exchange(&mine, sizeof(mine), join))[lane];
}

}  // namespace

void MultiplyBf16(const uint32_t a[4], uint32_t b0, uint32_t b1, float sum[4]) {
  FloatLane mine = {{a[0], a[1], a[2], a[3]}, {b0, b1}, {}};
  std::memcpy(mine.sum, sum, sizeof(mine.sum));
  std::memcpy(sum, Meet(mine, JoinFloats).sum, sizeof(mine.sum));
}

void MultiplyBytes(const uint32_t a[4], uint32_t b0, uint32_t b1,
                   int32_t sum[4]) {
  const ByteLane mine = {{a[0], a[1], a[2], a[3]}, {b0, b1}, {}};
  std::memcpy(sum, Meet(mine, JoinBytes).sum, sizeof(mine.sum));
}

}  // namespace baleen::emulator
