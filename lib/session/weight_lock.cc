// See weight_lock.h.
#include "session/weight_lock.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace baleen {
namespace {

// Between looks at progress: a second or so of a slow disk.
constexpr uintptr_t kPiece = uintptr_t{64} << 20;

void* Address(uintptr_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT: of a page we were given
}

Status LockFailed(uint64_t all, int error) {
  rlimit limit = {};
  if (error == ENOMEM && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
      limit.rlim_cur < all) {
    return OutOfMemory(
        "cannot lock the %llu bytes of weights in memory: the system allows "
        "this process %llu (RLIMIT_MEMLOCK)",
        static_cast<unsigned long long>(all),
        static_cast<unsigned long long>(limit.rlim_cur));
  }
  return OutOfMemory(
      "cannot lock the %llu bytes of weights in memory (error %d)",
      static_cast<unsigned long long>(all), error);
}

}  // namespace

WeightLock::~WeightLock() {
  for (const Range& range : ranges_) {
    munlock(Address(range.begin), range.end - range.begin);
  }
}

Status WeightLock::Lock(const Checkpoint& checkpoint, LoadProgress* progress) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  Vector<Range> wanted(ranges_.get_allocator());
  wanted.reserve(checkpoint.tensors().size());
  const auto want = [&](const void* data, uint64_t size) {
    const auto begin = reinterpret_cast<uintptr_t>(data);
    wanted.push_back(
        {begin / page * page, (begin + size + page - 1) / page * page});
  };
  if (checkpoint.packed() != nullptr) {
    want(checkpoint.packed()->data(), checkpoint.packed()->size());
  } else {
    for (const StoredTensor& tensor : checkpoint.tensors()) {
      if (tensor.byte_count != 0) want(tensor.data, tensor.byte_count);
    }
  }
  std::sort(wanted.begin(), wanted.end(),
            [](const Range& a, const Range& b) { return a.begin < b.begin; });
  Vector<Range> merged(ranges_.get_allocator());
  for (const Range& range : wanted) {
    if (!merged.empty() && range.begin <= merged.back().end) {
      merged.back().end = std::max(merged.back().end, range.end);
    } else {
      merged.push_back(range);
    }
  }
  ranges_.reserve(merged.size());
  for (const Range& range : merged) {
    ranges_.push_back({range.begin, range.begin});
    Range* locked = &ranges_.back();
    while (locked->end < range.end) {
      const uintptr_t piece = std::min(kPiece, range.end - locked->end);
      if (mlock(Address(locked->end), piece) != 0) {
        return LockFailed(checkpoint.byte_count(), errno);
      }
      locked->end += piece;
      BALEEN_RETURN_IF_ERROR(progress->Add(piece));
    }
  }
  return Status();
}

}  // namespace baleen
