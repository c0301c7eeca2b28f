// Sizes and copies of the attention state on the CPU; see state.h.
#include "cpu/state.h"

#include <cstring>

namespace baleen::cpu {
namespace {

// Bytes of a 4-byte run of a key within its group, and of a scale.
int64_t KeyRunOffset(int64_t run, int64_t place) {
  return (run * kKeysTogether + place) * (kKeyChunk / 2);
}

}  // namespace

const char* StateShapeError(const baleen_state_shape& shape) {
  if (shape.head_size == 0 || shape.head_size > kMaxHeadSize ||
      shape.rope_size > shape.head_size || shape.rope_size % 2 != 0) {
    return "a head is too large, or its rotated part does not fit into it";
  }
  if (PlainSize(shape) % kEntryGroup != 0) {
    return "the part of a head that is not rotated is not a multiple of 64";
  }
  if (shape.key_size > kMaxHeadSize || shape.key_size % kKeyGroup != 0 ||
      (shape.key_size != 0 && shape.key_size < shape.rope_size)) {
    return "the size of an indexer key is not a multiple of 32";
  }
  if (shape.ratio > kPagePositions ||
      (shape.ratio != 0 && kPagePositions % shape.ratio != 0)) {
    return "the compression ratio does not divide 256";
  }
  if (shape.ring_rows == 0 || shape.slab_slots == 0 || shape.slab_pages == 0) {
    return "the window or a slab is empty";
  }
  if (shape.ratio != 0 &&
      shape.tail_rows < OverlapFactor(shape) * shape.ratio) {
    return "the tail is shorter than the rows an entry is made of";
  }
  return nullptr;
}

int64_t PoolItemCount(const baleen_state_shape& shape, baleen_pool pool) {
  switch (pool) {
    case BALEEN_POOL_WINDOW:
      return shape.ring_rows;
    case BALEEN_POOL_ENTRIES:
      return PageEntries(shape);
    case BALEEN_POOL_KEYS:
      return shape.key_size == 0 ? 0 : PageEntries(shape);
    case BALEEN_POOL_TAIL:
      return shape.ratio == 0 ? 0 : shape.tail_rows;
    default:
      return 0;
  }
}

int64_t PoolItemBytes(const baleen_state_shape& shape, baleen_pool pool) {
  switch (pool) {
    case BALEEN_POOL_WINDOW:
    case BALEEN_POOL_ENTRIES:
      return EntryBytes(shape);
    case BALEEN_POOL_KEYS:
      return KeyBytes(shape);
    case BALEEN_POOL_TAIL:
      return TailRowFloats(shape) * int64_t{sizeof(float)};
    default:
      return 0;
  }
}

int64_t PoolBytes(const baleen_state_shape& shape, baleen_pool pool) {
  int64_t count = PoolItemCount(shape, pool);
  if (pool == BALEEN_POOL_KEYS) {
    count = (count + kKeysTogether - 1) / kKeysTogether * kKeysTogether;
  }
  return count * PoolItemBytes(shape, pool);
}

void StoreKey(const baleen_state_shape& shape, uint8_t* page, int64_t index,
              const uint8_t* key) {
  uint8_t* group = page + index / kKeysTogether * KeyGroupBytes(shape);
  const int64_t place = index % kKeysTogether;
  for (int64_t run = 0; run < shape.key_size / kKeyChunk; ++run) {
    std::memcpy(group + KeyRunOffset(run, place), key + run * (kKeyChunk / 2),
                kKeyChunk / 2);
  }
  uint8_t* scales = group + kKeysTogether * (shape.key_size / 2);
  for (int64_t block = 0; block < shape.key_size / kKeyGroup; ++block) {
    scales[block * kKeysTogether + place] = key[shape.key_size / 2 + block];
  }
}

void LoadKey(const baleen_state_shape& shape, const uint8_t* page,
             int64_t index, uint8_t* key) {
  const uint8_t* group = page + index / kKeysTogether * KeyGroupBytes(shape);
  const int64_t place = index % kKeysTogether;
  for (int64_t run = 0; run < shape.key_size / kKeyChunk; ++run) {
    std::memcpy(key + run * (kKeyChunk / 2), group + KeyRunOffset(run, place),
                kKeyChunk / 2);
  }
  const uint8_t* scales = KeyGroupScales(shape, group);
  for (int64_t block = 0; block < shape.key_size / kKeyGroup; ++block) {
    key[shape.key_size / 2 + block] = scales[block * kKeysTogether + place];
  }
}

}  // namespace baleen::cpu
