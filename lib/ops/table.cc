#include "ops/table.h"

namespace baleen {
namespace {

struct OperatorFacts {
  const char* name;
  size_t offset;  // Of its function in baleen_ops.
  size_t argument_size;
};

constexpr OperatorFacts kOperators[] = {
#define BALEEN_OPERATOR(NUMBER, name) \
  {#name, offsetof(baleen_ops, name), sizeof(baleen_##name##_args)},
#include "ops/ops.def"
#undef BALEEN_OPERATOR
};

static_assert(sizeof kOperators / sizeof kOperators[0] == BALEEN_OP_COUNT);
static_assert(sizeof(baleen_ops) ==
              offsetof(baleen_ops, embed) + BALEEN_OP_COUNT * sizeof(void*));

#define BALEEN_OPERATOR(NUMBER, name)                    \
  static_assert(offsetof(baleen_ops, name) ==            \
                offsetof(baleen_ops, embed) +            \
                    BALEEN_OP_##NUMBER * sizeof(void*)); \
  static_assert(offsetof(baleen_##name##_args, common) == 0);
#include "ops/ops.def"
#undef BALEEN_OPERATOR

bool IsOperator(baleen_op op) { return op >= 0 && op < BALEEN_OP_COUNT; }

}  // namespace

const char* OperatorName(baleen_op op) {
  return IsOperator(op) ? kOperators[op].name : "unknown";
}

size_t ArgumentSize(baleen_op op) {
  return IsOperator(op) ? kOperators[op].argument_size : 0;
}

bool Offers(const baleen_ops& ops, baleen_op op) {
  if (!IsOperator(op) ||
      kOperators[op].offset + sizeof(void*) > ops.struct_size) {
    return false;
  }
  switch (op) {
#define BALEEN_OPERATOR(NUMBER, name) \
  case BALEEN_OP_##NUMBER:            \
    return ops.name != nullptr;
#include "ops/ops.def"
#undef BALEEN_OPERATOR
    default:
      return false;
  }
}

baleen_status CallOperator(const baleen_ops& ops, baleen_queue* queue,
                           const baleen_op_record& record) {
  switch (record.op) {
#define BALEEN_OPERATOR(NUMBER, name) \
  case BALEEN_OP_##NUMBER:            \
    return ops.name(queue,            \
                    static_cast<const baleen_##name##_args*>(record.args));
#include "ops/ops.def"
#undef BALEEN_OPERATOR
    default:
      return BALEEN_UNSUPPORTED;
  }
}

}  // namespace baleen
