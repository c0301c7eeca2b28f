// Steps of a session: rows into a pass, tokens out of their logits.
//
// Other sessions may look at the tokens and the state meanwhile: no token takes
// another's place before the state has forgotten that.
#include <algorithm>
#include <chrono>
#include <utility>

#include "session/session.h"

namespace baleen {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

void SessionStep::Undo() {
  if (session != nullptr) session->KeepTokens(keep);
  session = nullptr;
}

Status Session::CheckStep(const SessionStep& step) const {
  BALEEN_RETURN_IF_ERROR(CheckTokens(step.input));
  BALEEN_RETURN_IF_ERROR(
      CheckRoom(step.input.size() + (step.chooses() ? 1 : 0)));
  if (!step.chooses()) return Status();
  BALEEN_RETURN_IF_ERROR(
      CheckSampling(*step.sampling, bundle_->info().vocabulary_size));
  if (bundle_->shapes_only()) {
    return Unsupported(
        "the model was loaded for its shapes only, so there are no logits");
  }
  if (tokens_.empty() && step.input.empty()) {
    return NotFound("the session is empty, so nothing follows from it");
  }
  return Status();
}

Status Session::PrepareStep(SessionStep* step) {
  BALEEN_RETURN_IF_ERROR(CheckStep(*step));
  BALEEN_RETURN_IF_ERROR(Restore());
  BALEEN_ASSIGN_OR_RETURN(step->input_done, TakeBeginning(step->input));
  step->input = step->input.subspan(step->input_done);
  tokens_.Reserve(step->input.size() +
                  std::min(step->tokens.size(), kMostGuesses + 1));
  logits_.resize(bundle_->info().vocabulary_size);
  step->rows = 0;
  if (step->input.empty()) {
    if (logits_valid_ || !step->chooses()) return Status();
    UncoverLastRow();
  }
  step->rows =
      static_cast<int64_t>(tokens_.size() + step->input.size()) - replay_from_;
  return Status();
}

Status Session::PlaceRows(int64_t share, SessionStep* step) {
  if (step->rows == 0) return Status();
  const size_t old_size = tokens_.size();
  const int64_t old_rows = static_cast<int64_t>(old_size) - replay_from_;
  const int64_t count = ChunkRows(replay_from_, std::min(step->rows, share));
  step->session = this;
  step->keep = old_size;
  step->complete = count == step->rows;
  step->input_size =
      static_cast<size_t>(std::max<int64_t>(0, count - old_rows));
  tokens_.Add(step->input.first(step->input_size));
  if (step->complete && step->guesses && step->input.empty()) {
    BALEEN_RETURN_IF_ERROR(Guess(step));
    step->guessed = tokens_.size() - old_size;
  }
  const size_t wanted = step->complete ? 1 + step->guessed : 0;
  // A model of shapes only counts them.
  float* logits = bundle_->shapes_only() ? nullptr : logits_.data();
  if (wanted > 1) {
    step_logits_.resize(wanted * logits_.size());
    logits = step_logits_.data();
  }
  FillRequest(
      tokens_.span().subspan(static_cast<size_t>(replay_from_),
                             static_cast<size_t>(count) + step->guessed),
      replay_from_, static_cast<int64_t>(wanted), logits, &step->request);
  return Status();
}

// A drafter that fails is no reason to choose nothing.
Status Session::Guess(SessionStep* step) {
  const size_t size = tokens_.size();
  // The host's edits may depend on what it was told, so it is told of each token
  // before the next.
  const bool ready = drafting_ != nullptr && step->sampling->edit == nullptr &&
                     step->rows == 1 && state_->length() == replay_from_;
  if (!ready) return Status();
  GuessRequest request;
  request.state = state_.get();
  request.tokens = &tokens_;
  request.limit = std::min(step->tokens.size() - 1,
                           static_cast<size_t>(options_.capacity) - size - 1);
  request.sampler = &sampler_;
  request.seed = options_.seed;
  request.sampling = step->sampling;
  request.defaults = {bundle_->temperature(), bundle_->top_p()};
  request.cancel = &cancel_;
  baleen_session_counters cost = {};
  request.counters = &cost;
  const Status status = drafting_->Guess(request);
  counts_.Add(cost);
  if (status.ok() || status.code() == BALEEN_CANCELLED) return status;
  bundle_->context().log().Write(BALEEN_LOG_DEBUG, "no token was guessed: %s",
                                 status.message());
  tokens_.Truncate(size);
  return Status();
}

Status Session::EndStep(SessionStep* step) {
  if (step->rows > 0) {
    BALEEN_RETURN_IF_ERROR(TakeRows(step->request));
    step->input_done += step->input_size;
    stats_.prompt_tokens += step->input_size;
    step->keep += step->input_size;
    const StepPart& part = step->request.part;
    logits_valid_ = part.output_count == 1 && part.logits != nullptr;
  }
  // A pass that others had a part in goes on to its end.
  if (cancel_.load(std::memory_order_relaxed)) {
    return Status::Error(BALEEN_CANCELLED, "the call was cancelled");
  }
  if (step->complete && step->chooses()) {
    BALEEN_RETURN_IF_ERROR(ChooseTokens(step));
  }
  step->session = nullptr;
  return Status();
}

Status Session::ChooseTokens(SessionStep* step) {
  const size_t guesses = step->guessed;
  const size_t first = tokens_.size() - guesses;
  const float* const rows = guesses > 0 ? step_logits_.data() : logits_.data();
  size_t accepted = 0;
  size_t count = 0;
  for (bool more = true; more; ++count) {
    const std::span<const float> logits(rows + count * logits_.size(),
                                        logits_.size());
    baleen_token& token = step->tokens[count];
    BALEEN_RETURN_IF_ERROR(sampler_.Choose(
        logits, tokens_.span().first(first + count), options_.seed,
        *step->sampling, {bundle_->temperature(), bundle_->top_p()}, &token));
    if (step->scores != nullptr) step->scores[count] = Score(logits, token);
    const bool true_guess =
        count < guesses && token == tokens_.span()[first + count];
    if (true_guess) ++accepted;
    // Nobody wants what follows the end of a turn before hearing of it.
    more = true_guess && !bundle_->IsEnd(token);
  }
  EndWith(step->tokens[count - 1], first + count - 1);
  step->count = count;
  stats_.generated_tokens += count;
  stats_.drafted_tokens += guesses;
  stats_.accepted_tokens += accepted;
  if (drafting_ != nullptr && step->rows > 0) {
    drafting_->Learn(guesses, accepted, step->request.seconds);
  }
  return Status();
}

void Session::KeepTokens(size_t keep) {
  const auto length = static_cast<int64_t>(keep);
  tokens_.Truncate(keep);
  if (state_->length() > length) state_->Truncate(length, &replay_from_);
  if (drafting_ != nullptr) drafting_->Keep(keep);
}

void Session::EndWith(baleen_token token, size_t before) {
  KeepTokens(before);
  tokens_.Add({&token, 1});
  logits_valid_ = false;
}

void Session::TakeBack(size_t count) {
  if (count == 0) return;
  stats_.generated_tokens -= count;
  const size_t last = tokens_.size() - count - 1;
  EndWith(tokens_.span()[last], last);
}

Status Session::Step(const baleen_sampling& sampling,
                     std::span<baleen_token> tokens, size_t* count) {
  // Tokens that a long call has chosen before.
  BALEEN_RETURN_IF_ERROR(FlushLog());
  const auto start = Clock::now();
  SessionStep step;
  step.sampling = &sampling;
  step.tokens = tokens;
  step.guesses = true;
  BALEEN_RETURN_IF_ERROR(PrepareStep(&step));
  if (step.rows > 1) {  // A window to be filled again, with progress.
    BALEEN_RETURN_IF_ERROR(ComputeLogits());
    step.rows = 0;
  }
  if (step.rows > 0) {
    BALEEN_RETURN_IF_ERROR(PlaceRows(step.rows, &step));
    RunRequest(&step.request);
  }
  BALEEN_RETURN_IF_ERROR(EndStep(&step));
  *count = step.count;
  CountTime(step, std::chrono::duration<double>(Clock::now() - start).count());
  return Status();
}

void Session::CountTime(const SessionStep& step, double seconds) {
  (step.count > 0 ? stats_.generate_seconds : stats_.prompt_seconds) += seconds;
}

}  // namespace baleen
