#include "talker.h"

#include <chrono>
#include <utility>

namespace game {
namespace {

// What is planned for, of the budget.  The rest is for what no estimate knows:
// another program on the core, or memory that is not in the cache.
constexpr double kPlannedShare = 0.5;
// What a piece of a prompt aims at, which is less since each is another size.
constexpr double kPieceShare = 0.3;
constexpr int kWarmUpSteps = 20;
// Small models talk better if they dare less.
constexpr float kTemperature = 0.7f;
constexpr float kTopP = 0.9f;

double SystemNow() {
  using std::chrono::steady_clock;
  return std::chrono::duration<double, std::milli>(
             steady_clock::now().time_since_epoch())
      .count();
}

void Check(baleen_status status, const baleen_error& error) {
  if (status != BALEEN_OK) throw Failure(error.message);
}

}  // namespace

Talker::Talker(const TalkerOptions& options, JobSystem* jobs, Pool* pool)
    : budget_(options.budget_milliseconds,
              options.clock ? options.clock : SystemNow),
      piece_size_(kPieceShare * options.budget_milliseconds),
      most_answer_tokens_(options.most_answer_tokens),
      memory_tokens_(options.memory_tokens) {
  const baleen_workers workers = jobs->hooks();
  const baleen_allocator allocator = pool->hooks();
  baleen_error error;

  baleen_context_options context_options = {};
  context_options.struct_size = sizeof context_options;
  context_options.workers = &workers;
  context_options.allocator = &allocator;
  baleen_context* context = nullptr;
  Check(baleen_context_create(&context_options, &context, &error), error);
  context_.reset(context);

  // A game has a loading screen anyway, and frames are dearer than memory.
  baleen_model_options model_options = {};
  model_options.struct_size = sizeof model_options;
  model_options.flags = BALEEN_MODEL_REPACK;
  baleen_model* model = nullptr;
  Check(baleen_model_load(context, options.model.c_str(), &model_options,
                          &model, &error),
        error);
  model_.reset(model);

  // Guessing ahead makes steps fewer but longer, which suits no frame.
  baleen_session_options session_options = {};
  session_options.struct_size = sizeof session_options;
  session_options.capacity = memory_tokens_;
  session_options.seed = options.seed;
  session_options.draft = BALEEN_DRAFT_OFF;
  baleen_session* session = nullptr;
  Check(baleen_session_create(model, &session_options, &session, &error),
        error);
  session_.reset(session);
  WarmUp();
}

void Talker::WarmUp() {
  budget_.BeginFrame();
  prompt_.assign(memory_tokens_ / 2, 0);
  // At first a piece as large as any will ever be: for more than a few tokens
  // at once the engine takes another 15 MB, which no frame shall wait for.
  ReadPiece(PieceSize::kMost);
  while (read_ < prompt_.size()) ReadPiece(piece_size_.size());
  baleen_error error;
  for (int i = 0; i < kWarmUpSteps; ++i) {
    baleen_token token = -1;
    size_t count = 0;
    const double begin = budget_.now();
    Check(
        baleen_session_step(session_.get(), nullptr, &token, 1, &count, &error),
        error);
    step_cost_.Add(budget_.now() - begin);
  }
  Check(baleen_session_truncate(session_.get(), 0, &error), error);
  prompt_.clear();
  read_ = 0;
  work_tokens_ = 0;
  state_ = State::kQuiet;
}

void Talker::Hear(const std::string& text) {
  turns_.push_back({false, text, {}});
  state_ = State::kListening;
  turn_begun_ = false;
  read_ = 0;
  prompt_.clear();
}

void Talker::Work() {
  budget_.BeginFrame();
  work_tokens_ = 0;
  bool more = state_ != State::kQuiet;
  if (more && !turn_begun_) {
    turn_begun_ = BeginTurn();
    more = false;  // Encoding may take as long as a piece.
  }
  while (more) {
    more = state_ == State::kListening ? ReadPiece(piece_size_.size()) : Say();
    if (state_ == State::kQuiet) break;
  }
  work_milliseconds_ = budget_.spent();
}

std::vector<baleen_token> Talker::Encode() const {
  std::vector<baleen_message> messages;
  for (const Turn& turn : turns_) {
    baleen_message message = {};
    message.role = turn.mine ? "assistant" : "user";
    message.content = turn.text.data();
    message.content_size = turn.text.size();
    message.tokens = turn.mine ? turn.tokens.data() : nullptr;
    message.token_count = turn.tokens.size();
    messages.push_back(message);
  }
  baleen_chat_options options = {};
  options.struct_size = sizeof options;
  options.thinking = BALEEN_THINKING_OFF;
  std::vector<baleen_token> tokens(2 * memory_tokens_);
  size_t count = 0;
  baleen_error error;
  const auto encode = [&] {
    return baleen_model_encode_chat(model_.get(), messages.data(),
                                    messages.size(), &options, tokens.data(),
                                    tokens.size(), &count, &error);
  };
  baleen_status status = encode();
  if (status == BALEEN_BUFFER_TOO_SMALL) {
    tokens.resize(count);
    status = encode();
  }
  Check(status, error);
  tokens.resize(count);
  return tokens;
}

bool Talker::BeginTurn() {
  prompt_ = Encode();
  // There must be room for the answer.  Forgetting moves all that follows, so
  // it goes far enough to be rare: half of the memory.
  const size_t room = memory_tokens_ - most_answer_tokens_;
  if (turns_.size() > 1 &&
      prompt_.size() > (forgetting_ ? memory_tokens_ / 2 : room)) {
    turns_.erase(turns_.begin());
    ++forgotten_turns_;
    forgetting_ = true;
    return false;
  }
  forgetting_ = false;
  if (prompt_.size() > room) {
    throw Failure("This is more than the character can listen to.");
  }
  size_t count = 0;
  const baleen_token* held = baleen_session_tokens(session_.get(), &count);
  while (read_ < count && read_ < prompt_.size() &&
         held[read_] == prompt_[read_]) {
    ++read_;
  }
  // What differs from here on is read anew in pieces, from the beginning: going
  // back into the middle would compute many positions again in one call.
  if (read_ < count) {
    read_ = 0;
    baleen_error error;
    Check(baleen_session_truncate(session_.get(), 0, &error), error);
  }

  baleen_reply_options options = {};
  options.struct_size = sizeof options;
  options.thinking = BALEEN_THINKING_OFF;
  baleen_reply* reply = nullptr;
  baleen_error error;
  Check(baleen_reply_create(model_.get(), &options, &reply, &error), error);
  reply_.reset(reply);
  answer_tokens_ = 0;
  return true;
}

// Reads one piece.  False if the frame is over.
bool Talker::ReadPiece(size_t most) {
  const size_t count = std::min(most, prompt_.size() - read_);
  const double begin = budget_.now();
  baleen_error error;
  Check(baleen_session_append(session_.get(), prompt_.data() + read_, count,
                              &error),
        error);
  piece_size_.Add(count, budget_.now() - begin);
  read_ += count;
  work_tokens_ += count;
  if (read_ == prompt_.size()) state_ = State::kTalking;
  return false;  // Another piece would take as long as this one.
}

// Says one token.  False if the frame is over.
bool Talker::Say() {
  // The first step of a frame is always made: a model too slow for the budget
  // talks all the same, and the frame times show it.
  const double planned = kPlannedShare * budget_.budget();
  if (work_tokens_ > 0 && budget_.spent() + step_cost_.estimate() > planned) {
    return false;
  }
  const double begin = budget_.now();
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.temperature = kTemperature;
  sampling.top_p = kTopP;
  baleen_token token = -1;
  size_t count = 0;
  baleen_error error;
  Check(
      baleen_session_step(session_.get(), &sampling, &token, 1, &count, &error),
      error);
  Check(baleen_reply_add(reply_.get(), &token, count, &error), error);
  step_cost_.Add(budget_.now() - begin);
  ++work_tokens_;
  ++answer_tokens_;
  const bool ended = baleen_model_is_end(model_.get(), token) != 0;
  if (ended || answer_tokens_ == most_answer_tokens_) EndTurn();
  baleen_piece piece = {};
  piece.struct_size = sizeof piece;
  while (baleen_reply_next(reply_.get(), &piece) != 0) {
    text_.append(piece.text, piece.text_size);
  }
  return state_ == State::kTalking;
}

void Talker::EndTurn() {
  baleen_error error;
  Check(baleen_reply_finish(reply_.get(), &error), error);
  baleen_message message = {};
  Check(baleen_reply_message(reply_.get(), &message, &error), error);
  Turn turn;
  turn.mine = true;
  if (message.content != nullptr) {
    turn.text.assign(message.content, message.content_size);
  }
  turn.tokens.assign(message.tokens, message.tokens + message.token_count);
  turns_.push_back(std::move(turn));
  state_ = State::kQuiet;
}

std::string Talker::TakeText() { return std::exchange(text_, {}); }

double Talker::heard() const {
  if (prompt_.empty()) return 0;
  return static_cast<double>(read_) / static_cast<double>(prompt_.size());
}

size_t Talker::session_tokens() const {
  size_t count = 0;
  baleen_session_tokens(session_.get(), &count);
  return count;
}

double Talker::tokens_per_second() const {
  baleen_session_stats stats = {};
  stats.struct_size = sizeof stats;
  if (baleen_session_get_stats(session_.get(), &stats, nullptr) != BALEEN_OK ||
      stats.generate_seconds <= 0) {
    return 0;
  }
  return static_cast<double>(stats.generated_tokens) / stats.generate_seconds;
}

}  // namespace game
