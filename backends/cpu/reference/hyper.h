// What BALEEN_OP_MHC_BOUNDARY and BALEEN_OP_HC_HEAD share: ending a half-layer
// and mixing the residual streams (model.md §5).
//
// Templates over the arguments of either, whose members have the same names.
#pragma once

#include <baleen/backend.h>

#include "cpu/batch.h"
#include "cpu/reference/rms_norm.h"
#include "cpu/reference/sinkhorn.h"
#include "cpu/tensor_view.h"

namespace baleen::cpu {

// Whether the members that both operators have fit each other, `mixes` being
// the rows of fn.
template <typename Args>
const char* HyperError(const Args& args, int64_t mixes) {
  if (!IsType(args.streams, BALEEN_TYPE_BF16) || args.streams->rank != 3) {
    return "streams is not bf16 [T, M, D]";
  }
  const int64_t streams = args.streams->size[1];
  const int64_t size = args.streams->size[2];
  if (streams < 1 || streams > kMaxStreams) return "there are too many streams";
  if (!IsTensor(args.fn, BALEEN_TYPE_F32, 2, streams * size) ||
      args.fn->size[0] != mixes) {
    return "fn does not fit streams";
  }
  if (!IsTensor(args.base, BALEEN_TYPE_F32, 1, mixes)) {
    return "base does not fit fn";
  }
  if (!IsType(args.scale, BALEEN_TYPE_F32)) return "scale is not f32";
  if (!IsTensor(args.norm, BALEEN_TYPE_BF16, 1, size)) {
    return "norm does not fit streams";
  }
  if (args.stream_mean != nullptr &&
      !IsTensor(args.stream_mean, BALEEN_TYPE_BF16, 2, size)) {
    return "stream_mean does not fit streams";
  }
  if (args.y == nullptr) return nullptr;
  if (!IsTensor(args.y, BALEEN_TYPE_BF16, 2, size) &&
      !IsTensor(args.y, BALEEN_TYPE_F32, 3, size)) {
    return "y is neither bf16 [T, D] nor f32 [P, T, D]";
  }
  if (!IsTensor(args.post_in, BALEEN_TYPE_F32, 2, streams) ||
      !IsTensor(args.mix_in, BALEEN_TYPE_F32, 3, streams)) {
    return "post_in or mix_in does not fit streams";
  }
  return nullptr;
}

// Element i of row `row` of y: bf16, or the sum of its parts rounded to it.
inline float SublayerOutput(const baleen_tensor& y, int64_t row, int64_t i) {
  if (y.type == BALEEN_TYPE_BF16) {
    return Bf16ToFloat(RowOf<const uint16_t>(y, row)[i]);
  }
  float sum = 0;
  for (int64_t part = 0; part < y.size[0]; ++part) {
    sum += RowOf<const float>(y, part, row)[i];
  }
  return RoundToBf16(sum);
}

// streams[k] = post[k] * y + sum over j of mix[j][k] * streams[j].
template <typename Args>
void EndHalf(const Args& args, int64_t row) {
  const int64_t streams = args.streams->size[1];
  const float* post = RowOf<const float>(*args.post_in, row);
  for (int64_t i = 0; i < args.streams->size[2]; ++i) {
    const float y = SublayerOutput(*args.y, row, i);
    float before[kMaxStreams];
    for (int64_t j = 0; j < streams; ++j) {
      before[j] = Bf16ToFloat(RowOf<uint16_t>(*args.streams, row, j)[i]);
    }
    for (int64_t k = 0; k < streams; ++k) {
      float sum = 0;
      for (int64_t j = 0; j < streams; ++j) {
        sum += RowOf<const float>(*args.mix_in, row, j)[k] * before[j];
      }
      RowOf<uint16_t>(*args.streams, row, k)[i] =
          Bf16FromFloat(post[k] * y + sum);
    }
  }
}

// stream_mean = the mean of the streams.
template <typename Args>
void StoreStreamMean(const Args& args, int64_t row) {
  const int64_t streams = args.streams->size[1];
  uint16_t* out = RowOf<uint16_t>(*args.stream_mean, row);
  for (int64_t i = 0; i < args.streams->size[2]; ++i) {
    float sum = 0;
    for (int64_t j = 0; j < streams; ++j) {
      sum += Bf16ToFloat(RowOf<uint16_t>(*args.streams, row, j)[i]);
    }
    out[i] = Bf16FromFloat(sum / static_cast<float>(streams));
  }
}

// mixes = fn * streams / rms(streams).
template <typename Args>
void MixStreams(const Args& args, int64_t row, float* mixes) {
  const int64_t streams = args.streams->size[1];
  const int64_t size = args.streams->size[2];
  double squares = 0;
  for (int64_t j = 0; j < streams; ++j) {
    const uint16_t* stream = RowOf<uint16_t>(*args.streams, row, j);
    for (int64_t i = 0; i < size; ++i) {
      const double x = Bf16ToFloat(stream[i]);
      squares += x * x;
    }
  }
  const float mean =
      static_cast<float>(squares / static_cast<double>(streams * size));
  const float inverse = 1.0f / std::sqrt(mean + args.norm_epsilon);
  for (int64_t o = 0; o < args.fn->size[0]; ++o) {
    const float* fn = RowOf<const float>(*args.fn, o);
    double sum = 0;
    for (int64_t j = 0; j < streams; ++j) {
      const uint16_t* stream = RowOf<uint16_t>(*args.streams, row, j);
      for (int64_t i = 0; i < size; ++i) {
        sum += static_cast<double>(fn[j * size + i]) *
               static_cast<double>(Bf16ToFloat(stream[i]));
      }
    }
    mixes[o] = static_cast<float>(sum) * inverse;
  }
}

// joined = sum over j of pre[j] * streams[j], two by two as the golden layers
// have it, rounded to bf16.
template <typename Args>
void JoinStreams(const Args& args, int64_t row, const float* pre,
                 float* joined) {
  const int64_t streams = args.streams->size[1];
  for (int64_t i = 0; i < args.streams->size[2]; ++i) {
    float sums[kMaxStreams];
    for (int64_t j = 0; j < streams; ++j) {
      sums[j] = pre[j] * Bf16ToFloat(RowOf<uint16_t>(*args.streams, row, j)[i]);
    }
    for (int64_t step = 1; step < streams; step *= 2) {
      for (int64_t j = 0; j + step < streams; j += 2 * step) {
        sums[j] += sums[j + step];
      }
    }
    joined[i] = RoundToBf16(sums[0]);
  }
}

// u = norm(joined) as bf16; joined is normed in place.
template <typename Args>
void NormJoined(const Args& args, float* joined, uint16_t* u) {
  const int64_t size = args.streams->size[2];
  RmsNorm(static_cast<const uint16_t*>(args.norm->data), args.norm_epsilon,
          joined, size);
  for (int64_t i = 0; i < size; ++i) u[i] = Bf16FromFloat(joined[i]);
}

}  // namespace baleen::cpu
