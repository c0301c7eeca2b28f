// Chooses a token for each row whose logits are wanted; see sampling.h.
#include <cstring>

#include "cpu/batch.h"
#include "cpu/parallel.h"
#include "cpu/reference/state_ops.h"
#include "cpu/sampling.h"

namespace baleen::cpu {
namespace {

void SampleOutput(const baleen_sample_args& args, int64_t output) {
  const baleen_batch& batch = *args.common.batch;
  const int64_t count = args.logits->size[1];
  const float* logits = RowOf<const float>(*args.logits, output);
  const int32_t row = static_cast<const int32_t*>(batch.outputs->data)[output];
  const int32_t position =
      static_cast<const int32_t*>(batch.positions->data)[row];
  baleen_sample_row how;
  std::memcpy(&how, RowOf<const uint8_t>(*args.rows, output), sizeof(how));

  baleen_token token;
  bool accepted = false;
  if (how.draft >= 0) {
    token = VerifyDraft(logits,
                        args.draft_logits == nullptr
                            ? nullptr
                            : RowOf<const float>(*args.draft_logits, output),
                        count, how, position, &accepted);
  } else {
    token = SampleToken(logits, count, how, position, RandomStream::kToken);
  }
  static_cast<int32_t*>(args.tokens->data)[output] = token;
  if (args.accepted != nullptr) {
    static_cast<int32_t*>(args.accepted->data)[output] = accepted ? 1 : 0;
  }
  if (args.log_probability != nullptr) {
    static_cast<float*>(args.log_probability->data)[output] =
        LogProbability(logits, count, token);
  }
}

}  // namespace

const char* SampleReferenceAccepts(const baleen_sample_args& args) {
  if (!IsType(args.logits, BALEEN_TYPE_F32) || args.logits->rank != 2 ||
      args.logits->size[1] < 1) {
    return "logits is not f32 [R, V]";
  }
  if (!IsTensor(args.rows, BALEEN_TYPE_BYTE, 2, sizeof(baleen_sample_row))) {
    return "rows is not byte [R, 32]";
  }
  if (args.draft_logits != nullptr &&
      !IsTensor(args.draft_logits, BALEEN_TYPE_F32, 2, args.logits->size[1])) {
    return "draft_logits does not fit logits";
  }
  if (!IsType(args.tokens, BALEEN_TYPE_I32)) return "tokens is not i32 [R]";
  if (args.log_probability != nullptr &&
      !IsType(args.log_probability, BALEEN_TYPE_F32)) {
    return "log_probability is not f32 [R]";
  }
  if (args.accepted != nullptr && !IsType(args.accepted, BALEEN_TYPE_I32)) {
    return "accepted is not i32 [R]";
  }
  if (args.common.batch == nullptr ||
      !IsType(args.common.batch->outputs, BALEEN_TYPE_I32) ||
      !IsType(args.common.batch->positions, BALEEN_TYPE_I32)) {
    return "the batch does not say which rows are wanted";
  }
  return nullptr;
}

baleen_status SampleReference(const Queue& queue,
                              const baleen_sample_args& args) {
  ParallelFor(
      queue,
      CountOf(args.common.batch, BALEEN_COUNT_OUTPUTS, args.logits->size[0]),
      [&](int64_t output) { SampleOutput(args, output); });
  return BALEEN_OK;
}

void SampleReferenceNeeds(const Device&, const baleen_sample_args&,
                          baleen_op_needs*) {}

}  // namespace baleen::cpu
