// Choosing tokens, and a drafter's head (model.md §14): what docs/operators.md
// defines, a block of threads for each row.
//
// Probabilities are doubles; each thread has a run of tokens, runs are added up
// in their order, so a seed means the same on every device.
#include "cuda/kernels/product.h"
#include "cuda/kernels/row_ops.h"
#include "cuda/launch.h"
#include "cuda/operators.h"

namespace baleen::cuda {
namespace {

constexpr int kThreads = 512;

// Independent random numbers at one position.
constexpr uint32_t kTokenStream = 0;
constexpr uint32_t kDraftStream = 1;

struct Uniforms {
  double choice;
  double acceptance;
};

// Philox4x32-10 (Salmon et al., SC 2011).
BALEEN_DEVICE Uniforms UniformsAt(uint64_t seed, uint64_t position,
                                  uint32_t stream) {
  uint32_t counter[4] = {static_cast<uint32_t>(position),
                         static_cast<uint32_t>(position >> 32), stream, 0};
  uint32_t key[2] = {static_cast<uint32_t>(seed),
                     static_cast<uint32_t>(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * counter[2];
    const uint32_t next[4] = {
        static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
        static_cast<uint32_t>(product1),
        static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
        static_cast<uint32_t>(product0)};
    for (int i = 0; i < 4; ++i) counter[i] = next[i];
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  const auto uniform = [](uint32_t high, uint32_t low) {
    const uint64_t bits = (static_cast<uint64_t>(high) << 32 | low) >> 11;
    return static_cast<double>(bits) * 0x1p-53;
  };
  return {uniform(counter[0], counter[1]), uniform(counter[2], counter[3])};
}

BALEEN_DEVICE uint32_t ScoreOrder(float score) {
  if (score != score) return 0;
  const uint32_t bits = BitsOfFloat(score + 0.0f);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

struct Shared {
  double sums[kThreads];
  double doubles[kThreads / kWarpSize];
  float floats[kThreads / kWarpSize];
  int32_t counts[kThreads];
  int32_t token;
};

// Which logits are left, and how they are weighed.
struct Distribution {
  const float* logits;
  int count;
  float highest;
  double inverse_temperature;
  double least_weight;   // min_p
  uint32_t least_order;  // Of those equal to it, tokens up to last_equal stay.
  int last_equal;
  double total;
};

BALEEN_DEVICE double RawWeight(const Distribution& of, int token) {
  const float logit = of.logits[token];
  if (!(logit > -INFINITY)) return 0;
  if (logit == of.highest) return 1;
  return exp((static_cast<double>(logit) - static_cast<double>(of.highest)) *
             of.inverse_temperature);
}
BALEEN_DEVICE bool IsKept(const Distribution& of, int token) {
  const uint32_t order = ScoreOrder(of.logits[token]);
  if (order < of.least_order) return false;
  if (order == of.least_order && token > of.last_equal) return false;
  return of.least_weight == 0 || RawWeight(of, token) >= of.least_weight;
}
BALEEN_DEVICE double WeightOf(const Distribution& of, int token) {
  return IsKept(of, token) ? RawWeight(of, token) : 0.0;
}

// The run of tokens of a thread.
BALEEN_DEVICE int RunBegin(int thread, int count) {
  return static_cast<int>(int64_t{thread} * count / kThreads);
}

// Sum of value(token), in one order.
template <typename Value>
BALEEN_DEVICE double SumTokens(int count, Shared* shared, const Value& value) {
  double sum = 0;
  for (int i = Thread(); i < count; i += kThreads) sum += value(i);
  return BlockSum(sum, shared->doubles);
}

BALEEN_DEVICE float HighestLogit(const float* logits, int count,
                                 Shared* shared) {
  float highest = -INFINITY;
  for (int i = Thread(); i < count; i += kThreads) {
    highest = Larger(logits[i], highest);
  }
  return BlockLargest(highest, shared->floats);
}

// The token with the `wanted`th true has(token), from 1, in their order; or -1.
template <typename Has>
BALEEN_DEVICE int FindNth(int count, int wanted, Shared* shared,
                          const Has& has) {
  const int begin = RunBegin(Thread(), count);
  const int end = RunBegin(Thread() + 1, count);
  int own = 0;
  for (int i = begin; i < end; ++i) own += has(i) ? 1 : 0;
  __syncthreads();
  shared->counts[Thread()] = own;
  if (Thread() == 0) shared->token = -1;
  __syncthreads();
  int before = 0;
  for (int i = 0; i < Thread(); ++i) before += shared->counts[i];
  if (before < wanted && wanted <= before + own) {
    for (int i = begin; i < end; ++i) {
      if (has(i) && ++before == wanted) shared->token = i;
    }
  }
  __syncthreads();
  return shared->token;
}

// The highest order from which on there is as much as wanted: bit by bit from
// the top.  *rest is what must come from those equal to it.
template <typename Amount>
BALEEN_DEVICE uint32_t FindThreshold(const Distribution& of, double wanted,
                                     Shared* shared, double* rest,
                                     const Amount& amount) {
  uint32_t order = 0;
  for (int bit = 31; bit >= 0; --bit) {
    const uint32_t candidate = order | 1u << bit;
    const double above = SumTokens(of.count, shared, [&](int i) {
      return ScoreOrder(of.logits[i]) >= candidate ? amount(i) : 0.0;
    });
    if (above >= wanted) order = candidate;
  }
  *rest = wanted - SumTokens(of.count, shared, [&](int i) {
            return ScoreOrder(of.logits[i]) > order ? amount(i) : 0.0;
          });
  return order;
}

BALEEN_DEVICE void KeepTopK(Distribution* of, int limit, Shared* shared) {
  double rest;
  const uint32_t order =
      FindThreshold(*of, limit, shared, &rest, [](int) { return 1.0; });
  of->last_equal =
      FindNth(of->count, static_cast<int>(rest), shared,
              [&](int i) { return ScoreOrder(of->logits[i]) == order; });
  of->least_order = order;
}

BALEEN_DEVICE void KeepTopP(Distribution* of, double share, Shared* shared) {
  const Distribution before = *of;
  const auto weight = [&](int i) { return WeightOf(before, i); };
  const double total = SumTokens(of->count, shared, weight);
  double rest;
  const uint32_t order =
      FindThreshold(before, share * total, shared, &rest, weight);
  const auto equal = [&](int i) {
    return ScoreOrder(before.logits[i]) == order && IsKept(before, i);
  };
  // Those of one order weigh the same: so many of them are needed.
  const int first = FindNth(of->count, 1, shared, equal);
  int needed = 0;
  if (first >= 0) {
    const double each = WeightOf(before, first);
    for (; rest > 0 && needed < of->count; ++needed) rest -= each;
  }
  int last = needed == 0 ? -1 : FindNth(of->count, needed, shared, equal);
  // Roundings may want one more than there is.
  if (needed > 0 && last < 0) last = of->count;
  of->least_order = order;
  of->last_equal = last;
}

BALEEN_DEVICE Distribution DistributionOf(const float* logits, int count,
                                          const baleen_sample_row& row,
                                          Shared* shared) {
  Distribution of;
  of.logits = logits;
  of.count = count;
  of.highest = HighestLogit(logits, count, shared);
  of.inverse_temperature =
      row.temperature > 0 ? 1.0 / static_cast<double>(row.temperature) : 1.0;
  of.least_weight = 0;
  of.least_order = 0;
  of.last_equal = count;
  if (row.top_k != 0 && row.top_k < static_cast<uint32_t>(count)) {
    KeepTopK(&of, static_cast<int>(row.top_k), shared);
  }
  if (row.top_p > 0 && row.top_p < 1) {
    KeepTopP(&of, static_cast<double>(row.top_p), shared);
  }
  if (row.min_p > 0) {
    of.least_weight = static_cast<double>(fminf(row.min_p, 1.0f));
  }
  of.total = SumTokens(count, shared, [&](int i) { return WeightOf(of, i); });
  return of;
}

// The first token at which the sum of weight(token), in the order of tokens,
// exceeds `uniform` times all of it; the last that has any, if none does.
template <typename Weight>
BALEEN_DEVICE int DrawToken(int count, double uniform, Shared* shared,
                            const Weight& weight) {
  const int begin = RunBegin(Thread(), count);
  const int end = RunBegin(Thread() + 1, count);
  double own = 0;
  for (int i = begin; i < end; ++i) own += weight(i);
  __syncthreads();
  shared->sums[Thread()] = own;
  __syncthreads();
  if (Thread() == 0) {
    double total = 0;
    for (int i = 0; i < kThreads; ++i) total += shared->sums[i];
    const double target = uniform * total;
    double sum = 0;
    int run = 0;
    int last = 0;
    for (; run < kThreads; ++run) {
      if (shared->sums[run] > 0) last = run;
      if (sum + shared->sums[run] > target) break;
      sum += shared->sums[run];
    }
    // Within a run the sum is another; if it ends below, its last it is.
    if (run == kThreads) {
      run = last;
      sum = -1;
    }
    int token = 0;
    for (int i = RunBegin(run, count); i < RunBegin(run + 1, count); ++i) {
      const double here = weight(i);
      if (!(here > 0)) continue;
      token = i;
      if (sum < 0) continue;
      sum += here;
      if (sum > target) break;
    }
    shared->token = token;
  }
  __syncthreads();
  return shared->token;
}

BALEEN_DEVICE int LikeliestToken(const float* logits, int count,
                                 Shared* shared) {
  const float highest = HighestLogit(logits, count, shared);
  if (highest == -INFINITY) return 0;
  return FindNth(count, 1, shared, [&](int i) { return logits[i] == highest; });
}

BALEEN_DEVICE int SampleToken(const float* logits, int count,
                              const baleen_sample_row& row, int position,
                              uint32_t stream, Shared* shared) {
  if ((row.flags & BALEEN_SAMPLING_GREEDY) != 0) {
    return LikeliestToken(logits, count, shared);
  }
  const Distribution of = DistributionOf(logits, count, row, shared);
  const Uniforms uniforms =
      UniformsAt(row.seed, static_cast<uint64_t>(position), stream);
  return DrawToken(count, uniforms.choice, shared,
                   [&](int i) { return WeightOf(of, i); });
}

// Accepts row.draft with the chance that keeps p, or draws from what p has more
// than q (docs/operators.md).
BALEEN_DEVICE int VerifyDraft(const float* logits, const float* draft_logits,
                              int count, const baleen_sample_row& row,
                              int position, Shared* shared, bool* accepted) {
  const bool certain = draft_logits == nullptr ||
                       (row.flags & BALEEN_SAMPLING_GREEDY) != 0 ||
                       row.draft >= count;
  if (!certain) {
    const Distribution p = DistributionOf(logits, count, row, shared);
    const Distribution q = DistributionOf(draft_logits, count, row, shared);
    const double chance = WeightOf(q, row.draft) / q.total;
    const Uniforms uniforms =
        UniformsAt(row.seed, static_cast<uint64_t>(position), kTokenStream);
    if (chance > 0) {
      *accepted =
          uniforms.acceptance * chance < WeightOf(p, row.draft) / p.total;
      if (*accepted) return row.draft;
      const auto more = [&](int i) {
        return fmax(WeightOf(p, i) / p.total - WeightOf(q, i) / q.total, 0.0);
      };
      if (SumTokens(count, shared, more) > 0) {
        return DrawToken(count, uniforms.choice, shared, more);
      }
      // Nothing but rounding was between them.
      return DrawToken(count, uniforms.choice, shared,
                       [&](int i) { return WeightOf(p, i); });
    }
  }
  const int token =
      SampleToken(logits, count, row, position, kTokenStream, shared);
  *accepted = token == row.draft;
  return token;
}

BALEEN_DEVICE float LogProbability(const float* logits, int count, int token,
                                   Shared* shared) {
  Distribution plain = {};
  plain.logits = logits;
  plain.count = count;
  plain.highest = HighestLogit(logits, count, shared);
  plain.inverse_temperature = 1;
  if (plain.highest == -INFINITY) return -INFINITY;
  const double sum =
      SumTokens(count, shared, [&](int i) { return RawWeight(plain, i); });
  const float logit = logits[token];
  if (!(logit > -INFINITY)) return -INFINITY;
  const double below =
      logit == plain.highest
          ? 0.0
          : static_cast<double>(logit) - static_cast<double>(plain.highest);
  return static_cast<float>(below - log(sum));
}

struct SampleParams {
  BatchView batch;
  View logits;
  View rows;
  View draft_logits;
  int32_t* tokens;
  float* log_probability;
  int32_t* accepted;
  int32_t limit;
};

BALEEN_DEVICE baleen_sample_row SampleRow(const View& rows, int output) {
  baleen_sample_row row;
  memcpy(&row, RowOf<const uint8_t>(rows, output), sizeof(row));
  return row;
}

__global__ void __launch_bounds__(kThreads) SampleKernel(SampleParams params) {
  __shared__ Shared shared;
  WaitForInputs();
  const int output = static_cast<int>(blockIdx.x);
  if (output >= CountOf(params.batch, BALEEN_COUNT_OUTPUTS, params.limit)) {
    return;
  }
  const int position = params.batch.positions[params.batch.outputs[output]];
  const baleen_sample_row how = SampleRow(params.rows, output);
  const float* logits = RowOf<const float>(params.logits, output);
  const int count = params.logits.size1;
  int token;
  bool accepted = false;
  if (how.draft >= 0) {
    token = VerifyDraft(logits,
                        params.draft_logits.data == nullptr
                            ? nullptr
                            : RowOf<const float>(params.draft_logits, output),
                        count, how, position, &shared, &accepted);
  } else {
    token = SampleToken(logits, count, how, position, kTokenStream, &shared);
  }
  float log_probability = 0;
  if (params.log_probability != nullptr) {
    log_probability = LogProbability(logits, count, token, &shared);
  }
  if (Thread() != 0) return;
  params.tokens[output] = token;
  if (params.accepted != nullptr) params.accepted[output] = accepted ? 1 : 0;
  if (params.log_probability != nullptr) {
    params.log_probability[output] = log_probability;
  }
}

// ---- draft_head ------------------------------------------------------------------

struct DraftParams {
  BatchView batch;
  View logits;
  View rows;
  View joined;
  const int32_t* first;
  const uint16_t* table;  // w1 [V, rank]
  const uint16_t* confidence_weight;
  uint16_t* before;  // bf16 [blocks, rank]: w1 of the token before.
  int32_t* tokens;
  float* confidence;
  int32_t table_rows;
  int32_t rank;
  int32_t block;  // Rows of a block, and the one that is made.
  int32_t place;
  int32_t limit;
};

BALEEN_DEVICE bool DraftBlock(const DraftParams& params, int* output) {
  const int block = static_cast<int>(blockIdx.x);
  *output = block * params.block + params.place;
  return block < CountOf(params.batch, BALEEN_COUNT_OUTPUTS, params.limit) /
                     params.block;
}

__global__ void __launch_bounds__(kThreads) BeforeKernel(DraftParams params) {
  WaitForInputs();
  int output;
  if (!DraftBlock(params, &output)) return;
  int token =
      params.place == 0 ? params.first[blockIdx.x] : params.tokens[output - 1];
  // A token that is none reads row 0.
  if (token < 0 || token >= params.table_rows) token = 0;
  for (int i = Thread(); i < params.rank; i += kThreads) {
    params.before[int64_t{blockIdx.x} * params.rank + i] =
        params.table[int64_t{token} * params.rank + i];
  }
}

__global__ void __launch_bounds__(kThreads) DraftKernel(DraftParams params) {
  __shared__ Shared shared;
  WaitForInputs();
  int output;
  if (!DraftBlock(params, &output)) return;
  const int position = params.batch.positions[params.batch.outputs[output]];
  const int token = SampleToken(
      RowOf<const float>(params.logits, output), params.logits.size1,
      SampleRow(params.rows, output), position, kDraftStream, &shared);
  const uint16_t* joined = RowOf<const uint16_t>(params.joined, output);
  const uint16_t* before = params.before + int64_t{blockIdx.x} * params.rank;
  const int hidden = params.joined.size1;
  const double sum = SumTokens(hidden + params.rank, &shared, [&](int i) {
    const uint16_t by = i < hidden ? joined[i] : before[i - hidden];
    return static_cast<double>(Bf16ToFloat(params.confidence_weight[i])) *
           static_cast<double>(Bf16ToFloat(by));
  });
  if (Thread() != 0) return;
  params.tokens[output] = token;
  params.confidence[output] = static_cast<float>(sum);
}

// Every `block`th row of a tensor from row `place` on.
View EveryRow(const baleen_tensor* tensor, int64_t block, int64_t place) {
  View view = ViewOf(tensor);
  view.data += place * view.stride0 * int64_t{sizeof(float)};
  view.stride0 *= block;
  return view;
}

const char* OutputsRefusal(const baleen_batch* batch) {
  return batch == nullptr || !IsType(batch->outputs, BALEEN_TYPE_I32) ||
                 !IsType(batch->positions, BALEEN_TYPE_I32)
             ? "the batch does not say which rows are wanted"
             : nullptr;
}

}  // namespace

const char* SampleRefusal(const baleen_sample_args& args) {
  if (!IsType(args.logits, BALEEN_TYPE_F32) || !IsRows(args.logits, 2) ||
      args.logits->size[1] < 1) {
    return "logits is not f32 [R, V]";
  }
  if (!IsTensor(args.rows, BALEEN_TYPE_BYTE, 2, sizeof(baleen_sample_row))) {
    return "rows is not byte [R, 32]";
  }
  if (args.draft_logits != nullptr &&
      !IsTensor(args.draft_logits, BALEEN_TYPE_F32, 2, args.logits->size[1])) {
    return "draft_logits does not fit logits";
  }
  if (!IsType(args.tokens, BALEEN_TYPE_I32)) return "tokens is not i32 [R]";
  if (args.log_probability != nullptr &&
      !IsType(args.log_probability, BALEEN_TYPE_F32)) {
    return "log_probability is not f32 [R]";
  }
  if (args.accepted != nullptr && !IsType(args.accepted, BALEEN_TYPE_I32)) {
    return "accepted is not i32 [R]";
  }
  return OutputsRefusal(args.common.batch);
}

void SampleNeeds(const Device&, const baleen_sample_args&, baleen_op_needs*) {}

baleen_status SampleRun(const Queue& queue, const baleen_sample_args& args) {
  SampleParams params = {};
  params.batch = BatchOf(args.common.batch);
  params.logits = ViewOf(args.logits);
  params.rows = ViewOf(args.rows);
  params.draft_logits = ViewOf(args.draft_logits);
  params.tokens = static_cast<int32_t*>(args.tokens->data);
  params.log_probability =
      args.log_probability == nullptr
          ? nullptr
          : static_cast<float*>(args.log_probability->data);
  params.accepted = args.accepted == nullptr
                        ? nullptr
                        : static_cast<int32_t*>(args.accepted->data);
  params.limit = static_cast<int32_t>(args.logits->size[0]);
  return Launch(queue, SampleKernel, Grid(RowBound(queue, params.limit)),
                kThreads, 0, params);
}

const char* DraftHeadRefusal(const baleen_draft_head_args& args) {
  if (!IsType(args.base, BALEEN_TYPE_F32) || !IsRows(args.base, 2) ||
      !IsType(args.logits, BALEEN_TYPE_F32) || !IsRows(args.logits, 2) ||
      args.base->size[1] != args.logits->size[1]) {
    return "base and logits are not f32 [R, V]";
  }
  if (!IsType(args.joined, BALEEN_TYPE_BF16) || !IsRows(args.joined, 2) ||
      !IsType(args.confidence_weight, BALEEN_TYPE_BF16)) {
    return "joined and confidence_weight are not bf16";
  }
  if (!IsType(args.first, BALEEN_TYPE_I32) ||
      !IsType(args.tokens, BALEEN_TYPE_I32)) {
    return "tokens are not i32";
  }
  if (!IsTensor(args.rows, BALEEN_TYPE_BYTE, 2, sizeof(baleen_sample_row))) {
    return "rows are not byte [R, 32]";
  }
  if (!IsType(args.confidence, BALEEN_TYPE_F32)) return "confidence is not f32";
  if (args.block == 0) return "a block has no rows";
  const char* reason = OutputsRefusal(args.common.batch);
  if (reason != nullptr) return reason;
  reason = KindRefusal(args.w1, BALEEN_WEIGHT_TABLE);
  if (reason != nullptr) return reason;
  reason = KindRefusal(args.w2, BALEEN_WEIGHT_LINEAR);
  if (reason != nullptr || args.w1 == nullptr || args.w2 == nullptr) {
    return reason;
  }
  const Matrix& w1 = FromHandle(args.w1)->matrices()[0];
  const Matrix& w2 = FromHandle(args.w2)->matrices()[0];
  if (w1.rows == 0 || w1.columns != w2.columns ||
      w2.rows != args.logits->size[1]) {
    return "w1 and w2 do not fit";
  }
  return args.confidence_weight->size[args.confidence_weight->rank - 1] ==
                 args.joined->size[1] + w1.columns
             ? nullptr
             : "confidence_weight has another size";
}

void DraftHeadNeeds(const Device&, const baleen_draft_head_args& args,
                    baleen_op_needs* needs) {
  needs->launches = 3 * args.block;
  // Whatever the rank: confidence_weight is longer.
  needs->scratch_bytes =
      static_cast<uint64_t>(
          (args.logits->size[0] / args.block + 1) *
          args.confidence_weight->size[args.confidence_weight->rank - 1]) *
      2;
}

baleen_status DraftHeadRun(const Queue& queue,
                           const baleen_draft_head_args& args) {
  const Matrix& w1 = FromHandle(args.w1)->matrices()[0];
  const int64_t block = args.block;
  const int64_t blocks = args.logits->size[0] / block;
  DraftParams params = {};
  params.batch = BatchOf(args.common.batch);
  params.logits = ViewOf(args.logits);
  params.rows = ViewOf(args.rows);
  params.joined = ViewOf(args.joined);
  params.first = static_cast<const int32_t*>(args.first->data);
  params.table = reinterpret_cast<const uint16_t*>(w1.data);
  params.confidence_weight =
      static_cast<const uint16_t*>(args.confidence_weight->data);
  params.before = static_cast<uint16_t*>(args.common.scratch);
  params.tokens = static_cast<int32_t*>(args.tokens->data);
  params.confidence = static_cast<float*>(args.confidence->data);
  params.table_rows = w1.rows;
  params.rank = w1.columns;
  params.block = static_cast<int32_t>(block);
  params.limit = static_cast<int32_t>(args.logits->size[0]);
  ProductParams product = {};
  product.batch = params.batch;
  product.count = BALEEN_COUNT_OUTPUTS;
  product.limit = static_cast<int32_t>(blocks);
  product.repeat = product.groups = product.parts = 1;
  product.divide = params.block;
  View before = {};
  before.data = static_cast<uint8_t*>(args.common.scratch);
  before.stride0 = w1.columns;
  before.size0 = product.limit;
  before.size1 = w1.columns;
  before.type = BALEEN_TYPE_BF16;
  baleen_status status = BALEEN_OK;
  for (int64_t place = 0; place < block && status == BALEEN_OK; ++place) {
    params.place = static_cast<int32_t>(place);
    status = Launch(queue, BeforeKernel, Grid(blocks), kThreads, 0, params);
    if (status != BALEEN_OK) break;
    product.base = EveryRow(args.base, block, place);
    product.part[0] = {FromHandle(args.w2)->matrices()[0], before,
                       EveryRow(args.logits, block, place)};
    status = RunProduct(queue, product);
    if (status != BALEEN_OK) break;
    status = Launch(queue, DraftKernel, Grid(blocks), kThreads, 0, params);
  }
  return status;
}

}  // namespace baleen::cuda
