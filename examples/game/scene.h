// What the game looks like: the sea by night, a boat, and a whale that talks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "canvas.h"
#include "frame_times.h"
#include "job_system.h"
#include "pool.h"

namespace game {

// All that a picture shows.
struct SceneState {
  double seconds = 0;
  bool loading = false;
  bool listening = false;
  double heard = 0;  // Of what it listens to, 0 to 1.
  bool talking = false;
  std::string question;  // What the one in the boat says; empty: nothing.
  std::string answer;    // What the whale has said.
  std::string typed;     // By the player, not yet said.

  const FrameTimes* frames = nullptr;
  double budget_milliseconds = 0;
  double tokens_per_second = 0;
  size_t session_tokens = 0;
  Pool::Counts memory = {};
};

class Scene {
 public:
  // The water is computed by rows on `jobs`.
  explicit Scene(JobSystem* jobs);

  void Draw(const SceneState& state, Canvas* canvas);

 private:
  void DrawSeaRow(Color* row, int y, double seconds) const;
  void DrawSeaAndSky(double seconds, Canvas* canvas) const;

  JobSystem* jobs_;
  Canvas sky_;                  // Which never changes.
  std::vector<float> glitter_;  // How much of the moon each pixel of water has.
};

}  // namespace game
