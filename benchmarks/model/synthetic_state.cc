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
      return {{ValueTable::F32(0, 1), ItemBytes(shape, pool)}};
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
  const uint64_t item = ItemBytes(shape, pool);
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
  const int64_t overlap = OverlapOf(shape) - 1;
  return length - std::max<int64_t>(0, (length / ratio - overlap) * ratio);
}

std::vector<baleen_state_shape> ShapesOf(const deepseek_v4::Config& config) {
  std::vector<baleen_state_shape> shapes;
  for (const int32_t ratio : config.ratios) {
    baleen_state_shape shape = {};
    shape.ratio = static_cast<uint32_t>(ratio);
    shape.head_size = static_cast<uint32_t>(config.head_size);
    shape.rope_size = static_cast<uint32_t>(config.rope_size);
    if (ratio == 4) {
      shape.key_size = static_cast<uint32_t>(config.index_head_size);
    }
    shapes.push_back(shape);
  }
  return shapes;
}

// A piece that deepseek_v4/state_bytes.cc reads.
void CheckSize(const std::vector<char>& bytes, uint64_t wanted) {
  if (bytes.size() == wanted) return;
  Check(Internal("a synthetic piece has %zu bytes instead of %llu",
                 bytes.size(), static_cast<unsigned long long>(wanted)));
}

}  // namespace

StatePointer MakeDeepState(deepseek_v4::V4Model& model, int64_t length) {
  const deepseek_v4::Config& config = model.config();
  const std::vector<baleen_state_shape> shapes = ShapesOf(config);
  auto state = model.CreateState();
  Check(state.status());
  Check((*state)->StartLoad(length));
  std::vector<char> bytes;
  uint64_t seed = 1;
  constexpr int64_t kPage = SessionState::kPagePositions;
  for (int64_t first = 0; first < length; first += kPage) {
    const int64_t count = std::min(kPage, length - first);
    bytes.clear();
    for (const baleen_state_shape& shape : shapes) {
      if (shape.ratio == 0) continue;
      const int64_t entries = count / shape.ratio;
      AddItems(shape, BALEEN_POOL_ENTRIES, entries, &seed, &bytes);
      if (shape.key_size == 0) continue;
      AddItems(shape, BALEEN_POOL_KEYS, entries, &seed, &bytes);
    }
    CheckSize(bytes, (*state)->PageBytes(count));
    Check((*state)->LoadPages(first / kPage, count, bytes.data()));
  }
  bytes.clear();
  for (const baleen_state_shape& shape : shapes) {
    AddItems(shape, BALEEN_POOL_WINDOW,
             std::min<int64_t>(config.window, length), &seed, &bytes);
    AddItems(shape, BALEEN_POOL_TAIL, TailRows(shape, length), &seed, &bytes);
  }
  CheckSize(bytes, (*state)->WindowBytes(length));
  Check((*state)->LoadWindow(length, bytes.data()));
  int64_t replay_from = 0;
  Check((*state)->FinishLoad(&replay_from));
  return *std::move(state);
}

}  // namespace baleen::bench
