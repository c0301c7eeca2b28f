#include "models/deepseek_v4/inventory.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "format/safetensors.h"

namespace baleen::deepseek_v4 {
namespace {

baleen_type TensorType(StoredType type) {
  switch (type) {
    case StoredType::kF32:
      return BALEEN_TYPE_F32;
    case StoredType::kBf16:
      return BALEEN_TYPE_BF16;
    case StoredType::kI32:
      return BALEEN_TYPE_I32;
    case StoredType::kI64:
      return BALEEN_TYPE_I64;
    case StoredType::kF8E4m3:
      return BALEEN_TYPE_F8_E4M3;
    case StoredType::kF8E8m0:
      return BALEEN_TYPE_E8M0;
    case StoredType::kI8:
      return BALEEN_TYPE_F4_E2M1;  // Packed, two in a byte.
    default:
      return BALEEN_TYPE_NONE;
  }
}

int64_t DivideUp(int64_t a, uint32_t b) { return (a + b - 1) / b; }

// "BF16 [1024, 4096]", for messages.
class Description {
 public:
  Description(const char* type, const int64_t* shape, int32_t rank) {
    Append("%s [", type);
    for (int32_t i = 0; i < rank; ++i) {
      Append(i == 0 ? "%lld" : ", %lld", static_cast<long long>(shape[i]));
    }
    Append("%s", "]");
  }
  const char* text() const { return text_; }

 private:
  template <typename Value>
  void Append(const char* format, Value value) {
    const int added =
        std::snprintf(text_ + size_, sizeof text_ - size_, format, value);
    size_ = std::min(size_ + static_cast<size_t>(std::max(added, 0)),
                     sizeof text_ - 1);
  }

  char text_[96] = {};
  size_t size_ = 0;
};

}  // namespace

TensorName& TensorName::Append(std::string_view part) {
  const size_t room = static_cast<size_t>(kCapacity - size_);
  const size_t count = std::min(part.size(), room);
  std::memcpy(text_ + size_, part.data(), count);
  size_ += static_cast<int32_t>(count);
  return *this;
}

TensorName& TensorName::Append(int32_t number) {
  char digits[12];
  const auto end = std::to_chars(digits, std::end(digits), number).ptr;
  return Append({digits, static_cast<size_t>(end - digits)});
}

bool Inventory::Has(std::string_view suffix) {
  const NameScope scope(this, suffix);
  return Lookup() != nullptr;
}

Status Inventory::Plain(std::string_view suffix, StoredType type, int64_t size,
                        Tensor* out) {
  return Weight(suffix, {type, type, 1, {size, 0}}, out);
}

Status Inventory::Plain(std::string_view suffix, StoredType type, int64_t rows,
                        int64_t columns, Tensor* out) {
  return Weight(suffix, {type, type, 2, {rows, columns}}, out);
}

Status Inventory::Table(std::string_view suffix, int64_t rows, int64_t columns,
                        Tensor* out) {
  return Weight(suffix,
                {StoredType::kI64, StoredType::kI32, 2, {rows, columns}}, out);
}

Status Inventory::Fp8(std::string_view suffix, int64_t outer, int64_t inner,
                      Tensor* out) {
  const NameScope scope(this, suffix);
  BALEEN_RETURN_IF_ERROR(
      Plain(".weight", StoredType::kF8E4m3, outer, inner, out));
  return Scales(".scale", true, 128, 128, out);
}

Status Inventory::Fp8OrBf16(std::string_view suffix, int64_t outer,
                            int64_t inner, Tensor* out) {
  const NameScope scope(this, suffix);
  BALEEN_RETURN_IF_ERROR(
      Weight(".weight",
             {StoredType::kF8E4m3, StoredType::kBf16, 2, {outer, inner}}, out));
  if (out->type == BALEEN_TYPE_BF16) return Status();
  return Scales(".scale", true, 128, 128, out);
}

Status Inventory::Expert(std::string_view suffix, int64_t outer, int64_t inner,
                         Tensor* out) {
  if (expert_type_ == ExpertType::kFp8) return Fp8(suffix, outer, inner, out);
  const NameScope scope(this, suffix);
  BALEEN_RETURN_IF_ERROR(
      Plain(".weight", StoredType::kI8, outer, inner / 2, out));
  // That has counted bytes; there are two elements in each.
  weights_->parameter_count += static_cast<uint64_t>(outer * (inner / 2));
  out->size[1] = inner;
  out->stride[0] = inner;
  return Scales(".scale", false, 1, 32, out);
}

Status Inventory::Weight(std::string_view suffix, const Wanted& wanted,
                         Tensor* out) {
  const NameScope scope(this, suffix);
  StoredTensor imagined;
  const StoredTensor* found = nullptr;
  BALEEN_RETURN_IF_ERROR(Get(wanted, &imagined, &found));
  // A table of experts is no parameter: nobody learns it.
  const bool learned =
      found->type != StoredType::kI64 && found->type != StoredType::kI32;
  Count(*found, learned ? static_cast<uint64_t>(found->ElementCount()) : 0);
  *out = {};
  // Nobody writes there; the table of operators knows no const tensors.
  out->data = const_cast<void*>(found->data);
  out->type = TensorType(found->type);
  out->rank = static_cast<uint32_t>(wanted.rank);
  int64_t stride = 1;
  for (int32_t i = wanted.rank - 1; i >= 0; --i) {
    out->size[i] = wanted.shape[i];
    out->stride[i] = stride;
    stride *= wanted.shape[i];
  }
  return Status();
}

Status Inventory::Scales(std::string_view suffix, bool f32_allowed,
                         uint32_t block_rows, uint32_t block_columns,
                         Tensor* tensor) {
  const NameScope scope(this, suffix);
  // The Base checkpoints, whose experts are FP8, have all scales in F32
  // (model.md §2.2).
  const bool base = checkpoint_ == nullptr && expert_type_ == ExpertType::kFp8;
  const StoredType first = base ? StoredType::kF32 : StoredType::kF8E8m0;
  const StoredType second = f32_allowed ? StoredType::kF32 : first;
  StoredTensor imagined;
  const StoredTensor* found = nullptr;
  BALEEN_RETURN_IF_ERROR(Get({first,
                              second,
                              2,
                              {DivideUp(tensor->size[0], block_rows),
                               DivideUp(tensor->size[1], block_columns)}},
                             &imagined, &found));
  Count(*found, 0);
  tensor->scales = const_cast<void*>(found->data);
  tensor->scale_type = TensorType(found->type);
  tensor->block_rows = block_rows;
  tensor->block_columns = block_columns;
  return Status();
}

Status Inventory::Get(const Wanted& wanted, StoredTensor* imagined,
                      const StoredTensor** out) {
  if (checkpoint_ == nullptr) {
    imagined->type = wanted.type;
    imagined->rank = wanted.rank;
    std::copy_n(wanted.shape, wanted.rank, imagined->shape);
    imagined->byte_count = static_cast<uint64_t>(imagined->ElementCount()) *
                           (StoredTypeBits(wanted.type) / 8);
    if (visitor_ != nullptr) {
      imagined->name = name_.plain();
      visitor_->Visit(*imagined);
    }
    *out = imagined;
    return Status();
  }
  const StoredTensor* found = Lookup();
  if (found == nullptr) {
    const Description should(StoredTypeName(wanted.type), wanted.shape,
                             wanted.rank);
    const std::string_view name = name_.plain();
    return Corrupt("the checkpoint has no tensor %.*s, which should be %s",
                   PrintLength(name), name.data(), should.text());
  }
  if ((found->type != wanted.type && found->type != wanted.other_type) ||
      found->rank != wanted.rank ||
      !std::equal(wanted.shape, wanted.shape + wanted.rank, found->shape)) {
    return Mismatch(*found, wanted);
  }
  *out = found;
  return Status();
}

const StoredTensor* Inventory::Lookup() const {
  const StoredTensor* found = checkpoint_->Find(name_.plain());
  return found != nullptr ? found : checkpoint_->Find(name_.prefixed());
}

Status Inventory::Mismatch(const StoredTensor& found,
                           const Wanted& wanted) const {
  char types[24];
  const bool either = wanted.type != wanted.other_type;
  std::snprintf(types, sizeof types, "%s%s%s", StoredTypeName(wanted.type),
                either ? " or " : "",
                either ? StoredTypeName(wanted.other_type) : "");
  const Description is(StoredTypeName(found.type), found.shape, found.rank);
  const Description should(types, wanted.shape, wanted.rank);
  return Corrupt("tensor %.*s is %s, but should be %s (in %s)",
                 PrintLength(found.name), found.name.data(), is.text(),
                 should.text(), checkpoint_->file_name(found.file));
}

void Inventory::Count(const StoredTensor& tensor, uint64_t parameters) {
  ++weights_->tensor_count;
  weights_->parameter_count += parameters;
  weights_->byte_count += tensor.byte_count;
  weights_->bytes_by_part[part_] += tensor.byte_count;
}

}  // namespace baleen::deepseek_v4
