// baleen_session_step_many: sessions of one model and mode in one pass.  Each is
// entered, prepared and ended by itself, so that what goes wrong with one is its
// own affair.
#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>

#include "api/guard.h"
#include "api/handles.h"
#include "api/options.h"
#include "api/read_options.h"
#include "api/session_entry.h"
#include "session/row_shares.h"

namespace baleen {
namespace {

using Clock = std::chrono::steady_clock;

// A session's part, inside which no other call may come until it is gone.
class Part {
 public:
  explicit Part(baleen_step* given)
      : given_(given), entry_(&given->session->busy) {
    given_->input_done = 0;
    given_->count = 0;
  }

  // `alone`: guesses may be made.  They are not where the rows of several share
  // a pass, which makes each cheap already.
  void Enter(bool alone) {
    Try([&]() -> Status {
      if (!entry_.entered()) return SessionBusy();
      use_.emplace(&BeginCall(given_->session));
      BALEEN_RETURN_IF_ERROR(session().FlushLog());
      BALEEN_REQUIRE_ARRAY(given_->input, given_->input_count);
      BALEEN_REQUIRE_ARRAY(given_->tokens, given_->capacity);
      BALEEN_RETURN_IF_ERROR(ReadSampling(given_->sampling, &sampling_));
      step_.input = {given_->input, given_->input_count};
      step_.sampling = &sampling_;
      step_.tokens = {given_->tokens, given_->capacity};
      step_.scores = given_->scores;
      step_.guesses = alone && step_.chooses();
      return session().PrepareStep(&step_);
    });
  }
  void Place(int64_t share) {
    Try([&] { return session().PlaceRows(share, &step_); });
  }
  void RunAlone() {
    if (rows() == 0) return;
    Try([&] {
      session().RunRequest(request());
      return Status();
    });
  }
  void End(Clock::time_point start) {
    Try([&] { return session().EndStep(&step_); });
    given_->input_done = step_.input_done;
    given_->count = step_.count;
    if (!use_.has_value()) return;
    session().CountTime(
        step_, std::chrono::duration<double>(Clock::now() - start).count());
    // Tokens of a step that failed stay, too.
    const baleen_status logged =
        Guard(nullptr, [&] { return session().FlushLog(); });
    if (given_->status == BALEEN_OK) given_->status = logged;
  }

  Session& session() const { return *given_->session->session; }
  // Rows that are wanted, and whether those are for a token to be chosen soon.
  int64_t rows() const { return going_ ? step_.rows : 0; }
  bool waits() const { return going_ && step_.chooses() && step_.rows <= 1; }
  StepRequest* request() { return &step_.request; }

 private:
  // Keeps what `body` fails with.
  template <typename Body>
  void Try(Body&& body) {
    if (!going_) return;
    given_->status = Guard(nullptr, body);
    going_ = given_->status == BALEEN_OK;
    if (!going_) step_.Undo();
  }

  baleen_step* given_;
  Entry entry_;
  std::optional<Session::Use> use_;
  bool going_ = true;
  baleen_sampling sampling_ = {};
  SessionStep step_;
};

Status CheckSteps(std::span<const baleen_step> steps) {
  for (size_t i = 0; i < steps.size(); ++i) {
    const baleen_session* session = steps[i].session;
    if (session == nullptr) {
      return InvalidArgument("steps[%zu].session is NULL", i);
    }
    if (session->model.get() != steps[0].session->model.get()) {
      return InvalidArgument("steps[%zu].session is of another model", i);
    }
    if (session->session->mode() != steps[0].session->session->mode()) {
      return InvalidArgument("steps[%zu].session is of another mode", i);
    }
  }
  return Status();
}

// All parts of a call.  Memory is taken before the first is entered, so that
// nothing but a part's own work fails from then on.
class Parts {
 public:
  Parts(ModelBundle* bundle, std::span<baleen_step> steps)
      : bundle_(*bundle),
        parts_(bundle->memory()),
        wanted_(steps.size(), bundle->memory()),
        shares_(steps.size(), bundle->memory()),
        requests_(bundle->memory()) {
    for (baleen_step& step : steps) parts_.emplace_back(&step);
    requests_.reserve(steps.size());
  }

  void Step() {
    const auto start = Clock::now();
    for (Part& part : parts_) part.Enter(parts_.size() == 1);
    PlaceRows();
    RunRows();
    for (Part& part : parts_) part.End(start);
  }

 private:
  void PlaceRows() {
    int64_t waiting = 0;
    size_t most_tokens = 0;
    for (size_t i = 0; i < parts_.size(); ++i) {
      const Part& part = parts_[i];
      wanted_[i] = part.rows();
      if (part.waits()) ++waiting;
      if (part.rows() == 0) continue;
      most_tokens = std::max(most_tokens, part.session().tokens().size());
    }
    const int64_t limit =
        bundle_.model()->RowLimit(static_cast<int64_t>(most_tokens) + 1);
    ShareRows(wanted_, PassBudget(limit, waiting), shares_);
    for (size_t i = 0; i < parts_.size(); ++i) parts_[i].Place(shares_[i]);
  }

  // Together if the states' memory allows it, else one after another, so that
  // those who find room are not held up by those who do not.
  void RunRows() {
    uint64_t growth = 0;
    for (Part& part : parts_) {
      if (part.rows() == 0) continue;
      requests_.push_back(part.request());
      growth += part.session().GrowthOf(*part.request());
    }
    if (requests_.empty()) return;
    StateBudget::Room room;
    Context& context = bundle_.context();
    const baleen_status reserved = Guard(
        nullptr, [&] { return context.state_budget().Reserve(growth, &room); });
    if (reserved == BALEEN_OK) {
      bundle_.steps().Run(bundle_.model(), context.cancels(), requests_);
      return;
    }
    for (Part& part : parts_) part.RunAlone();
  }

  ModelBundle& bundle_;
  std::pmr::deque<Part> parts_;
  Vector<int64_t> wanted_;
  Vector<int64_t> shares_;
  Vector<StepRequest*> requests_;
};

}  // namespace
}  // namespace baleen

baleen_status baleen_session_step_many(baleen_step* steps, size_t step_count,
                                       baleen_error* error) {
  return baleen::Guard(error, [&]() -> baleen::Status {
    BALEEN_REQUIRE_ARRAY(steps, step_count);
    if (step_count == 0) return baleen::Status();
    BALEEN_RETURN_IF_ERROR(baleen::CheckSteps({steps, step_count}));
    const auto bundle =
        baleen::Ref<baleen::ModelBundle>::Share(steps[0].session->model.get());
    baleen::Parts(bundle.get(), {steps, step_count}).Step();
    return baleen::Status();
  });
}
