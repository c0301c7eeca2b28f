// Sizes and copies of the attention state (backend.h).
#include "ops/state_fixture.h"

namespace baleen::ops_test {
namespace {

uint64_t SizeOf(const TestDevice& device, const baleen_state_shape& shape,
                baleen_pool pool) {
  uint64_t bytes = 0;
  EXPECT_EQ(device.table().state_size(device.handle(), &shape, pool, &bytes),
            BALEEN_OK);
  return bytes;
}

// model.md §15.1, §15.2.
TEST(State, TakesTheBytesOfTheReport) {
  const TestDevice device({"reference", 1});
  const baleen_state_shape csa = ShapeOf(4);
  const baleen_state_shape hca = ShapeOf(128);
  EXPECT_EQ(SizeOf(device, csa, BALEEN_POOL_WINDOW), 256u * 584);
  EXPECT_EQ(SizeOf(device, csa, BALEEN_POOL_ENTRIES), 64u * 584);
  EXPECT_EQ(SizeOf(device, csa, BALEEN_POOL_KEYS), 64u * 68);
  EXPECT_EQ(SizeOf(device, csa, BALEEN_POOL_TAIL), 16u * 4 * (512 + 128) * 4);
  EXPECT_EQ(SizeOf(device, hca, BALEEN_POOL_ENTRIES), 2u * 584);
  EXPECT_EQ(SizeOf(device, hca, BALEEN_POOL_KEYS), 0u);
  EXPECT_EQ(SizeOf(device, hca, BALEEN_POOL_TAIL), 136u * 2 * 512 * 4);
  EXPECT_EQ(SizeOf(device, ShapeOf(0), BALEEN_POOL_ENTRIES), 0u);
  EXPECT_EQ(SizeOf(device, ShapeOf(0), BALEEN_POOL_TAIL), 0u);
}

TEST(State, RefusesShapesThatMakeNoSense) {
  const TestDevice device({"reference", 1});
  const auto refuses = [&](void (*change)(baleen_state_shape&)) {
    baleen_state_shape shape = ShapeOf(4);
    change(shape);
    uint64_t bytes;
    return device.table().state_size(device.handle(), &shape,
                                     BALEEN_POOL_WINDOW,
                                     &bytes) == BALEEN_UNSUPPORTED;
  };
  EXPECT_TRUE(refuses([](auto& shape) { shape.head_size = 0; }));
  EXPECT_TRUE(refuses([](auto& shape) { shape.head_size = 500; }));
  EXPECT_TRUE(refuses([](auto& shape) { shape.head_size = ~0u; }));
  EXPECT_TRUE(refuses([](auto& shape) { shape.rope_size = 1024; }));
  EXPECT_TRUE(refuses([](auto& shape) { shape.key_size = 100; }));
  EXPECT_TRUE(refuses([](auto& shape) { shape.ratio = 3; }));
  EXPECT_TRUE(refuses([](auto& shape) { shape.ratio = 512; }));
  EXPECT_TRUE(refuses([](auto& shape) { shape.tail_rows = 7; }));
  EXPECT_TRUE(refuses([](auto& shape) { shape.ring_rows = 0; }));
}

std::vector<uint8_t> RandomBytes(size_t count) {
  std::mt19937 random(1);
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

TEST(State, CopiesComeBackAndGoAcross) {
  const TestDevice device({"reference", 1});
  const TestState from(device, ShapeOf(4), 3);
  const TestState to(device, ShapeOf(4), 3);
  const struct {
    baleen_pool pool;
    size_t item;
    uint32_t items;
  } kPools[] = {{BALEEN_POOL_WINDOW, 584, 256},
                {BALEEN_POOL_ENTRIES, 584, 64},
                {BALEEN_POOL_KEYS, 68, 64},
                {BALEEN_POOL_TAIL, 4 * 640 * 4, 16}};
  for (const auto& pool : kPools) {
    SCOPED_TRACE(pool.pool);
    const std::vector<uint8_t> bytes = RandomBytes(pool.item * pool.items);
    from.Write(pool.pool, 2, 0, pool.items, bytes);
    EXPECT_EQ(from.Read(pool.pool, 2, 0, pool.items, pool.item), bytes);
    // A part of it, to another state and another place.
    const uint32_t first = pool.items / 2 - 1;
    const uint32_t count = pool.items / 2;
    const auto edge = to.Read(pool.pool, 1, first - 1, 1, pool.item);
    baleen_state_copy copy = {};
    copy.struct_size = sizeof(copy);
    copy.pool = pool.pool;
    copy.from = from.get();
    copy.to = to.get();
    copy.from_index = 2;
    copy.to_index = 1;
    copy.first = first;
    copy.count = count;
    ASSERT_EQ(device.table().state_copy(device.queue(), &copy, 1), BALEEN_OK);
    EXPECT_EQ(
        to.Read(pool.pool, 1, first, count, pool.item),
        std::vector<uint8_t>(
            bytes.begin() + static_cast<int64_t>(first * pool.item),
            bytes.begin() + static_cast<int64_t>((first + count) * pool.item)));
    EXPECT_EQ(to.Read(pool.pool, 1, first - 1, 1, pool.item), edge);
  }
}

// More bytes than one thread copies alone.
TEST(State, ThreadsShareTheCopiesOfACall) {
  constexpr int32_t kPages = 40;
  const TestDevice device({"reference", 4});
  const TestState state(device, ShapeOf(4), kPages);
  const struct {
    baleen_pool pool;
    size_t item;
  } kPools[] = {{BALEEN_POOL_ENTRIES, 584}, {BALEEN_POOL_KEYS, 68}};
  std::vector<std::vector<uint8_t>> hosts;
  std::vector<baleen_state_copy> copies;
  for (int32_t page = 0; page < kPages; ++page) {
    for (const auto& pool : kPools) {
      hosts.push_back(RandomBytes(64 * pool.item));
      hosts.back()[0] = static_cast<uint8_t>(page);
      baleen_state_copy copy = {};
      copy.struct_size = sizeof copy;
      copy.pool = pool.pool;
      copy.to = state.get();
      copy.to_index = page;
      copy.host = hosts.back().data();
      copy.host_size = hosts.back().size();
      copy.count = 64;
      copies.push_back(copy);
    }
  }
  ASSERT_EQ(device.table().state_copy(device.queue(), copies.data(),
                                      static_cast<uint32_t>(copies.size())),
            BALEEN_OK);
  for (size_t i = 0; i < copies.size(); ++i) {
    EXPECT_EQ(state.Read(copies[i].pool, copies[i].to_index, 0, 64,
                         kPools[i % 2].item),
              hosts[i]);
  }
}

TEST(State, CopiesThatDoNotFitAreRefused) {
  const TestDevice device({"reference", 1});
  const TestState state(device, ShapeOf(4), 1);
  const TestState other(device, ShapeOf(128), 1);
  std::vector<uint8_t> host(584 * 4);
  const auto copy = [&](auto change) {
    baleen_state_copy one = {};
    one.struct_size = sizeof(one);
    one.pool = BALEEN_POOL_ENTRIES;
    one.from = state.get();
    one.host = host.data();
    one.host_size = host.size();
    one.count = 4;
    change(one);
    return device.table().state_copy(device.queue(), &one, 1);
  };
  EXPECT_EQ(copy([](auto&) {}), BALEEN_OK);
  EXPECT_EQ(copy([](auto& c) { c.pool = 4; }), BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(copy([](auto& c) { c.first = 61; }), BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(copy([](auto& c) { c.first = ~0u; }), BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(copy([](auto& c) { --c.host_size; }), BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(copy([](auto& c) { c.from_index = -1; }), BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(copy([](auto& c) { c.struct_size = 8; }), BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(copy([](auto& c) { c.from = nullptr; }), BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(copy([&](auto& c) { c.to = other.get(); }),
            BALEEN_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace baleen::ops_test
