// The drafters' passes, run (models/drafter.h).
#include "models/deepseek_v4/model.h"
#include "numeric/float_mode.h"

namespace baleen::deepseek_v4 {

Status V4Model::ReadStreams(int64_t first, int64_t count, uint16_t* streams) {
  const std::lock_guard<std::mutex> lock(store_->mutex());
  if (first < 0 || count < 0 || first + count > last_rows_) {
    return InvalidArgument("the last step left the streams of %lld rows",
                           static_cast<long long>(last_rows_));
  }
  return Read(BALEEN_OP_HC_HEAD, last_streams_, first, count, streams);
}

Status V4Model::FindDraftPass(const PassShape& needed) {
  if (draft_pass_ != nullptr && draft_pass_->shape.Covers(needed)) {
    return Status();
  }
  BALEEN_RETURN_IF_ERROR(rope_.Reserve(needed.positions));
  Assignment assignment = assignment_;
  PassBuild build;
  build.assignment = &assignment;
  BALEEN_ASSIGN_OR_RETURN(draft_pass_, weights_.mtp.empty()
                                           ? BuildDspark(Parts(), needed, build)
                                           : BuildMtp(Parts(), needed, build));
  return Status();
}

Status V4Model::DraftMtp(baleen_mode mode, const MtpRows& rows,
                         const std::atomic<bool>* cancel, float* logits,
                         uint16_t* streams) {
  if (weights_.mtp.empty()) return Unsupported("the model has no MTP block");
  const auto count = static_cast<int64_t>(rows.next_tokens.size());
  const int64_t positions = rows.position + count;
  if (count == 0 || count > RowLimit(positions) || rows.output_count > count ||
      positions > rows.state->length()) {
    return InvalidArgument("%lld rows from position %lld cannot be drafted on",
                           static_cast<long long>(count),
                           static_cast<long long>(rows.position));
  }
  const std::lock_guard<std::mutex> lock(store_->mutex());
  const DefaultFloatMode float_mode;
  BALEEN_RETURN_IF_ERROR(FindDraftPass(ShapeFor(mode, count, positions)));
  BALEEN_RETURN_IF_ERROR(FindHead(mode).status());
  StepPart part;
  part.state = rows.state;
  part.tokens = rows.next_tokens;
  part.position = rows.position;
  part.output_count = rows.output_count;
  part.counters = rows.counters;
  const Pass& pass = *draft_pass_;
  const BatchCounts counts =
      FillBatch(*pass.batch, std::span<const StepPart>(&part, 1));
  BALEEN_RETURN_IF_ERROR(pass.batch->Upload(counts));
  const uint64_t size = static_cast<uint64_t>(count * config_.streams) *
                        static_cast<uint64_t>(config_.hidden) *
                        sizeof(uint16_t);
  BALEEN_RETURN_IF_ERROR(Write(pass.streams_in, rows.streams, size));
  BALEEN_RETURN_IF_ERROR(pass.program->Run(count, cancel, trace_));
  BALEEN_RETURN_IF_ERROR(RunHead(pass, counts.outputs, cancel, logits));
  BALEEN_RETURN_IF_ERROR(
      CountParts(&pass, std::span<const StepPart>(&part, 1), &draft_costs_));
  if (streams == nullptr) return Status();
  return Read(BALEEN_OP_HC_HEAD, pass.streams, 0, count, streams);
}

Status V4Model::RunContexts(baleen_mode mode, const StepPart& part,
                            const uint16_t* means) {
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
  BALEEN_ASSIGN_OR_RETURN(const Owned<Pass> pass,
                          BuildContexts(Parts(), shape, build));
  const uint64_t row_bytes =
      DataBytes(pass->means[kDevice]) / static_cast<uint64_t>(shape.rows);
  BALEEN_RETURN_IF_ERROR(
      Write(pass->means, means, static_cast<uint64_t>(rows) * row_bytes));
  return RunParts(*pass, parts, nullptr, nullptr);
}

Status V4Model::DraftBlock(baleen_mode mode, SessionState* state,
                           baleen_token next,
                           std::span<const baleen_sample_row> rows,
                           const std::atomic<bool>* cancel,
                           const BlockDraft& draft) {
  if (weights_.dspark.empty()) {
    return Unsupported("the model has no DSpark drafter");
  }
  const int64_t block = config_.dspark_block;
  const auto size = static_cast<size_t>(block);
  const int64_t first = state->length();
  if (first == 0 || first + block > config_.position_limit ||
      rows.size() != size || draft.tokens.size() != size ||
      draft.confidence.size() != size) {
    return InvalidArgument("a block of %lld tokens cannot be drafted from %lld",
                           static_cast<long long>(block),
                           static_cast<long long>(first));
  }
  const std::lock_guard<std::mutex> lock(store_->mutex());
  const DefaultFloatMode float_mode;
  BALEEN_RETURN_IF_ERROR(
      FindDraftPass({mode, block, PositionBucket(first + block)}));
  Vector<baleen_token> tokens(size, config_.dspark_noise_token, memory_);
  tokens[0] = next;
  StepPart part;
  part.state = state;
  part.tokens = tokens;
  part.position = first;
  part.output_count = block;
  part.counters = draft.counters;
  const Pass& pass = *draft_pass_;
  const BatchCounts counts =
      FillBatch(*pass.batch, std::span<const StepPart>(&part, 1));
  BALEEN_RETURN_IF_ERROR(pass.batch->Upload(counts));
  BALEEN_RETURN_IF_ERROR(Write(pass.first, &next, sizeof next));
  BALEEN_RETURN_IF_ERROR(
      Write(pass.sample_rows, rows.data(), rows.size_bytes()));
  BALEEN_RETURN_IF_ERROR(pass.program->Run(block, cancel, trace_));
  BALEEN_RETURN_IF_ERROR(
      CountParts(&pass, std::span<const StepPart>(&part, 1), &draft_costs_));
  const auto read = [&](const Tensor* tensor, void* bytes) {
    return Read(BALEEN_OP_DRAFT_HEAD, tensor, 0, block, bytes);
  };
  BALEEN_RETURN_IF_ERROR(read(pass.tokens, draft.tokens.data()));
  BALEEN_RETURN_IF_ERROR(read(pass.confidence, draft.confidence.data()));
  if (draft.logits.empty()) return Status();
  return read(pass.logits, draft.logits.data());
}

}  // namespace baleen::deepseek_v4
