#include "models/deepseek_v4/model.h"

#include <algorithm>
#include <cstring>

#include "base/checksum.h"

namespace baleen::deepseek_v4 {
namespace {

// Rows of a step: enough for products to run at the processor's speed, few
// enough that a cancel is noticed soon.
constexpr int64_t kRowLimit = 256;
// A pass for so few rows serves those who only decode.
constexpr int64_t kFewRows = 16;
// The indexer's scores of a step, f32 [T, C], take no more than this.
constexpr int64_t kScoreBytes = int64_t{64} << 20;
// Programs are built for so many positions, or that many times a power of 4.
constexpr int64_t kFirstBucket = 4096;
constexpr int64_t kBucketFactor = 4;
// Tokens that can be undone without computing again.
constexpr uint32_t kTailSlack = 8;

void CopyText(std::string_view text, std::span<char> out) {
  const size_t size = std::min(text.size(), out.size() - 1);
  std::memcpy(out.data(), text.data(), size);
  out[size] = '\0';
}

}  // namespace

// Counts what goes through it, for plans that are exact to the byte.
class CountingMemory final : public std::pmr::memory_resource {
 public:
  explicit CountingMemory(Memory* memory) : memory_(memory) {}
  uint64_t bytes() const { return bytes_; }

 private:
  void* do_allocate(size_t size, size_t alignment) override {
    void* memory = memory_->allocate(size, alignment);
    bytes_ += size;
    return memory;
  }
  void do_deallocate(void* memory, size_t size, size_t alignment) override {
    memory_->deallocate(memory, size, alignment);
    bytes_ -= size;
  }
  bool do_is_equal(const memory_resource& other) const noexcept override {
    return this == &other;
  }

  Memory* memory_;
  uint64_t bytes_ = 0;
};

namespace {

// What the configuration alone tells of the drafter.
Drafter DrafterOf(const Config& config) {
  if (config.dspark_block > 0) return Drafter::kDspark;
  const auto layers = static_cast<size_t>(config.layers);
  return config.ratios.size() > layers ? Drafter::kMtp : Drafter::kNone;
}

size_t DraftLayers(const Weights& weights) {
  size_t count = weights.mtp.size();
  for (const DsparkWeights& dspark : weights.dspark) {
    count += dspark.stages.size();
  }
  return count;
}

}  // namespace

V4Model::V4Model(ModelRequest&& request, Config config, Weights weights,
                 Owned<Machine> machine)
    : memory_(request.memory),
      checkpoint_(std::move(request.checkpoint)),
      config_(std::move(config)),
      weights_(std::move(weights)),
      machine_(std::move(machine)),
      assignment_(*machine_),
      kinds_(request.memory),
      device_memory_(request.device_memory),
      fetch_experts_(request.fetch_experts),
      costs_(config_.experts, config_.experts_per_token, config_.layers,
             request.memory),
      draft_costs_(config_.experts, config_.experts_per_token,
                   static_cast<int64_t>(DraftLayers(weights_)), request.memory),
      meter_(request.state_meter != nullptr ? request.state_meter
                                            : &own_meter_),
      rope_(config_, machine_.get()),
      routes_(request.memory) {}

void V4Model::Destroy() const {
  const Deleter<V4Model> deleter(memory_);
  deleter(const_cast<V4Model*>(this));
}

Result<Ref<Model>> V4Model::Create(ModelRequest request) {
  Memory* memory = request.memory;
  BALEEN_ASSIGN_OR_RETURN(
      Config config, ParseConfig(request.config, request.config_name, memory));
  BALEEN_ASSIGN_OR_RETURN(
      Weights weights, request.checkpoint.has_value()
                           ? FindWeights(*request.checkpoint, &config, memory)
                           : ImagineWeights(config, DrafterOf(config), memory));
  BALEEN_ASSIGN_OR_RETURN(Owned<Machine> machine,
                          Machine::Create(request.device, request.cpu, memory));
  const bool repack = request.repack;
  const Log* log = request.log;
  const std::string_view name = request.name;
  Owned<V4Model> model =
      MakeOwned<V4Model>(memory, std::move(request), std::move(config),
                         std::move(weights), std::move(machine));
  BALEEN_RETURN_IF_ERROR(model->Prepare(repack));
  if (log != nullptr) model->LogPlaces(*log);
  model->FillInfo(name);
  model->fingerprint_ = model->ComputeFingerprint();
  return Ref<Model>::Adopt(model.release());
}

Vector<baleen_state_shape> V4Model::StateShapes() const {
  const size_t count = weights_.layers.size() + DraftLayers(weights_);
  Vector<baleen_state_shape> shapes(memory_);
  shapes.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    baleen_state_shape shape = {};
    const int32_t ratio = i < config_.ratios.size() ? config_.ratios[i] : 0;
    shape.ratio = static_cast<uint32_t>(ratio);
    shape.head_size = static_cast<uint32_t>(config_.head_size);
    shape.rope_size = static_cast<uint32_t>(config_.rope_size);
    shape.key_size =
        ratio == 4 ? static_cast<uint32_t>(config_.index_head_size) : 0;
    // A row of a step must find its window although the step's later rows are
    // in the ring already.
    shape.ring_rows = static_cast<uint32_t>(config_.window + kRowLimit);
    shape.tail_rows =
        ratio == 0 ? 0
                   : static_cast<uint32_t>(OverlapOf(shape)) * shape.ratio +
                         kTailSlack;
    shape.slab_pages = StateStore::kSlabPages;
    shape.slab_slots = 1;
    shapes.push_back(shape);
  }
  return shapes;
}

// A device may refuse an operator for these shapes; then the CPU gets it, and
// what depends on where operators run is made again.
Status V4Model::Prepare(bool repack) {
  bool refused = true;
  Status status;
  while (refused) {
    refused = false;
    status = PrepareOnce(repack, &refused);
  }
  return status;
}

void V4Model::FindKinds(const Vector<baleen_state_shape>& shapes) {
  kinds_.clear();
  for (const baleen_state_shape& shape : shapes) {
    const auto same = [&](const baleen_state_shape& kind) {
      return kind.ratio == shape.ratio;
    };
    if (std::none_of(kinds_.begin(), kinds_.end(), same)) {
      kinds_.push_back(shape);
    }
  }
}

Status V4Model::PrepareOnce(bool repack, bool* refused) {
  const Vector<baleen_state_shape> shapes = StateShapes();
  FindKinds(shapes);
  BALEEN_ASSIGN_OR_RETURN(
      store_, StateStore::Create(machine_.get(), SideOf(BALEEN_OP_QKV_POST),
                                 shapes, meter_));
  rules_ = {this, store_.get(), config_.window, config_.layers,
            PositionBucket(config_.position_limit)};
  PreparedOptions options;
  options.shapes_only = !checkpoint_.has_value();
  options.repack = repack;
  options.packed = checkpoint_.has_value() ? checkpoint_->packed() : nullptr;
  BALEEN_RETURN_IF_ERROR(PlaceWeights(&options, refused));
  BALEEN_ASSIGN_OR_RETURN(
      prepared_,
      PreparedWeights::Create(machine_.get(), assignment_, weights_, options));
  PassBuild build;
  build.assignment = &assignment_;
  build.refused = refused;
  build.measure = true;
  for (const baleen_mode mode : {BALEEN_MODE_FAST, BALEEN_MODE_REFERENCE}) {
    BALEEN_RETURN_IF_ERROR(MeasurePasses(mode, build));
  }
  OpenCounts();
  return experts_ != nullptr && !options.shapes_only ? OpenExperts() : Status();
}

// Of one mode for counts, which are the same for both.
Status V4Model::MeasurePasses(baleen_mode mode, PassBuild build) {
  const PassShape shape = ShapeFor(mode, kRowLimit, kFirstBucket);
  const PassParts parts = Parts();
  const LayerRange all = {0, config_.layers, true, false};
  const auto count = [&](CostSheet* sheet) {
    if (mode != BALEEN_MODE_FAST) return;
    *sheet = CostSheet(memory_);
    build.costs = sheet;
  };
  count(&costs_.body);
  BALEEN_RETURN_IF_ERROR(BuildLayers(parts, shape, all, build).status());
  count(&costs_.head);
  BALEEN_RETURN_IF_ERROR(BuildHead(parts, mode, build).status());
  count(&draft_costs_.body);
  if (weights_.drafter == Drafter::kMtp) {
    return BuildMtp(parts, shape, build).status();
  }
  if (weights_.drafter == Drafter::kDspark) {
    const PassShape block = {mode, config_.dspark_block, shape.positions};
    return BuildDspark(parts, block, build).status();
  }
  return Status();
}

void V4Model::OpenCounts() {
  // An MTP block has the model's own head.
  draft_costs_.head = CostSheet(memory_);
  draft_costs_.head.StartDrafter();
  if (weights_.drafter == Drafter::kMtp) {
    for (const CostTerm& term : costs_.head.terms()) {
      draft_costs_.head.Add(term);
    }
  }
  if (!machine_->IsHost(SideOf(BALEEN_OP_ROUTER))) {
    const auto layers = static_cast<int64_t>(
        std::max(weights_.layers.size(), DraftLayers(weights_)));
    routes_.resize(
        static_cast<size_t>(layers * kRowLimit * config_.experts_per_token));
  }
}

void V4Model::LogPlaces(const Log& log) const {
  if (!machine_->split()) return;
  for (baleen_op op = 0; op < BALEEN_OP_COUNT; ++op) {
    if (SideOf(op) == kDevice) continue;
    log.Write(BALEEN_LOG_INFO,
              "%s runs on the CPU, since device %s lacks it or has no room",
              OperatorName(op), machine_->device(kDevice).backend);
  }
  if (experts_ == nullptr) return;
  const ExpertRules& rules = experts_->rules();
  log.Write(BALEEN_LOG_INFO,
            "%d of %d experts have a place on device %s; the others are %s",
            rules.places, rules.layers * rules.experts,
            machine_->device(kDevice).backend,
            rules.computes ? "computed by the CPU, or brought there by the "
                             "rows of a prompt"
                           : "brought there");
}

PassParts V4Model::Parts() const {
  PassParts parts;
  parts.machine = machine_.get();
  parts.config = &config_;
  parts.weights = prepared_.get();
  parts.states = store_.get();
  parts.rope = &rope_;
  parts.kinds = &kinds_;
  parts.experts = experts_.get();
  parts.shapes_only = !checkpoint_.has_value();
  return parts;
}

int64_t V4Model::PositionBucket(int64_t positions) const {
  constexpr int64_t kPage = SessionState::kPagePositions;
  const int64_t most = (config_.position_limit + kPage - 1) / kPage * kPage;
  int64_t bucket = kFirstBucket;
  while (bucket < positions) bucket *= kBucketFactor;
  return std::min(bucket, most);
}

int64_t V4Model::RowsFor(int64_t positions) const {
  const int64_t score_row = positions / 4 * static_cast<int64_t>(sizeof(float));
  return std::clamp(kScoreBytes / score_row, kFewRows, kRowLimit);
}

PassShape V4Model::ShapeFor(baleen_mode mode, int64_t rows,
                            int64_t positions) const {
  const int64_t bucket = PositionBucket(positions);
  return {mode, rows <= kFewRows ? kFewRows : RowsFor(bucket), bucket};
}

int64_t V4Model::RowLimit(int64_t position_limit) const {
  return RowsFor(PositionBucket(position_limit));
}

Result<StatePointer> V4Model::CreateState() {
  return State::Create(&rules_, memory_);
}

uint64_t V4Model::SessionBytes(Side side, int64_t positions) const {
  const int64_t pages = (positions + SessionState::kPagePositions - 1) /
                        SessionState::kPagePositions;
  // Beyond what the pools have when they are empty.
  return store_->slots().Bytes(side, 1) - store_->slots().Bytes(side, 0) +
         store_->pages().Bytes(side, pages) - store_->pages().Bytes(side, 0);
}

Result<MemoryNeed> V4Model::Need(baleen_mode mode, int64_t capacity,
                                 int64_t rows) const {
  MemoryNeed need;
  const PassShape shape = ShapeFor(mode, rows, capacity);
  // Programs built as they will be, with what they keep in host memory counted
  // and what they compute in measured.
  CountingMemory counting(memory_);
  const Device* cpu = &machine_->device(machine_->cpu_side());
  const Machine machine(&machine_->device(kDevice), cpu, &counting);
  Assignment assignment = assignment_;
  PassParts parts = Parts();
  parts.machine = &machine;
  PassBuild build;
  build.assignment = &assignment;
  build.measure = true;
  const LayerRange all = {0, config_.layers, true, false};
  BALEEN_ASSIGN_OR_RETURN(const Owned<Pass> pass,
                          BuildLayers(parts, shape, all, build));
  BALEEN_ASSIGN_OR_RETURN(const Owned<Pass> head,
                          BuildHead(parts, mode, build));
  const auto scratch = [&](Side side) {
    return pass->bytes(side) + head->bytes(side) +
           rope_.Bytes(side, shape.positions);
  };
  const Side host = machine_->cpu_side();
  need.scratch_host = counting.bytes() + scratch(host);
  BALEEN_RETURN_IF_ERROR(AddDraftNeed(parts, &counting, mode, capacity, &need));
  need.session_host =
      State::ObjectBytes(capacity) + SessionBytes(host, capacity);
  need.weights_host = prepared_->bytes(host);
  if (machine_->split()) {
    need.scratch_device = scratch(kDevice);
    need.session_device = SessionBytes(kDevice, capacity);
    need.weights_device = prepared_->bytes(kDevice);
    if (experts_ != nullptr) {
      need.weights_device += ExpertStore::BytesOf(experts_->rules());
    }
  }
  std::copy(std::begin(weights_.bytes_by_part),
            std::end(weights_.bytes_by_part), std::begin(need.weights_by_part));
  return need;
}

Result<Owned<Pass>> V4Model::BuildDraft(const PassParts& parts,
                                        baleen_mode mode, int64_t positions,
                                        const PassBuild& build) const {
  if (weights_.drafter == Drafter::kMtp) {
    return BuildMtp(parts, ShapeFor(mode, kFewRows, positions), build);
  }
  const PassShape shape = {mode, config_.dspark_block,
                           PositionBucket(positions)};
  return BuildDspark(parts, shape, build);
}

Status V4Model::AddDraftNeed(const PassParts& parts,
                             const CountingMemory* counting, baleen_mode mode,
                             int64_t capacity, MemoryNeed* need) const {
  if (weights_.drafter == Drafter::kNone) return Status();
  const uint64_t before = counting->bytes();
  Assignment assignment = assignment_;
  PassBuild build;
  build.assignment = &assignment;
  build.measure = true;
  BALEEN_ASSIGN_OR_RETURN(const Owned<Pass> pass,
                          BuildDraft(parts, mode, capacity, build));
  const Side host = machine_->cpu_side();
  need->draft_host = counting->bytes() - before + pass->bytes(host);
  if (machine_->split()) need->draft_device = pass->bytes(kDevice);
  if (weights_.drafter == Drafter::kMtp) {
    need->draft_row = static_cast<uint64_t>(stream_size()) * sizeof(uint16_t);
  }
  return Status();
}

uint64_t V4Model::StateGrowth(int64_t positions) const {
  return State(&rules_, memory_).GrowthFor(0, positions);
}

uint64_t V4Model::WindowNeed(int64_t capacity, int64_t period, bool one) const {
  const State state(&rules_, memory_);
  return (period > 0 ? state.WindowNeed(capacity, period) : 0) +
         (one ? state.OneWindowNeed() : 0);
}

void V4Model::FillInfo(std::string_view name) {
  info_.struct_size = sizeof info_;
  info_.vocabulary_size = static_cast<uint32_t>(config_.vocabulary);
  info_.hidden_size = static_cast<uint32_t>(config_.hidden);
  info_.layer_count = static_cast<uint32_t>(config_.layers);
  for (int32_t i = 0; i < config_.layers; ++i) {
    const int32_t ratio = config_.ratios[static_cast<size_t>(i)];
    ++(ratio == 0   ? info_.window_layer_count
       : ratio == 4 ? info_.csa_layer_count
                    : info_.hca_layer_count);
  }
  info_.draft_layer_count = static_cast<uint32_t>(DraftLayers(weights_));
  info_.expert_count = static_cast<uint32_t>(config_.experts);
  info_.experts_per_token = static_cast<uint32_t>(config_.experts_per_token);
  info_.encoder = BALEEN_ENCODER_DEFAULT;
  info_.position_limit = static_cast<uint64_t>(config_.position_limit);
  info_.parameter_count = weights_.parameter_count;
  info_.weight_bytes = weights_.byte_count;
  CopyText("deepseek_v4", info_.architecture);
  CopyText(!weights_.mtp.empty()      ? "mtp"
           : !weights_.dspark.empty() ? "dspark"
                                      : "",
           info_.drafter);
  CopyText(name, info_.name);
}

// The numbers that shape a state or its meaning, and a few weights to tell
// checkpoints of one configuration apart.
uint64_t V4Model::ComputeFingerprint() const {
  Checksum sum;
  const auto add = [&](const auto& value) { sum.Add(&value, sizeof value); };
  for (const int32_t value :
       {config_.vocabulary, config_.hidden, config_.layers, config_.heads,
        config_.head_size, config_.rope_size, config_.window,
        config_.index_head_size, config_.experts, config_.experts_per_token,
        static_cast<int32_t>(DraftLayers(weights_))}) {
    add(value);
  }
  for (const int32_t ratio : config_.ratios) add(ratio);
  add(config_.rope_base);
  add(config_.compress_rope_base);
  add(config_.rope_factor);
  if (checkpoint_.has_value()) {
    sum.Add(weights_.norm.data, static_cast<size_t>(DataBytes(weights_.norm)));
    const HyperWeights& hyper = weights_.head_hyper;
    sum.Add(hyper.fn.data, static_cast<size_t>(DataBytes(hyper.fn)));
  }
  return sum.Value();
}

DraftModel* V4Model::drafter() {
  return DraftLayers(weights_) > 0 && checkpoint_.has_value() ? this : nullptr;
}

void V4Model::SetTrace(Trace* trace) {
  const std::lock_guard<std::mutex> lock(store_->mutex());
  trace_ = trace;
}

}  // namespace baleen::deepseek_v4
