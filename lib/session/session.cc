#include "session/session.h"

#include <sys/random.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace baleen {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Logits of a scored prompt are wanted for every row; this many bytes of them
// are kept at a time (64 rows of the official vocabulary).
constexpr int64_t kScoredBytes = int64_t{32} << 20;

uint64_t FreshSeed() {
  uint64_t seed = 0;
  // Without the system's entropy the clock must do; both are better than a
  // failure, since the seed in use can be asked for.
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) !=
      static_cast<ssize_t>(sizeof seed)) {
    seed = static_cast<uint64_t>(Clock::now().time_since_epoch().count()) *
           0x9E3779B97F4A7C15u;
  }
  return seed == 0 ? 1 : seed;
}

Status CheckOptions(const baleen_session_options& options,
                    uint64_t position_limit) {
  if (options.capacity > position_limit) {
    return InvalidArgument(
        "options.capacity is %llu, more than the model's %llu positions",
        static_cast<unsigned long long>(options.capacity),
        static_cast<unsigned long long>(position_limit));
  }
  if (options.mode != BALEEN_MODE_FAST &&
      options.mode != BALEEN_MODE_REFERENCE) {
    return InvalidArgument("options.mode is %d, which is no mode",
                           options.mode);
  }
  if (options.window_period % SessionState::kPagePositions != 0) {
    return InvalidArgument("options.window_period is %u, no multiple of 256",
                           options.window_period);
  }
  if (options.window_period != 0 && options.window != BALEEN_WINDOW_PERIODIC) {
    return InvalidArgument(
        "options.window_period is set, but options.window is not "
        "BALEEN_WINDOW_PERIODIC");
  }
  return Status();
}

}  // namespace

int64_t PeriodOf(baleen_window window, uint32_t period) {
  switch (window) {
    case BALEEN_WINDOW_PERIODIC:
      return period != 0 ? period : 4096;
    case BALEEN_WINDOW_FULL:
      return 128;
    default:
      return 0;
  }
}

Session::Session(Ref<ModelBundle> bundle, const baleen_session_options& options)
    : bundle_(std::move(bundle)),
      options_(options),
      tokens_(bundle_->prefixes().mutex(), bundle_->memory()),
      logits_(bundle_->memory()),
      sampler_(bundle_->cpu(), bundle_->memory()),
      evicted_path_(bundle_->memory()) {
  stats_.struct_size = sizeof stats_;
}

Session::~Session() {
  if (registered_) {
    bundle_->context().state_budget().Remove(this);
    // Somebody may be evicting it.
    use_mutex_.lock();
    use_mutex_.unlock();
    bundle_->prefixes().Remove(&entry_);
  }
  DropEvicted();
}

void Session::Register() {
  registered_ = true;
  entry_.mode = options_.mode;
  entry_.tokens = &tokens_;
  bundle_->prefixes().Add(&entry_);
  ShowState();
  bundle_->context().state_budget().Add(this);
}

void Session::ShowState() {
  if (registered_ && shares() && evicted_path_.empty()) {
    bundle_->prefixes().Show(&entry_, state_.get());
  }
}

Result<Owned<Session>> Session::Create(Ref<ModelBundle> bundle,
                                       const baleen_session_options& options) {
  Model* model = bundle->model();
  if (model == nullptr) {
    return Unsupported("the model was loaded with its tokenizer only");
  }
  const uint64_t limit = bundle->info().position_limit;
  BALEEN_RETURN_IF_ERROR(CheckOptions(options, limit));
  baleen_session_options meant = options;
  if (meant.capacity == 0) meant.capacity = limit;
  if (meant.seed == 0) meant.seed = FreshSeed();
  Memory* memory = bundle->memory();
  Owned<Session> session = MakeOwned<Session>(memory, std::move(bundle), meant);
  BALEEN_ASSIGN_OR_RETURN(session->state_, session->NewState());
  if (options.log_path != nullptr) {
    BALEEN_RETURN_IF_ERROR(session->OpenLog(options.log_path));
  }
  // The caller's text lives no longer than this call.
  session->options_.log_path = nullptr;
  session->Register();
  return session;
}

Status Session::OpenLog(const char* path) {
  if (!bundle_->context().has_own_files()) {
    return Unsupported(
        "options.log_path needs the system's own files, and this context has "
        "those of its host");
  }
  const LogOwner owner = {bundle_->model()->fingerprint(), options_.mode,
                          bundle_->info().vocabulary_size, options_.capacity};
  const bool resume = (options_.flags & BALEEN_SESSION_RESUME) != 0;
  Vector<baleen_token> tokens(bundle_->memory());
  BALEEN_ASSIGN_OR_RETURN(
      log_, TokenLog::Open(path, owner, resume, &options_.seed, &tokens,
                           bundle_->memory()));
  tokens_.Assign(tokens);
  tokens_.MarkUnchanged();
  return Status();
}

Status Session::FlushLog() {
  const size_t keep = tokens_.unchanged();
  if (log_ == nullptr || (keep == tokens_.size() && keep == log_->size() &&
                          log_->seed() == options_.seed)) {
    return Status();
  }
  BALEEN_RETURN_IF_ERROR(
      log_->Write(keep, options_.seed, tokens_.span().subspan(keep)));
  tokens_.MarkUnchanged();
  return Status();
}

Status Session::ReserveState(int64_t positions, StateBudget::Room* room) {
  const uint64_t bytes =
      bundle_->model()->StateGrowth(positions) +
      bundle_->model()->WindowNeed(positions, window_period(), false);
  return bundle_->context().state_budget().Reserve(bytes, room);
}

int64_t Session::window_period() const {
  return PeriodOf(options_.window, options_.window_period);
}

Result<StatePointer> Session::NewState() const {
  BALEEN_ASSIGN_OR_RETURN(StatePointer state, bundle_->model()->CreateState());
  state->KeepWindowsEach(window_period());
  return state;
}

Status Session::CheckTokens(std::span<const baleen_token> tokens) const {
  const auto vocabulary = bundle_->info().vocabulary_size;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || static_cast<uint32_t>(tokens[i]) >= vocabulary) {
      return InvalidArgument("tokens[%zu] is %d, but the vocabulary has %u", i,
                             tokens[i], vocabulary);
    }
  }
  return Status();
}

Status Session::CheckRoom(size_t count) const {
  if (count > options_.capacity -
                  std::min<uint64_t>(options_.capacity, tokens_.size())) {
    return Status::Error(BALEEN_SESSION_FULL,
                         "%zu tokens and %zu more are over the capacity %llu",
                         tokens_.size(), count,
                         static_cast<unsigned long long>(options_.capacity));
  }
  return Status();
}

int64_t Session::ChunkRows(int64_t position, int64_t left) const {
  int64_t rows = left;
  if (options_.prefill_chunk > 0) {
    rows = std::min(rows, int64_t{options_.prefill_chunk});
  }
  // A window is kept where a step ends.
  if (const int64_t period = window_period(); period > 0) {
    rows = std::min(rows, period - position % period);
  }
  return std::min(rows, bundle_->model()->RowLimit(position + rows));
}

Status Session::ReportProgress(uint64_t done, uint64_t total) const {
  if (options_.progress == nullptr ||
      options_.progress(options_.progress_user_data, done, total) == 0) {
    return Status();
  }
  return Status::Error(BALEEN_CANCELLED, "the progress callback cancelled");
}

Status Session::RunRows(std::span<const baleen_token> rows, int64_t position,
                        int64_t output_count, float* logits) {
  logits_valid_ = false;
  StateBudget::Room room;
  BALEEN_RETURN_IF_ERROR(bundle_->context().state_budget().Reserve(
      state_->GrowthFor(position, static_cast<int64_t>(rows.size())), &room));
  const int64_t length = state_->length();
  StepPart part;
  part.state = state_.get();
  part.tokens = rows;
  part.position = position;
  part.frozen = length;
  part.output_count = output_count;
  baleen_session_counters cost = {};
  part.counters = &cost;
  const Status status = bundle_->model()->Step(
      options_.mode, std::span<const StepPart>(&part, 1), &cancel_, logits);
  if (!status.ok()) {
    state_->Truncate(length, &replay_from_);
    return status;
  }
  replay_from_ = position + static_cast<int64_t>(rows.size());
  counts_.Add(cost);
  return Status();
}

Status Session::Compute(std::span<const baleen_token> tokens) {
  BALEEN_RETURN_IF_ERROR(Restore());
  tokens_.Reserve(tokens.size());
  logits_.resize(bundle_->info().vocabulary_size);
  // Tokens that came from a log.
  if (state_->length() == 0 && tokens_.size() > 1) {
    BALEEN_ASSIGN_OR_RETURN(PrefixMatch match, FindShared(tokens_, 0));
    if (match.state) TakeShared(std::move(match), tokens_);
  }
  const auto old_size = static_cast<int64_t>(tokens_.size());
  const int64_t end = old_size + static_cast<int64_t>(tokens.size());
  const auto total = static_cast<uint64_t>(end - replay_from_);
  const int64_t first = replay_from_;
  while (replay_from_ < end) {
    // Old rows and new ones go in separate steps: a row's bits do not depend on
    // the cut, and one span of tokens serves each.
    const bool old = replay_from_ < old_size;
    const int64_t left = (old ? old_size : end) - replay_from_;
    const int64_t count = ChunkRows(replay_from_, left);
    const std::span<const baleen_token> from = old ? tokens_.span() : tokens;
    const int64_t offset = old ? replay_from_ : replay_from_ - old_size;
    const std::span<const baleen_token> rows =
        from.subspan(static_cast<size_t>(offset), static_cast<size_t>(count));
    const bool last = replay_from_ + count == end;
    // A model of shapes only counts them.
    const bool wanted = last && !bundle_->shapes_only();
    BALEEN_RETURN_IF_ERROR(RunRows(rows, replay_from_, last ? 1 : 0,
                                   wanted ? logits_.data() : nullptr));
    if (!old) {
      tokens_.Add(rows);
      stats_.prompt_tokens += rows.size();
    }
    logits_valid_ = wanted;
    if (total > 1) {  // Not for a token that Step has chosen.
      BALEEN_RETURN_IF_ERROR(
          ReportProgress(static_cast<uint64_t>(replay_from_ - first), total));
    }
  }
  return Status();
}

Status Session::ComputeLogits() {
  if (logits_valid_) return Status();
  if (bundle_->shapes_only()) {
    return Unsupported(
        "the model was loaded for its shapes only, so there are no logits");
  }
  if (tokens_.empty()) {
    return NotFound("the session is empty, so nothing follows from it");
  }
  BALEEN_RETURN_IF_ERROR(Restore());
  // If the state has every token, its last row is computed again.
  const auto last = static_cast<int64_t>(tokens_.size()) - 1;
  if (replay_from_ > last) state_->Truncate(last, &replay_from_);
  return Compute({});
}

Status Session::Append(std::span<const baleen_token> tokens) {
  BALEEN_RETURN_IF_ERROR(CheckTokens(tokens));
  BALEEN_RETURN_IF_ERROR(CheckRoom(tokens.size()));
  if (tokens.empty()) return Status();
  const auto start = Clock::now();
  BALEEN_RETURN_IF_ERROR(Restore());
  if (tokens_.empty()) {
    BALEEN_ASSIGN_OR_RETURN(PrefixMatch match, FindShared(tokens, 0));
    if (match.state) {
      stats_.reused_tokens += static_cast<uint64_t>(match.replay_from);
      const size_t length = match.length;
      TakeShared(std::move(match), tokens.first(length));
      tokens = tokens.subspan(length);
    }
  }
  // Conversations go back to where a prompt ended, and other sessions begin
  // with the same prompt; its last row is computed again for its logits.
  constexpr size_t kFew = 16;  // Cheaper to compute again than to copy.
  const bool keep = tokens.size() >= kFew &&
                    options_.window != BALEEN_WINDOW_NONE &&
                    !bundle_->shapes_only();
  if (keep) {
    StateBudget::Room room;
    BALEEN_RETURN_IF_ERROR(bundle_->context().state_budget().Reserve(
        state_->ReserveWindowBytes(), &room));
    state_->ReserveWindow();
  }
  const Status status = Compute(tokens);
  if (keep && status.ok()) {
    state_->KeepWindowAt(static_cast<int64_t>(tokens_.size()) - 1);
  }
  stats_.prompt_seconds += SecondsSince(start);
  return status;
}

Status Session::AppendScored(std::span<const baleen_token> tokens,
                             baleen_token_score* scores) {
  BALEEN_RETURN_IF_ERROR(CheckTokens(tokens));
  BALEEN_RETURN_IF_ERROR(CheckRoom(tokens.size()));
  if (tokens.empty()) return Status();
  if (!tokens_.empty()) BALEEN_RETURN_IF_ERROR(ComputeLogits());
  BALEEN_RETURN_IF_ERROR(Restore());
  const auto start = Clock::now();
  const size_t vocabulary = bundle_->info().vocabulary_size;
  const int64_t most_rows = std::max<int64_t>(
      1, kScoredBytes / static_cast<int64_t>(vocabulary * sizeof(float)));
  tokens_.Reserve(tokens.size());
  Vector<float> rows_logits(bundle_->memory());
  const auto score = [&](std::span<const float> logits, baleen_token token) {
    const float logit = logits[static_cast<size_t>(token)];
    return baleen_token_score{
        token, logit,
        static_cast<float>(static_cast<double>(logit) - LogSumExp(logits))};
  };
  for (size_t done = 0; done < tokens.size();) {
    const auto position = static_cast<int64_t>(tokens_.size());
    const int64_t count = std::min(
        most_rows,
        ChunkRows(position, static_cast<int64_t>(tokens.size() - done)));
    const auto rows = tokens.subspan(done, static_cast<size_t>(count));
    rows_logits.resize(rows.size() * vocabulary);
    // The first is scored by the logits from before; RunRows forgets them.
    baleen_token_score first = {rows[0], 0, 0};
    if (!tokens_.empty()) first = score(logits_, rows[0]);
    BALEEN_RETURN_IF_ERROR(RunRows(rows, position, count, rows_logits.data()));
    scores[done] = first;
    const auto row = [&](size_t i) {
      return std::span<const float>(rows_logits)
          .subspan(i * vocabulary, vocabulary);
    };
    for (size_t i = 1; i < rows.size(); ++i) {
      scores[done + i] = score(row(i - 1), rows[i]);
    }
    tokens_.Add(rows);
    stats_.prompt_tokens += rows.size();
    const auto last = row(rows.size() - 1);
    logits_.assign(last.begin(), last.end());
    logits_valid_ = true;
    done += rows.size();
    BALEEN_RETURN_IF_ERROR(ReportProgress(done, tokens.size()));
  }
  stats_.prompt_seconds += SecondsSince(start);
  return Status();
}

Status Session::SetTokens(std::span<const baleen_token> tokens,
                          size_t* reused) {
  BALEEN_RETURN_IF_ERROR(CheckTokens(tokens));
  if (tokens.size() > options_.capacity) {
    return Status::Error(BALEEN_SESSION_FULL,
                         "%zu tokens are over the capacity %llu", tokens.size(),
                         static_cast<unsigned long long>(options_.capacity));
  }
  BALEEN_RETURN_IF_ERROR(Restore());
  const auto own = tokens_.span();
  const auto common = static_cast<size_t>(
      std::mismatch(tokens.begin(), tokens.end(), own.begin(), own.end())
          .first -
      tokens.begin());
  BALEEN_RETURN_IF_ERROR(Truncate(common));
  size_t have = common;
  size_t free = std::min(common, static_cast<size_t>(replay_from_));
  if (common < tokens.size()) {
    BALEEN_ASSIGN_OR_RETURN(PrefixMatch match,
                            FindShared(tokens, static_cast<int64_t>(free)));
    if (match.state) {
      have = match.length;
      free = static_cast<size_t>(match.replay_from);
      TakeShared(std::move(match), tokens.first(have));
    }
  }
  if (reused != nullptr) *reused = free;
  stats_.reused_tokens += free;
  return Append(tokens.subspan(have));
}

Status Session::Truncate(size_t keep) {
  if (keep > tokens_.size()) {
    return InvalidArgument("keep is %zu, but the session has %zu tokens", keep,
                           tokens_.size());
  }
  if (keep == tokens_.size()) return Status();
  BALEEN_RETURN_IF_ERROR(Restore());
  logits_valid_ = false;
  tokens_.Truncate(keep);
  const int64_t length =
      std::min<int64_t>(state_->length(), static_cast<int64_t>(keep));
  int64_t replay_from = length;
  state_->Truncate(length, &replay_from);
  replay_from_ = replay_from;
  return Status();
}

Status Session::Logits(std::span<const float>* logits) {
  BALEEN_RETURN_IF_ERROR(ComputeLogits());
  *logits = logits_;
  return Status();
}

Status Session::TopTokens(std::span<baleen_token_score> scores, size_t* count) {
  BALEEN_RETURN_IF_ERROR(ComputeLogits());
  Vector<baleen_token> order(logits_.size(), bundle_->memory());
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = static_cast<baleen_token>(i);
  }
  const size_t wanted = std::min(scores.size(), order.size());
  const auto logit = [&](baleen_token token) {
    return logits_[static_cast<size_t>(token)];
  };
  std::partial_sort(order.begin(),
                    order.begin() + static_cast<ptrdiff_t>(wanted), order.end(),
                    [&](baleen_token a, baleen_token b) {
                      return logit(a) != logit(b) ? logit(a) > logit(b) : a < b;
                    });
  const double log_sum = LogSumExp(logits_);
  for (size_t i = 0; i < wanted; ++i) {
    const float value = logit(order[i]);
    scores[i] = {order[i], value,
                 static_cast<float>(static_cast<double>(value) - log_sum)};
  }
  *count = wanted;
  return Status();
}

Status Session::Sample(const baleen_sampling& sampling, baleen_token* token) {
  BALEEN_RETURN_IF_ERROR(
      CheckSampling(sampling, bundle_->info().vocabulary_size));
  BALEEN_RETURN_IF_ERROR(ComputeLogits());
  return sampler_.Choose(logits_, tokens_, options_.seed, sampling,
                         {bundle_->temperature(), bundle_->top_p()}, token);
}

Status Session::Step(const baleen_sampling& sampling,
                     std::span<baleen_token> tokens, size_t* count) {
  BALEEN_RETURN_IF_ERROR(CheckRoom(1));
  // Those that a long call has chosen before.
  BALEEN_RETURN_IF_ERROR(FlushLog());
  tokens_.Reserve(1);
  const auto start = Clock::now();
  baleen_token token = -1;
  BALEEN_RETURN_IF_ERROR(Sample(sampling, &token));
  tokens_.Add({&token, 1});
  logits_valid_ = false;
  tokens[0] = token;
  *count = 1;
  ++stats_.generated_tokens;
  stats_.generate_seconds += SecondsSince(start);
  return Status();
}

Result<Owned<Session>> Session::Fork() {
  baleen_session_options options = options_;
  options.progress = nullptr;
  options.progress_user_data = nullptr;
  options.flags &= ~uint32_t{BALEEN_SESSION_RESUME};
  BALEEN_RETURN_IF_ERROR(Restore());
  StateBudget::Room room;
  BALEEN_RETURN_IF_ERROR(ReserveState(1, &room));
  Owned<Session> fork = MakeOwned<Session>(bundle_->memory(), bundle_, options);
  BALEEN_ASSIGN_OR_RETURN(
      fork->state_, state_->ForkAt(state_->length(), &fork->replay_from_));
  fork->state_->KeepWindowsEach(window_period());
  fork->tokens_.Assign(tokens_);
  fork->logits_ = logits_;
  fork->logits_valid_ = logits_valid_;
  fork->Register();
  return fork;
}

void Session::GetStats(baleen_session_stats* stats) const {
  *stats = stats_;
  stats->seed = options_.seed;
  stats->state_bytes = state_->byte_count();
  stats->state_bytes_shared = state_->shared_byte_count();
}

}  // namespace baleen
