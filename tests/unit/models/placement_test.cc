// What of a model lies on a device of how many bytes.
#include "models/deepseek_v4/placement.h"

#include <gtest/gtest.h>

namespace baleen::deepseek_v4 {
namespace {

// About V4-Flash, in megabytes: 11008 experts of 13.
PlacementNeed Flash(uint64_t budget) {
  PlacementNeed need;
  need.budget = budget;
  need.weights = 152000;
  need.experts = 143104;
  need.embed = 1000;
  need.head = 1000;
  need.expert_bytes = 13;
  need.working = 500;
  return need;
}

Placement Place(const PlacementNeed& need) {
  const Result<Placement> placement = PlaceModel(need);
  EXPECT_TRUE(placement.ok()) << placement.status().message();
  return placement.ok() ? *placement : Placement();
}

// Everything that the placement puts on the device.
uint64_t BytesOf(const PlacementNeed& need, const Placement& placement) {
  return need.weights - need.experts + need.working -
         (placement.embed_on_device ? 0 : need.embed) -
         (placement.head_on_device ? 0 : need.head) +
         static_cast<uint64_t>(placement.places + 2 * placement.staged) *
             need.expert_bytes;
}

TEST(Placement, LeavesAllOnADeviceThatHasRoom) {
  EXPECT_TRUE(Place(Flash(152500)).all);
  EXPECT_FALSE(Place(Flash(152499)).all);
}

TEST(Placement, FillsTheBudgetWithExperts) {
  for (const uint64_t budget : {141000u, 80000u, 24000u, 12000u, 9604u}) {
    const PlacementNeed need = Flash(budget);
    const Placement placement = Place(need);
    EXPECT_FALSE(placement.all);
    EXPECT_TRUE(placement.embed_on_device);
    EXPECT_EQ(placement.staged, 8);
    EXPECT_LE(BytesOf(need, placement), budget);
    EXPECT_GT(BytesOf(need, placement) + need.expert_bytes, budget);
  }
}

TEST(Placement, StagesFewerWhereThereIsLittleRoom) {
  EXPECT_EQ(Place(Flash(9603)).staged, 4);
  const Placement least = Place(Flash(9396 + 2 * 13));
  EXPECT_EQ(least.staged, 1);
  EXPECT_EQ(least.places, 0);
  EXPECT_TRUE(least.embed_on_device);
}

TEST(Placement, GivesUpEmbeddingsThenTheHead) {
  const Placement first = Place(Flash(9396 + 25));
  EXPECT_FALSE(first.embed_on_device);
  EXPECT_TRUE(first.head_on_device);
  EXPECT_EQ(first.staged, 8);
  EXPECT_GT(first.places, 60);
  const Placement second = Place(Flash(8000));
  EXPECT_FALSE(second.embed_on_device);
  EXPECT_FALSE(second.head_on_device);
}

TEST(Placement, SaysWhatTheLeastIs) {
  const Result<Placement> none = PlaceModel(Flash(7421));
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.status().code(), BALEEN_OUT_OF_MEMORY);
  EXPECT_NE(std::string(none.status().message()).find("7422"),
            std::string::npos)
      << none.status().message();
  EXPECT_TRUE(PlaceModel(Flash(7422)).ok());
}

// A device that cannot be given single experts holds all, or nothing goes.
TEST(Placement, HoldsAllExpertsWhereNoneCanBePlaced) {
  PlacementNeed need = Flash(151000);
  need.experts = 0;
  need.expert_bytes = 0;
  const Placement placement = Place(need);
  EXPECT_FALSE(placement.head_on_device);
  EXPECT_EQ(placement.places, 0);
  need.budget = 141000;
  EXPECT_FALSE(PlaceModel(need).ok());
}

}  // namespace
}  // namespace baleen::deepseek_v4
