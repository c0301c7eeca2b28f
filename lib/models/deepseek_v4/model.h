// A DeepSeek-V4 model: weights, the state of its sessions, and the programs
// that take them further.
#pragma once

#include <array>
#include <atomic>
#include <optional>
#include <span>

#include "models/deepseek_v4/cache.h"
#include "models/deepseek_v4/config.h"
#include "models/deepseek_v4/counts.h"
#include "models/deepseek_v4/pass.h"
#include "models/deepseek_v4/prepared.h"
#include "models/deepseek_v4/rope.h"
#include "models/deepseek_v4/state.h"
#include "models/deepseek_v4/weights.h"
#include "models/drafter.h"
#include "models/model.h"
#include "models/registry.h"
#include "ops/expert_store.h"

namespace baleen::deepseek_v4 {

class CountingMemory;

class V4Model final : public Model, public DraftModel {
 public:
  static Result<Ref<Model>> Create(ModelRequest request);
  // Use Create; public for MakeOwned.
  V4Model(ModelRequest&& request, Config config, Weights weights,
          Owned<Machine> machine);

  const baleen_model_info& info() const override { return info_; }
  int64_t RowLimit(int64_t position_limit) const override;
  Result<StatePointer> CreateState() override;
  Status Step(baleen_mode mode, std::span<const StepPart> parts,
              const std::atomic<bool>* cancel, float* logits) override;
  Result<MemoryNeed> Need(baleen_mode mode, int64_t capacity,
                          int64_t rows) const override;
  uint64_t StateGrowth(int64_t positions) const override;
  uint64_t WindowNeed(int64_t capacity, int64_t period,
                      bool one) const override;
  uint64_t fingerprint() const override { return fingerprint_; }
  DraftModel* drafter() override;
  void SetTrace(Trace* trace) override;

  Status DraftMtp(baleen_mode mode, const MtpRows& rows,
                  const std::atomic<bool>* cancel, float* logits,
                  uint16_t* streams) override;
  int64_t stream_size() const override {
    return int64_t{config_.streams} * config_.hidden;
  }
  int64_t block_size() const override {
    return weights_.dspark.empty() ? 0 : config_.dspark_block;
  }
  Status DraftBlock(baleen_mode mode, SessionState* state, baleen_token next,
                    std::span<const baleen_sample_row> rows,
                    const std::atomic<bool>* cancel,
                    const BlockDraft& draft) override;

  // For tests that hold layers to golden data: layers [first, end) with streams
  // bf16 [rows, M, D] given and taken back; `logits`, unless NULL, as in Step.
  // The state's rows move on, so all ranges need a state of their own.  Returns
  // the pass, whose tensors all are kept, so that a test can look inside.
  Result<Owned<Pass>> RunRange(baleen_mode mode, const StepPart& part,
                               int32_t first, int32_t end, uint16_t* streams,
                               float* logits);
  // The same for the contexts of a DSpark drafter: `means` of the streams after
  // its target layers, bf16 [rows, targets * D].
  Status RunContexts(baleen_mode mode, const StepPart& part,
                     const uint16_t* means);
  // What rows of one session would cost, for tests that cannot take the memory;
  // as for a model of shapes only.
  baleen_session_counters CostsOf(int64_t position, int64_t rows,
                                  int64_t outputs);
  const Machine& machine() const { return *machine_; }
  // NULL where all experts are where they are computed.
  ExpertStore* experts() const { return experts_.get(); }
  // For who packs the weights: where they go, and what they are read from.
  const Assignment& assignment() const { return assignment_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const Config& config() const { return config_; }
  const Weights& weights() const { return weights_; }

 private:
  void Destroy() const override;

  // model.cc
  Status Prepare(bool repack);
  Status PrepareOnce(bool repack, bool* refused);
  void FindKinds(const Vector<baleen_state_shape>& shapes);
  // Decides what lies on the device, and makes experts_ if not all does.
  Status PlaceWeights(PreparedOptions* options, bool* refused);
  // Of the device, at work, with one session.
  Result<uint64_t> WorkingBytes(const PassBuild& build) const;
  Status OpenExperts();
  uint64_t SessionBytes(Side side, int64_t positions) const;
  Vector<baleen_state_shape> StateShapes() const;
  Status MeasurePasses(baleen_mode mode, PassBuild build);
  void OpenCounts();
  // Which operators the CPU runs for the device.
  void LogPlaces(const Log& log) const;
  void FillInfo(std::string_view name);
  uint64_t ComputeFingerprint() const;
  int64_t PositionBucket(int64_t positions) const;
  int64_t RowsFor(int64_t positions) const;
  PassShape ShapeFor(baleen_mode mode, int64_t rows, int64_t positions) const;
  PassParts Parts() const;
  // The drafter's pass as sessions use it: an MTP block's for few rows.
  Result<Owned<Pass>> BuildDraft(const PassParts& parts, baleen_mode mode,
                                 int64_t positions,
                                 const PassBuild& build) const;
  Status AddDraftNeed(const PassParts& parts, const CountingMemory* counting,
                      baleen_mode mode, int64_t capacity,
                      MemoryNeed* need) const;

  // step.cc
  Status CheckParts(std::span<const StepPart> parts, int64_t* rows,
                    int64_t* positions) const;
  Status CountOnly(std::span<const StepPart> parts, const float* logits);
  // What the parts cost, which `pass`, or NULL for shapes only, has computed.
  Status CountParts(const Pass* pass, std::span<const StepPart> parts,
                    PassCosts* costs);
  Status StepLocked(baleen_mode mode, std::span<const StepPart> parts,
                    const PassShape& needed, const std::atomic<bool>* cancel,
                    float* logits);
  Status RunParts(Pass& pass, std::span<const StepPart> parts,
                  const std::atomic<bool>* cancel, float* logits);
  BatchCounts FillBatch(Batch& batch, std::span<const StepPart> parts) const;
  Status RunHead(const Pass& pass, std::span<const StepPart> parts,
                 const std::atomic<bool>* cancel, float* logits);
  // Rows [done, done + count) of all outputs, to the places of their parts.
  Status ReadLogits(const Pass& head, std::span<const StepPart> parts,
                    int64_t done, int64_t count, float* logits) const;
  Status ReadPartStreams(const Pass& pass,
                         std::span<const StepPart> parts) const;
  Result<Pass*> FindPass(const PassShape& needed);
  Result<Pass*> FindHead(baleen_mode mode);
  Result<Pass*> FindDraftPass(const PassShape& needed);

  // The side that `op` leaves its output on.
  Side SideOf(baleen_op op) const { return assignment_.side(op); }
  // Host bytes into a tensor that the program reads, and out of one that `op`
  // writes.
  Status Write(const Tensor* tensor, const void* bytes, uint64_t size) const;
  Status Read(baleen_op op, const Tensor* tensor, int64_t first_row,
              int64_t rows, void* bytes) const;

  Memory* memory_;
  std::optional<Checkpoint> checkpoint_;
  Config config_;
  Weights weights_;
  Owned<Machine> machine_;
  Assignment assignment_;
  Vector<baleen_state_shape> kinds_;
  uint64_t device_memory_;
  bool fetch_experts_;
  Owned<PreparedWeights> prepared_;
  Owned<ExpertStore> experts_;  // NULL: all are where they are computed.
  PassCosts costs_;  // Guarded by the store's mutex, as what follows it below.
  PassCosts draft_costs_;
  ByteMeter own_meter_;
  ByteMeter* meter_;
  Owned<StateStore> store_;
  RopeTables rope_;
  StateRules rules_;
  baleen_model_info info_ = {};
  uint64_t fingerprint_ = 0;

  // Guarded by the store's mutex.
  std::array<Owned<Pass>, 2> passes_;  // By mode.
  std::array<Owned<Pass>, 2> heads_;
  std::array<Owned<Pass>, 2> draft_passes_;
  Vector<int32_t> routes_;  // Of a step, where a device has them.
  Trace* trace_ = nullptr;
};

}  // namespace baleen::deepseek_v4
