#include "ops/state_shape.h"

namespace baleen {

uint64_t ItemBytes(const baleen_state_shape& shape, baleen_pool pool) {
  // A key is rounded in groups of 32.
  const uint64_t tail_width = static_cast<uint64_t>(OverlapOf(shape)) *
                              (shape.head_size + shape.key_size);
  switch (pool) {
    case BALEEN_POOL_WINDOW:
    case BALEEN_POOL_ENTRIES:
      return static_cast<uint64_t>(
          EntryBytes(shape.head_size, shape.rope_size));
    case BALEEN_POOL_KEYS:
      return shape.key_size / 2 + shape.key_size / 32;
    case BALEEN_POOL_TAIL:
      return 2 * tail_width * sizeof(float);
    default:
      return 0;
  }
}

}  // namespace baleen
