// Plays the game without a screen: sixty frames a second of its own time, as
// fast as they come.
//
// Times depend on the machine, so all but the median are only printed;
// `baleen_game --minute` takes them.  What else is checked is that frames go on
// while the engine works.
#include <cstdio>
#include <filesystem>
#include <set>
#include <string>

#include "game.h"
#include "gtest/gtest.h"
#include "window.h"

namespace game {
namespace {

constexpr double kFrameSeconds = 1.0 / 60;

TalkerOptions PocketTalker() {
  TalkerOptions options;
  options.model = BALEEN_TEST_DATA "/pocket";
  options.seed = 5;
  return options;
}

// All of the answer, and how many frames it took.
std::string Answer(Talker* talker, const std::string& question,
                   size_t* frames) {
  std::string text;
  talker->Hear(question);
  for (*frames = 0; talker->state() != Talker::State::kQuiet; ++*frames) {
    talker->Work();
    text += talker->TakeText();
  }
  return text;
}

TEST(TalkerTest, SaysTheSameAtAnySpeed) {
  JobSystem jobs(2);
  Pool pool(size_t{96} << 20);  // For two of them.
  const std::string question(
      "Tell me about the sea, and the whale, and the captain's leg.");
  size_t slow_frames = 0;
  size_t fast_frames = 0;
  std::string slow;
  std::string fast;
  {
    TalkerOptions options = PocketTalker();
    options.budget_milliseconds = 1e-6;  // One call in each frame.
    Talker talker(options, &jobs, &pool);
    slow = Answer(&talker, question, &slow_frames);
    options.budget_milliseconds = 1e6;
    Talker other(options, &jobs, &pool);
    fast = Answer(&other, question, &fast_frames);
    EXPECT_GT(pool.counts().live_blocks, 0u);
  }
  EXPECT_EQ(slow, fast);
  EXPECT_GT(slow.size(), 20u);
  EXPECT_GT(slow_frames, 20u);
  EXPECT_LT(fast_frames, 20u);
  EXPECT_GT(jobs.loops(), 1000u);
  EXPECT_EQ(pool.counts().live_blocks, 0u);
  EXPECT_EQ(pool.counts().live_bytes, 0u);
  EXPECT_EQ(pool.counts().refusals, 0u);
}

// On a clock by which each call of the engine takes a millisecond.
TEST(TalkerTest, StopsWhenTheFrameIsSpent) {
  JobSystem jobs(2);
  Pool pool(size_t{64} << 20);
  double now = 0;
  TalkerOptions options = PocketTalker();
  options.clock = [&now] { return now += 0.5; };
  Talker talker(options, &jobs, &pool);
  talker.Hear("Who is the king of Israel?");
  size_t talking_frames = 0;
  while (talker.state() != Talker::State::kQuiet) {
    const bool talking = talker.state() == Talker::State::kTalking;
    talker.Work();
    EXPECT_LE(talker.work_milliseconds(), options.budget_milliseconds);
    if (!talking) continue;
    ++talking_frames;
    EXPECT_GE(talker.work_tokens(), 1u);
    EXPECT_LE(talker.work_tokens(), 8u);
  }
  EXPECT_GT(talking_frames, 1u);
  EXPECT_FALSE(talker.TakeText().empty());
}

TEST(TalkerTest, ForgetsWhatIsLongAgoAndTalksOn) {
  JobSystem jobs(2);
  Pool pool(size_t{64} << 20);
  TalkerOptions options = PocketTalker();
  options.memory_tokens = 160;
  options.most_answer_tokens = 40;
  Talker talker(options, &jobs, &pool);
  for (int i = 0; i < 6; ++i) {
    size_t frames = 0;
    EXPECT_FALSE(Answer(&talker, "And what then?", &frames).empty()) << i;
    EXPECT_LE(talker.session_tokens(), options.memory_tokens);
  }
  EXPECT_GT(talker.forgotten_turns(), 0u);
  EXPECT_THROW(
      {
        talker.Hear(std::string(2000, 'x'));
        while (talker.state() != Talker::State::kQuiet) talker.Work();
      },
      Failure);
}

// On a clock by which the machine is slow while it loads, so that pieces are
// small, and fast from then on.
TEST(TalkerTest, TakesItsMemoryBeforeTheFirstFrame) {
  JobSystem jobs(2);
  Pool pool(size_t{64} << 20);
  double now = 0;
  double call = 10;
  TalkerOptions options = PocketTalker();
  options.clock = [&] { return now += call; };
  Talker talker(options, &jobs, &pool);
  const size_t loaded = pool.counts().live_bytes;
  call = 1e-3;
  for (int i = 0; i < 12; ++i) {
    size_t frames = 0;
    Answer(&talker, "Tell me of the sea, of the whale and of the ship.",
           &frames);
  }
  EXPECT_GT(talker.forgotten_turns(), 0u);
  // What is taken after it is the session's, whose 768 tokens need 2.6 MB.
  EXPECT_LT(pool.counts().peak_bytes, loaded + (size_t{3} << 20));
}

TEST(TalkerTest, SaysWhyThereIsNoModel) {
  JobSystem jobs(1);
  Pool pool(size_t{64} << 20);
  TalkerOptions options;
  options.model = "/nowhere";
  try {
    const Talker talker(options, &jobs, &pool);
    FAIL() << "there is no model";
  } catch (const Failure& failure) {
    EXPECT_NE(std::string(failure.what()).find("/nowhere"), std::string::npos)
        << failure.what();
  }
  EXPECT_EQ(pool.counts().live_blocks, 0u);
}

size_t CountColors(const Canvas& canvas) {
  const Color* begin = canvas.pixels();
  return std::set<Color>(begin, begin + Canvas::kWidth * Canvas::kHeight)
      .size();
}

// A picture that shows what it should is looked at by people; this one must at
// least be there, and not empty.
void CheckPicture(Window* window, const Game& game) {
  const std::string path = testing::TempDir() + "baleen_game.bmp";
  window->Save(path);
  EXPECT_GT(std::filesystem::file_size(path),
            3u * Canvas::kWidth * Canvas::kHeight);
  std::filesystem::remove(path);
  EXPECT_GT(CountColors(game.canvas()), 100u);
}

TEST(GameTest, PlaysOnWhileTheWhaleTalks) {
  SDL_setenv("SDL_VIDEODRIVER", "dummy", 1);
  Window window;
  GameOptions options;
  options.talker = PocketTalker();
  Game game(options);
  game.Frame(kFrameSeconds);  // Behind which the model may still be loading.
  game.FinishLoading();
  size_t talking_frames = 0;
  size_t pictures = 0;
  for (int frame = 0; frame < 60 * 20; ++frame) {
    const size_t before = game.answer().size();
    window.Poll();
    game.Frame(kFrameSeconds);
    window.Show(game.canvas());
    // Letters appear at the reader's pace, whatever the engine's.
    if (game.question_count() == 1 && game.answer().size() > before) {
      EXPECT_LE(game.answer().size() - before, 2u);
      ++talking_frames;
    }
    if (pictures == 0 && game.answer().size() > 60) {
      CheckPicture(&window, game);
      ++pictures;
    }
  }
  EXPECT_GT(talking_frames, 60u);
  EXPECT_EQ(pictures, 1u);
  EXPECT_GE(game.question_count(), 2u);
  EXPECT_GT(game.jobs().helped_tasks(), 0u);
  EXPECT_EQ(game.pool().counts().refusals, 0u);
  // Most frames are undisturbed even on a busy machine, and take a quarter.
  EXPECT_LT(game.frames().Quantile(&FrameTime::engine, 0.5),
            options.talker.budget_milliseconds);
  std::printf(
      "longest frame: %.2f ms, of them the engine %.2f ms, on a core %.2f ms\n",
      game.frames().longest().whole, game.frames().longest().engine,
      game.frames().longest().computing);
}

TEST(GameTest, SaysWhatIsTyped) {
  GameOptions options;
  options.talker = PocketTalker();
  Game game(options);
  game.Type("Where is he");
  game.Type("x");
  game.Type("\b");
  game.Type("?");
  game.FinishLoading();
  for (int frame = 0; frame < 200; ++frame) game.Frame(kFrameSeconds);
  EXPECT_EQ(game.question_count(), 0u) << "the player is still typing";
  game.Enter();
  EXPECT_EQ(game.question_count(), 1u);
  for (int frame = 0; frame < 300; ++frame) game.Frame(kFrameSeconds);
  EXPECT_FALSE(game.answer().empty());
}

}  // namespace
}  // namespace game
