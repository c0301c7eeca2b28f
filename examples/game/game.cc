#include "game.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "disturbance.h"

namespace game {
namespace {

constexpr double kLettersPerSecond = 45;
// The engine writes no further ahead of the reader, so its work is spread over
// the frames and a player who interrupts wastes little of it.
constexpr size_t kLettersAhead = 60;
// How long the one in the boat thinks about an answer.
constexpr double kPauseSeconds = 1.5;

// What is asked when nobody types.  The last but one is a page to read, from
// "Moby-Dick": some three hundred tokens.
constexpr const char* kQuestions[] = {
    "Tell me about the sea and the whale.", "Who is the king of Israel?",
    "What did the captain say?",
    "Listen to this page: Call me Ishmael. Some years ago - never mind how "
    "long "
    "precisely - having little or no money in my purse, and nothing particular "
    "to interest me on shore, I thought I would sail about a little and see "
    "the "
    "watery part of the world. It is a way I have of driving off the spleen, "
    "and regulating the circulation. Whenever I find myself growing grim about "
    "the mouth; whenever it is a damp, drizzly November in my soul; whenever I "
    "find myself involuntarily pausing before coffin warehouses, and bringing "
    "up the rear of every funeral I meet; then, I account it high time to get "
    "to sea as soon as I can.",
    "Will there be wind tomorrow?"};

double MillisecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now() - begin)
      .count();
}

}  // namespace

Game::Game(const GameOptions& options)
    : pool_(options.pool_bytes),
      jobs_(options.threads),
      budget_(options.talker.budget_milliseconds),
      scene_(&jobs_) {
  scene_state_.loading = true;
  loading_ = std::async(std::launch::async, [this, talker = options.talker] {
    return std::make_unique<Talker>(talker, &jobs_, &pool_);
  });
}

void Game::FinishLoading() {
  if (loading_.valid()) TakeTalker();
}

void Game::TakeTalker() {
  talker_ = loading_.get();
  scene_state_.loading = false;
  pause_ = kPauseSeconds;
}

void Game::Type(const std::string& text) {
  std::string& typed = scene_state_.typed;
  if (text != "\b") {
    typed += text;
  } else if (!typed.empty()) {
    typed.pop_back();
  }
}

void Game::Enter() {
  const bool quiet = talker_ != nullptr &&
                     talker_->state() == Talker::State::kQuiet &&
                     !scene_state_.typed.empty();
  if (quiet) Ask(std::exchange(scene_state_.typed, {}));
}

void Game::Ask(const std::string& question) {
  scene_state_.question = question;
  scene_state_.answer.clear();
  unsaid_.clear();
  pause_ = 0;
  ++question_count_;
  talker_->Hear(question);
}

void Game::Reveal(double seconds) {
  unsaid_ += talker_->TakeText();
  letters_due_ += kLettersPerSecond * seconds;
  const auto due = static_cast<size_t>(letters_due_);
  letters_due_ -= static_cast<double>(due);
  const size_t count = std::min(due, unsaid_.size());
  scene_state_.answer += unsaid_.substr(0, count);
  unsaid_.erase(0, count);
}

void Game::Frame(double seconds) {
  const auto begin = std::chrono::steady_clock::now();
  scene_state_.seconds += seconds;
  FrameTime time;
  if (loading_.valid() &&
      loading_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
    TakeTalker();
  }
  if (talker_ != nullptr) {
    time.reading = talker_->state() == Talker::State::kListening;
    const auto engine_begin = std::chrono::steady_clock::now();
    const bool wanted =
        time.reading || (talker_->state() != Talker::State::kQuiet &&
                         unsaid_.size() < kLettersAhead);
    if (wanted) {
      const long preemptions = Preemptions();
      const double computed = ThreadMilliseconds();
      talker_->Work();
      time.computing = ThreadMilliseconds() - computed;
      time.engine = MillisecondsSince(engine_begin);
      time.preempted = Preemptions() > preemptions;
    }
    Reveal(seconds);
    const bool silent =
        talker_->state() == Talker::State::kQuiet && unsaid_.empty();
    pause_ = silent ? pause_ + seconds : 0;
    if (pause_ > kPauseSeconds && scene_state_.typed.empty()) {
      Ask(kQuestions[question_count_ % std::size(kQuestions)]);
    }
    scene_state_.listening = talker_->state() == Talker::State::kListening;
    scene_state_.heard = talker_->heard();
    scene_state_.talking = !unsaid_.empty();
    scene_state_.session_tokens = talker_->session_tokens();
    scene_state_.tokens_per_second = talker_->tokens_per_second();
  }
  scene_state_.frames = &frames_;
  scene_state_.budget_milliseconds = budget_;
  scene_state_.memory = pool_.counts();
  scene_.Draw(scene_state_, &canvas_);
  time.whole = MillisecondsSince(begin);
  frames_.Add(time);
}

}  // namespace game
