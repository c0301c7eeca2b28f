// BALEEN_OP_STEP_PLAN: says how long a plan is, and stays within it.
#include "ops/state_fixture.h"

namespace baleen::ops_test {
namespace {

TEST(StepPlan, FitsIntoWhatItAskedFor) {
  ForEachVariant([](TestDevice& device) {
    const TestBatch batch({{0, 5, 3}});
    const baleen_state_shape kinds[] = {ShapeOf(0), ShapeOf(4), ShapeOf(128)};
    baleen_step_plan_args args = {};
    args.common = Common(BALEEN_MODE_FAST, batch);
    args.common.struct_size = sizeof(args);
    args.kinds = kinds;
    args.kind_count = 3;
    args.heads = 4;
    args.index_heads = 4;
    args.selected = 8;
    baleen_op_needs needs = {};
    needs.struct_size = sizeof(needs);
    ASSERT_EQ(device.table().query(device.handle(), BALEEN_OP_STEP_PLAN, &args,
                                   &needs),
              BALEEN_OK);
    ASSERT_GT(needs.out_bytes, 0u);
    TestTensor plan(BALEEN_TYPE_BYTE, {static_cast<int64_t>(needs.out_bytes)});
    args.plan = plan.get();
    BALEEN_RUN(device, STEP_PLAN, step_plan, args);
    TestTensor shorter(BALEEN_TYPE_BYTE,
                       {static_cast<int64_t>(needs.out_bytes) - 1});
    args.plan = shorter.get();
    EXPECT_EQ(device.Run(BALEEN_OP_STEP_PLAN, &baleen_ops::step_plan, args),
              BALEEN_UNSUPPORTED);
  });
}

TEST(StepPlan, RefusesShapesThatItsOperatorsCannotTake) {
  TestDevice device({"reference", 1});
  const TestBatch batch({{0, 5, 3}});
  baleen_state_shape kind = ShapeOf(4);
  kind.tail_rows = 7;
  baleen_step_plan_args args = {};
  args.common = Common(BALEEN_MODE_FAST, batch);
  args.kinds = &kind;
  args.kind_count = 1;
  EXPECT_EQ(device.Run(BALEEN_OP_STEP_PLAN, &baleen_ops::step_plan, args),
            BALEEN_UNSUPPORTED);
}

}  // namespace
}  // namespace baleen::ops_test
