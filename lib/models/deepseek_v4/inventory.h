// Where the weights' tensors come from, one at a time: found in a checkpoint and
// checked, or imagined without data.  Whoever asks says what a tensor should be;
// here it is compared with what there is, counted, and given its shape.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "format/checkpoint.h"
#include "models/deepseek_v4/weights.h"

namespace baleen::deepseek_v4 {

// The name of a tensor as it is put together, part by part, without memory.
class TensorName {
 public:
  TensorName() { Append("model."); }

  TensorName& Append(std::string_view part);
  TensorName& Append(int32_t number);  // REQUIRES: number >= 0
  int32_t size() const { return size_; }
  void Cut(int32_t size) { size_ = size; }

  // As the official checkpoints write it, and as some others do; both as long
  // as nothing is appended or cut.
  std::string_view plain() const { return prefixed().substr(6); }
  std::string_view prefixed() const {
    return {text_, static_cast<size_t>(size_)};
  }

 private:
  // The longest is "model.layers.1023.attn.indexer.compressor.wgate.weight".
  static constexpr int32_t kCapacity = 128;
  char text_[kCapacity];
  int32_t size_ = 0;
};

class Inventory {
 public:
  // `checkpoint` NULL: all is imagined, and shown to `visitor` unless that is
  // NULL.  `weights` gets the totals.
  Inventory(const Checkpoint* checkpoint, ExpertType expert_type,
            Weights* weights, TensorVisitor* visitor)
      : checkpoint_(checkpoint),
        expert_type_(expert_type),
        weights_(weights),
        visitor_(visitor) {}

  // Names: appends, and goes back to where a Scope began.
  TensorName& name() { return name_; }

  // What follows is counted there (BALEEN_PART_*).
  void set_part(int32_t part) { part_ = part; }

  // Whether the checkpoint has name + suffix.  REQUIRES: not imagined
  bool Has(std::string_view suffix);

  // name + suffix, of one or two dimensions.
  Status Plain(std::string_view suffix, StoredType type, int64_t size,
               Tensor* out);
  Status Plain(std::string_view suffix, StoredType type, int64_t rows,
               int64_t columns, Tensor* out);
  // I64 or I32.
  Status Table(std::string_view suffix, int64_t rows, int64_t columns,
               Tensor* out);
  // name + suffix + ".weight" and ".scale": e4m3 in blocks of 128 x 128.
  Status Fp8(std::string_view suffix, int64_t outer, int64_t inner,
             Tensor* out);
  // The same, or BF16 without scales.
  Status Fp8OrBf16(std::string_view suffix, int64_t outer, int64_t inner,
                   Tensor* out);
  // A matrix of a routed expert: as `expert_type` says.
  Status Expert(std::string_view suffix, int64_t outer, int64_t inner,
                Tensor* out);

 private:
  // What a tensor should be.
  struct Wanted {
    StoredType type;
    StoredType other_type;  // Just as good; `type` if there is none.
    int32_t rank;
    int64_t shape[2];
  };

  // The tensor with the current name: found, or `imagined` filled.
  Status Get(const Wanted& wanted, StoredTensor* imagined,
             const StoredTensor** out);
  const StoredTensor* Lookup() const;
  Status Mismatch(const StoredTensor& found, const Wanted& wanted) const;
  Status Weight(std::string_view suffix, const Wanted& wanted, Tensor* out);
  // Gives *tensor its scales, one for a block.
  Status Scales(std::string_view suffix, bool f32_allowed, uint32_t block_rows,
                uint32_t block_columns, Tensor* tensor);
  void Count(const StoredTensor& tensor, uint64_t parameters);

  const Checkpoint* checkpoint_;
  ExpertType expert_type_;
  Weights* weights_;
  TensorVisitor* visitor_;
  TensorName name_;
  int32_t part_ = 0;
};

// Appends to an inventory's name and takes it back in the end.
class NameScope {
 public:
  explicit NameScope(Inventory* inventory)
      : name_(&inventory->name()), size_(name_->size()) {}
  NameScope(Inventory* inventory, std::string_view part)
      : NameScope(inventory) {
    name_->Append(part);
  }
  NameScope(Inventory* inventory, std::string_view part, int32_t number)
      : NameScope(inventory, part) {
    name_->Append(number).Append(".");
  }
  NameScope(const NameScope&) = delete;
  NameScope& operator=(const NameScope&) = delete;
  ~NameScope() { name_->Cut(size_); }

 private:
  TensorName* name_;
  int32_t size_;
};

}  // namespace baleen::deepseek_v4
