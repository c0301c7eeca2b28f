// The game: who speaks when, one frame after the other.
#pragma once

#include <future>
#include <memory>
#include <string>

#include "canvas.h"
#include "frame_times.h"
#include "job_system.h"
#include "pool.h"
#include "scene.h"
#include "talker.h"

namespace game {

struct GameOptions {
  TalkerOptions talker;
  uint32_t threads = 2;
  size_t pool_bytes = size_t{64} << 20;
};

class Game {
 public:
  explicit Game(const GameOptions& options);

  // Lets `seconds` of the game's time pass and draws the picture.
  void Frame(double seconds);

  // What the player types, a character or more; "\b" takes one back.
  void Type(const std::string& text);
  // Says what was typed.
  void Enter();

  // Waits for the model; Frame does not, and shows a sleeping whale meanwhile.
  void FinishLoading();

  const Canvas& canvas() const { return canvas_; }
  const FrameTimes& frames() const { return frames_; }
  const Talker* talker() const { return talker_.get(); }
  const JobSystem& jobs() const { return jobs_; }
  const Pool& pool() const { return pool_; }
  const std::string& answer() const { return scene_state_.answer; }
  size_t question_count() const { return question_count_; }

 private:
  void Ask(const std::string& question);
  void TakeTalker();
  // Lets letters appear one by one, as fast as one reads.
  void Reveal(double seconds);

  // Before what uses them, so that they outlive it.
  Pool pool_;
  JobSystem jobs_;

  double budget_;
  std::future<std::unique_ptr<Talker>> loading_;
  std::unique_ptr<Talker> talker_;
  Scene scene_;
  SceneState scene_state_;
  Canvas canvas_;
  FrameTimes frames_;

  std::string unsaid_;  // What the engine has written and nobody has read yet.
  double letters_due_ = 0;
  double pause_ = 0;  // Since the whale fell silent.
  size_t question_count_ = 0;
};

}  // namespace game
