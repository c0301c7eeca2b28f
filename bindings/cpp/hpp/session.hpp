// One sequence of tokens.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "canceller.hpp"
#include "reply.hpp"
#include "sampling.hpp"
#include "session_options.hpp"

namespace baleen {
inline namespace cpp {

// Why a generation stopped.
enum class Finish : baleen_finish {
  kNone = BALEEN_FINISH_NONE,  // It failed.
  kEnd = BALEEN_FINISH_END,
  kLimit = BALEEN_FINISH_LIMIT,
  kStop = BALEEN_FINISH_STOP,
  kCallback = BALEEN_FINISH_CALLBACK,
  kFull = BALEEN_FINISH_FULL,
  kToolCall = BALEEN_FINISH_TOOL_CALL
};

struct Generation {
  Sampling sampling = {};
  std::vector<std::string> stops = {};  // Texts that end the answer.
  uint64_t max_tokens = 0;              // 0: until the end.
  Reply* reply = nullptr;               // A fresh one that reads along.
};

class TokenStream;

namespace detail {

class StepPart;

// What the library calls for a session's progress.
struct SessionWatcher {
  Watcher watcher;
  std::shared_ptr<CancelState> cancel;

  static int32_t Call(void* watcher, uint64_t done, uint64_t total) {
    auto* self = static_cast<SessionWatcher*>(watcher);
    const int32_t answer = Watcher::Call(&self->watcher, done, total);
    return self->cancel->asked() ? 1 : answer;
  }
};

// What the library calls with each piece.
template <typename OnPiece>
struct Listener {
  OnPiece& on_piece;
  const CancelState* cancel;
  baleen_session* session;
  Guard guard;

  static int32_t Call(void* listener, const baleen_piece* c) {
    auto* self = static_cast<Listener*>(listener);
    const bool go_on =
        self->guard.Run(false, [&] { return self->Tell(ViewPiece(*c)); });
    // It may have been asked for just before the call began.
    if (self->cancel->asked()) baleen_session_cancel(self->session);
    return go_on ? 0 : 1;
  }

  bool Tell(const Piece& piece) {
    if constexpr (std::is_void_v<decltype(on_piece(piece))>) {
      on_piece(piece);
      return true;
    } else {
      return on_piece(piece);
    }
  }
};

// A session goes with what must outlive it, since its release may still log and
// cancel.
struct SessionRelease {
  std::shared_ptr<baleen_model> model;
  std::shared_ptr<CancelState> cancel;
  std::unique_ptr<SessionWatcher> watcher;  // None in forks.

  void operator()(baleen_session* session) const {
    cancel->Set(nullptr);
    baleen_session_release(session);
  }
};

}  // namespace detail

// Made by Model::NewSession.
class Session {
 public:
  Session() = default;
  Session(std::shared_ptr<baleen_model> model, const SessionOptions& options,
          Error* error BALEEN_OR_THROW) {
    const detail::Names names({options.log_path});
    if (names.failure()) {
      detail::Report(names.failure(), error);
      return;
    }
    auto c = detail::ReadSessionOptions(options, names.Optional(0));
    auto cancel = std::make_shared<detail::CancelState>();
    auto watcher = std::make_unique<detail::SessionWatcher>();
    watcher->watcher.progress = options.progress;
    watcher->cancel = cancel;
    c.progress = detail::SessionWatcher::Call;
    c.progress_user_data = watcher.get();
    baleen_session* made = nullptr;
    const Error failure = detail::Try([&](baleen_error* wrong) {
      return baleen_session_create(model.get(), &c, &made, wrong);
    });
    // Resuming reads tokens, and so tells its progress.
    watcher->watcher.guard.Rethrow();
    if (!detail::Report(failure, error)) return;
    Adopt(made, {std::move(model), std::move(cancel), std::move(watcher)});
  }

  baleen_session* get() const { return handle_.get(); }
  explicit operator bool() const { return handle_ != nullptr; }

  // What ends this session's calls from other threads.
  Canceller canceller() const { return Canceller(parts().cancel); }

  // A second session that goes on from where this one stands.  The log, the
  // progress callback and the cancellers stay with the first.
  Session Fork(Error* error BALEEN_OR_THROW) {
    Session fork;
    auto cancel = std::make_shared<detail::CancelState>();
    baleen_session* made = nullptr;
    const bool fine = Run(error, [&](baleen_error* wrong) {
      return baleen_session_fork(get(), &made, wrong);
    });
    if (fine) fork.Adopt(made, {parts().model, std::move(cancel), nullptr});
    return fork;
  }

  // The tokens so far.  Lent until the next change.
  Span<const Token> tokens() const {
    size_t count = 0;
    const Token* first = baleen_session_tokens(get(), &count);
    return {first, count};
  }

  // Reads tokens after those already there.  If it is cancelled, the tokens it
  // has read by then stay.
  void Append(Span<const Token> tokens, Error* error BALEEN_OR_THROW) {
    Run(error, [&](baleen_error* wrong) {
      return baleen_session_append(get(), tokens.data(), tokens.size(), wrong);
    });
  }

  // The same, and says how likely each of them was where it stood.
  std::vector<TokenScore> AppendScored(Span<const Token> tokens,
                                       Error* error BALEEN_OR_THROW) {
    std::vector<TokenScore> scores(tokens.size());
    Run(error, [&](baleen_error* wrong) {
      return baleen_session_append_scored(get(), tokens.data(), tokens.size(),
                                          scores.data(), wrong);
    });
    return scores;
  }

  // Makes the session hold exactly these tokens, and returns how many of them
  // cost nothing: a chat program passes the whole conversation each time.
  size_t SetTokens(Span<const Token> tokens, Error* error BALEEN_OR_THROW) {
    size_t reused = 0;
    Run(error, [&](baleen_error* wrong) {
      return baleen_session_set_tokens(get(), tokens.data(), tokens.size(),
                                       &reused, wrong);
    });
    return reused;
  }

  // Drops all but the first `keep` tokens.
  void Truncate(size_t keep, Error* error BALEEN_OR_THROW) {
    Run(error, [&](baleen_error* wrong) {
      return baleen_session_truncate(get(), keep, wrong);
    });
  }

  // One for each of the vocabulary.  Lent until the next change.
  Span<const float> Logits(Error* error BALEEN_OR_THROW) {
    const float* logits = nullptr;
    size_t count = 0;
    Run(error, [&](baleen_error* wrong) {
      return baleen_session_logits(get(), &logits, &count, wrong);
    });
    return {logits, count};
  }

  // The likeliest tokens, likeliest first.
  std::vector<TokenScore> TopTokens(size_t limit,
                                    Error* error BALEEN_OR_THROW) {
    std::vector<TokenScore> scores(limit);
    size_t count = 0;
    Run(error, [&](baleen_error* wrong) {
      return baleen_session_top_tokens(get(), scores.data(), limit, &count,
                                       wrong);
    });
    scores.resize(count);
    return scores;
  }

  // Chooses a token without reading it; -1 if that fails.
  Token Sample(const Sampling& sampling BALEEN_OR_EMPTY,
               Error* error BALEEN_OR_THROW) {
    Token token = -1;
    detail::ReadSampling how(sampling);
    Run(
        error,
        [&](baleen_error* wrong) {
          return baleen_session_sample(get(), how.get(), &token, wrong);
        },
        how);
    return token;
  }

  // Chooses tokens and reads them: one, or several where guesses came true.
  // Returns those written to `room`, which has room for at least one.
  Span<const Token> Step(const Sampling& sampling, Span<Token> room,
                         Error* error BALEEN_OR_THROW) {
    size_t count = 0;
    detail::ReadSampling how(sampling);
    Run(
        error,
        [&](baleen_error* wrong) {
          return baleen_session_step(get(), how.get(), room.data(), room.size(),
                                     &count, wrong);
        },
        how);
    return {room.data(), count};
  }

  // Chooses and reads one token after another; see token_stream.hpp.
  TokenStream Stream(Sampling sampling BALEEN_OR_EMPTY,
                     Error* error BALEEN_OR_THROW);

  // Generates until there is a reason to stop, and says which.  `on_piece` gets
  // what the model writes, as it comes.
  template <typename OnPiece>
  Finish Generate(const Generation& generation, OnPiece&& on_piece,
                  Error* error BALEEN_OR_THROW) {
    detail::Names stops({});
    for (const std::string& stop : generation.stops) stops.Add(stop);
    if (stops.failure()) {
      detail::Report(stops.failure(), error);
      return Finish::kNone;
    }
    std::vector<const char*> pointers;
    for (size_t i = 0; i < generation.stops.size(); ++i) {
      pointers.push_back(stops[i]);
    }
    auto c = detail::Sized<baleen_generation>();
    c.stop_count = static_cast<uint32_t>(pointers.size());
    c.stops = pointers.data();
    c.max_tokens = generation.max_tokens;
    if (generation.reply != nullptr) c.reply = generation.reply->get();
    using Callback = std::remove_reference_t<OnPiece>;
    detail::Listener<Callback> listener{
        on_piece, parts().cancel.get(), get(), {}};
    c.on_piece = detail::Listener<Callback>::Call;
    c.user_data = &listener;
    baleen_finish finish = BALEEN_FINISH_NONE;
    detail::ReadSampling how(generation.sampling);
    c.sampling = how.get();
    Run(
        error,
        [&](baleen_error* wrong) {
          return baleen_session_generate(get(), &c, &finish, wrong);
        },
        listener.guard, how);
    return static_cast<Finish>(finish);
  }

  // The session's state, for Load.
  std::vector<std::byte> Save(const SaveOptions& options BALEEN_OR_EMPTY,
                              Error* error BALEEN_OR_THROW) {
    std::vector<std::byte> bytes;
    size_t size = 0;
    const bool fine = RunSave(
        options, error, [&](const baleen_save_options* c, baleen_error* wrong) {
          baleen_status status =
              baleen_session_save(get(), c, nullptr, 0, &size, wrong);
          if (status != BALEEN_BUFFER_TOO_SMALL) return status;
          bytes.resize(size);
          return baleen_session_save(get(), c, bytes.data(), size, &size,
                                     wrong);
        });
    bytes.resize(fine ? size : 0);
    return bytes;
  }

  // Replaces the session's state by a saved one.
  void Load(Span<const std::byte> bytes, Error* error BALEEN_OR_THROW) {
    Run(error, [&](baleen_error* wrong) {
      return baleen_session_load(get(), bytes.data(), bytes.size(), wrong);
    });
  }

  // The same to a file, which has the old bytes or the new ones.
  void SaveFile(std::string_view path,
                const SaveOptions& options BALEEN_OR_EMPTY,
                Error* error BALEEN_OR_THROW) {
    const detail::Names names({path});
    if (names.failure()) {
      detail::Report(names.failure(), error);
      return;
    }
    RunSave(options, error,
            [&](const baleen_save_options* c, baleen_error* wrong) {
              return baleen_session_save_file(get(), c, names[0], wrong);
            });
  }

  void LoadFile(std::string_view path, Error* error BALEEN_OR_THROW) {
    const detail::Names names({path});
    if (names.failure()) {
      detail::Report(names.failure(), error);
      return;
    }
    Run(error, [&](baleen_error* wrong) {
      return baleen_session_load_file(get(), names[0], wrong);
    });
  }

  // Writes the state to the context's state_path and frees its memory.
  void Evict(Error* error BALEEN_OR_THROW) {
    Run(error, [&](baleen_error* wrong) {
      return baleen_session_evict(get(), wrong);
    });
  }

  // What the session has done since it was made.
  SessionStats Stats(Error* error BALEEN_OR_THROW) const {
    auto stats = detail::Sized<baleen_session_stats>();
    detail::Check(error, [&](baleen_error* wrong) {
      return baleen_session_get_stats(get(), &stats, wrong);
    });
    return stats;
  }

  // Bytes moved and operations done: `last` in the last call that computed.
  SessionCounters Counters(SessionCounters* last BALEEN_OR_EMPTY,
                           Error* error BALEEN_OR_THROW) const {
    auto total = detail::Sized<baleen_session_counters>();
    if (last != nullptr) *last = total;
    detail::Check(error, [&](baleen_error* wrong) {
      return baleen_session_get_counters(get(), &total, last, wrong);
    });
    return total;
  }

 private:
  friend class TokenStream;
  friend class detail::StepPart;

  using Parts = detail::SessionRelease;

  const Parts& parts() const { return handle_.get_deleter(); }

  void Adopt(baleen_session* session, Parts parts) {
    parts.cancel->Set(session);
    handle_ = std::unique_ptr<baleen_session, Parts>(session, std::move(parts));
  }

  bool TakeCancel() { return parts().cancel->Take(); }
  void RethrowProgress() {
    if (parts().watcher) parts().watcher->watcher.guard.Rethrow();
  }

  // Makes a call that may be cancelled and may tell its progress.  `guards`
  // have the exceptions of its callbacks.
  template <typename Call, typename... Guards>
  bool Run(Error* error, Call&& call, Guards&... guards) {
    detail::CancelState* cancel = parts().cancel.get();
    const Error failure = cancel != nullptr
                              ? cancel->Run(std::forward<Call>(call))
                              : detail::Try(std::forward<Call>(call));
    (guards.Rethrow(), ...);
    RethrowProgress();
    return detail::Report(failure, error);
  }

  // Both ways of saving: `call` gets options and an error.
  template <typename Call>
  bool RunSave(const SaveOptions& options, Error* error, Call&& call) {
    detail::Watcher watcher{options.progress, {}};
    auto c = detail::Sized<baleen_save_options>();
    c.window = static_cast<baleen_window>(options.window);
    c.progress = detail::Watcher::Call;
    c.progress_user_data = &watcher;
    return Run(
        error, [&](baleen_error* wrong) { return call(&c, wrong); },
        watcher.guard);
  }

  std::unique_ptr<baleen_session, Parts> handle_;
};

}  // namespace cpp
}  // namespace baleen
