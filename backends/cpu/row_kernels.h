// The inner loops of the operators without prepared weights, and of what comes
// after products: one set of kernels for each instruction set, one set of
// drivers (blocked/) around them.
//
// Kernels take plain addresses and sizes, for files that are compiled for an
// instruction set must share no function with others.  Every sum has one order:
// lanes within a run of elements whose bounds follow from the model's sizes,
// then the lanes as a tree, then runs one after another; how many rows there
// are does not enter.  Sizes are multiples of kRowUnit.
#pragma once

#include <cstdint>

namespace baleen::cpu {

inline constexpr int64_t kRowUnit = 16;

// Residual streams that the kernels are made for; other numbers of them are
// left to the reference.
inline constexpr int64_t kKernelStreams = 4;

// Elements [first, end) of the streams of a row, and what ends a half-layer
// there: streams[k] = post[k] * y + sum over j of mix[j][k] * streams[j].
struct EndHalfRun {
  uint16_t* streams;  // Stream k at k * stream_stride.
  int64_t stream_stride;
  const uint16_t* y;          // bf16; or NULL:
  const float* const* parts;  // part_count addresses of floats to be summed.
  int64_t part_count;
  const float* post;  // [4]
  const float* mix;   // [4, 4]
  uint16_t* mean;     // Of the streams, afterwards; or NULL.
  int64_t first;
  int64_t end;
};

// Heads of one row against a block of keys.  Rows of keys, queries and sums lie
// `stride` apart, which is no multiple of 4096 bytes: else the 64 keys that are
// read at a time would fall on few lines of the cache.
struct AttendBlock {
  int64_t heads;  // At most kKernelHeads.
  int64_t size;
  int64_t stride;
  int64_t key_count;    // At most 64.
  const float* keys;    // [64, stride]
  const float* q;       // [heads, stride]
  float* scores;        // [heads, 64], for the kernel's use.
  float* sums;          // [heads, stride]
  float* highest;       // [heads]
  float* denominators;  // [heads]
  float scale;
  bool round;  // Weights to bf16 before values are summed.
};
inline constexpr int64_t kKernelHeads = 16;

// An entry of the state: e4m3, then bf16, and scales for each 64.
struct EntryLayout {
  int64_t plain;
  int64_t rotated;
  int64_t scale_offset;
};

// A row's queries of the indexer, arranged for the kernel.
//
// Most often the scales of a head differ by little, and so do those of a key.
// Then they go into the elements as shifts, "folded", and one product of 128
// integers takes the place of four with a scale each.  All are exact, so the
// bits are the same.
struct ScoreQueries {
  int64_t heads;
  int64_t size;
  const int32_t* runs;     // [heads, size / 8, 2]: four e2m1 doubled, as bytes:
                           // the even elements, then the odd ones
  const int32_t* offsets;  // [heads, size / 32]: -12 times the sum of a block
  const float* scales;     // [heads, size / 32], over 4
  const float* weights;    // [heads]
  bool round;              // As in reference mode.

  const int32_t* folded_runs;     // As runs, shifted; or NULL: not all can be.
  const int32_t* folded_offsets;  // [heads]: -96 times the sum of a head
  const float* folded_scales;     // [heads]: the smallest, over 4
};

// The keys of a group, unpacked: for each run of 8 elements the even ones of 16
// keys, then the odd ones, as 2 * e2m1 + 12; or folded, (2 * e2m1 << shift) + 96.
inline constexpr int64_t kMostKeySize = 1024;
struct UnpackedKeys {
  alignas(64) uint8_t codes[kMostKeySize / 8 * 2 * 64];
  const uint8_t* scales;    // [size / 32, 16]
  bool folded;              // For queries that are as well.
  uint8_t least[kRowUnit];  // If so, the least scale of each key.
};

// Bits that elements may be shifted by: bytes of 24 << 3 and 12 << 2, of which
// pairs of products fit into 16 bits.
inline constexpr int kKeyFold = 3;
inline constexpr int kQueryFold = 2;
// Codes of scales (e8m0) that may be folded, far from where products of powers
// of two are no normal numbers.
inline constexpr int kLeastFoldedScale = 64;
inline constexpr int kMostFoldedScale = 190;

// Elements of each stream that a call of `mix` takes.
inline constexpr int64_t kMostMixed = 256;

struct RowKernels {
  void (*end_half)(const EndHalfRun& run);

  // For each of `rows` rows of streams, row_stride apart, and of partial sums,
  // partial_stride apart: partial[o] = sum over streams j and elements i below
  // `count` of fn[o][j * fn_stream_stride + i] * streams[j][i], for o below
  // `outputs`; partial[outputs] = sum of squares.  count is at most kMostMixed.
  void (*mix)(const uint16_t* streams, int64_t rows, int64_t row_stride,
              int64_t stream_stride, const float* fn, int64_t fn_stride,
              int64_t fn_stream_stride, int64_t outputs, int64_t count,
              float* partial, int64_t partial_stride);

  // joined[i] = bf16(sum over j of pre[j] * streams[j][i]); returns the sum of
  // their squares.
  float (*join)(const uint16_t* streams, int64_t stream_stride,
                const float* pre, int64_t size, float* joined);

  // out[i] = bf16(weight[i] * (x[i] * inverse)).
  void (*norm)(const float* x, float inverse, const uint16_t* weight,
               int64_t size, uint16_t* out);

  // out[i] = x[i], widened.
  void (*widen)(const uint16_t* x, int64_t size, float* out);

  // up[i] = silu(gate[i]) * up[i] * route; if `limit` is not 0, gates are at
  // most that, and ups no further than that from 0, before (model.md §11).
  void (*swiglu)(const float* gate, int64_t size, float limit, float route,
                 float* up);

  // out[r][e] = u[r] . gates[e] for `rows` (at most 4) rows of u, [rows, size].
  void (*gate)(const uint16_t* const* gates, int64_t experts, const float* u,
               int64_t rows, int64_t size, float* out);

  // x = H x / sqrt(size), rounded to bf16 before and after if `round`; then
  // twice the e2m1 value of each with a power of two for each 32 (`scales`).
  // REQUIRES: size is a power of two of at least 32.
  void (*transform)(float* x, int64_t size, bool round, int8_t* twice,
                    uint8_t* scales);

  void (*decode_entry)(const EntryLayout& layout, const uint8_t* entry,
                       float* out);
  void (*attend)(const AttendBlock& block);

  // out = sums / denominator as bf16; the last `rotated` are turned back first.
  // If `round`, they are rounded before that too.
  void (*finish_head)(float* sums, float denominator, int64_t size,
                      int64_t rotated, const float* cosines, const float* sines,
                      bool round, uint16_t* out);

  // pooled[i] = sum of values[j][i] * softmax over j of (gates[j][i] +
  // apes[j][i]); an ape that is NULL is zero.
  void (*pool)(const float* const* values, const float* const* gates,
               const float* const* apes, int64_t count, int64_t size,
               float* pooled);

  // Unpacks the 16 keys of a group (state.h), which must outlive them; folded if
  // `fold` and their scales allow it.
  void (*unpack_keys)(int64_t size, const uint8_t* group, bool fold,
                      UnpackedKeys* keys);

  // Scores of the 16 keys.
  // REQUIRES: keys are folded only if the queries are
  void (*score)(const ScoreQueries& queries, const UnpackedKeys& keys,
                float* scores);

  // out[i] = the highest of x[i], x[width + i], x[2 * width + i], ... below
  // `count`, which is at least `width`, a multiple of kRowUnit.  NaN is left
  // out.
  void (*column_highest)(const float* x, int64_t count, int64_t width,
                         float* out);

  // The indices of those that are at least `least`, ascending, of which as many
  // as there is place for are written.  Returns how many there are.
  int64_t (*collect)(const float* x, int64_t count, float least, int64_t place,
                     int32_t* indices);
};

extern const RowKernels kPortableRowKernels;
extern const RowKernels kAvx2RowKernels;
extern const RowKernels kAvx512CoreRowKernels;
extern const RowKernels kAvx512RowKernels;

}  // namespace baleen::cpu
