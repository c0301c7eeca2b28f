// Timings of operators with weights of V4-Flash's shapes, in recorded programs.
//
// Each operator runs over several weights in turn, more than caches hold, so that
// what counts is the bandwidth of memory.
#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <initializer_list>

#include "benchmarks/gpu/check.h"

namespace baleen::gpu {
namespace {

constexpr int64_t kHidden = 4096;
constexpr int64_t kRank = 1024;
constexpr int64_t kInner = 2048;
constexpr int64_t kStreams = 4;
constexpr int64_t kExperts = 8;  // Enough to choose six of.
constexpr int64_t kVisited = 6;

int64_t Bits(baleen_type type) {
  switch (type) {
    case BALEEN_TYPE_F32:
    case BALEEN_TYPE_I32:
      return 32;
    case BALEEN_TYPE_BF16:
      return 16;
    case BALEEN_TYPE_F4_E2M1:
      return 4;
    default:
      return 8;
  }
}

baleen_tensor Shape(baleen_type type, std::initializer_list<int64_t> sizes) {
  baleen_tensor tensor = {};
  tensor.type = type;
  for (const int64_t size : sizes) tensor.size[tensor.rank++] = size;
  int64_t stride = 1;
  for (uint32_t i = tensor.rank; i-- > 0;) {
    tensor.stride[i] = stride;
    stride *= tensor.size[i];
  }
  return tensor;
}

uint64_t Bytes(const baleen_tensor& tensor) {
  return static_cast<uint64_t>(tensor.size[0] * tensor.stride[0] *
                               Bits(tensor.type) / 8);
}

// Numbers of no great size, whatever their type; none of them NaN.
void FillRandom(baleen_type type, std::vector<uint8_t>* bytes) {
  uint64_t state = 1;
  for (size_t i = 0; i + 1 < bytes->size(); i += 2) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const uint32_t random = static_cast<uint32_t>(state >> 40);
    uint32_t pair = random & 0xFFFFu;
    // Exponents below 14 of e4m3, and around 1/64 of bf16.
    if (type == BALEEN_TYPE_F8_E4M3) pair &= 0xB7B7u;
    if (type == BALEEN_TYPE_BF16) pair = (random & 0x80FFu) | 0x3C00u;
    (*bytes)[i] = static_cast<uint8_t>(pair);
    (*bytes)[i + 1] = static_cast<uint8_t>(pair >> 8);
  }
  if (type != BALEEN_TYPE_F32) return;
  for (size_t i = 0; i + 3 < bytes->size(); i += 4) {
    const float value = static_cast<float>((*bytes)[i]) / 4096 - 0.03f;
    std::memcpy(bytes->data() + i, &value, sizeof(value));
  }
}

// A matrix of a checkpoint, in host memory.
struct RawMatrix {
  RawMatrix(baleen_type type, int64_t rows, int64_t columns)
      : tensor(Shape(type, {rows, columns})), data(Bytes(tensor)) {
    FillRandom(type, &data);
    tensor.data = data.data();
    if (type == BALEEN_TYPE_BF16) return;
    constexpr uint8_t kScale = 120;  // 2^-7
    const bool fp4 = type == BALEEN_TYPE_F4_E2M1;
    tensor.scale_type = BALEEN_TYPE_E8M0;
    tensor.block_rows = fp4 ? 1 : 128;
    tensor.block_columns = fp4 ? 32 : 128;
    scales.assign(static_cast<size_t>((rows / tensor.block_rows + 1) *
                                      (columns / tensor.block_columns + 1)),
                  kScale);
    tensor.scales = scales.data();
  }
  RawMatrix(const RawMatrix&) = delete;
  RawMatrix& operator=(const RawMatrix&) = delete;

  uint64_t bytes() const {
    const bool fp4 = tensor.type == BALEEN_TYPE_F4_E2M1;
    return data.size() + (fp4 ? data.size() / 16 : 0);
  }

  baleen_tensor tensor;
  std::vector<uint8_t> data;
  std::vector<uint8_t> scales;
};

class Bench {
 public:
  Bench(const Plugin& plugin, double bandwidth, int64_t rows, Report* report)
      : plugin_(plugin), bandwidth_(bandwidth), rows_(rows), report_(report) {
    counts_ = Make(BALEEN_TYPE_I32, {BALEEN_COUNT_SIZE});
    std::vector<int32_t> counts(BALEEN_COUNT_SIZE, 0);
    counts[BALEEN_COUNT_ROWS] = counts[BALEEN_COUNT_OUTPUTS] =
        static_cast<int32_t>(rows);
    Upload(*counts_, counts.data());
    tokens_ = Make(BALEEN_TYPE_I32, {rows});
    positions_ = Make(BALEEN_TYPE_I32, {rows});
    const std::vector<int32_t> zeros(static_cast<size_t>(rows), 0);
    Upload(*tokens_, zeros.data());
    Upload(*positions_, zeros.data());
    batch_.struct_size = sizeof(batch_);
    batch_.counts = counts_;
    batch_.tokens = tokens_;
    batch_.positions = positions_;
    plugin_.Expect(
        plugin.table().queue_rows(plugin.queue(), static_cast<uint32_t>(rows)));
  }
  ~Bench() {
    for (baleen_weight* weight : weights_) plugin_.table().weight_close(weight);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  int64_t rows() const { return rows_; }

  // A tensor on the device, of random numbers.
  baleen_tensor* Make(baleen_type type, std::initializer_list<int64_t> sizes) {
    tensors_.push_back(Shape(type, sizes));
    baleen_tensor& tensor = tensors_.back();
    memory_.emplace_back(plugin_, Bytes(tensor));
    tensor.data = memory_.back().data();
    std::vector<uint8_t> bytes(Bytes(tensor));
    FillRandom(type, &bytes);
    Upload(tensor, bytes.data());
    return &tensor;
  }

  const baleen_weight* Open(baleen_weight_kind kind,
                            const std::vector<const RawMatrix*>& matrices) {
    std::vector<baleen_tensor> tensors;
    for (const RawMatrix* matrix : matrices) tensors.push_back(matrix->tensor);
    baleen_weight_source source = {};
    source.struct_size = sizeof(source);
    source.kind = kind;
    source.tensors = tensors.data();
    source.tensor_count = static_cast<uint32_t>(tensors.size());
    baleen_weight* weight = nullptr;
    plugin_.Expect(plugin_.table().weight_open(plugin_.device(), &source,
                                               nullptr, &weight));
    weights_.push_back(weight);
    return weight;
  }

  // An operator with these arguments, and the memory that it asks for.
  template <typename Args>
  Args* Prepare(baleen_op op, Args args) {
    args.common.struct_size = sizeof(Args);
    args.common.mode = BALEEN_MODE_FAST;
    args.common.layer = -1;
    args.common.batch = &batch_;
    baleen_op_needs needs = {};
    needs.struct_size = sizeof(needs);
    plugin_.Expect(plugin_.table().query(plugin_.device(), op, &args, &needs));
    memory_.emplace_back(plugin_, needs.scratch_bytes);
    args.common.scratch = memory_.back().data();
    const std::vector<uint8_t> zeros(needs.persistent_bytes, 0);
    memory_.emplace_back(plugin_, needs.persistent_bytes);
    args.common.persistent = memory_.back().data();
    plugin_.Expect(plugin_.table().upload(
        plugin_.queue(), args.common.persistent, zeros.data(), zeros.size()));
    auto kept = std::make_shared<Args>(args);
    arguments_.push_back(kept);
    records_.push_back({op, 0, kept.get()});
    return kept.get();
  }

  // How long what was prepared last, since the last call of this, takes: `bytes`
  // of weights at the least, or 0.
  void Time(const std::string& name, uint64_t bytes) {
    const baleen_device_table& table = plugin_.table();
    uint32_t taken = 0;
    baleen_program* program = nullptr;
    plugin_.Expect(table.program_create(plugin_.queue(), records_.data(),
                                        static_cast<uint32_t>(records_.size()),
                                        nullptr, 0, &taken, &program));
    constexpr int kRuns = 20;
    double seconds = 0;
    for (int round = 0; round < 2; ++round) {  // The first one warms up.
      const auto begin = std::chrono::steady_clock::now();
      for (int i = 0; i < kRuns; ++i) {
        plugin_.Expect(table.program_run(plugin_.queue(), program));
      }
      plugin_.Expect(table.queue_wait(plugin_.queue()));
      seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() -
                                              begin)
                    .count() /
                kRuns / static_cast<double>(records_.size());
    }
    table.program_destroy(plugin_.device(), program);
    records_.clear();
    const std::string what = name + ", " + std::to_string(rows_) + " rows";
    report_->Add({what, seconds * 1e6, "us"});
    if (bytes == 0) return;
    report_->Add({what + ": of the copies' bandwidth",
                  static_cast<double>(bytes) / seconds / bandwidth_ * 1e-7,
                  "%"});
  }

 private:
  void Upload(const baleen_tensor& tensor, const void* data) {
    plugin_.Expect(plugin_.table().upload(plugin_.queue(), tensor.data, data,
                                          Bytes(tensor)));
  }

  const Plugin& plugin_;
  double bandwidth_;
  int64_t rows_;
  Report* report_;
  std::deque<DeviceMemory> memory_;
  std::deque<baleen_tensor> tensors_;
  std::vector<baleen_weight*> weights_;
  std::vector<std::shared_ptr<void>> arguments_;
  std::vector<baleen_op_record> records_;
  baleen_batch batch_ = {};
  baleen_tensor* counts_ = nullptr;
  baleen_tensor* tokens_ = nullptr;
  baleen_tensor* positions_ = nullptr;
};

uint64_t BytesOf(const std::vector<const RawMatrix*>& matrices) {
  uint64_t bytes = 0;
  for (const RawMatrix* matrix : matrices) bytes += matrix->bytes();
  return bytes;
}

// What the attention half of a layer with an indexer begins with.
void TimeInProj(Bench& bench) {
  const RawMatrix wq(BALEEN_TYPE_F8_E4M3, kRank, kHidden);
  const RawMatrix wkv(BALEEN_TYPE_F8_E4M3, 512, kHidden);
  const RawMatrix entry(BALEEN_TYPE_BF16, 1024, kHidden);
  const RawMatrix key(BALEEN_TYPE_BF16, 256, kHidden);
  const RawMatrix weight(BALEEN_TYPE_BF16, 64, kHidden);
  const std::vector<const RawMatrix*> all = {&wq,  &wkv, &entry, &entry,
                                             &key, &key, &weight};
  baleen_tensor* u = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), kHidden});
  for (int copy = 0; copy < 10; ++copy) {
    baleen_in_proj_args args = {};
    args.u = args.u_rounded = u;
    args.weight = bench.Open(BALEEN_WEIGHT_LINEAR, all);
    for (size_t i = 0; i < all.size(); ++i) {
      args.out[i] =
          bench.Make(BALEEN_TYPE_F32, {bench.rows(), all[i]->tensor.size[0]});
    }
    bench.Prepare(BALEEN_OP_IN_PROJ, args);
  }
  bench.Time("in_proj", BytesOf(all));
}

void TimeQUp(Bench& bench) {
  const RawMatrix wq(BALEEN_TYPE_F8_E4M3, 32768, kRank);
  const RawMatrix index(BALEEN_TYPE_F8_E4M3, 8192, kRank);
  baleen_q_up_args args = {};
  args.query_rounded = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), kRank});
  args.rope = bench.Make(BALEEN_TYPE_F32, {1, 2, 32});
  args.q = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), 64, 512});
  args.iq = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), 64, 128});
  args.epsilon = 1e-6f;
  args.rope_size = 64;
  for (int copy = 0; copy < 6; ++copy) {
    args.weight = bench.Open(BALEEN_WEIGHT_LINEAR, {&wq, &index});
    bench.Prepare(BALEEN_OP_Q_UP, args);
  }
  bench.Time("q_up", BytesOf({&wq, &index}));
}

void TimeOutput(Bench& bench) {
  const RawMatrix wo_a(BALEEN_TYPE_F8_E4M3, 8192, kHidden);
  const RawMatrix wo_b(BALEEN_TYPE_F8_E4M3, kHidden, 8192);
  baleen_wo_a_args first = {};
  first.in = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), 8, kHidden});
  first.z = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), 8192});
  for (int copy = 0; copy < 8; ++copy) {
    first.weight = bench.Open(BALEEN_WEIGHT_GROUPED, {&wo_a});
    bench.Prepare(BALEEN_OP_WO_A, first);
  }
  bench.Time("wo_a", wo_a.bytes());
  baleen_wo_b_args second = {};
  second.z = first.z;
  second.y = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), kHidden});
  for (int copy = 0; copy < 8; ++copy) {
    second.weight = bench.Open(BALEEN_WEIGHT_LINEAR, {&wo_b});
    bench.Prepare(BALEEN_OP_WO_B, second);
  }
  bench.Time("wo_b", wo_b.bytes());
}

void TimeHead(Bench& bench) {
  const RawMatrix table(BALEEN_TYPE_BF16, 65536, kHidden);
  baleen_head_args args = {};
  args.u = bench.Make(BALEEN_TYPE_BF16, {bench.rows(), kHidden});
  args.weight = bench.Open(BALEEN_WEIGHT_LINEAR, {&table});
  args.logits = bench.Make(BALEEN_TYPE_F32, {bench.rows(), 65536});
  bench.Prepare(BALEEN_OP_HEAD, args);
  bench.Time("head of 65536 tokens", table.bytes());
}

void TimeBoundary(Bench& bench) {
  constexpr int64_t kMixes = (2 + kStreams) * kStreams;
  baleen_mhc_boundary_args args = {};
  const int64_t rows = bench.rows();
  args.y = bench.Make(BALEEN_TYPE_BF16, {rows, kHidden});
  args.post = bench.Make(BALEEN_TYPE_F32, {rows, kStreams});
  args.mix = bench.Make(BALEEN_TYPE_F32, {rows, kStreams, kStreams});
  args.post_in = args.post;
  args.mix_in = args.mix;
  args.fn = bench.Make(BALEEN_TYPE_F32, {kMixes, kStreams * kHidden});
  args.base = bench.Make(BALEEN_TYPE_F32, {kMixes});
  args.scale = bench.Make(BALEEN_TYPE_F32, {3});
  args.norm = bench.Make(BALEEN_TYPE_BF16, {kHidden});
  args.streams = bench.Make(BALEEN_TYPE_BF16, {rows, kStreams, kHidden});
  args.u = args.u_rounded = bench.Make(BALEEN_TYPE_BF16, {rows, kHidden});
  args.hc_epsilon = args.norm_epsilon = 1e-6f;
  args.iterations = 20;
  bench.Prepare(BALEEN_OP_MHC_BOUNDARY, args);
  bench.Time("mhc_boundary", 0);
}

void TimeExperts(Bench& bench) {
  const int64_t rows = bench.rows();
  const RawMatrix up(BALEEN_TYPE_F4_E2M1, kInner, kHidden);
  const RawMatrix down(BALEEN_TYPE_F4_E2M1, kHidden, kInner);
  const RawMatrix shared_up(BALEEN_TYPE_F8_E4M3, kInner, kHidden);
  const RawMatrix shared_down(BALEEN_TYPE_F8_E4M3, kHidden, kInner);
  std::vector<const RawMatrix*> matrices;
  for (int64_t e = 0; e < kExperts; ++e) {
    matrices.insert(matrices.end(), {&up, &up, &down});
  }
  matrices.insert(matrices.end(), {&shared_up, &shared_up, &shared_down});

  baleen_router_args route = {};
  baleen_tensor* u = bench.Make(BALEEN_TYPE_BF16, {rows, kHidden});
  route.u = u;
  route.gate = bench.Make(BALEEN_TYPE_BF16, {kExperts, kHidden});
  route.bias = bench.Make(BALEEN_TYPE_F32, {kExperts});
  route.experts = bench.Make(BALEEN_TYPE_I32, {rows, kVisited});
  route.weights = bench.Make(BALEEN_TYPE_F32, {rows, kVisited});
  route.route_scale = 1.5f;
  bench.Prepare(BALEEN_OP_ROUTER, route);
  bench.Time("router of 8 experts", 0);

  baleen_moe_plan_args plan = {};
  plan.experts = route.experts;
  plan.weights = route.weights;
  plan.visited = bench.Make(BALEEN_TYPE_I32, {kExperts});
  // Room for what any device asks for so few experts and rows.
  constexpr int64_t kPlanBytes = 1 << 16;
  plan.plan = bench.Make(BALEEN_TYPE_BYTE, {kPlanBytes});
  bench.Prepare(BALEEN_OP_MOE_PLAN, plan);
  bench.Time("moe_plan", 0);

  // Of one row six experts are read; of more, as good as all.
  const auto read = static_cast<uint64_t>(rows == 1 ? kVisited : kExperts);
  baleen_moe_gate_up_args first = {};
  first.u = first.u_rounded = u;
  first.plan = plan.plan;
  first.a = bench.Make(BALEEN_TYPE_BF16, {rows * (kVisited + 1), kInner});
  first.limit = first.shared_limit = 10;
  baleen_moe_down_args second = {};
  second.a = first.a;
  second.plan = plan.plan;
  second.y = bench.Make(BALEEN_TYPE_BF16, {rows, kHidden});
  std::vector<const baleen_weight*> copies;
  for (int copy = 0; copy < 4; ++copy) {
    copies.push_back(bench.Open(BALEEN_WEIGHT_EXPERTS, matrices));
    first.weight = copies.back();
    bench.Prepare(BALEEN_OP_MOE_GATE_UP, first);
  }
  bench.Time("moe_gate_up", 2 * (read * up.bytes() + shared_up.bytes()));
  for (const baleen_weight* copy : copies) {
    second.weight = copy;
    bench.Prepare(BALEEN_OP_MOE_DOWN, second);
  }
  bench.Time("moe_down", read * down.bytes() + shared_down.bytes());
}

}  // namespace

void MeasureOperators(const std::string& path, double bandwidth,
                      Report* report) {
  const Plugin plugin(path);
  for (const int64_t rows : {1, 8, 64}) {
    for (void (*const time)(Bench&) : {TimeInProj, TimeQUp, TimeOutput,
                                       TimeHead, TimeExperts, TimeBoundary}) {
      Bench bench(plugin, bandwidth, rows, report);
      try {
        time(bench);
      } catch (const std::exception& error) {
        report->AddError(error.what());
      }
    }
  }
}

}  // namespace baleen::gpu
