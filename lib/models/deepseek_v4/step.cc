// Steps of a model: checks, memory of the parts, the batch, the pass, and the
// head for the rows whose logits are wanted.
#include <algorithm>
#include <cstring>

#include "models/deepseek_v4/model.h"
#include "numeric/float_mode.h"

namespace baleen::deepseek_v4 {

Status V4Model::CheckParts(std::span<const StepPart> parts, int64_t* rows,
                           int64_t* positions) const {
  *rows = 0;
  *positions = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const StepPart& part = parts[i];
    const auto count = static_cast<int64_t>(part.tokens.size());
    const State& state = static_cast<const State&>(*part.state);
    if (count == 0 || part.output_count < 0 || part.output_count > count) {
      return InvalidArgument(
          "part %zu of a step has %lld tokens and wants %lld outputs", i,
          static_cast<long long>(count),
          static_cast<long long>(part.output_count));
    }
    if (part.position != state.next() || part.frozen > state.length()) {
      return InvalidArgument(
          "part %zu of a step begins at position %lld, its state at %lld", i,
          static_cast<long long>(part.position),
          static_cast<long long>(state.next()));
    }
    for (const baleen_token token : part.tokens) {
      if (token >= 0 && token < config_.vocabulary) continue;
      return InvalidArgument("token %d is not one of the vocabulary's %d",
                             token, config_.vocabulary);
    }
    for (size_t j = 0; j < i; ++j) {
      if (parts[j].state != part.state) continue;
      return InvalidArgument("parts %zu and %zu of a step have one state", j,
                             i);
    }
    *rows += count;
    *positions = std::max(*positions, part.position + count);
  }
  if (*positions > config_.position_limit) {
    return InvalidArgument("the model has %lld positions",
                           static_cast<long long>(config_.position_limit));
  }
  if (*rows == 0 || *rows > RowLimit(*positions)) {
    return InvalidArgument("a step of %lld rows, where %lld are the most",
                           static_cast<long long>(*rows),
                           static_cast<long long>(RowLimit(*positions)));
  }
  return Status();
}

Status V4Model::CountOnly(std::span<const StepPart> parts,
                          const float* logits) {
  for (const StepPart& part : parts) {
    if (part.output_count == 0 || logits == nullptr) continue;
    return Unsupported(
        "the model was loaded for its shapes only, so there are no logits");
  }
  const std::lock_guard<std::mutex> lock(store_->mutex());
  for (const StepPart& part : parts) {
    State& state = static_cast<State&>(*part.state);
    const auto count = static_cast<int64_t>(part.tokens.size());
    BALEEN_RETURN_IF_ERROR(state.Prepare(part.position, count, part.frozen));
    state.Commit(part.position, count);
  }
  return CountParts(nullptr, parts, &costs_);
}

baleen_session_counters V4Model::CostsOf(int64_t position, int64_t rows,
                                         int64_t outputs) {
  const Vector<baleen_token> tokens(static_cast<size_t>(rows), memory_);
  baleen_session_counters counters = {};
  StepPart part;
  part.tokens = tokens;
  part.position = position;
  part.output_count = outputs;
  part.counters = &counters;
  costs_.routes.Use(nullptr, 0);
  CountStep(kHeadRows, std::span<const StepPart>(&part, 1), &costs_);
  return counters;
}

Status V4Model::CountParts(const Pass* pass, std::span<const StepPart> parts,
                           PassCosts* costs) {
  bool wanted = false;
  size_t rows = 0;
  for (const StepPart& part : parts) {
    rows += part.tokens.size();
    if (part.counters == nullptr) continue;
    wanted = true;
    // Those of a drafter's passes are none of the session's.
    if (costs == &costs_) part.counters->positions += part.tokens.size();
  }
  if (!wanted) return Status();
  const int32_t* routes = nullptr;
  int64_t row_limit = 0;
  // A single row's need not be looked at, so a token of a device costs no copy.
  if (pass != nullptr && rows > 1) {
    const Side side = SideOf(BALEEN_OP_ROUTER);
    const Tensor& tensor = pass->routes[side];
    routes = static_cast<const int32_t*>(tensor.data);
    row_limit = tensor.size[2];
    if (!machine_->IsHost(side)) {
      BALEEN_RETURN_IF_ERROR(
          Read(BALEEN_OP_ROUTER, pass->routes, 0, 1, routes_.data()));
      routes = routes_.data();
    }
  }
  costs->routes.Use(routes, row_limit);
  CountStep(kHeadRows, parts, costs);
  return Status();
}

Status V4Model::Step(baleen_mode mode, std::span<const StepPart> parts,
                     const std::atomic<bool>* cancel, float* logits) {
  int64_t rows = 0;
  int64_t positions = 0;
  BALEEN_RETURN_IF_ERROR(CheckParts(parts, &rows, &positions));
  if (!checkpoint_.has_value()) return CountOnly(parts, logits);
  const std::lock_guard<std::mutex> lock(store_->mutex());
  return StepLocked(mode, parts, ShapeFor(mode, rows, positions), cancel,
                    logits);
}

Status V4Model::StepLocked(baleen_mode mode, std::span<const StepPart> parts,
                           const PassShape& needed,
                           const std::atomic<bool>* cancel, float* logits) {
  // Tables of rotation are computed here, too.
  const DefaultFloatMode float_mode;
  last_rows_ = 0;
  BALEEN_ASSIGN_OR_RETURN(Pass * pass, FindPass(needed));
  BALEEN_RETURN_IF_ERROR(FindHead(mode).status());
  return RunParts(*pass, parts, cancel, logits);
}

Status V4Model::RunParts(Pass& pass, std::span<const StepPart> parts,
                         const std::atomic<bool>* cancel, float* logits) {
  const auto run = [&]() -> Status {
    for (const StepPart& part : parts) {
      BALEEN_RETURN_IF_ERROR(
          static_cast<State&>(*part.state)
              .Prepare(part.position, static_cast<int64_t>(part.tokens.size()),
                       part.frozen));
    }
    const BatchCounts counts = FillBatch(*pass.batch, parts);
    BALEEN_RETURN_IF_ERROR(pass.batch->Upload(counts));
    BALEEN_RETURN_IF_ERROR(pass.program->Run(counts.rows, cancel, trace_));
    last_rows_ = counts.rows;
    last_streams_ = pass.streams;
    BALEEN_RETURN_IF_ERROR(RunHead(pass, counts.outputs, cancel, logits));
    return CountParts(&pass, parts, &costs_);
  };
  // Left by an exception, too, states must know that rows were written.
  struct Guard {
    std::span<const StepPart> parts;
    bool done = false;
    ~Guard() {
      for (const StepPart& part : parts) {
        State& state = static_cast<State&>(*part.state);
        const auto count = static_cast<int64_t>(part.tokens.size());
        if (done) {
          state.Commit(part.position, count);
        } else {
          state.Abandon(part.position, count);
        }
      }
    }
  };
  Guard guard = {parts};
  const Status status = run();
  guard.done = status.ok();
  return status;
}

BatchCounts V4Model::FillBatch(Batch& batch,
                               std::span<const StepPart> parts) const {
  BatchCounts counts;
  const std::span<int32_t> tokens = batch.tokens();
  const std::span<int32_t> positions = batch.positions();
  const std::span<int32_t> sessions = batch.sessions();
  const std::span<int32_t> outputs = batch.outputs();
  for (const StepPart& part : parts) {
    const State& state = static_cast<const State&>(*part.state);
    const auto session = static_cast<size_t>(counts.sessions);
    batch.starts()[session] = static_cast<int32_t>(counts.rows);
    batch.slots()[session] = state.slot();
    batch.frozen(Batch::kFrozen4)[session] =
        static_cast<int32_t>(part.frozen / 4);
    batch.frozen(Batch::kFrozen128)[session] =
        static_cast<int32_t>(part.frozen / 128);
    std::copy(state.pages().begin(), state.pages().end(),
              batch.pages(counts.sessions).begin());
    const size_t count = part.tokens.size();
    const size_t first_output = count - static_cast<size_t>(part.output_count);
    for (size_t i = 0; i < count; ++i) {
      const auto row = static_cast<size_t>(counts.rows);
      tokens[row] = part.tokens[i];
      positions[row] =
          static_cast<int32_t>(part.position + static_cast<int64_t>(i));
      sessions[row] = static_cast<int32_t>(session);
      if (i >= first_output) {
        outputs[static_cast<size_t>(counts.outputs++)] =
            static_cast<int32_t>(row);
      }
      ++counts.rows;
    }
    ++counts.sessions;
  }
  batch.starts()[static_cast<size_t>(counts.sessions)] =
      static_cast<int32_t>(counts.rows);
  return counts;
}

Status V4Model::RunHead(const Pass& pass, int64_t outputs,
                        const std::atomic<bool>* cancel, float* logits) {
  if (outputs == 0) return Status();
  BALEEN_ASSIGN_OR_RETURN(Pass * head, FindHead(pass.shape.mode));
  const Side from = SideOf(BALEEN_OP_HC_HEAD);
  const Side to = SideOf(BALEEN_OP_HEAD);
  const uint64_t row_bytes =
      static_cast<uint64_t>(config_.hidden) * sizeof(uint16_t);
  for (int64_t done = 0; done < outputs; done += kHeadRows) {
    const int64_t count = std::min(kHeadRows, outputs - done);
    const char* rows = static_cast<const char*>(pass.u[from].data) +
                       static_cast<uint64_t>(done) * row_bytes;
    BALEEN_RETURN_IF_ERROR(
        machine_->Copy(to, head->u[to].data, from, rows,
                       static_cast<uint64_t>(count) * row_bytes));
    BatchCounts counts;
    counts.outputs = count;
    BALEEN_RETURN_IF_ERROR(head->batch->Upload(counts));
    BALEEN_RETURN_IF_ERROR(head->program->Run(count, cancel, trace_));
    BALEEN_RETURN_IF_ERROR(Read(BALEEN_OP_HEAD, head->logits, 0, count,
                                logits + done * config_.vocabulary));
  }
  return Status();
}

Result<Pass*> V4Model::FindPass(const PassShape& needed) {
  Owned<Pass>& kept = passes_[static_cast<size_t>(needed.mode)];
  if (kept != nullptr && kept->shape.Covers(needed)) return kept.get();
  BALEEN_RETURN_IF_ERROR(rope_.Reserve(needed.positions));
  Assignment assignment = assignment_;
  PassBuild build;
  build.assignment = &assignment;
  const LayerRange all = {0, config_.layers, true, false};
  BALEEN_ASSIGN_OR_RETURN(Owned<Pass> pass,
                          BuildLayers(Parts(), needed, all, build));
  kept = std::move(pass);
  return kept.get();
}

Result<Pass*> V4Model::FindHead(baleen_mode mode) {
  Owned<Pass>& kept = heads_[static_cast<size_t>(mode)];
  if (kept != nullptr) return kept.get();
  Assignment assignment = assignment_;
  PassBuild build;
  build.assignment = &assignment;
  BALEEN_ASSIGN_OR_RETURN(kept, BuildHead(Parts(), mode, build));
  return kept.get();
}

Status V4Model::Write(const Tensor* tensor, const void* bytes,
                      uint64_t size) const {
  for (int i = 0; i < machine_->side_count(); ++i) {
    if (tensor[i].data == nullptr) continue;
    BALEEN_RETURN_IF_ERROR(machine_->Copy(static_cast<Side>(i), tensor[i].data,
                                          machine_->cpu_side(), bytes, size));
  }
  return Status();
}

Status V4Model::Read(baleen_op op, const Tensor* tensor, int64_t first_row,
                     int64_t rows, void* bytes) const {
  const Side side = SideOf(op);
  const Tensor& from = tensor[side];
  const uint64_t row_bytes =
      DataBytes(from) / static_cast<uint64_t>(from.size[0]);
  const char* data = static_cast<const char*>(from.data) +
                     static_cast<uint64_t>(first_row) * row_bytes;
  return machine_->Copy(machine_->cpu_side(), bytes, side, data,
                        static_cast<uint64_t>(rows) * row_bytes);
}

Result<Owned<Pass>> V4Model::RunRange(baleen_mode mode, const StepPart& part,
                                      int32_t first, int32_t end,
                                      uint16_t* streams, float* logits) {
  int64_t rows = 0;
  int64_t positions = 0;
  const std::span<const StepPart> parts(&part, 1);
  BALEEN_RETURN_IF_ERROR(CheckParts(parts, &rows, &positions));
  const std::lock_guard<std::mutex> lock(store_->mutex());
  const DefaultFloatMode float_mode;
  const PassShape shape = ShapeFor(mode, rows, positions);
  BALEEN_RETURN_IF_ERROR(rope_.Reserve(shape.positions));
  Assignment assignment = assignment_;
  PassBuild build;
  build.assignment = &assignment;
  const LayerRange range = {first, end, false, true};
  BALEEN_ASSIGN_OR_RETURN(Owned<Pass> pass,
                          BuildLayers(Parts(), shape, range, build));
  const uint64_t size = static_cast<uint64_t>(rows * config_.streams) *
                        static_cast<uint64_t>(config_.hidden) *
                        sizeof(uint16_t);
  BALEEN_RETURN_IF_ERROR(Write(pass->streams, streams, size));
  BALEEN_RETURN_IF_ERROR(RunParts(*pass, parts, nullptr, logits));
  last_rows_ = 0;  // The pass is the caller's.
  BALEEN_RETURN_IF_ERROR(
      Read(BALEEN_OP_HC_HEAD, pass->streams, 0, rows, streams));
  return pass;
}

}  // namespace baleen::deepseek_v4
