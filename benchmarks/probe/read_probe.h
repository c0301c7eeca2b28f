// How fast this machine reads memory at the moment: what a benchmark of
// something that streams weights is to be held against.  Machines are shared
// and their memory faster at one time than at another, so benchmarks measure
// right before and after what they report.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace baleen::probe {

// Not thread-safe.
class ReadProbe {
 public:
  // Takes and touches so much memory: far more than caches hold.  Throws
  // std::bad_alloc without it.
  explicit ReadProbe(size_t size = size_t{2} << 30);
  ReadProbe(const ReadProbe&) = delete;
  ReadProbe& operator=(const ReadProbe&) = delete;
  ~ReadProbe();

  // Bytes a second: the median of `passes` over the memory, each thread reading
  // a part of its own from one end to the other.
  double Measure(int threads, int passes = 3) const;

 private:
  size_t size_;
  unsigned char* memory_;
};

// Reads every byte, with the widest loads that the processor has; returns
// something made of all of them, so that no read can be left out.
// REQUIRES: aligned to 64 bytes, size a multiple of 256
uint64_t ReadAll(const unsigned char* memory, size_t size);

}  // namespace baleen::probe
