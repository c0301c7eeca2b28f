// See weight_check.h.
#include "session/weight_check.h"

#include <algorithm>
#include <cstring>

#include "base/checksum.h"

namespace baleen {
namespace {

constexpr size_t kPiece = size_t{4} << 20;

// Whether any of the values, in a word of `bits` bits each, has all bits of
// `mask` set: an exponent of all ones is infinity or no number.
template <typename Word>
bool AnyHas(const unsigned char* bytes, size_t size, Word mask) {
  for (size_t i = 0; i + sizeof(Word) <= size; i += sizeof(Word)) {
    Word word;
    std::memcpy(&word, bytes + i, sizeof word);
    if ((word & mask) == mask) return true;
  }
  return false;
}

bool HasNoNumber(StoredType type, const unsigned char* bytes, size_t size) {
  switch (type) {
    case StoredType::kBf16:
      return AnyHas<uint16_t>(bytes, size, 0x7F80);
    case StoredType::kF16:
      return AnyHas<uint16_t>(bytes, size, 0x7C00);
    case StoredType::kF32:
      return AnyHas<uint32_t>(bytes, size, 0x7F800000);
    case StoredType::kF8E4m3:
      return AnyHas<uint8_t>(bytes, size, 0x7F);
    case StoredType::kF8E5m2:
      return AnyHas<uint8_t>(bytes, size, 0x7C);
    case StoredType::kF8E8m0:
      return AnyHas<uint8_t>(bytes, size, 0xFF);
    default:
      return false;  // Each pattern of bits is a value.
  }
}

Status CheckTensor(const Checkpoint& checkpoint, const StoredTensor& tensor,
                   unsigned char* piece, LoadProgress* progress) {
  for (uint64_t done = 0; done < tensor.byte_count;) {
    const auto size = static_cast<size_t>(
        std::min<uint64_t>(kPiece, tensor.byte_count - done));
    // Through the file, not the mapping: a failing disk then gives a status,
    // not a signal.
    BALEEN_RETURN_IF_ERROR(checkpoint.Read(tensor, done, piece, size));
    if (HasNoNumber(tensor.type, piece, size)) {
      return Corrupt("tensor %.*s in %s has a value that is no finite number",
                     PrintLength(tensor.name), tensor.name.data(),
                     checkpoint.file_name(tensor.file));
    }
    done += size;
    BALEEN_RETURN_IF_ERROR(progress->Add(size));
  }
  return Status();
}

// A range of a packed file against its checksum.
Status CheckRange(const PackedFile& file, const PackedRange& range,
                  std::string_view name, unsigned char* piece,
                  LoadProgress* progress) {
  Checksum sum;
  for (uint64_t done = 0; done < range.size;) {
    const auto size =
        static_cast<size_t>(std::min<uint64_t>(kPiece, range.size - done));
    BALEEN_RETURN_IF_ERROR(file.Read(range.offset + done, piece, size));
    sum.Add(piece, size);
    done += size;
    BALEEN_RETURN_IF_ERROR(progress->Add(size));
  }
  if (sum.Value() == range.checksum) return Status();
  return Corrupt("%.*s at byte %llu of the packed model %s was changed",
                 PrintLength(name), name.data(),
                 static_cast<unsigned long long>(range.offset), file.path());
}

Status CheckPacked(const PackedFile& file, unsigned char* piece,
                   LoadProgress* progress) {
  for (const PackedTensor& tensor : file.tensors()) {
    if (tensor.bytes.offset == 0) continue;
    BALEEN_RETURN_IF_ERROR(
        CheckRange(file, tensor.bytes, file.NameOf(tensor), piece, progress));
  }
  for (const PackedRange& part : file.parts()) {
    BALEEN_RETURN_IF_ERROR(
        CheckRange(file, part, "a part of a weight", piece, progress));
  }
  return Status();
}

}  // namespace

Status CheckWeights(const Checkpoint& checkpoint, Memory* memory,
                    LoadProgress* progress) {
  const Block piece(memory, kPiece);
  if (checkpoint.packed() != nullptr) {
    return CheckPacked(*checkpoint.packed(),
                       static_cast<unsigned char*>(piece.data()), progress);
  }
  for (const StoredTensor& tensor : checkpoint.tensors()) {
    BALEEN_RETURN_IF_ERROR(
        CheckTensor(checkpoint, tensor,
                    static_cast<unsigned char*>(piece.data()), progress));
  }
  return Status();
}

}  // namespace baleen
