// Which experts have places: by what is foreseen, then by use, never by chance.
#include "ops/expert_cache.h"

#include <gtest/gtest.h>

#include <vector>

namespace baleen {
namespace {

Memory* TheMemory() { return std::pmr::new_delete_resource(); }

void Visit(ExpertCache* cache, ExpertCache::Id id, int times) {
  const std::vector<int32_t> list(static_cast<size_t>(times), id.expert);
  cache->Visit(id.layer, list);
}

int PlacesOf(const ExpertCache& cache, int32_t layer) {
  int count = 0;
  for (int32_t e = 0; e < cache.experts(); ++e) {
    count += cache.PlaceOf({layer, e}) >= 0;
  }
  return count;
}

// Makes the exchange that it finds; whether there was one.
bool Exchange(ExpertCache* cache) {
  const auto found = cache->FindExchange();
  if (!found) return false;
  EXPECT_EQ(cache->PlaceOf(found->in), -1);
  EXPECT_EQ(cache->PlaceOf(found->out), found->place);
  cache->Leave(found->out);
  cache->Take(found->in, found->place);
  return true;
}

TEST(ExpertCache, GivesLayersEquallyManyPlaces) {
  ExpertCache cache(3, 8, 10, TheMemory());
  cache.Fill();
  EXPECT_EQ(PlacesOf(cache, 0), 4);
  EXPECT_EQ(PlacesOf(cache, 1), 3);
  EXPECT_EQ(PlacesOf(cache, 2), 3);
  // Each place belongs to one.
  std::vector<int> owners(10);
  for (int32_t layer = 0; layer < 3; ++layer) {
    for (int32_t e = 0; e < 8; ++e) {
      const int32_t place = cache.PlaceOf({layer, e});
      if (place >= 0) ++owners[static_cast<size_t>(place)];
    }
  }
  EXPECT_EQ(owners, std::vector<int>(10, 1));
}

TEST(ExpertCache, HasNoMorePlacesThanExperts) {
  ExpertCache cache(2, 4, 100, TheMemory());
  EXPECT_EQ(cache.places(), 8);
  cache.Fill();
  EXPECT_EQ(PlacesOf(cache, 1), 4);
  Visit(&cache, {1, 3}, 100);
  EXPECT_FALSE(cache.FindExchange());
}

// Of a hash-routed layer its table tells something before any token is read.
TEST(ExpertCache, BeginsWithWhatIsForeseen) {
  ExpertCache cache(2, 4, 3, TheMemory());
  cache.Foresee({1, 3}, 0.5f);
  cache.Foresee({1, 2}, -0.5f);
  cache.Fill();
  EXPECT_EQ(cache.PlaceOf({1, 3}), 0);
  EXPECT_EQ(cache.PlaceOf({0, 0}), 1);
  EXPECT_EQ(cache.PlaceOf({1, 0}), 2);
}

TEST(ExpertCache, ExchangesTheColdestForTheHottest) {
  ExpertCache cache(2, 4, 4, TheMemory());
  cache.Fill();  // Experts 0 and 1 of each layer.
  Visit(&cache, {0, 0}, 9);
  Visit(&cache, {0, 1}, 2);
  Visit(&cache, {1, 0}, 5);
  Visit(&cache, {1, 1}, 3);
  Visit(&cache, {1, 3}, 30);
  Visit(&cache, {0, 2}, 20);
  const auto first = cache.FindExchange();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->in.layer, 1);
  EXPECT_EQ(first->in.expert, 3);
  EXPECT_EQ(first->out.layer, 0);
  EXPECT_EQ(first->out.expert, 1);
  EXPECT_TRUE(Exchange(&cache));
  EXPECT_TRUE(Exchange(&cache));
  EXPECT_GE(cache.PlaceOf({0, 2}), 0);
  EXPECT_EQ(cache.PlaceOf({1, 1}), -1);
  EXPECT_FALSE(Exchange(&cache));
}

TEST(ExpertCache, MovesNothingForALittle) {
  ExpertCache cache(1, 2, 1, TheMemory());
  cache.Fill();
  Visit(&cache, {0, 0}, 10);
  Visit(&cache, {0, 1}, 24);  // Twice, and the margin.
  EXPECT_FALSE(cache.FindExchange());
  Visit(&cache, {0, 1}, 1);
  EXPECT_TRUE(Exchange(&cache));
  // And not back.
  Visit(&cache, {0, 0}, 20);
  EXPECT_FALSE(cache.FindExchange());
}

TEST(ExpertCache, ForgetsWhatIsLongAgo) {
  ExpertCache cache(1, 2, 1, TheMemory());
  cache.Fill();
  Visit(&cache, {0, 0}, 1000);
  Visit(&cache, {0, 1}, 100);
  EXPECT_FALSE(cache.FindExchange());
  for (int i = 0; i < 6; ++i) cache.Age(ExpertCache::kHalfLife);
  Visit(&cache, {0, 1}, 100);
  EXPECT_TRUE(cache.FindExchange());
}

// What a router says of a broken file is not trusted.
TEST(ExpertCache, CountsOnlyExpertsThatThereAre) {
  ExpertCache cache(1, 2, 1, TheMemory());
  cache.Fill();
  const std::vector<int32_t> list(100, 2);
  cache.Visit(0, list);
  cache.Visit(0, std::vector<int32_t>(100, -1));
  EXPECT_FALSE(cache.FindExchange());
}

}  // namespace
}  // namespace baleen
