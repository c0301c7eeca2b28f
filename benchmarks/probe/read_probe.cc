#include "benchmarks/probe/read_probe.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstring>
#include <new>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace baleen::probe {
namespace {

// Processors fetch ahead by themselves, but not across pages of 4 KiB: asking
// for what comes, the second cache a little earlier than the first, reads a
// sixth more.
constexpr size_t kLine = 64;
inline void AskAhead(const unsigned char* line) {
  __builtin_prefetch(line + 2048);
  __builtin_prefetch(line + 2560, 0, 2);
}

// One after another, four sums keep as many loads on their way as the
// processor's buffers take.
uint64_t ReadPlain(const unsigned char* memory, size_t size) {
  uint64_t sums[4] = {};
  for (size_t i = 0; i < size; i += sizeof sums) {
    uint64_t words[4];
    std::memcpy(words, memory + i, sizeof words);
    if (i % kLine == 0) AskAhead(memory + i);
    for (int j = 0; j < 4; ++j) sums[j] ^= words[j];
  }
  return sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) uint64_t ReadAvx2(const unsigned char* memory,
                                                  size_t size) {
  __m256i sums[4] = {};
  for (size_t i = 0; i < size; i += 4 * sizeof(__m256i)) {
    for (size_t j = 0; j < 4; ++j) {
      const unsigned char* from = memory + i + j * sizeof(__m256i);
      if (j % 2 == 0) AskAhead(from);
      const auto* vector = reinterpret_cast<const __m256i*>(from);
      sums[j] = _mm256_xor_si256(sums[j], _mm256_load_si256(vector));
    }
  }
  uint64_t words[16];
  std::memcpy(words, sums, sizeof words);
  uint64_t sum = 0;
  for (const uint64_t word : words) sum ^= word;
  return sum;
}

__attribute__((target("avx512f"))) uint64_t ReadAvx512(
    const unsigned char* memory, size_t size) {
  __m512i sums[4] = {};
  for (size_t i = 0; i < size; i += 4 * sizeof(__m512i)) {
    for (size_t j = 0; j < 4; ++j) {
      const unsigned char* from = memory + i + j * sizeof(__m512i);
      AskAhead(from);
      sums[j] = _mm512_xor_si512(sums[j], _mm512_load_si512(from));
    }
  }
  uint64_t words[32];
  std::memcpy(words, sums, sizeof words);
  uint64_t sum = 0;
  for (const uint64_t word : words) sum ^= word;
  return sum;
}
#endif

}  // namespace

uint64_t ReadAll(const unsigned char* memory, size_t size) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return ReadAvx512(memory, size);
  if (__builtin_cpu_supports("avx2")) return ReadAvx2(memory, size);
#endif
  return ReadPlain(memory, size);
}

ReadProbe::ReadProbe(size_t size) : size_(size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  // Without misses of the address tables in the figure, where allowed.
  madvise(memory, size, MADV_HUGEPAGE);
  memory_ = static_cast<unsigned char*>(memory);
  // Untouched pages would all be the one page of zeros.
  std::memset(memory_, 1, size);
}

ReadProbe::~ReadProbe() { munmap(memory_, size_); }

double ReadProbe::Measure(int threads, int passes) const {
  using Clock = std::chrono::steady_clock;
  const size_t share = size_ / static_cast<size_t>(threads) / 256 * 256;
  std::atomic<uint64_t> sum{0};
  // Threads are made once; each pass starts and ends with all of them there.
  std::barrier gate(threads);
  std::vector<double> rates;
  const auto work = [&](int thread) {
    const unsigned char* own = memory_ + static_cast<size_t>(thread) * share;
    for (int pass = 0; pass < passes; ++pass) {
      gate.arrive_and_wait();
      const auto begin = Clock::now();
      sum ^= ReadAll(own, share);
      gate.arrive_and_wait();
      const std::chrono::duration<double> seconds = Clock::now() - begin;
      if (thread > 0) continue;
      const double bytes = static_cast<double>(share) * threads;
      rates.push_back(bytes / seconds.count());
    }
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work, i);
  work(0);
  for (std::thread& other : others) other.join();
  const auto middle = rates.begin() + passes / 2;
  std::nth_element(rates.begin(), middle, rates.end());
  return *middle;
}

}  // namespace baleen::probe
