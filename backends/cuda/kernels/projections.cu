// The operators that are products: in_proj, wo_a, wo_b, head and linear.
#include "cuda/kernels/product.h"
#include "cuda/kernels/row_ops.h"
#include "cuda/launch.h"
#include "cuda/operators.h"

namespace baleen::cuda {
namespace {

constexpr int kRowThreads = 256;

// ---- What follows logits ----------------------------------------------------------

struct LogitsParams {
  BatchView batch;
  View logits;
  View top;
  View top_logits;
  View log_sum;
  int32_t limit;
};

// Whether (a, i) comes before (b, j): larger, or equal and of a lower index.
BALEEN_DEVICE bool Before(float a, int i, float b, int j) {
  return a > b || (a == b && i < j);
}

// A block for each row: the `count` largest one after another, and the log of
// the sum of exponentials.  NaN is never among the largest.
__global__ void __launch_bounds__(kRowThreads)
    LogitsKernel(LogitsParams params) {
  __shared__ float values[kRowThreads];
  __shared__ int indexes[kRowThreads];
  __shared__ double memory[kRowThreads / kWarpSize];
  __shared__ float floats[kRowThreads / kWarpSize];
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.x);
  if (row >= CountOf(params.batch, BALEEN_COUNT_OUTPUTS, params.limit)) return;
  const float* logits = RowOf<const float>(params.logits, row);
  const int size = params.logits.size1;
  const int wanted = params.top.data == nullptr ? 0 : params.top.size1;
  float last = INFINITY;
  int last_index = -1;
  for (int place = 0; place < wanted; ++place) {
    float best = -INFINITY;
    int best_index = size;
    for (int i = Thread(); i < size; i += kRowThreads) {
      const float value = logits[i];
      if (value == value && Before(last, last_index, value, i) &&
          Before(value, i, best, best_index)) {
        best = value;
        best_index = i;
      }
    }
    values[Thread()] = best;
    indexes[Thread()] = best_index;
    __syncthreads();
    for (int step = kRowThreads / 2; step > 0; step /= 2) {
      if (Thread() < step &&
          Before(values[Thread() + step], indexes[Thread() + step],
                 values[Thread()], indexes[Thread()])) {
        values[Thread()] = values[Thread() + step];
        indexes[Thread()] = indexes[Thread() + step];
      }
      __syncthreads();
    }
    last = values[0];
    last_index = indexes[0];
    __syncthreads();
    if (Thread() != 0) continue;
    const bool found = last_index < size;
    RowOf<int32_t>(params.top, row)[place] = found ? last_index : -1;
    RowOf<float>(params.top_logits, row)[place] = found ? last : -INFINITY;
  }
  if (params.log_sum.data == nullptr) return;
  float largest = -INFINITY;
  for (int i = Thread(); i < size; i += kRowThreads) {
    largest = Larger(logits[i], largest);
  }
  largest = BlockLargest(largest, floats);
  double sum = 0;
  for (int i = Thread(); i < size; i += kRowThreads) {
    sum += exp(static_cast<double>(logits[i] - largest));
  }
  sum = BlockSum(sum, memory);
  if (Thread() != 0) return;
  RowOf<float>(params.log_sum, row)[0] =
      largest == -INFINITY
          ? largest
          : static_cast<float>(static_cast<double>(largest) + log(sum));
}

// ---- What surrounds the product of `linear` ------------------------------------------

struct RowParams {
  BatchView batch;
  int32_t repeat;
  int32_t limit;
  View in;  // bf16, of the device's format, or i32: rows of `table`.
  const uint16_t* table;  // NULL with i32: zeros.
  int32_t table_rows;
  View add;
  View norm;
  View out;  // bf16, f32, or e4m3 with scales.
  float epsilon;
  bool rounds;  // To bf16 after each of the steps.
};

// A block for each row: out = norm(in + add).
__global__ void __launch_bounds__(kRowThreads) RowKernel(RowParams params) {
  __shared__ float memory;
  float* const x = static_cast<float*>(SharedMemory());
  WaitForInputs();
  const int row = static_cast<int>(blockIdx.x);
  const int rows =
      CountOf(params.batch, BALEEN_COUNT_ROWS, params.limit) * params.repeat;
  if (row >= rows || row >= params.limit) return;
  const int size = params.out.size1;
  for (int i = Thread(); i < size; i += kRowThreads) {
    float value = 0;
    if (params.in.type == BALEEN_TYPE_I32) {
      const int token = RowOf<const int32_t>(params.in, row)[0];
      if (token >= 0 && token < params.table_rows) {
        value = Bf16ToFloat(params.table[int64_t{token} * size + i]);
      }
    } else if (params.in.type == BALEEN_TYPE_F32) {
      value = RowOf<const float>(params.in, row)[i];
    } else {
      value = ActivationAt(params.in, row, i);
    }
    if (params.add.data != nullptr) {
      value += Bf16ToFloat(
          RowOf<const uint16_t>(params.add, row / params.repeat)[i]);
      value = RoundIf(params.rounds, value);
    }
    x[i] = value;
  }
  if (params.norm.data != nullptr) {
    const float inverse = BlockInverseRms(x, size, params.epsilon, &memory);
    const uint16_t* norm = reinterpret_cast<const uint16_t*>(params.norm.data);
    for (int i = Thread(); i < size; i += kRowThreads) {
      x[i] = RoundIf(params.rounds, Bf16ToFloat(norm[i]) * (x[i] * inverse));
    }
  }
  __syncthreads();
  if (params.out.type == BALEEN_TYPE_F8_E4M3) {
    BlockStoreRounded(params.out, row, x, size);
    return;
  }
  for (int i = Thread(); i < size; i += kRowThreads) {
    StoreFloat(params.out, row, i, x[i]);
  }
}

int64_t LinearLimit(const baleen_linear_args& args) {
  return args.out->size[0];
}

baleen_status RunRows(const Queue& queue, const baleen_linear_args& args,
                      RowParams params) {
  params.batch = BatchOf(args.common.batch);
  params.limit = static_cast<int32_t>(LinearLimit(args));
  // Rows that share one of `add`, with a batch or without.
  params.repeat = args.repeat == 0 ? 1 : static_cast<int32_t>(args.repeat);
  params.epsilon = args.epsilon;
  const size_t shared = static_cast<size_t>(params.out.size1) * sizeof(float);
  const baleen_status status = AllowShared(*queue.device, RowKernel, shared);
  if (status != BALEEN_OK) return status;
  return Launch(queue, RowKernel,
                Grid(RowBound(queue, LinearLimit(args), params.repeat)),
                kRowThreads, shared, params);
}

// Whether the input of a product is prepared first, and as what.
bool RoundsInput(const baleen_linear_args& args, const Matrix& matrix) {
  return args.common.mode == BALEEN_MODE_REFERENCE && matrix.type != kBf16 &&
         args.in->type == BALEEN_TYPE_BF16;
}

}  // namespace

// ---- in_proj ------------------------------------------------------------------------

const char* InProjRefusal(const baleen_in_proj_args& args) {
  if (args.u == nullptr && args.u_rounded == nullptr) return "there is no u";
  if (args.u != nullptr &&
      (!IsType(args.u, BALEEN_TYPE_BF16) || !IsRows(args.u, 2))) {
    return "u is not bf16 [T, D]";
  }
  if (args.u_rounded != nullptr &&
      (!IsRounded(args.u_rounded) || !IsRows(args.u_rounded, 2))) {
    return "u_rounded is not of this device's format";
  }
  const char* reason = KindRefusal(args.weight, BALEEN_WEIGHT_LINEAR);
  if (reason != nullptr) return reason;
  uint32_t part = 0;
  for (int i = 0; i < BALEEN_IN_COUNT; ++i) {
    const baleen_tensor* out = args.out[i];
    if (out == nullptr) continue;
    if (!IsFloats(out) || !IsRows(out, 2)) {
      return "an output is neither bf16 nor f32";
    }
    const baleen_tensor& in = args.u != nullptr ? *args.u : *args.u_rounded;
    reason = ProductRefusal(args.weight, part, in, out);
    if (reason != nullptr) return reason;
    if (args.weight != nullptr) {
      const bool plain =
          FromHandle(args.weight)->matrices()[part].type == kBf16;
      if ((plain ? args.u : args.u_rounded) == nullptr) {
        return "an input that the weights need is missing";
      }
    }
    ++part;
  }
  return nullptr;
}

void InProjNeeds(const Device&, const baleen_in_proj_args&, baleen_op_needs*) {}

baleen_status InProjRun(const Queue& queue, const baleen_in_proj_args& args) {
  const Matrix* matrix = FromHandle(args.weight)->matrices();
  ProductParams params = ProductOf(args.common, BALEEN_COUNT_ROWS, 0);
  for (const baleen_tensor* out : args.out) {
    if (out == nullptr) continue;
    params.limit = static_cast<int32_t>(out->size[0]);
    AddPart(&params, *matrix,
            ViewOf(matrix->type == kBf16 ? args.u : args.u_rounded),
            ViewOf(out));
    ++matrix;
  }
  if (params.parts == 0) return BALEEN_OK;
  return RunProduct(queue, params);
}

// ---- wo_a, wo_b -------------------------------------------------------------------------

const char* WoARefusal(const baleen_wo_a_args& args) {
  if (!IsRounded(args.in) || !IsRows(args.in, 3)) {
    return "in is not [T, G, columns] of bf16 or this device's format";
  }
  if (!IsRounded(args.z) || !IsRows(args.z, 2) ||
      args.z->size[1] % args.in->size[1] != 0) {
    return "z is not [T, G * O] of this device's format";
  }
  if (args.in->size[1] > 1 &&
      args.z->size[1] / args.in->size[1] % kTileRows != 0) {
    return "the rank of a group is not a multiple of 16";
  }
  const char* reason = KindRefusal(args.weight, BALEEN_WEIGHT_GROUPED);
  if (reason != nullptr) return reason;
  return ProductRefusal(args.weight, 0, *args.in, args.z);
}

void WoANeeds(const Device&, const baleen_wo_a_args& args,
              baleen_op_needs* needs) {
  if (args.z->type == BALEEN_TYPE_BF16) return;
  needs->launches = 2;
  needs->scratch_bytes =
      static_cast<uint64_t>(args.z->size[0] * args.z->size[1]) * 2;
}

baleen_status WoARun(const Queue& queue, const baleen_wo_a_args& args) {
  const int64_t rows = args.z->size[0];
  ProductParams params = ProductOf(args.common, BALEEN_COUNT_ROWS, rows);
  params.groups = static_cast<int32_t>(args.in->size[1]);
  const bool rounds = args.z->type != BALEEN_TYPE_BF16;
  const View out = rounds ? ScratchView(args.common.scratch, BALEEN_TYPE_BF16,
                                        rows, args.z->size[1])
                          : ViewOf(args.z);
  AddPart(&params, FromHandle(args.weight)->matrices()[0], ViewOf(args.in),
          out);
  const baleen_status status = RunProduct(queue, params);
  if (status != BALEEN_OK || !rounds) return status;
  RoundParams round = {};
  round.batch = params.batch;
  round.count = BALEEN_COUNT_ROWS;
  round.limit = params.limit;
  round.repeat = 1;
  round.in = out;
  round.out = ViewOf(args.z);
  return RunRound(queue, round);
}

const char* WoBRefusal(const baleen_wo_b_args& args) {
  if (!IsRounded(args.z) || !IsRows(args.z, 2)) {
    return "z is not of this device's format";
  }
  if (!IsType(args.y, BALEEN_TYPE_BF16) || !IsRows(args.y, 2)) {
    return "y is not bf16 [T, D]; this device has no parts of it";
  }
  const char* reason = KindRefusal(args.weight, BALEEN_WEIGHT_LINEAR);
  if (reason != nullptr) return reason;
  return ProductRefusal(args.weight, 0, *args.z, args.y);
}

void WoBNeeds(const Device&, const baleen_wo_b_args&, baleen_op_needs*) {}

baleen_status WoBRun(const Queue& queue, const baleen_wo_b_args& args) {
  ProductParams params =
      ProductOf(args.common, BALEEN_COUNT_ROWS, args.y->size[0]);
  AddPart(&params, FromHandle(args.weight)->matrices()[0], ViewOf(args.z),
          ViewOf(args.y));
  return RunProduct(queue, params);
}

// ---- head --------------------------------------------------------------------------------

const char* HeadRefusal(const baleen_head_args& args) {
  if (!IsType(args.u, BALEEN_TYPE_BF16) || !IsRows(args.u, 2)) {
    return "u is not bf16 [R, D]";
  }
  if (args.logits != nullptr &&
      (!IsType(args.logits, BALEEN_TYPE_F32) || !IsRows(args.logits, 2))) {
    return "logits are not f32 [R, V]";
  }
  if (args.logits == nullptr && args.weight == nullptr) {
    return "without logits the weight must be known";
  }
  if ((args.top == nullptr) != (args.top_logits == nullptr) ||
      (args.top != nullptr &&
       (!IsType(args.top, BALEEN_TYPE_I32) || !IsRows(args.top, 2) ||
        !IsType(args.top_logits, BALEEN_TYPE_F32) ||
        !IsRows(args.top_logits, 2) || args.top->size[1] == 0 ||
        args.top->size[1] != args.top_logits->size[1]))) {
    return "top and top_logits are not i32 and f32 [R, n]";
  }
  if (args.log_sum != nullptr && !IsType(args.log_sum, BALEEN_TYPE_F32)) {
    return "log_sum is not f32 [R]";
  }
  const char* reason = KindRefusal(args.weight, BALEEN_WEIGHT_LINEAR);
  if (reason != nullptr) return reason;
  return ProductRefusal(args.weight, 0, *args.u, args.logits);
}

void HeadNeeds(const Device&, const baleen_head_args& args,
               baleen_op_needs* needs) {
  if (args.top != nullptr || args.log_sum != nullptr) needs->launches = 2;
  if (args.logits != nullptr) return;
  needs->scratch_bytes =
      static_cast<uint64_t>(args.u->size[0]) *
      static_cast<uint64_t>(FromHandle(args.weight)->matrices()[0].rows) *
      sizeof(float);
}

baleen_status HeadRun(const Queue& queue, const baleen_head_args& args) {
  const Matrix& matrix = FromHandle(args.weight)->matrices()[0];
  ProductParams params =
      ProductOf(args.common, BALEEN_COUNT_OUTPUTS, args.u->size[0]);
  const View logits = args.logits != nullptr
                          ? ViewOf(args.logits)
                          : ScratchView(args.common.scratch, BALEEN_TYPE_F32,
                                        args.u->size[0], matrix.rows);
  AddPart(&params, matrix, ViewOf(args.u), logits);
  const baleen_status status = RunProduct(queue, params);
  if (status != BALEEN_OK || (args.top == nullptr && args.log_sum == nullptr)) {
    return status;
  }
  LogitsParams after = {};
  after.batch = params.batch;
  after.logits = logits;
  after.top = ViewOf(args.top);
  after.top_logits = ViewOf(args.top_logits);
  after.log_sum = ViewOf(args.log_sum);
  after.limit = params.limit;
  return Launch(queue, LogitsKernel, Grid(RowBound(queue, params.limit)),
                kRowThreads, 0, after);
}

// ---- linear ----------------------------------------------------------------------------

namespace {

bool IsNorm(const baleen_tensor* norm, int64_t size) {
  return norm == nullptr ||
         (IsType(norm, BALEEN_TYPE_BF16) && norm->size[norm->rank - 1] == size);
}

const char* InputRefusal(const baleen_linear_args& args) {
  const bool table = args.weight != nullptr &&
                     FromHandle(args.weight)->kind == BALEEN_WEIGHT_TABLE;
  if (IsType(args.in, BALEEN_TYPE_I32)) {
    if (args.weight != nullptr && !table) return "the weight is not a table";
    return args.norm_in == nullptr ? nullptr : "tokens have no norm";
  }
  if (table) return "a table is read by i32";
  if (!IsRounded(args.in) || !IsRows(args.in, 2)) {
    return "in is neither bf16 nor of this device's format";
  }
  if (args.norm_in != nullptr && args.in->type != BALEEN_TYPE_BF16) {
    return "what is normed is not bf16";
  }
  return KindRefusal(args.weight, BALEEN_WEIGHT_LINEAR);
}

}  // namespace

const char* LinearRefusal(const baleen_linear_args& args) {
  const char* reason = InputRefusal(args);
  if (reason != nullptr) return reason;
  if (!IsFloats(args.out) || !IsRows(args.out, 2)) {
    return "out is neither bf16 nor f32 [rows, outer]";
  }
  constexpr int64_t kMostColumns = 24000;  // 96 KB of shared memory.
  const int64_t outer = args.out->size[1];
  const int64_t inner = args.in->size[args.in->rank - 1];
  if (outer > kMostColumns || inner > kMostColumns) {
    return "a row is too long for shared memory";
  }
  if (!IsNorm(args.norm_out, outer) || !IsNorm(args.norm_in, inner)) {
    return "a norm is not bf16 of the size of its row";
  }
  if (args.add != nullptr &&
      (!IsType(args.add, BALEEN_TYPE_BF16) || !IsRows(args.add, 2) ||
       args.add->size[1] != outer)) {
    return "add is not bf16 [rows, outer]";
  }
  if (args.in->type == BALEEN_TYPE_I32) {
    if (args.weight == nullptr) return nullptr;
    return FromHandle(args.weight)->matrices()[0].columns == outer
               ? nullptr
               : "the table has other columns";
  }
  return ProductRefusal(args.weight, 0, *args.in, args.out);
}

void LinearNeeds(const Device&, const baleen_linear_args& args,
                 baleen_op_needs* needs) {
  needs->launches = 3;
  if (args.in->type == BALEEN_TYPE_I32) return;
  // bf16, or e4m3 and scales.
  const int64_t inner = args.in->size[1];
  needs->scratch_bytes =
      static_cast<uint64_t>(args.out->size[0] * (2 * inner + 16));
}

baleen_status LinearRun(const Queue& queue, const baleen_linear_args& args) {
  const int64_t rows = LinearLimit(args);
  const bool rounds = args.out->type == BALEEN_TYPE_BF16;
  baleen_status status = BALEEN_OK;
  if (args.in->type == BALEEN_TYPE_I32 || args.weight == nullptr) {
    RowParams copy = {};
    copy.in = ViewOf(args.in);
    copy.norm = ViewOf(args.norm_in);
    copy.out = ViewOf(args.out);
    copy.rounds = true;
    if (args.weight != nullptr) {
      const Matrix& table = FromHandle(args.weight)->matrices()[0];
      copy.table = reinterpret_cast<const uint16_t*>(table.data);
      copy.table_rows = table.rows;
    }
    status = RunRows(queue, args, copy);
  } else {
    const Matrix& matrix = FromHandle(args.weight)->matrices()[0];
    View in = ViewOf(args.in);
    if (args.norm_in != nullptr || RoundsInput(args, matrix)) {
      RowParams prepare = {};
      prepare.in = in;
      prepare.norm = ViewOf(args.norm_in);
      prepare.rounds = true;
      const bool fp8 = RoundsInput(args, matrix);
      in = ScratchView(args.common.scratch,
                       fp8 ? BALEEN_TYPE_F8_E4M3 : BALEEN_TYPE_BF16, rows,
                       args.in->size[1]);
      if (fp8) in.scales = in.data + rows * args.in->size[1];
      prepare.out = in;
      status = RunRows(queue, args, prepare);
    }
    if (status != BALEEN_OK) return status;
    ProductParams params = ProductOf(args.common, BALEEN_COUNT_ROWS, rows);
    params.repeat = args.repeat == 0 ? 1 : static_cast<int32_t>(args.repeat);
    AddPart(&params, matrix, in, ViewOf(args.out));
    status = RunProduct(queue, params);
  }
  if (status != BALEEN_OK ||
      (args.add == nullptr && args.norm_out == nullptr)) {
    return status;
  }
  RowParams finish = {};
  finish.in = ViewOf(args.out);
  finish.add = ViewOf(args.add);
  finish.norm = ViewOf(args.norm_out);
  finish.out = ViewOf(args.out);
  finish.rounds = rounds;
  return RunRows(queue, args, finish);
}

}  // namespace baleen::cuda
