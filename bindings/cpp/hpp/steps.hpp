// Several sessions in one pass over the weights.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "session.hpp"

namespace baleen {
inline namespace cpp {

// One session's part in StepMany.
struct Step {
  Session* session = nullptr;
  Span<const Token> input = {};  // To be read first.
  Sampling sampling = {};
  size_t limit = 1;     // Of chosen tokens; 0: read the input only.
  bool scored = false;  // Say also how likely each chosen token was.
};

// What became of one session.
struct Stepped {
  size_t input_done = 0;  // If it is not all of the input, nothing was chosen:
                          // pass the rest next time.
  std::vector<Token> tokens = {};       // Those chosen.
  std::vector<TokenScore> scores = {};  // Of each, if they were asked for.
  Error error = {};                     // Of this session; the others go on.
};

namespace detail {

// A Step as the library has it, with what is written to.
class StepPart {
 public:
  explicit StepPart(const Step& step)
      : session_(step.session), how_(step.sampling) {
    stepped_.tokens.resize(step.limit);
    if (step.scored) stepped_.scores.resize(step.limit);
    c_.session = session_ != nullptr ? session_->get() : nullptr;
    c_.input = step.input.data();
    c_.input_count = step.input.size();
    c_.sampling = how_.get();
    c_.tokens = stepped_.tokens.data();
    c_.scores = step.scored ? stepped_.scores.data() : nullptr;
    c_.capacity = step.limit;
    // The library forgets a cancel that comes while no call is inside.
    if (TakeCancel()) c_.status = BALEEN_CANCELLED;
  }
  StepPart(const StepPart&) = delete;
  StepPart& operator=(const StepPart&) = delete;

  bool cancelled() const { return c_.status == BALEEN_CANCELLED; }
  const baleen_step& c() const { return c_; }
  void Rethrow() {
    how_.Rethrow();
    if (c_.session != nullptr) session_->RethrowProgress();
  }

  // Takes what the library wrote.
  void Take(const baleen_step& written) { c_ = written; }

  Stepped Result() {
    if (cancelled()) TakeCancel();
    stepped_.input_done = c_.input_done;
    stepped_.tokens.resize(c_.count);
    if (!stepped_.scores.empty()) stepped_.scores.resize(c_.count);
    if (c_.status < 0) {
      stepped_.error =
          Error(static_cast<Status>(c_.status),
                std::string("a session's part of step_many failed with ") +
                    baleen_status_name(c_.status));
    }
    return std::move(stepped_);
  }

 private:
  bool TakeCancel() { return c_.session != nullptr && session_->TakeCancel(); }

  Session* session_;
  ReadSampling how_;
  Stepped stepped_;
  baleen_step c_ = {};
};

}  // namespace detail

// Session::Step for several sessions of one model and mode in one pass over its
// weights, with what became of each.  Long inputs are read in chunks, each
// session getting its share.  The call fails only if it could not begin.
inline std::vector<Stepped> StepMany(Span<const Step> steps,
                                     Error* error BALEEN_OR_THROW) {
  std::deque<detail::StepPart> parts;
  std::vector<baleen_step> going;
  for (const Step& step : steps) {
    parts.emplace_back(step);
    if (!parts.back().cancelled()) going.push_back(parts.back().c());
  }
  Error failure;
  if (!going.empty()) {
    failure = detail::Try([&](baleen_error* wrong) {
      return baleen_session_step_many(going.data(), going.size(), wrong);
    });
  }
  for (detail::StepPart& part : parts) part.Rethrow();
  if (!detail::Report(failure, error)) return {};
  std::vector<Stepped> stepped;
  size_t called = 0;
  for (detail::StepPart& part : parts) {
    if (!part.cancelled()) part.Take(going[called++]);
    stepped.push_back(part.Result());
  }
  return stepped;
}

}  // namespace cpp
}  // namespace baleen
