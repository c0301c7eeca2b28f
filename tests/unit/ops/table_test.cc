#include "ops/table.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>

namespace baleen {
namespace {

TEST(TableTest, NamesEveryOperator) {
  std::set<std::string> names;
  for (baleen_op op = 0; op < BALEEN_OP_COUNT; ++op) {
    names.insert(OperatorName(op));
    EXPECT_GE(ArgumentSize(op), sizeof(baleen_op_common));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(BALEEN_OP_COUNT));
  EXPECT_EQ(names.count("unknown"), 0u);
  EXPECT_STREQ(OperatorName(BALEEN_OP_ROUTER), "router");
  EXPECT_STREQ(OperatorName(BALEEN_OP_COUNT), "unknown");
  EXPECT_STREQ(OperatorName(-1), "unknown");
  EXPECT_EQ(ArgumentSize(BALEEN_OP_COUNT), 0u);
}

TEST(TableTest, KnowsNumbersOfArgumentStructs) {
  EXPECT_EQ(OperatorOf<baleen_embed_args>::kOp, BALEEN_OP_EMBED);
  EXPECT_EQ(OperatorOf<baleen_draft_head_args>::kOp, BALEEN_OP_DRAFT_HEAD);
}

// A table of an older version ends before the newer operators.
TEST(TableTest, LooksOnlyAtWhatATableHas) {
  baleen_ops ops = {};
  ops.struct_size = sizeof ops;
  ops.embed = [](baleen_queue*, const baleen_embed_args*) -> baleen_status {
    return BALEEN_OK;
  };
  ops.draft_head = [](baleen_queue*,
                      const baleen_draft_head_args*) -> baleen_status {
    return BALEEN_OK;
  };
  EXPECT_TRUE(Offers(ops, BALEEN_OP_EMBED));
  EXPECT_TRUE(Offers(ops, BALEEN_OP_DRAFT_HEAD));
  EXPECT_FALSE(Offers(ops, BALEEN_OP_ROUTER));
  EXPECT_FALSE(Offers(ops, BALEEN_OP_COUNT));
  ops.struct_size = offsetof(baleen_ops, draft_head);
  EXPECT_TRUE(Offers(ops, BALEEN_OP_EMBED));
  EXPECT_FALSE(Offers(ops, BALEEN_OP_DRAFT_HEAD));
}

TEST(TableTest, CallsByNumber) {
  baleen_ops ops = {};
  ops.struct_size = sizeof ops;
  ops.head = [](baleen_queue*, const baleen_head_args* args) {
    return static_cast<baleen_status>(args->common.layer);
  };
  baleen_head_args args = {};
  args.common.layer = -7;
  EXPECT_EQ(CallOperator(ops, nullptr, {BALEEN_OP_HEAD, 0, &args}), -7);
  EXPECT_EQ(CallOperator(ops, nullptr, {BALEEN_OP_COUNT, 0, &args}),
            BALEEN_UNSUPPORTED);
}

}  // namespace
}  // namespace baleen
