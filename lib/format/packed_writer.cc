#include "format/packed_writer.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/checksum.h"

namespace baleen {
namespace {

template <size_t N>
void CopyName(std::string_view name, char (&out)[N]) {
  std::memcpy(out, name.data(), std::min(name.size(), N - 1));
}

template <typename Entry>
uint64_t Bytes(const Vector<Entry>& entries) {
  return entries.size() * sizeof(Entry);
}

}  // namespace

PackedIndex::PackedIndex(Memory* memory)
    : texts_(memory),
      tensors_(memory),
      weights_(memory),
      parts_(memory),
      names_(memory) {}

uint32_t PackedIndex::AddName(std::string_view name) {
  const size_t place = names_.size();
  names_ += name;
  return static_cast<uint32_t>(place);
}

void PackedIndex::AddText(std::string_view name, uint64_t size) {
  const uint32_t place = AddName(name);
  texts_.push_back({place, static_cast<uint32_t>(name.size()), {0, size, 0}});
}

void PackedIndex::AddTensor(const StoredTensor& tensor, bool here) {
  PackedTensor entry = {};
  entry.name_offset = AddName(tensor.name);
  entry.name_size = static_cast<uint32_t>(tensor.name.size());
  entry.type = static_cast<uint32_t>(tensor.type);
  entry.rank = static_cast<uint32_t>(tensor.rank);
  std::copy_n(tensor.shape, tensor.rank, entry.shape);
  // Any place but 0 says that there is one.
  if (here) entry.bytes = {1, tensor.byte_count, 0};
  tensors_.push_back(entry);
}

void PackedIndex::AddWeight(const PackedWeight& weight,
                            const Vector<uint64_t>& parts) {
  PackedWeight& added = weights_.emplace_back(weight);
  added.first_part = parts_.size();
  added.part_count = static_cast<uint32_t>(parts.size());
  added.size = 0;
  for (const uint64_t size : parts) {
    parts_.push_back({0, size, 0});
    added.size += size;
  }
}

uint64_t PackedIndex::IndexSize() const {
  return Bytes(texts_) + Bytes(tensors_) + Bytes(weights_) + Bytes(parts_) +
         names_.size();
}

Status PackedIndex::LayOut() {
  if (names_.size() > PackedHeader::kMostNames) {
    return Unsupported("the names of the tensors are too long to be packed");
  }
  uint64_t place = sizeof(PackedHeader) + IndexSize();
  const auto put = [&place](uint64_t alignment, PackedRange* range) {
    range->offset = AlignUp(place, alignment);
    place = range->offset + range->size;
  };
  for (PackedText& text : texts_)
    put(PackedHeader::kTensorAlignment, &text.bytes);
  for (PackedTensor& tensor : tensors_) {
    if (tensor.bytes.offset != 0)
      put(PackedHeader::kTensorAlignment, &tensor.bytes);
  }
  size_t next_part = 0;
  for (PackedWeight& weight : weights_) {
    const auto first = static_cast<size_t>(weight.first_part);
    if (first == next_part) {
      place = AlignUp(place, PackedHeader::kWeightAlignment);
      next_part += weight.part_count;
      for (size_t i = first; i < next_part; ++i) put(1, &parts_[i]);
    }
    weight.offset = parts_[first].offset;
  }
  total_size_ = place;
  return Status();
}

// Whoever has the same texts, tensors and weights in the same layout has the
// same number.
uint64_t PackedIndex::Identity() const {
  Checksum sum;
  const auto add = [&sum](const PackedRange& range) {
    sum.Add(&range.checksum, sizeof range.checksum);
  };
  for (const PackedText& text : texts_) add(text.bytes);
  for (const PackedTensor& tensor : tensors_) add(tensor.bytes);
  for (const PackedRange& part : parts_) add(part);
  return sum.Value();
}

Status PackedIndex::Write(std::string_view name, const char* device_layout,
                          const char* cpu_layout, FileWriter* writer) const {
  PackedHeader header = {};
  std::memcpy(header.magic, PackedHeader::kMagic, sizeof header.magic);
  header.version = PackedHeader::kVersion;
  header.header_size = sizeof header;
  CopyName(device_layout, header.layouts[0]);
  CopyName(cpu_layout, header.layouts[1]);
  CopyName(name, header.name);
  header.identity = Identity();
  header.total_size = total_size_;
  header.index_size = IndexSize();
  header.text_count = static_cast<uint32_t>(texts_.size());
  header.tensor_count = static_cast<uint32_t>(tensors_.size());
  header.weight_count = static_cast<uint32_t>(weights_.size());
  header.part_count = static_cast<uint32_t>(parts_.size());
  header.names_size = names_.size();
  Checksum sum;
  uint64_t place = sizeof header;
  const auto write = [&](const void* bytes, uint64_t size) {
    sum.Add(bytes, static_cast<size_t>(size));
    const Status status =
        writer->WriteAt(place, bytes, static_cast<size_t>(size));
    place += size;
    return status;
  };
  BALEEN_RETURN_IF_ERROR(write(texts_.data(), Bytes(texts_)));
  BALEEN_RETURN_IF_ERROR(write(tensors_.data(), Bytes(tensors_)));
  BALEEN_RETURN_IF_ERROR(write(weights_.data(), Bytes(weights_)));
  BALEEN_RETURN_IF_ERROR(write(parts_.data(), Bytes(parts_)));
  BALEEN_RETURN_IF_ERROR(write(names_.data(), names_.size()));
  header.index_checksum = sum.Value();
  header.checksum = ChecksumOf(&header, offsetof(PackedHeader, checksum));
  return writer->WriteAt(0, &header, sizeof header);
}

}  // namespace baleen
