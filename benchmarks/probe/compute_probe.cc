#include "benchmarks/probe/compute_probe.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace baleen::probe {
namespace {

constexpr int kPasses = 200;
constexpr int kRounds = 50'000;
// So many sums that none is waited for: two products a cycle, four cycles each.
constexpr int kSums = 12;
// The same with tiles, whose products take 16 cycles.
constexpr int kTileRounds = 12'000;
constexpr int kTileSums = 4;

// A loop of products.
struct Kernel {
  void (*run)() = nullptr;
  double operations = 0;  // Of one product.
  double products = double{kRounds} * kSums;
};

#if defined(__x86_64__)

// A loop over named sums, since GCC keeps an array in memory.  The factors are
// hidden from the compiler, and so is what a round makes of the sums; else it
// would compute none.
#define BALEEN_PEAK_STEP(sum, product) \
  sum = product(sum, a, b);            \
  asm volatile("" : "+v"(sum))

#define BALEEN_PEAK_LOOP(name, features, vector, sum_vector, product)  \
  __attribute__((target(features))) void name() {                      \
    vector a = {};                                                     \
    vector b = {};                                                     \
    asm volatile("" : "+v"(a), "+v"(b));                               \
    sum_vector s0 = {}, s1 = {}, s2 = {}, s3 = {}, s4 = {}, s5 = {};   \
    sum_vector s6 = {}, s7 = {}, s8 = {}, s9 = {}, s10 = {}, s11 = {}; \
    for (int round = 0; round < kRounds; ++round) {                    \
      BALEEN_PEAK_STEP(s0, product);                                   \
      BALEEN_PEAK_STEP(s1, product);                                   \
      BALEEN_PEAK_STEP(s2, product);                                   \
      BALEEN_PEAK_STEP(s3, product);                                   \
      BALEEN_PEAK_STEP(s4, product);                                   \
      BALEEN_PEAK_STEP(s5, product);                                   \
      BALEEN_PEAK_STEP(s6, product);                                   \
      BALEEN_PEAK_STEP(s7, product);                                   \
      BALEEN_PEAK_STEP(s8, product);                                   \
      BALEEN_PEAK_STEP(s9, product);                                   \
      BALEEN_PEAK_STEP(s10, product);                                  \
      BALEEN_PEAK_STEP(s11, product);                                  \
    }                                                                  \
  }

// GCC 12 takes no operands of type __m512bh in assembly.
#define BALEEN_FMA_256(sum, a, b) _mm256_fmadd_ps(a, b, sum)
#define BALEEN_FMA_512(sum, a, b) _mm512_fmadd_ps(a, b, sum)
#define BALEEN_INT8_256(sum, a, b) \
  _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), b))
#define BALEEN_BF16_512(sum, a, b)                     \
  _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), \
                   reinterpret_cast<__m512bh>(b))

BALEEN_PEAK_LOOP(F32Avx2, "avx2,fma", __m256, __m256, BALEEN_FMA_256)
BALEEN_PEAK_LOOP(Int8Avx2, "avx2", __m256i, __m256i, BALEEN_INT8_256)
BALEEN_PEAK_LOOP(F32Avx512, "avx512f", __m512, __m512, BALEEN_FMA_512)
BALEEN_PEAK_LOOP(Int8Avx512, "avx512f,avx512vnni", __m512i, __m512i,
                 _mm512_dpbusd_epi32)
BALEEN_PEAK_LOOP(Bf16Avx512, "avx512f,avx512bf16", __m512i, __m512,
                 BALEEN_BF16_512)

struct alignas(64) TileConfiguration {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};

// Eight whole registers; zeros are as fast as anything.
__attribute__((target("amx-tile"))) void ConfigureTiles() {
  TileConfiguration configuration = {};
  configuration.palette = 1;
  for (int i = 0; i < 8; ++i) {
    configuration.row_bytes[i] = 64;
    configuration.rows[i] = 16;
  }
  asm volatile("" : : : "memory");
  _tile_loadconfig(&configuration);
}

#define BALEEN_TILE_PEAK_LOOP(name, features, product)        \
  __attribute__((target("amx-tile," features))) void name() { \
    ConfigureTiles();                                         \
    for (int round = 0; round < kTileRounds; ++round) {       \
      product(0, 4, 6);                                       \
      product(1, 4, 7);                                       \
      product(2, 5, 6);                                       \
      product(3, 5, 7);                                       \
    }                                                         \
    _tile_release();                                          \
  }
BALEEN_TILE_PEAK_LOOP(Int8Amx, "amx-int8", _tile_dpbssd)
BALEEN_TILE_PEAK_LOOP(Bf16Amx, "amx-bf16", _tile_dpbf16ps)

// As the CPU backend finds out (backends/cpu/device.cc): the kernel has to be
// asked for the registers.
bool HasTiles() {
#if defined(__linux__)
  unsigned int a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned int kFeatures = 7;
  constexpr unsigned int kBf16TileInt8 = 1u << 22 | 1u << 24 | 1u << 25;
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return __get_cpuid_count(kFeatures, 0, &a, &b, &c, &d) != 0 &&
         (d & kBf16TileInt8) == kBf16TileInt8 &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

Kernel FindF32() {
  if (__builtin_cpu_supports("avx512f")) return {F32Avx512, 32};
  if (__builtin_cpu_supports("avx2")) return {F32Avx2, 16};
  return {};
}

Kernel FindKernel(Unit unit) {
  switch (unit) {
    case Unit::kInt8:
      if (__builtin_cpu_supports("avx512vnni")) return {Int8Avx512, 128};
      if (__builtin_cpu_supports("avx2")) return {Int8Avx2, 64};
      return {};
    case Unit::kBf16:
      if (__builtin_cpu_supports("avx512bf16")) return {Bf16Avx512, 64};
      return FindF32();
    case Unit::kInt8Tiles:
      if (HasTiles()) return {Int8Amx, 32768, double{kTileRounds} * kTileSums};
      return FindKernel(Unit::kInt8);
    case Unit::kBf16Tiles:
      if (HasTiles()) return {Bf16Amx, 16384, double{kTileRounds} * kTileSums};
      return FindKernel(Unit::kBf16);
    default:
      return FindF32();
  }
}
#else
Kernel FindKernel(Unit) { return {}; }
#endif

// Of one thread.
double BestRate(const Kernel& kernel) {
  using Clock = std::chrono::steady_clock;
  double least = 1;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto begin = Clock::now();
    kernel.run();
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    least = std::min(least, seconds.count());
  }
  return kernel.operations * kernel.products / least;
}

}  // namespace

double MeasurePeak(Unit unit, int threads) {
  const Kernel kernel = FindKernel(unit);
  if (kernel.run == nullptr) return 0;
  std::barrier gate(threads);
  std::vector<double> rates(static_cast<size_t>(threads));
  const auto work = [&](size_t thread) {
    gate.arrive_and_wait();
    rates[thread] = BestRate(kernel);
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < rates.size(); ++i) others.emplace_back(work, i);
  work(0);
  for (std::thread& other : others) other.join();
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

}  // namespace baleen::probe
