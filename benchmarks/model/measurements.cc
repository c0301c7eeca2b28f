#include "benchmarks/model/measurements.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>
#include <stdexcept>
#include <vector>

#include "benchmarks/model/operator_table.h"
#include "benchmarks/model/synthetic_state.h"

namespace baleen::bench {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double Median(std::vector<double> values) {
  const auto middle =
      values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// What is measured must have been computed.
void CheckFinite(std::span<const float> logits) {
  const bool finite = std::all_of(logits.begin(), logits.end(),
                                  [](float x) { return std::isfinite(x); });
  if (!finite) throw std::runtime_error("there are logits that are no numbers");
}

void CheckFinite(baleen_session* session) {
  const float* logits = nullptr;
  size_t count = 0;
  baleen_error error;
  Check(baleen_session_logits(session, &logits, &count, &error), error);
  CheckFinite({logits, count});
}

// The seconds of each of `count` calls of `step`.
template <typename Step>
std::vector<double> TimeEach(int64_t count, const Step& step) {
  std::vector<double> seconds;
  for (int64_t i = 0; i < count; ++i) {
    const auto begin = Clock::now();
    step();
    seconds.push_back(SecondsSince(begin));
  }
  return seconds;
}

// Sessions of a model without the public interface: each step gives each of
// them a token.
class Timelines {
 public:
  Timelines(deepseek_v4::V4Model& model, baleen_mode mode, int64_t count,
            int64_t depth)
      : model_(model),
        mode_(mode),
        tokens_(RandomTokens(1 << 12, model.config().vocabulary, 2)),
        logits_(static_cast<size_t>(count * model.config().vocabulary)) {
    for (int64_t i = 0; i < count; ++i) {
      states_.push_back(MakeDeepState(model, depth));
    }
  }

  void Step() {
    std::vector<StepPart> parts;
    for (const StatePointer& state : states_) {
      StepPart part;
      part.state = state.get();
      part.position = state->length();
      part.frozen = part.position;
      part.tokens = {&tokens_[next_++ % tokens_.size()], 1};
      part.output_count = 1;
      parts.push_back(part);
    }
    Check(model_.Step(mode_, parts, nullptr, logits_.data()));
  }

  // Of the last step.
  std::span<const float> logits() const { return logits_; }

 private:
  deepseek_v4::V4Model& model_;
  baleen_mode mode_;
  std::vector<baleen_token> tokens_;
  std::vector<float> logits_;
  std::vector<StatePointer> states_;
  size_t next_ = 0;
};

// A prompt is read in steps of as many rows as the model takes.
StepWork PromptWork(const deepseek_v4::V4Model& model, int64_t tokens) {
  StepWork work;
  int64_t position = 0;
  while (position < tokens) {
    StepShape shape;
    shape.position = position;
    shape.rows = std::min(tokens - position, model.RowLimit(tokens));
    position += shape.rows;
    shape.logits = position == tokens;
    work.Add(CountWork(model.config(), model.weights(), shape));
  }
  return work;
}

}  // namespace

// One benchmark: what it is about, and the machine's speed around it.
class Measurements::Run {
 public:
  Run(Measurements* all, benchmark::State* state, const Case& which)
      : all_(all),
        state_(state),
        case_(which),
        engine_(&all->EngineFor(which.threads)),
        before_(all->Bandwidth(which.threads)) {}

  Engine& engine() { return *engine_; }

  // `seconds` and `work` of a step that makes `tokens` tokens, or of a prompt.
  void Report(double seconds, double tokens, const StepWork& work) {
    rates_ = all_->PeaksFor(case_.threads);
    rates_.bytes = (before_ + all_->Bandwidth(case_.threads)) / 2;
    seconds_ = seconds;
    auto& counters = state_->counters;
    const double bytes_rate = work.TotalBytes() / seconds;
    state_->SetIterationTime(seconds);
    counters["tok/s"] = tokens / seconds;
    counters["GB/s"] = bytes_rate * 1e-9;
    counters["GOP/s"] = work.TotalOperations() / seconds * 1e-9;
    counters["probe_GB/s"] = rates_.bytes * 1e-9;
    counters["of_probe"] = bytes_rate / rates_.bytes;
    counters["of_floor"] = work.FloorSeconds(rates_) / seconds;
    counters["GB"] = work.TotalBytes() * 1e-9;
    counters["GOP"] = work.TotalOperations() * 1e-9;
  }

  // Does `step` `count` times more, and keeps where its time goes.  Once for
  // all repetitions of a benchmark.
  template <typename Step>
  void Trace(const char* unit, int64_t count, const StepWork& work,
             const Step& step) {
    if (!all_->traced_.insert(case_.name).second) return;
    baleen::Trace trace;
    engine_->model().SetTrace(&trace);
    try {
      for (int64_t i = 0; i < count; ++i) step();
    } catch (...) {
      engine_->model().SetTrace(nullptr);
      throw;
    }
    engine_->model().SetTrace(nullptr);
    StepWork all_work;
    for (int64_t i = 0; i < count; ++i) all_work.Add(work);
    all_->tables_.push_back(OperatorTable(case_.name, unit,
                                          static_cast<double>(count), seconds_,
                                          trace, all_work, rates_));
  }

 private:
  Measurements* all_;
  benchmark::State* state_;
  const Case& case_;
  Engine* engine_;
  double before_;
  double seconds_ = 0;
  Rates rates_;
};

Engine& Measurements::EngineFor(int64_t threads) {
  const EngineOptions options = {folder_, static_cast<uint32_t>(threads),
                                 flags_.repack, flags_.isa};
  if (engine_ != nullptr && engine_->options() == options) return *engine_;
  engine_.reset();
  engine_ = std::make_unique<Engine>(options);
  engine_->WarmUp();
  return *engine_;
}

double Measurements::Bandwidth(int64_t threads) {
  if (probe_ == nullptr) probe_ = std::make_unique<probe::ReadProbe>();
  return probe_->Measure(static_cast<int>(threads));
}

const Rates& Measurements::PeaksFor(int64_t threads) {
  const auto [place, added] = peaks_.try_emplace(threads);
  if (added) {
    const bool tiles = flags_.isa.empty() || flags_.isa == "amx";
    for (int i = 0; i < probe::kUnitCount; ++i) {
      auto unit = static_cast<probe::Unit>(i);
      if (unit == probe::Unit::kInt8Tiles && !tiles) unit = probe::Unit::kInt8;
      if (unit == probe::Unit::kBf16Tiles && !tiles) unit = probe::Unit::kBf16;
      place->second.operations[static_cast<size_t>(i)] =
          probe::MeasurePeak(unit, static_cast<int>(threads));
    }
  }
  return place->second;
}

void Measurements::Open(benchmark::State& state, const Case& which) {
  engine_.reset();
  const Resident before = ResidentBytes();
  const auto begin = Clock::now();
  engine_ = std::make_unique<Engine>(
      EngineOptions{folder_, static_cast<uint32_t>(which.threads),
                    flags_.repack, flags_.isa});
  state.SetIterationTime(SecondsSince(begin));
  const Resident opened = ResidentBytes();
  engine_->WarmUp();
  const Resident warm = ResidentBytes();
  auto& counters = state.counters;
  counters["own_MB"] = (opened.own - before.own) * 1e-6;
  counters["files_MB"] = (opened.files - before.files) * 1e-6;
  counters["used_own_MB"] = (warm.own - before.own) * 1e-6;
  counters["used_files_MB"] = (warm.files - before.files) * 1e-6;
}

void Measurements::Prefill(benchmark::State& state, const Case& which) {
  Run run(this, &state, which);
  const Engine& engine = run.engine();
  const int32_t vocabulary = engine.model().config().vocabulary;
  const auto tokens =
      RandomTokens(static_cast<size_t>(flags_.prompt), vocabulary, 3);
  const auto read = [&] {
    const SessionHandle session = engine.NewSession(which.mode);
    baleen_error error;
    Check(baleen_session_append(session.get(), tokens.data(), tokens.size(),
                                &error),
          error);
  };
  const double seconds = TimeEach(1, read).front();
  const StepWork work = PromptWork(engine.model(), flags_.prompt);
  run.Report(seconds, static_cast<double>(flags_.prompt), work);
  run.Trace("prompt", 1, work, read);
}

void Measurements::Decode(benchmark::State& state, const Case& which) {
  Run run(this, &state, which);
  const SessionHandle session = run.engine().NewSession(which.mode);
  baleen_error error;
  const baleen_token first = 0;
  Check(baleen_session_append(session.get(), &first, 1, &error), error);
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  const auto step = [&] {
    baleen_token token = 0;
    size_t count = 0;
    Check(baleen_session_step(session.get(), &sampling, &token, 1, &count,
                              &error),
          error);
  };
  step();  // Of the first, only the choice is left to do.
  const double seconds = Median(TimeEach(flags_.decode, step));
  CheckFinite(session.get());
  const deepseek_v4::V4Model& model = run.engine().model();
  StepShape shape;
  shape.position = flags_.decode / 2;
  const StepWork work = CountWork(model.config(), model.weights(), shape);
  run.Report(seconds, 1, work);
  run.Trace("token", flags_.decode, work, step);
}

void Measurements::DecodeAt(benchmark::State& state, const Case& which) {
  Run run(this, &state, which);
  deepseek_v4::V4Model& model = run.engine().model();
  // All steps, those of the trace too, end within the model's positions.
  const int64_t last = model.config().position_limit - 2 * flags_.decode;
  StepShape shape;
  shape.position = std::min(which.depth, last) + flags_.decode / 2;
  Timelines timelines(model, which.mode, 1, std::min(which.depth, last));
  const auto step = [&] { timelines.Step(); };
  const double seconds = Median(TimeEach(flags_.decode, step));
  CheckFinite(timelines.logits());
  const StepWork work = CountWork(model.config(), model.weights(), shape);
  run.Report(seconds, 1, work);
  run.Trace("token", flags_.decode, work, step);
}

void Measurements::Batch(benchmark::State& state, const Case& which) {
  Run run(this, &state, which);
  deepseek_v4::V4Model& model = run.engine().model();
  Timelines timelines(model, which.mode, flags_.sessions, 0);
  const auto step = [&] { timelines.Step(); };
  const double seconds = Median(TimeEach(flags_.decode, step));
  CheckFinite(timelines.logits());
  StepShape shape;
  shape.sessions = flags_.sessions;
  shape.position = flags_.decode / 2;
  const StepWork work = CountWork(model.config(), model.weights(), shape);
  run.Report(seconds, static_cast<double>(flags_.sessions), work);
  run.Trace("step", flags_.decode, work, step);
}

}  // namespace baleen::bench
