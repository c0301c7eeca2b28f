// Sizes that follow from the shape of a layer's state (model.md §15.1).
#pragma once

#include <cstdint>

#include <baleen/backend.h>

namespace baleen {

// c of backend.h: how many groups a compressed entry is made of.
inline int64_t OverlapOf(const baleen_state_shape& shape) {
  return shape.ratio == 4 ? 2 : 1;
}

// Bytes of an entry: e4m3 and their scales for groups of 64, bf16, one zero.
inline int64_t EntryBytes(int64_t head_size, int64_t rope_size) {
  const int64_t plain = head_size - rope_size;
  return plain + 2 * rope_size + plain / 64 + 1;
}

// Bytes of an item of a pool as the host sees it (backend.h, baleen_pool).
uint64_t ItemBytes(const baleen_state_shape& shape, baleen_pool pool);

}  // namespace baleen
