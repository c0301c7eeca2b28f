// Beginning with what other sessions of the model, or saved states, have
// computed already.
#include <algorithm>
#include <limits>
#include <utility>

#include "session/session.h"

namespace baleen {
namespace {

// Fewer tokens are computed sooner than a slot and a page are taken and copied.
constexpr int64_t kLeastGain = 64;
// And fewer than these sooner than a file is read.
constexpr int64_t kLeastGainOfFile = 256;

}  // namespace

Result<PrefixMatch> Session::FindShared(std::span<const baleen_token> tokens,
                                        int64_t own) {
  PrefixMatch match;
  const auto most = static_cast<int64_t>(tokens.size()) - 1;
  if (!shares() || most <= own + kLeastGain) return match;
  Vector<uint64_t> chain(bundle_->memory());
  ExtendChain(tokens, &chain);
  {
    StateBudget::Room room;
    BALEEN_RETURN_IF_ERROR(ReserveState(1, &room));
    BALEEN_ASSIGN_OR_RETURN(
        match,
        bundle_->prefixes().Find(entry_, tokens, chain, own + kLeastGain));
  }
  const int64_t least = std::max(own, match.replay_from) + kLeastGainOfFile;
  if (most > least) {
    BALEEN_ASSIGN_OR_RETURN(PrefixMatch saved, FindSaved(tokens, chain, least));
    if (saved.state) match = std::move(saved);
  }
  return match;
}

Result<PrefixMatch> Session::FindSaved(std::span<const baleen_token> tokens,
                                       std::span<const uint64_t> chain,
                                       int64_t least) {
  Context& context = bundle_->context();
  PrefixMatch match;
  Model* model = bundle_->model();
  const StateFolder::Match found = context.state_folder().Find(
      model->fingerprint(), options_.mode, chain, static_cast<size_t>(least));
  if (found.path.empty()) return match;
  const char* path = found.path.c_str();
  const SavedTaker taker = {model, options_.mode,
                            std::numeric_limits<uint64_t>::max()};
  const auto read = [&]() -> Status {
    BALEEN_ASSIGN_OR_RETURN(File file, context.files().Open(path));
    FileInput input(std::move(file));
    SavedReader reader(&input, path, context.workers(), bundle_->memory());
    BALEEN_RETURN_IF_ERROR(reader.ReadFront(taker));
    const auto saved = reader.tokens().first(
        static_cast<size_t>(reader.header().state_length));
    const auto same = static_cast<size_t>(
        std::mismatch(saved.begin(), saved.end(), tokens.begin(), tokens.end())
            .first -
        saved.begin());
    match.length = std::min(same, tokens.size() - 1);
    if (static_cast<int64_t>(match.length) <= least) return Status();
    const auto length = static_cast<int64_t>(match.length);
    StateBudget::Room room;
    BALEEN_RETURN_IF_ERROR(ReserveState(length, &room));
    BALEEN_ASSIGN_OR_RETURN(
        match.state,
        reader.ReadState(taker, length, window_period(), &match.replay_from));
    return Status();
  };
  // What cannot be read can be computed.
  if (const Status status = read(); !status.ok()) {
    context.log().Write(BALEEN_LOG_INFO, "a saved state is not used: %s",
                        status.message());
    if (status.code() != BALEEN_OUT_OF_MEMORY) {
      context.state_folder().Forget(path);
    }
    return PrefixMatch();
  }
  if (match.replay_from <= least) return PrefixMatch();
  return match;
}

Result<size_t> Session::TakeBeginning(std::span<const baleen_token> tokens) {
  if (state_->length() > 0) return size_t{0};
  const bool own = !tokens_.empty();
  if (own) tokens = tokens_;
  BALEEN_ASSIGN_OR_RETURN(PrefixMatch match, FindShared(tokens, 0));
  if (!match.state) return size_t{0};
  stats_.reused_tokens += static_cast<uint64_t>(match.replay_from);
  const size_t length = match.length;
  TakeShared(std::move(match), own ? tokens : tokens.first(length));
  return own ? size_t{0} : length;
}

void Session::TakeShared(PrefixMatch match,
                         std::span<const baleen_token> tokens) {
  match.state->KeepWindowsEach(window_period());
  const Hidden hidden(this);
  if (tokens.data() != tokens_.span().data()) tokens_.Assign(tokens);
  state_ = std::move(match.state);
  replay_from_ = match.replay_from;
  logits_valid_ = false;
}

}  // namespace baleen
