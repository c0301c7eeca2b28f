#include "benchmarks/model/synthetic_state.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "benchmarks/model/engine.h"
#include "benchmarks/slice/values.h"

namespace baleen::bench {
namespace {

using slice::ValueTable;

// A part of an item, made for many items at once.
struct Part {
  ValueTable values;
  uint64_t size;
};

// What items of a pool are made of (baleen_pool): what a norm makes of root
// mean square 1, rounded.  Codes of e4m3 have a deviation of 128 and scales of
// 2^-7, and so on.
std::vector<Part> PartsOf(const baleen_state_shape& shape, baleen_pool pool) {
  const uint64_t plain = shape.head_size - shape.rope_size;
  switch (pool) {
    case BALEEN_POOL_KEYS:
      return {{ValueTable::Fp4(2), shape.key_size / 2},
              {ValueTable::Scales(-1, {}), shape.key_size / 32}};
    case BALEEN_POOL_TAIL:
      return {{ValueTable::F32(0, 1), deepseek_v4::ItemBytes(shape, pool)}};
    default:
      // Then a byte of zero.
      return {{ValueTable::Fp8(128), plain},
              {ValueTable::Bf16(0, 1), 2 * shape.rope_size},
              {ValueTable::Scales(-7, {}), plain / 64}};
  }
}

void AddItems(const baleen_state_shape& shape, baleen_pool pool, int64_t count,
              uint64_t* seed, std::vector<char>* bytes) {
  const auto items = static_cast<size_t>(count);
  const uint64_t item = deepseek_v4::ItemBytes(shape, pool);
  const size_t begin = bytes->size();
  bytes->resize(begin + items * item);
  uint64_t offset = 0;
  for (const Part& part : PartsOf(shape, pool)) {
    std::vector<unsigned char> column(items * part.size);
    part.values.Fill(++*seed, column.size(), column.data());
    for (size_t i = 0; i < items; ++i) {
      std::memcpy(bytes->data() + begin + i * item + offset,
                  column.data() + i * part.size, part.size);
    }
    offset += part.size;
  }
}

// The rows of a tail that a saved state of this length has: those of the group
// that it ends in, and with overlap those of the group before.
int64_t TailRows(const baleen_state_shape& shape, int64_t length) {
  if (shape.ratio == 0) return 0;
  const int64_t ratio = shape.ratio;
  const int64_t overlap = deepseek_v4::OverlapOf(shape) - 1;
  return length - std::max<int64_t>(0, (length / ratio - overlap) * ratio);
}

// As deepseek_v4/state_bytes.cc reads it, which refuses another size.
void AddLayer(const baleen_state_shape& shape, int64_t window, int64_t length,
              uint64_t* seed, std::vector<char>* bytes) {
  const auto add = [&](baleen_pool pool, int64_t count) {
    AddItems(shape, pool, count, seed, bytes);
  };
  if (shape.ratio != 0) add(BALEEN_POOL_ENTRIES, length / shape.ratio);
  if (shape.key_size != 0) add(BALEEN_POOL_KEYS, length / shape.ratio);
  add(BALEEN_POOL_WINDOW, std::min(window, length));
  add(BALEEN_POOL_TAIL, TailRows(shape, length));
}

}  // namespace

StatePointer MakeDeepState(deepseek_v4::V4Model& model, int64_t length) {
  const deepseek_v4::Config& config = model.config();
  std::vector<char> bytes;
  uint64_t seed = 1;
  for (const int32_t ratio : config.ratios) {
    baleen_state_shape shape = {};
    shape.ratio = static_cast<uint32_t>(ratio);
    shape.head_size = static_cast<uint32_t>(config.head_size);
    shape.rope_size = static_cast<uint32_t>(config.rope_size);
    if (ratio == 4) {
      shape.key_size = static_cast<uint32_t>(config.index_head_size);
    }
    AddLayer(shape, config.window, length, &seed, &bytes);
  }
  auto state = model.CreateState();
  Check(state.status());
  Check((*state)->Load(bytes.data(), bytes.size(), length));
  return *std::move(state);
}

}  // namespace baleen::bench
