// A program of operators on the device, timed; what MeasureOperators is made of.
#pragma once

#include <chrono>
#include <cstring>
#include <deque>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "benchmarks/gpu/check.h"

namespace baleen::gpu {

baleen_tensor Shape(baleen_type type, std::initializer_list<int64_t> sizes);
uint64_t Bytes(const baleen_tensor& tensor);
// Numbers of no great size, whatever their type; none of them NaN.
void FillRandom(baleen_type type, std::vector<uint8_t>* bytes);

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
  const Plugin& plugin() const { return plugin_; }
  baleen_batch& batch() { return batch_; }
  // Memory of the device, until the end of this.
  void* Allocate(uint64_t size) {
    memory_.emplace_back(plugin_, size);
    return memory_.back().data();
  }
  void Upload(const baleen_tensor& tensor, const void* data) {
    plugin_.Expect(plugin_.table().upload(plugin_.queue(), tensor.data, data,
                                          Bytes(tensor)));
  }

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

// What depends on the length of a context, for `bench.rows()` sessions of so many
// positions each.
void TimeAttention(Bench& bench, int64_t positions);

}  // namespace baleen::gpu
