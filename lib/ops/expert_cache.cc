#include "ops/expert_cache.h"

#include <algorithm>

namespace baleen {

ExpertCache::ExpertCache(int32_t layers, int32_t experts, int32_t places,
                         Memory* memory)
    : layers_(layers),
      experts_(experts),
      place_count_(std::min(places, layers * experts)),
      visits_(static_cast<size_t>(layers) * static_cast<size_t>(experts), 0.0f,
              memory),
      places_(visits_.size(), -1, memory) {}

void ExpertCache::Foresee(Id id, float visits) {
  visits_[IndexOf(id)] += visits;
}

void ExpertCache::Fill() {
  Vector<size_t> order(visits_.get_allocator().resource());
  order.reserve(visits_.size());
  for (int32_t expert = 0; expert < experts_; ++expert) {
    for (int32_t layer = 0; layer < layers_; ++layer) {
      order.push_back(IndexOf({layer, expert}));
    }
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return visits_[a] > visits_[b]; });
  std::fill(places_.begin(), places_.end(), -1);
  for (int32_t place = 0; place < place_count_; ++place) {
    Take(IdOf(order[static_cast<size_t>(place)]), place);
  }
}

void ExpertCache::Visit(int32_t layer, std::span<const int32_t> experts) {
  for (const int32_t expert : experts) {
    if (expert < 0 || expert >= experts_) continue;
    visits_[IndexOf({layer, expert})] += 1;
  }
}

void ExpertCache::Age(int64_t rows) {
  rows_ += rows;
  if (rows_ < kHalfLife) return;
  rows_ = 0;
  for (float& visits : visits_) visits /= 2;
}

std::optional<ExpertCache::Exchange> ExpertCache::FindExchange() const {
  size_t in = visits_.size();
  size_t out = visits_.size();
  for (size_t i = 0; i < visits_.size(); ++i) {
    size_t& best = places_[i] < 0 ? in : out;
    if (best == visits_.size() ||
        (places_[i] < 0 ? visits_[i] > visits_[best]
                        : visits_[i] < visits_[best])) {
      best = i;
    }
  }
  if (in == visits_.size() || out == visits_.size() ||
      visits_[in] <= 2 * visits_[out] + kMargin) {
    return std::nullopt;
  }
  return Exchange{IdOf(in), IdOf(out), places_[out]};
}

}  // namespace baleen
