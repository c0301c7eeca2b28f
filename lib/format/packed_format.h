// The bytes of a packed model: a header, an index, and what it points to.
//
//   header   PackedHeader, 256 bytes, its own checksum last
//   index    PackedText [text_count], PackedTensor [tensor_count],
//            PackedWeight [weight_count], PackedRange [part_count], names
//   texts    the small files of the checkpoint's folder, as they were
//   tensors  those that operators read as they are, at multiples of 64 bytes
//   weights  the others, in the layouts of backends, at multiples of 4096
//
// Little-endian.  What lies between is zeros.  Each range has an XXH64 of its
// own, so that opening checks the index alone and takes the same time whatever
// the weights' size.  docs/packed-format.md says more.
#pragma once

#include <cstdint>

namespace baleen {

struct PackedHeader {
  static constexpr char kMagic[9] = "BALEENPK";
  static constexpr uint32_t kVersion = 1;
  static constexpr uint64_t kTensorAlignment = 64;
  // Weights are mapped; experts may be read or dropped page by page.
  static constexpr uint64_t kWeightAlignment = 4096;
  static constexpr uint64_t kMostNames = uint64_t{1} << 30;

  char magic[8];
  uint32_t version;
  uint32_t header_size;
  char layouts[2][32];  // Of weights on the device, and on the CPU beside it.
  char name[96];        // Of the checkpoint.
  uint64_t identity;    // XXH64 of the ranges' checksums, in their order.
  uint64_t total_size;
  uint64_t index_size;
  uint64_t index_checksum;
  uint32_t text_count;
  uint32_t tensor_count;
  uint32_t weight_count;
  uint32_t part_count;
  uint64_t names_size;
  uint64_t reserved[2];
  uint64_t checksum;  // Of the header up to here.
};
static_assert(sizeof(PackedHeader) == 256);

struct PackedRange {
  uint64_t offset;  // From the beginning of the file.
  uint64_t size;
  uint64_t checksum;
};
static_assert(sizeof(PackedRange) == 24);

struct PackedText {
  uint32_t name_offset;  // Among the names.
  uint32_t name_size;
  PackedRange bytes;
};
static_assert(sizeof(PackedText) == 32);

// A tensor of the checkpoint that the model uses, whether its bytes are here or
// in a weight (then offset, size and checksum are 0).
struct PackedTensor {
  uint32_t name_offset;
  uint32_t name_size;
  uint32_t type;  // StoredType
  uint32_t rank;
  int64_t shape[8];
  PackedRange bytes;
};
static_assert(sizeof(PackedTensor) == 104);

// A weight in the order in which the model prepares them.  Its parts follow one
// another without gaps; weights of the same tensors share them.
struct PackedWeight {
  int32_t kind;  // BALEEN_WEIGHT_*
  uint32_t tensor_count;
  uint32_t layout;  // Which of the header's.
  uint32_t part_count;
  uint64_t first_part;
  uint64_t offset;
  uint64_t size;
};
static_assert(sizeof(PackedWeight) == 40);

}  // namespace baleen
