// The game: asks a whale questions, and shows what its answers cost a frame.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>

#include "game.h"
#include "window.h"

namespace {

constexpr double kFrameSeconds = 1.0 / 60;

struct Arguments {
  std::string model = BALEEN_GAME_MODEL;
  double seconds = 0;  // 0: until the window is closed.
  uint64_t seed = 0;
  std::string screenshot;
  bool good = true;
};

constexpr const char* kUsage =
    "usage: baleen_game [OPTION]...\n"
    "  --model FOLDER     the pocket model if not given\n"
    "  --minute           play for a minute, then tell what frames took\n"
    "  --seconds S        the same for S seconds\n"
    "  --seed N           of what the whale says; 0: a fresh one\n"
    "  --screenshot FILE  write the last picture to a BMP file\n";

Arguments Read(int argc, char** argv) {
  Arguments read;
  for (int i = 1; i < argc && read.good; ++i) {
    const std::string name = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (name == "--minute") {
      read.seconds = 60;
      continue;
    }
    read.good = value != nullptr;
    if (!read.good) break;
    ++i;
    if (name == "--model") {
      read.model = value;
    } else if (name == "--seconds") {
      read.seconds = std::strtod(value, nullptr);
    } else if (name == "--seed") {
      read.seed = std::strtoull(value, nullptr, 10);
    } else if (name == "--screenshot") {
      read.screenshot = value;
    } else {
      read.good = false;
    }
  }
  return read;
}

void Report(const game::Game& game) {
  const game::FrameTimes& frames = game.frames();
  const game::Pool::Counts memory = game.pool().counts();
  std::printf("frames %zu, questions %zu, forgotten turns %zu\n",
              frames.times().size(), game.question_count(),
              game.talker()->forgotten_turns());
  const auto print = [&](const char* what, double game::FrameTime::*part) {
    std::printf(
        "%s: median %.2f ms, 99 %% %.2f ms, longest %.2f ms, over 8 ms: %zu "
        "frames\n",
        what, frames.Quantile(part, 0.5), frames.Quantile(part, 0.99),
        frames.longest().*part, frames.CountOver(part, 8));
  };
  print("engine of a frame", &game::FrameTime::engine);
  print("of it on a core", &game::FrameTime::computing);
  std::printf(
      "longest that no other program disturbed: %.2f ms; disturbed: %zu\n",
      frames.LongestUndisturbed(), frames.CountPreempted());
  double reading = 0;
  for (size_t i = 0; i < frames.times().size(); ++i) {
    const game::FrameTime& time = frames.times()[i];
    if (time.reading) reading = std::max(reading, time.engine);
    if (time.engine > 8) {
      std::printf("  frame %zu: %.2f ms, on a core %.2f ms%s%s\n", i,
                  time.engine, time.computing,
                  time.reading ? ", reading a prompt" : "",
                  time.preempted ? ", preempted" : "");
    }
  }
  std::printf("longest while a prompt was read: %.2f ms\n", reading);
  std::printf("whole frame, without showing it: longest %.2f ms\n",
              frames.longest().whole);
  std::printf("memory: %zu bytes live, %zu at most, of %zu\n",
              memory.live_bytes, memory.peak_bytes, memory.capacity);
  std::printf("jobs: %llu loops, %llu tasks on other threads\n",
              static_cast<unsigned long long>(game.jobs().loops()),
              static_cast<unsigned long long>(game.jobs().helped_tasks()));
}

void Play(const Arguments& arguments) {
  using std::chrono::steady_clock;
  const auto period = std::chrono::duration_cast<steady_clock::duration>(
      std::chrono::duration<double>(kFrameSeconds));
  game::GameOptions options;
  options.talker.model = arguments.model;
  options.talker.seed = arguments.seed;
  options.threads = std::max(2u, std::thread::hardware_concurrency());
  game::Window window;
  game::Game game(options);
  double played = 0;
  auto next = steady_clock::now();
  while (arguments.seconds == 0 || played < arguments.seconds) {
    const game::Window::Input input = window.Poll();
    if (input.quit) break;
    if (!input.typed.empty()) game.Type(input.typed);
    if (input.enter) game.Enter();
    game.Frame(kFrameSeconds);
    window.Show(game.canvas());
    played += kFrameSeconds;
    // A frame that came late is not made up for.
    next = std::max(next + period, steady_clock::now());
    std::this_thread::sleep_until(next);
  }
  game.FinishLoading();
  if (!arguments.screenshot.empty()) window.Save(arguments.screenshot);
  if (arguments.seconds > 0) Report(game);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = Read(argc, argv);
  if (!arguments.good) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  try {
    Play(arguments);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "baleen_game: %s\n", failure.what());
    return 1;
  }
  return 0;
}
