// Fills the operator table: checks before a call, and answers to `query`.
#include "cuda/operators.h"

#include <cstring>
#include <iterator>

namespace baleen::cuda {
namespace {

template <typename Args>
baleen_status CheckCommon(const Device& device, const char* name,
                          const Args* args) {
  if (args == nullptr || args->common.struct_size < sizeof(Args)) {
    return device.Fail(BALEEN_INVALID_ARGUMENT,
                       "%s: the arguments are missing or too short", name);
  }
  if (args->common.mode != BALEEN_MODE_FAST &&
      args->common.mode != BALEEN_MODE_REFERENCE) {
    return device.Fail(BALEEN_INVALID_ARGUMENT, "%s: there is no mode %d", name,
                       static_cast<int>(args->common.mode));
  }
  return BALEEN_OK;
}

// NULL weights are for questions only.  `linear` does without one.
template <typename Args>
bool HasWeights(const Args& args) {
  if constexpr (requires { args.w1; }) {
    return args.w1 != nullptr && args.w2 != nullptr;
  } else if constexpr (requires {
                         args.streams;
                         args.table;
                       }) {
    return args.table != nullptr;
  } else if constexpr (
      requires { args.weight; } && !requires { args.norm_in; }) {
    return args.weight != nullptr;
  } else {
    return true;
  }
}

template <typename Args>
baleen_status Call(baleen_queue* handle, baleen_op op, const char* name,
                   const Args* args, const char* (*refusal)(const Args&),
                   baleen_status (*run)(const Queue&, const Args&)) {
  Queue& queue = *FromHandle(handle);
  const Device& device = *queue.device;
  const baleen_status status = CheckCommon(device, name, args);
  if (status != BALEEN_OK) return status;
  const baleen_host& host = device.host();
  if (host.cancelled != nullptr && host.cancelled(host.user_data) != 0) {
    return device.Fail(BALEEN_CANCELLED, "cancelled");
  }
  const char* reason = refusal(*args);
  if (reason != nullptr) {
    return device.Fail(BALEEN_UNSUPPORTED, "%s: %s", name, reason);
  }
  if (!HasWeights(*args)) {
    return device.Fail(BALEEN_INVALID_ARGUMENT, "there is no weight");
  }
  device.Choose();
  queue.op = op;
  return run(queue, *args);
}

template <typename Args>
baleen_status Query(const Device& device, const char* name, const void* data,
                    const char* (*refusal)(const Args&),
                    void (*find_needs)(const Device&, const Args&,
                                       baleen_op_needs*),
                    baleen_op_needs* needs) {
  const Args* args = static_cast<const Args*>(data);
  const baleen_status status = CheckCommon(device, name, args);
  if (status != BALEEN_OK) return status;
  const char* reason = refusal(*args);
  if (reason != nullptr) {
    device.Log(BALEEN_LOG_DEBUG, "%s, layer %d: not on the device: %s", name,
               static_cast<int>(args->common.layer), reason);
    return device.Fail(BALEEN_UNSUPPORTED, "%s: %s", name, reason);
  }
  baleen_op_needs answer;
  std::memset(&answer, 0, sizeof(answer));
  answer.struct_size = needs->struct_size;
  answer.launches = 1;
  answer.implementation = "cuda";
  find_needs(device, *args, &answer);
  std::memcpy(needs, &answer,
              needs->struct_size < sizeof(answer) ? needs->struct_size
                                                  : sizeof(answer));
  return BALEEN_OK;
}

// Numbers of operators: those of BALEEN_OP_*, which come in the same order.
#define BALEEN_CUDA_NUMBER(name, Name) kOp##Name,
enum Number : baleen_op { BALEEN_CUDA_OPERATORS(BALEEN_CUDA_NUMBER) };
#undef BALEEN_CUDA_NUMBER
static_assert(baleen_op{kOpWoA} == baleen_op{BALEEN_OP_WO_A} &&
              baleen_op{kOpDraftHead} == baleen_op{BALEEN_OP_DRAFT_HEAD});

#define BALEEN_CUDA_CALL(name, Name)                                       \
  baleen_status Call##Name(baleen_queue* queue,                            \
                           const baleen_##name##_args* args) {             \
    return Call(queue, kOp##Name, #name, args, Name##Refusal, Name##Run);  \
  }                                                                        \
  baleen_status Query##Name(const Device& device, const void* args,        \
                            baleen_op_needs* needs) {                      \
    return Query<baleen_##name##_args>(device, #name, args, Name##Refusal, \
                                       Name##Needs, needs);                \
  }
BALEEN_CUDA_OPERATORS(BALEEN_CUDA_CALL)
#undef BALEEN_CUDA_CALL

using QueryFunction = baleen_status (*)(const Device&, const void*,
                                        baleen_op_needs*);

#define BALEEN_CUDA_QUERY(name, Name) Query##Name,
constexpr QueryFunction kQueries[] = {BALEEN_CUDA_OPERATORS(BALEEN_CUDA_QUERY)};
#undef BALEEN_CUDA_QUERY

static_assert(std::size(kQueries) == BALEEN_OP_COUNT);

}  // namespace

#define BALEEN_CUDA_ENTRY(name, Name) Call##Name,
const baleen_ops kOperators = {sizeof(baleen_ops), 0,
                               BALEEN_CUDA_OPERATORS(BALEEN_CUDA_ENTRY)};
#undef BALEEN_CUDA_ENTRY

baleen_status QueryOperator(baleen_device* handle, baleen_op op,
                            const void* args, baleen_op_needs* needs) {
  const Device& device = *FromHandle(handle);
  if (op < 0 || op >= static_cast<baleen_op>(std::size(kQueries))) {
    return device.Fail(BALEEN_UNSUPPORTED,
                       "the CUDA backend has no operator %d",
                       static_cast<int>(op));
  }
  return kQueries[op](device, args, needs);
}

}  // namespace baleen::cuda
