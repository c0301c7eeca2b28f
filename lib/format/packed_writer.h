// The index of a packed model that is being written: entries first, then
// places, then the bytes (by whoever has them, in any order), and the index
// last.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "format/checkpoint.h"
#include "format/packed_format.h"

namespace baleen {

class PackedIndex {
 public:
  explicit PackedIndex(Memory* memory);

  void AddText(std::string_view name, uint64_t size);
  // `here`: its bytes are a range of their own.
  void AddTensor(const StoredTensor& tensor, bool here);
  // A weight whose parts have these sizes.
  void AddWeight(const PackedWeight& weight, const Vector<uint64_t>& parts);
  // One of the same bytes as an earlier weight.
  void AddTwin(const PackedWeight& weight) { weights_.push_back(weight); }

  // Gives every range its place.  Only checksums change from then on.
  Status LayOut();
  uint64_t total_size() const { return total_size_; }

  Vector<PackedText>& texts() { return texts_; }
  Vector<PackedTensor>& tensors() { return tensors_; }
  const Vector<PackedWeight>& weights() const { return weights_; }
  Vector<PackedRange>& parts() { return parts_; }

  // Writes header and index.  `layouts` end in NUL; longer names are cut.
  Status Write(std::string_view name, const char* device_layout,
               const char* cpu_layout, FileWriter* writer) const;

 private:
  uint64_t IndexSize() const;
  uint64_t Identity() const;
  uint32_t AddName(std::string_view name);

  Vector<PackedText> texts_;
  Vector<PackedTensor> tensors_;
  Vector<PackedWeight> weights_;
  Vector<PackedRange> parts_;
  String names_;
  uint64_t total_size_ = 0;
};

}  // namespace baleen
