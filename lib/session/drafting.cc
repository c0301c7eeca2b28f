#include "session/drafting.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "session/lookup.h"

namespace baleen {
namespace {

using Clock = std::chrono::steady_clock;

// Runs that are shorter are chance; where the model guesses as well, it knows
// better than a short one.
constexpr size_t kShortestRun = 2;
constexpr size_t kSureRun = 4;

// A step without guesses is made this often, to know what one costs.
constexpr uint32_t kPlainPeriod = 64;

}  // namespace

bool Drafting::Wanted(const baleen_session_options& options) {
  return options.draft != BALEEN_DRAFT_OFF;
}

uint64_t Drafting::Bytes(const baleen_session_options& options,
                         uint64_t row_bytes, uint64_t vocabulary) {
  if (!Wanted(options)) return 0;
  uint64_t bytes = sizeof(Drafting);
  // The logits of a step with guesses.
  bytes += (kMostGuesses + 1) * vocabulary * sizeof(float);
  if (options.draft == BALEEN_DRAFT_LOOKUP || row_bytes == 0) return bytes;
  return bytes + vocabulary * sizeof(float) +
         (kMostSeen + kFeedRows) * row_bytes;
}

Result<Owned<Drafting>> Drafting::Create(Model* model,
                                         const baleen_session_options& options,
                                         Memory* memory) {
  if (options.draft == BALEEN_DRAFT_MODEL &&
      model->info().draft_layer_count == 0) {
    return NotFound("the model has no drafter, so options.draft cannot be %s",
                    "BALEEN_DRAFT_MODEL");
  }
  if (!Wanted(options)) return Owned<Drafting>();
  return MakeOwned<Drafting>(memory, model, options, memory);
}

Drafting::Drafting(Model* model, const baleen_session_options& options,
                   Memory* memory)
    : model_(model),
      drafter_(options.draft == BALEEN_DRAFT_LOOKUP ? nullptr
                                                    : model->drafter()),
      mode_(options.mode),
      most_(options.draft_limit == 0
                ? kMostGuesses
                : std::min<size_t>(options.draft_limit, kMostGuesses)),
      looks_up_(options.draft != BALEEN_DRAFT_MODEL),
      memory_(memory),
      lookup_pace_(false),
      model_pace_(sees_streams()),
      seen_(memory),
      logits_(memory),
      streams_(memory) {}

void Drafting::Attach(StepPart* part) {
  if (!sees_streams()) return;
  // Copying them costs a small model 1 % of a step.
  if (model_pace_.rest() > kCatchUpRows) {
    seen_count_ = 0;
    return;
  }
  if (seen_.empty()) seen_.resize(kMostSeen * row_size());
  const size_t rows = part->tokens.size();
  const size_t wanted = std::min(rows, kFeedRows);
  const bool follows =
      seen_first_ + static_cast<int64_t>(seen_count_) == part->position &&
      wanted == rows;
  if (!follows) seen_count_ = 0;
  if (seen_count_ + wanted > kMostSeen) {
    const size_t dropped = seen_count_ + wanted - kFeedRows;
    std::copy(seen_.begin() + static_cast<ptrdiff_t>(dropped * row_size()),
              seen_.begin() + static_cast<ptrdiff_t>(seen_count_ * row_size()),
              seen_.begin());
    seen_first_ += static_cast<int64_t>(dropped);
    seen_count_ -= dropped;
  }
  part->stream_count = static_cast<int64_t>(wanted);
  part->streams = seen_.data() + seen_count_ * row_size();
}

void Drafting::Collect(const StepPart& part) {
  if (part.stream_count == 0) return;
  const int64_t end = part.position + static_cast<int64_t>(part.tokens.size());
  if (seen_count_ == 0) seen_first_ = end - part.stream_count;
  seen_count_ += static_cast<size_t>(part.stream_count);
}

void Drafting::Keep(size_t tokens) {
  const auto end = static_cast<int64_t>(tokens);
  seen_count_ = static_cast<size_t>(std::clamp<int64_t>(
      end - seen_first_, 0, static_cast<int64_t>(seen_count_)));
  fed_end_ = std::min(fed_end_, end);
}

Status Drafting::Guess(const GuessRequest& request) {
  pace_ = nullptr;
  guessed_ = 0;
  guess_seconds_ = 0;
  usual_ = true;
  const size_t limit = std::min(request.limit, most_);
  // What a plain step costs is what all others are measured by.
  if (limit == 0 || times_.Of(1) == 0 || ++since_plain_ >= kPlainPeriod) {
    since_plain_ = 0;
    return Status();
  }
  const size_t size = request.tokens->size();
  const auto start = Clock::now();
  const bool has_model = drafter_ != nullptr;
  if (looks_up_) {
    const LookupMatch match =
        FindEarlier(*request.tokens, has_model ? kSureRun : kShortestRun);
    const size_t count =
        lookup_pace_.Choose(times_, match.length > 0 ? limit : 0);
    // Read one by one: a run that reaches the end goes on with the guesses.
    const size_t from = size - match.next.size();
    for (size_t i = 0; i < count; ++i) {
      const baleen_token token = request.tokens->span()[from + i];
      request.tokens->Add({&token, 1});
    }
    if (count > 0) pace_ = &lookup_pace_;
  }
  if (has_model && pace_ == nullptr) {
    const size_t count = model_pace_.Choose(times_, limit);
    if (count > 0) {
      BALEEN_RETURN_IF_ERROR(sees_streams() ? GuessWithMtp(request, count)
                                            : GuessWithDspark(request, count));
      pace_ = &model_pace_;
    }
  }
  guessed_ = request.tokens->size() - size;
  if (guessed_ == 0) since_plain_ = 0;
  guess_seconds_ = std::chrono::duration<double>(Clock::now() - start).count();
  return Status();
}

void Drafting::Learn(size_t guesses, size_t accepted, double seconds) {
  if (seconds > 0) times_.Learn(guesses + 1, seconds);
  // Those of a step that failed were never put to the test.
  if (pace_ != nullptr && guesses == guessed_) {
    pace_->Learn(times_, guesses, accepted, usual_ ? guess_seconds_ : 0);
  }
  pace_ = nullptr;
}

Status Drafting::GuessWithDspark(const GuessRequest& request, size_t count) {
  const int64_t block = drafter_->block_size();
  const int64_t first = request.state->length();
  const auto limit = static_cast<int64_t>(model_->info().position_limit);
  if (first == 0 || first + block > limit) return Status();
  usual_ = fed_;
  fed_ = true;
  const auto size = static_cast<size_t>(block);
  Vector<baleen_sample_row> rows(size, memory_);
  for (baleen_sample_row& row : rows) {
    row = {};
    row.flags = BALEEN_SAMPLING_GREEDY;
    row.draft = -1;
  }
  Vector<baleen_token> tokens(size, memory_);
  Vector<float> confidence(size, memory_);
  BALEEN_RETURN_IF_ERROR(drafter_->DraftBlock(
      mode_, request.state, request.tokens->back(), rows, request.cancel,
      {tokens, confidence, {}, request.counters}));
  count = std::min(count, size);
  request.tokens->Add(std::span<const baleen_token>(tokens).first(count));
  return Status();
}

Status Drafting::Feed(const GuessRequest& request) {
  const bool follows = seen_first_ <= fed_end_;
  const size_t count =
      std::min(follows ? kFeedRows : kCatchUpRows, seen_count_);
  const size_t first = seen_count_ - count;
  MtpRows rows;
  rows.state = request.state;
  rows.position = seen_first_ + static_cast<int64_t>(first);
  rows.next_tokens = request.tokens->span().last(count);
  rows.streams = seen_.data() + first * row_size();
  rows.output_count = 1;
  rows.counters = request.counters;
  BALEEN_RETURN_IF_ERROR(drafter_->DraftMtp(mode_, rows, request.cancel,
                                            logits_.data(), streams_.data()));
  if (count > 1) {
    std::copy_n(streams_.data() + (count - 1) * row_size(), row_size(),
                streams_.data());
  }
  fed_end_ = rows.position + static_cast<int64_t>(count);
  seen_count_ = 0;
  return Status();
}

Status Drafting::GuessWithMtp(const GuessRequest& request, size_t count) {
  TokenLine& tokens = *request.tokens;
  const int64_t end = seen_first_ + static_cast<int64_t>(seen_count_);
  if (seen_count_ == 0 || end + 1 != static_cast<int64_t>(tokens.size())) {
    return Status();
  }
  logits_.resize(model_->info().vocabulary_size);
  streams_.resize(kFeedRows * row_size());
  // The first time builds programs, which says nothing about what guessing costs
  // from now on.
  usual_ = fed_;
  fed_ = true;
  BALEEN_RETURN_IF_ERROR(Feed(request));
  // With the host's penalties and biases, but no random number: that of the
  // position picks the same token from other chances only if all that come
  // before it in the vocabulary are as likely, too.
  baleen_sampling likeliest = *request.sampling;
  likeliest.flags |= BALEEN_SAMPLING_GREEDY;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) {
      MtpRows rows;
      rows.state = request.state;
      rows.position = static_cast<int64_t>(tokens.size()) - 2;
      rows.next_tokens = tokens.span().last(1);
      rows.streams = streams_.data();
      rows.output_count = 1;
      rows.counters = request.counters;
      BALEEN_RETURN_IF_ERROR(drafter_->DraftMtp(
          mode_, rows, request.cancel, logits_.data(), streams_.data()));
    }
    baleen_token token = -1;
    BALEEN_RETURN_IF_ERROR(request.sampler->Choose(
        logits_, tokens, request.seed, likeliest, request.defaults, &token));
    tokens.Add({&token, 1});
  }
  return Status();
}

}  // namespace baleen
