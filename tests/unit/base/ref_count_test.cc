// References: the object goes with the last of them, whichever way and from
// whichever thread it is let go.
#include "base/ref_count.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace baleen {
namespace {

class Counted final : public RefCounted {
 public:
  explicit Counted(int* destroyed) : destroyed_(destroyed) {}

 private:
  void Destroy() const override {
    ++*destroyed_;
    delete this;
  }
  int* destroyed_;
};

TEST(RefTest, DestroysWithTheLastReference) {
  int destroyed = 0;
  {
    auto first = Ref<Counted>::Adopt(new Counted(&destroyed));
    Ref<Counted> second = first;
    Ref<Counted> third = std::move(first);
    EXPECT_FALSE(first);
    EXPECT_EQ(second.get(), third.get());
    second = Ref<Counted>();
    EXPECT_EQ(destroyed, 0);
    // A handle given out and taken back.
    Counted* handle = Ref<Counted>::Share(third.get()).Leak();
    third = Ref<Counted>();
    EXPECT_EQ(destroyed, 0);
    handle->Release();
    EXPECT_EQ(destroyed, 1);
  }
  EXPECT_EQ(destroyed, 1);
  EXPECT_FALSE(Ref<Counted>::Share(nullptr));
}

TEST(RefTest, AssignsToItself) {
  int destroyed = 0;
  auto ref = Ref<Counted>::Adopt(new Counted(&destroyed));
  const Ref<Counted>& same = ref;
  ref = same;
  EXPECT_EQ(destroyed, 0);
  EXPECT_TRUE(ref);
}

TEST(RefTest, IsCountedByManyThreads) {
  int destroyed = 0;
  {
    const auto ref = Ref<Counted>::Adopt(new Counted(&destroyed));
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([ref] {
        for (int j = 0; j < 10000; ++j) {
          const Ref<Counted> another = ref;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(destroyed, 0);
  }
  EXPECT_EQ(destroyed, 1);
}

}  // namespace
}  // namespace baleen
