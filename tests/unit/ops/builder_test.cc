// Programs: placing tensors, running, copies between sides, failures.
#include "ops/builder.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <cstdint>
#include <vector>

#include "unit/ops/fake_device.h"

namespace baleen::test {
namespace {

constexpr int64_t kRows = 4;
constexpr int64_t kColumns = 100;
constexpr uint64_t kTensorBytes = 1024;  // 800, to a multiple of 256.

class BuilderTest : public testing::Test {
 protected:
  void Make(FakeDevice* device, FakeDevice* cpu) {
    Result<Owned<Machine>> machine =
        Machine::Create(&device->device(), &cpu->device(), &memory_);
    ASSERT_TRUE(machine.ok());
    machine_ = *std::move(machine);
    assignment_.emplace(*machine_);
    Result<Owned<Batch>> batch =
        Batch::Create(machine_.get(), {kRows, kRows, kRows, 256}, false);
    ASSERT_TRUE(batch.ok());
    batch_ = *std::move(batch);
    ops_.emplace(machine_.get(), &*assignment_, batch_.get(), BALEEN_MODE_FAST);
    ops_->AllowMissingWeights();
  }

  static Tensor Shape() {
    return MakeTensor(BALEEN_TYPE_BF16, {kRows, kColumns});
  }

  // out = 2 * in.
  void Double(const Tensor* in, Tensor* out) {
    baleen_linear_args args = {};
    args.in = in;
    args.out = out;
    args.repeat = 1;
    ops_->Add(args, 0);
  }

  Owned<Program> Finish() {
    Result<Owned<Program>> program = ops_->Finish(false);
    EXPECT_TRUE(program.ok()) << program.status().message();
    return *std::move(program);
  }

  static void Fill(const Tensor& tensor, uint16_t value) {
    auto* data = static_cast<uint16_t*>(tensor.data);
    std::fill(data, data + kRows * kColumns, value);
  }
  static uint16_t First(const Tensor& tensor) {
    return *static_cast<const uint16_t*>(tensor.data);
  }

  HostMemory memory_{nullptr};
  FakeDevice cpu_{"cpu"};
  FakeDevice device_{"fake"};
  Owned<Machine> machine_;
  std::optional<Assignment> assignment_;
  Owned<Batch> batch_;
  std::optional<ProgramBuilder> ops_;
};

TEST_F(BuilderTest, TensorsShareMemoryWhenTheirTimesDoNotMeet) {
  Make(&cpu_, &cpu_);
  Tensor* first = ops_->MakeKept(Shape());
  const Tensor* from = first;
  std::vector<Tensor*> chain;
  for (int i = 0; i < 10; ++i) {
    Tensor* next = ops_->Make(Shape());
    Double(from, next);
    chain.push_back(next);
    from = next;
  }
  const Owned<Program> program = Finish();
  EXPECT_EQ(program->operator_count(), 10);
  // One is kept, and two at a time are in use.
  EXPECT_EQ(program->bytes(kDevice), 3 * kTensorBytes);
  EXPECT_EQ(chain[0]->data, chain[2]->data);
  EXPECT_NE(chain[0]->data, chain[1]->data);
  Fill(*first, 0x3F80);  // 1
  ASSERT_TRUE(program->Run(kRows, nullptr, nullptr).ok());
  EXPECT_EQ(First(*chain[9]), 0x3F80 + 10 * 0x80);  // 2^10
  EXPECT_EQ(First(*first), 0x3F80);
}

TEST_F(BuilderTest, MeasuringTakesNothingAndSaysTheSame) {
  Make(&cpu_, &cpu_);
  cpu_.scratch_bytes = 1000;
  cpu_.persistent_bytes = 8;
  Tensor* a = ops_->MakeKept(Shape());
  Tensor* b = ops_->Make(Shape());
  Double(a, b);
  Double(a, b);
  Result<Owned<Program>> program = ops_->Finish(true);
  ASSERT_TRUE(program.ok());
  // Two persistent parts, two tensors, one scratch.
  EXPECT_EQ((*program)->bytes(kDevice), 2 * 256 + 2 * kTensorBytes + 1024);
  EXPECT_EQ(a->data, nullptr);
  EXPECT_EQ(cpu_.calls, 0);
}

TEST_F(BuilderTest, PersistentPartsAreZeroAtFirstAndStay) {
  Make(&cpu_, &cpu_);
  cpu_.persistent_bytes = 4;
  Tensor* a = ops_->MakeKept(Shape());
  Tensor* b = ops_->MakeKept(Shape());
  Double(a, b);
  const Owned<Program> program = Finish();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(program->Run(kRows, nullptr, nullptr).ok());
  }
  // The part lies in front of the tensors.
  EXPECT_EQ(*reinterpret_cast<const int32_t*>(
                static_cast<const char*>(a->data) - 256),
            3);
}

TEST_F(BuilderTest, CopiesWhereSidesMeet) {
  Make(&device_, &cpu_);
  assignment_->Demote(BALEEN_OP_HEAD);  // Not this one: linear stays.
  EXPECT_EQ(assignment_->side(BALEEN_OP_LINEAR), kDevice);
  EXPECT_EQ(assignment_->side(BALEEN_OP_EMBED), kCpu);  // Not offered.
  Tensor* a = ops_->MakeKept(Shape());
  Tensor* b = ops_->Make(Shape());
  Tensor* c = ops_->Make(Shape());
  Tensor* d = ops_->MakeKept(Shape());
  Double(a, b);
  assignment_->Demote(BALEEN_OP_LINEAR);
  Double(b, c);
  Double(b, c);  // b is there already.
  EXPECT_EQ(assignment_->side(BALEEN_OP_LINEAR), kCpu);
  Double(c, d);
  const Owned<Program> program = Finish();
  EXPECT_EQ(program->operator_count(), 5);  // One is the copy.
  Fill(a[kDevice], 0x3F80);
  Trace trace;
  ASSERT_TRUE(program->Run(2, nullptr, &trace).ok());
  EXPECT_EQ(device_.downloads, 1);
  EXPECT_EQ(device_.uploads, 0);
  EXPECT_EQ(trace.copies.calls, 1u);
  EXPECT_EQ(trace.operators[BALEEN_OP_LINEAR].calls, 4u);
  EXPECT_EQ(First(d[kCpu]), 0x3F80 + 3 * 0x80);
  EXPECT_EQ(device_.calls, 1);
  EXPECT_EQ(cpu_.calls, 3);
}

TEST_F(BuilderTest, ARefusalGivesTheOperatorToTheCpu) {
  Make(&device_, &cpu_);
  device_.query_status = BALEEN_UNSUPPORTED;
  Tensor* a = ops_->MakeKept(Shape());
  Tensor* b = ops_->MakeKept(Shape());
  Double(a, b);
  EXPECT_TRUE(ops_->refused());
  EXPECT_EQ(ops_->Finish(false).status().code(), BALEEN_UNSUPPORTED);
  EXPECT_EQ(assignment_->side(BALEEN_OP_LINEAR), kCpu);
  // Without a CPU behind it, there is nobody to take over.
  ops_.emplace(machine_.get(), &*assignment_, batch_.get(), BALEEN_MODE_FAST);
  ops_->AllowMissingWeights();
  a = ops_->MakeKept(Shape());
  b = ops_->MakeKept(Shape());
  cpu_.query_status = BALEEN_UNSUPPORTED;
  Double(a, b);
  EXPECT_FALSE(ops_->refused());
  const Status status = ops_->Finish(false).status();
  EXPECT_EQ(status.code(), BALEEN_UNSUPPORTED);
  EXPECT_STREQ(status.message(), "linear: device cpu: it did not want to");
}

TEST_F(BuilderTest, OneMemoryNeedsNoCopies) {
  device_.device().unified_memory = true;
  Make(&device_, &cpu_);
  Tensor* a = ops_->MakeKept(Shape());
  Tensor* b = ops_->Make(Shape());
  Tensor* c = ops_->MakeKept(Shape());
  Double(a, b);
  assignment_->Demote(BALEEN_OP_LINEAR);
  Double(b, c);
  const Owned<Program> program = Finish();
  EXPECT_EQ(program->bytes(kCpu), 0u);
  EXPECT_EQ(c[kCpu].data, c[kDevice].data);
  Fill(a[kDevice], 0x3F80);
  ASSERT_TRUE(program->Run(kRows, nullptr, nullptr).ok());
  EXPECT_EQ(device_.downloads, 0);
  EXPECT_EQ(First(c[kCpu]), 0x3F80 + 2 * 0x80);
}

TEST_F(BuilderTest, ViewsLookAtTheirBase) {
  Make(&cpu_, &cpu_);
  Tensor* whole =
      ops_->MakeKept(MakeTensor(BALEEN_TYPE_BF16, {2 * kRows, kColumns}));
  Tensor* half = ops_->View(whole, Shape(), kRows * kColumns);
  Tensor* a = ops_->MakeKept(Shape());
  Double(a, half);
  const Owned<Program> program = Finish();
  EXPECT_EQ(half->data, static_cast<uint16_t*>(whole->data) + kRows * kColumns);
}

TEST_F(BuilderTest, TheFirstFailureIsKept) {
  Make(&cpu_, &cpu_);
  Tensor* a = ops_->MakeKept(Shape());
  Double(a, ops_->Make(MakeTensor(BALEEN_TYPE_I32, {kRows, kColumns})));
  Double(a, nullptr);
  EXPECT_STREQ(ops_->Finish(false).status().message(),
               "linear: out is i32 [4, 100], which does not fit");
}

TEST_F(BuilderTest, StopsWhenCancelledOrFailing) {
  Make(&cpu_, &cpu_);
  Tensor* a = ops_->MakeKept(Shape());
  Double(a, ops_->Make(Shape()));
  Double(a, ops_->Make(Shape()));
  const Owned<Program> program = Finish();
  const std::atomic<bool> cancel{true};
  EXPECT_EQ(program->Run(kRows, &cancel, nullptr).code(), BALEEN_CANCELLED);
  EXPECT_EQ(cpu_.calls, 0);
  cpu_.run_status = BALEEN_INTERNAL;
  EXPECT_EQ(program->Run(kRows, nullptr, nullptr).code(), BALEEN_INTERNAL);
  EXPECT_EQ(cpu_.calls, 1);
}

TEST_F(BuilderTest, RunsInTheDefaultFloatMode) {
  Make(&cpu_, &cpu_);
  static int mode;
  cpu_.ops().linear = [](baleen_queue*,
                         const baleen_linear_args*) -> baleen_status {
    mode = std::fegetround();
    return BALEEN_OK;
  };
  Tensor* a = ops_->MakeKept(Shape());
  Double(a, ops_->Make(Shape()));
  const Owned<Program> program = Finish();
  std::fesetround(FE_UPWARD);
  const Status status = program->Run(kRows, nullptr, nullptr);
  const int after = std::fegetround();
  std::fesetround(FE_TONEAREST);
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(mode, FE_TONEAREST);
  EXPECT_EQ(after, FE_UPWARD);
}

TEST_F(BuilderTest, DeviceMemoryIsGivenBack) {
  Make(&device_, &cpu_);
  EXPECT_EQ(device_.allocated, 1);  // The batch.
  {
    Tensor* a = ops_->MakeKept(Shape());
    Double(a, ops_->Make(Shape()));
    const Owned<Program> program = Finish();
    EXPECT_EQ(device_.allocated, 2);
  }
  Result<DeviceBlock> zeros =
      DeviceBlock::AllocateZero(*machine_, kDevice, 3000000);
  ASSERT_TRUE(zeros.ok());
  const auto* bytes = static_cast<const char*>(zeros->data());
  EXPECT_EQ(std::count(bytes, bytes + 3000000, 0), 3000000);
  EXPECT_EQ(device_.allocated, 2);
  *zeros = DeviceBlock();
  EXPECT_EQ(device_.allocated, 1);
}

TEST_F(BuilderTest, BatchesReachBothSides) {
  Make(&device_, &cpu_);
  batch_->tokens()[2] = 77;
  batch_->pages(1)[0] = 9;
  batch_->frozen(Batch::kFrozen128)[3] = 5;
  BatchCounts counts;
  counts.rows = 3;
  counts.sessions = 2;
  ASSERT_TRUE(batch_->Upload(counts).ok());
  EXPECT_EQ(device_.uploads, 1);
  for (const Side side : {kDevice, kCpu}) {
    const baleen_batch& batch = *batch_->on(side);
    EXPECT_EQ(static_cast<const int32_t*>(batch.counts->data)[0], 3);
    EXPECT_EQ(static_cast<const int32_t*>(batch.tokens->data)[2], 77);
    EXPECT_EQ(static_cast<const int32_t*>(batch.pages->data)[1], 9);
    EXPECT_EQ(static_cast<const int32_t*>(
                  batch_->frozen_tensor(Batch::kFrozen128)[side].data)[3],
              5);
    EXPECT_EQ(batch.position_limit, 256u);
  }
}

}  // namespace
}  // namespace baleen::test
