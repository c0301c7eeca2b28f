#include "models/deepseek_v4/placement.h"

namespace baleen::deepseek_v4 {
namespace {

// Those that a row of V4-Flash visits come in one round; fewer of Pro, whose
// are larger.
constexpr int64_t kMostStaged = 8;

}  // namespace

Result<Placement> PlaceModel(const PlacementNeed& need) {
  Placement placement;
  if (need.weights + need.working <= need.budget) {
    placement.all = true;
    return placement;
  }
  uint64_t rest = need.weights - need.experts + need.working;
  const auto fits = [&] {
    for (int64_t staged = kMostStaged; staged > 0; staged /= 2) {
      const uint64_t room =
          2 * static_cast<uint64_t>(staged) * need.expert_bytes;
      if (rest + room > need.budget) continue;
      placement.staged = staged;
      if (need.expert_bytes != 0) {
        placement.places = static_cast<int64_t>((need.budget - rest - room) /
                                                need.expert_bytes);
      }
      return true;
    }
    return false;
  };
  if (fits()) return placement;
  placement.embed_on_device = false;
  rest -= need.embed;
  if (fits()) return placement;
  placement.head_on_device = false;
  rest -= need.head;
  if (fits()) return placement;
  return Status::Error(
      BALEEN_OUT_OF_MEMORY,
      "the model takes at least %llu bytes of the device, with experts, "
      "embeddings and head in host memory, and may take %llu",
      static_cast<unsigned long long>(rest + 2 * need.expert_bytes),
      static_cast<unsigned long long>(need.budget));
}

}  // namespace baleen::deepseek_v4
