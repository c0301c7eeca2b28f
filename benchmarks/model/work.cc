#include "benchmarks/model/work.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <numeric>

#include "tensor/tensor.h"

namespace baleen::bench {
namespace {

using deepseek_v4::Config;
using deepseek_v4::LayerWeights;
using deepseek_v4::Weights;
using probe::Unit;

double Bytes(const Tensor& tensor) {
  if (tensor.rank == 0) return 0;
  return static_cast<double>(DataBytes(tensor) + ScaleBytes(tensor));
}

double Elements(const Tensor& tensor) {
  return tensor.rank == 0 ? 0 : static_cast<double>(ElementCount(tensor));
}

class Counter {
 public:
  Counter(const Config& config, const Weights& weights, const StepShape& shape)
      : config_(config),
        weights_(weights),
        shape_(shape),
        rows_(static_cast<double>(shape.sessions * shape.rows)) {}

  StepWork Count() {
    Op(BALEEN_OP_EMBED).bytes += 2 * rows_ * config_.hidden;
    for (const LayerWeights& layer : weights_.layers) {
      Hyper(layer.attention_hyper, layer.attention.norm);
      Attention(layer);
      Hyper(layer.moe_hyper, layer.moe.norm);
      Experts(layer);
    }
    Head();
    return work_;
  }

 private:
  OperatorWork& Op(baleen_op op) {
    return work_.operators[static_cast<size_t>(op)];
  }

  static void Compute(OperatorWork& op, Unit unit, double operations) {
    op.operations[static_cast<size_t>(unit)] += operations;
  }

  // Matrices that all rows are multiplied by.
  void Multiply(baleen_op op, Unit unit, std::initializer_list<Tensor> list) {
    for (const Tensor& matrix : list) {
      Op(op).bytes += Bytes(matrix);
      Compute(Op(op), unit, 2 * rows_ * Elements(matrix));
    }
  }

  // The streams' product, and their sums: post * y + mix * streams, then
  // pre * streams.
  void Hyper(const deepseek_v4::HyperWeights& hyper, const Tensor& norm) {
    constexpr baleen_op kOp = BALEEN_OP_MHC_BOUNDARY;
    const double streams = config_.streams;
    Multiply(kOp, Unit::kF32, {hyper.fn});
    Op(kOp).bytes += Bytes(hyper.base) + Bytes(hyper.scale) + Bytes(norm);
    Compute(Op(kOp), Unit::kF32,
            2 * rows_ * config_.hidden * (streams * (streams + 1) + streams));
  }

  void Attention(const LayerWeights& layer) {
    const deepseek_v4::AttentionWeights& weights = layer.attention;
    const auto& compressor = weights.compressor;
    const auto& indexer = weights.indexer;
    Multiply(BALEEN_OP_IN_PROJ, Unit::kBf16Tiles,
             {weights.wq_a, weights.wkv, compressor.wkv, compressor.wgate,
              indexer.compressor.wkv, indexer.compressor.wgate,
              indexer.weights_proj});
    Op(BALEEN_OP_QKV_POST).bytes +=
        Bytes(weights.q_norm) + Bytes(weights.kv_norm);
    Multiply(BALEEN_OP_Q_UP, Unit::kBf16Tiles, {weights.wq_b, indexer.wq_b});
    Op(BALEEN_OP_COMPRESS).bytes +=
        Bytes(compressor.ape) + Bytes(compressor.norm) +
        Bytes(indexer.compressor.ape) + Bytes(indexer.compressor.norm);
    if (layer.ratio == 4) Index();
    Attend(layer.ratio);
    Multiply(BALEEN_OP_WO_A, Unit::kBf16Tiles, {weights.wo_a});
    Multiply(BALEEN_OP_WO_B, Unit::kBf16Tiles, {weights.wo_b});
  }

  // The sum over the rows of a session of what each sees.
  template <typename Seen>
  double SumOverRows(const Seen& seen) const {
    double sum = 0;
    for (int64_t i = 0; i < shape_.rows; ++i) {
      sum += static_cast<double>(seen(shape_.position + i + 1));
    }
    return sum;
  }

  int64_t end() const { return shape_.position + shape_.rows; }

  // Keys of 128 are 64 bytes of codes and 4 of scales.
  void Index() {
    OperatorWork& op = Op(BALEEN_OP_INDEXER_SCORE);
    const double size = config_.index_head_size;
    const auto sessions = static_cast<double>(shape_.sessions);
    op.bytes +=
        sessions * static_cast<double>(end() / 4) * (size / 2 + size / 32);
    const double keys = SumOverRows([](int64_t length) { return length / 4; });
    Compute(op, Unit::kInt8Tiles,
            sessions * 2 * size * config_.index_heads * keys);
  }

  // Scores of entries and sums of them, for each head; of floats, since what is
  // attended to is widened to them.
  void Attend(int32_t ratio) {
    OperatorWork& op = Op(BALEEN_OP_SPARSE_ATTN);
    const auto selected = [&](int64_t length) {
      const int64_t entries = ratio == 0 ? 0 : length / ratio;
      return ratio == 4 ? std::min<int64_t>(entries, config_.index_top)
                        : entries;
    };
    const double seen = SumOverRows([&](int64_t length) {
      return std::min<int64_t>(length, config_.window) + selected(length);
    });
    const double distinct = static_cast<double>(
        std::min<int64_t>(end(), config_.window + shape_.rows - 1) +
        (ratio == 4 ? std::min(end() / 4, selected(end()) * shape_.rows)
                    : selected(end())));
    const double plain = config_.head_size - config_.rope_size;
    const double entry = plain + 2.0 * config_.rope_size + plain / 64 + 1;
    const auto sessions = static_cast<double>(shape_.sessions);
    op.bytes += sessions * distinct * entry;
    Compute(op, Unit::kF32,
            sessions * seen * 4 * config_.heads * config_.head_size);
  }

  void Experts(const LayerWeights& layer) {
    const deepseek_v4::MoeWeights& moe = layer.moe;
    const double visits = config_.experts_per_token;
    Multiply(BALEEN_OP_ROUTER, Unit::kF32, {moe.gate});
    Op(BALEEN_OP_ROUTER).bytes += Bytes(moe.bias);
    if (layer.hash_routed) Op(BALEEN_OP_ROUTER).bytes += rows_ * visits * 8;
    const double experts = config_.experts;
    const double visited =
        experts * (1 - std::pow(1 - visits / experts, rows_));
    const auto routed = [&](baleen_op op, const Tensor& matrix) {
      const Unit unit = matrix.type == BALEEN_TYPE_F4_E2M1 ? Unit::kInt8Tiles
                                                           : Unit::kBf16Tiles;
      Op(op).bytes += visited * Bytes(matrix);
      Compute(Op(op), unit, 2 * rows_ * visits * Elements(matrix));
    };
    routed(BALEEN_OP_MOE_GATE_UP, moe.experts.front().w1);
    routed(BALEEN_OP_MOE_GATE_UP, moe.experts.front().w3);
    routed(BALEEN_OP_MOE_DOWN, moe.experts.front().w2);
    Multiply(BALEEN_OP_MOE_GATE_UP, Unit::kBf16Tiles,
             {moe.shared.w1, moe.shared.w3});
    Multiply(BALEEN_OP_MOE_DOWN, Unit::kBf16Tiles, {moe.shared.w2});
  }

  // Only for rows whose logits are wanted.
  void Head() {
    if (!shape_.logits) return;
    rows_ = static_cast<double>(shape_.sessions);
    Multiply(BALEEN_OP_HC_HEAD, Unit::kF32, {weights_.head_hyper.fn});
    Op(BALEEN_OP_HC_HEAD).bytes += Bytes(weights_.norm);
    Multiply(BALEEN_OP_HEAD, Unit::kBf16Tiles, {weights_.head});
  }

  const Config& config_;
  const Weights& weights_;
  const StepShape& shape_;
  double rows_;
  StepWork work_;
};

}  // namespace

double OperatorWork::TotalOperations() const {
  return std::accumulate(operations.begin(), operations.end(), 0.0);
}

double OperatorWork::FloorSeconds(const Rates& rates) const {
  double computing = 0;
  for (size_t unit = 0; unit < operations.size(); ++unit) {
    if (rates.operations[unit] > 0) {
      computing += operations[unit] / rates.operations[unit];
    }
  }
  return std::max(bytes / rates.bytes, computing);
}

void StepWork::Add(const StepWork& other) {
  for (size_t op = 0; op < operators.size(); ++op) {
    operators[op].bytes += other.operators[op].bytes;
    for (size_t unit = 0; unit < operators[op].operations.size(); ++unit) {
      operators[op].operations[unit] += other.operators[op].operations[unit];
    }
  }
}

double StepWork::TotalBytes() const {
  double sum = 0;
  for (const OperatorWork& op : operators) sum += op.bytes;
  return sum;
}

double StepWork::TotalOperations() const {
  double sum = 0;
  for (const OperatorWork& op : operators) sum += op.TotalOperations();
  return sum;
}

double StepWork::FloorSeconds(const Rates& rates) const {
  double sum = 0;
  for (const OperatorWork& op : operators) sum += op.FloorSeconds(rates);
  return sum;
}

StepWork CountWork(const Config& config, const Weights& weights,
                   const StepShape& shape) {
  return Counter(config, weights, shape).Count();
}

}  // namespace baleen::bench
