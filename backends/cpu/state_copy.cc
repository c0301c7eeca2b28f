// state_size and state_copy of the device table (backend.h).
//
// What lies in host memory are the items of a page or slot one after another in
// the order of their bytes there, which for keys differs from how they lie in a
// page; so saved states fit every backend.
#include <algorithm>
#include <cstring>

#include "cpu/device.h"
#include "cpu/parallel.h"
#include "cpu/queue.h"
#include "cpu/state.h"
#include "cpu/state_table.h"

namespace baleen::cpu {
namespace {

bool SameShape(const baleen_state_shape& a, const baleen_state_shape& b,
               baleen_pool pool) {
  return a.head_size == b.head_size && a.rope_size == b.rope_size &&
         a.key_size == b.key_size && a.ratio == b.ratio &&
         PoolItemCount(a, pool) == PoolItemCount(b, pool);
}

const char* CopyError(const baleen_state_copy& copy) {
  if (copy.struct_size < sizeof(baleen_state_copy)) return "it is too short";
  if (copy.pool < 0 || copy.pool >= BALEEN_POOL_COUNT) {
    return "there is no such pool";
  }
  const baleen_state* state = copy.from != nullptr ? copy.from : copy.to;
  if (state == nullptr) return "neither side is a state";
  const char* error = StateShapeError(state->shape);
  if (error != nullptr) return error;
  if (copy.from != nullptr && copy.to != nullptr &&
      !SameShape(copy.from->shape, copy.to->shape, copy.pool)) {
    return "the two states differ in shape";
  }
  const int64_t items = PoolItemCount(state->shape, copy.pool);
  if (int64_t{copy.first} + copy.count > items) {
    return "the page or slot does not have that many entries";
  }
  if (copy.from == nullptr || copy.to == nullptr) {
    const int64_t bytes = copy.count * PoolItemBytes(state->shape, copy.pool);
    if (copy.host_size < static_cast<uint64_t>(bytes)) {
      return "the host memory is too small";
    }
    if (copy.host == nullptr && bytes != 0) return "there is no host memory";
  }
  if ((copy.from != nullptr && copy.from_index < 0) ||
      (copy.to != nullptr && copy.to_index < 0)) {
    return "there is no page or slot below zero";
  }
  return nullptr;
}

void CopyKeys(const baleen_state_copy& copy) {
  const baleen_state_shape& shape =
      copy.from != nullptr ? copy.from->shape : copy.to->shape;
  uint8_t* host = static_cast<uint8_t*>(copy.host);
  const uint8_t* from =
      copy.from == nullptr
          ? nullptr
          : PoolPlace(*copy.from, BALEEN_POOL_KEYS, copy.from_index);
  uint8_t* to = copy.to == nullptr
                    ? nullptr
                    : PoolPlace(*copy.to, BALEEN_POOL_KEYS, copy.to_index);
  uint8_t key[kMaxHeadSize];
  for (uint32_t i = 0; i < copy.count; ++i) {
    if (from == nullptr) {
      StoreKey(shape, to, copy.first + i, host + i * KeyBytes(shape));
    } else if (to == nullptr) {
      LoadKey(shape, from, copy.first + i, host + i * KeyBytes(shape));
    } else {
      LoadKey(shape, from, copy.first + i, key);
      StoreKey(shape, to, copy.first + i, key);
    }
  }
}

void CopyItems(const baleen_state_copy& copy) {
  const baleen_state_shape& shape =
      copy.from != nullptr ? copy.from->shape : copy.to->shape;
  const int64_t item = PoolItemBytes(shape, copy.pool);
  const auto place = [&](const baleen_state* state, int32_t index) {
    return state == nullptr
               ? static_cast<uint8_t*>(copy.host)
               : PoolPlace(*state, copy.pool, index) + copy.first * item;
  };
  std::memmove(place(copy.to, copy.to_index), place(copy.from, copy.from_index),
               static_cast<size_t>(copy.count * item));
}

// Copied sooner than the workers are woken.
constexpr int64_t kLeastBytesToShare = int64_t{128} << 10;

int64_t TotalBytes(const baleen_state_copy* copies, uint32_t count) {
  int64_t total = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const baleen_state* state =
        copies[i].from != nullptr ? copies[i].from : copies[i].to;
    total += copies[i].count * PoolItemBytes(state->shape, copies[i].pool);
  }
  return total;
}

}  // namespace

baleen_status StateSize(baleen_device* handle, const baleen_state_shape* shape,
                        baleen_pool pool, uint64_t* bytes) {
  const Device& device = *FromHandle(handle);
  const char* error = StateShapeError(*shape);
  if (error != nullptr) {
    return device.Fail(BALEEN_UNSUPPORTED, "state_size: %s", error);
  }
  if (pool < 0 || pool >= BALEEN_POOL_COUNT) {
    return device.Fail(BALEEN_INVALID_ARGUMENT, "state_size: no pool %d",
                       static_cast<int>(pool));
  }
  *bytes = static_cast<uint64_t>(PoolBytes(*shape, pool));
  return BALEEN_OK;
}

baleen_status StateCopy(baleen_queue* queue, const baleen_state_copy* copies,
                        uint32_t count) {
  const Device& device = *FromHandle(queue)->device;
  // All or nothing: none is done if one of them cannot be.
  for (uint32_t i = 0; i < count; ++i) {
    const char* error = CopyError(copies[i]);
    if (error != nullptr) {
      return device.Fail(BALEEN_INVALID_ARGUMENT, "state_copy %u: %s", i,
                         error);
    }
  }
  const auto copy = [copies](int64_t i) {
    if (copies[i].count == 0) return;
    if (copies[i].pool == BALEEN_POOL_KEYS) {
      CopyKeys(copies[i]);
    } else {
      CopyItems(copies[i]);
    }
  };
  if (TotalBytes(copies, count) >= kLeastBytesToShare) {
    ParallelFor(*FromHandle(queue), count, copy);
  } else {
    for (int64_t i = 0; i < count; ++i) copy(i);
  }
  return BALEEN_OK;
}

}  // namespace baleen::cpu
