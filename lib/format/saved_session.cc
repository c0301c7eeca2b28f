#include "format/saved_session.h"

#include <cstddef>
#include <cstring>

#include "base/checksum.h"

namespace baleen {
namespace {

uint64_t HeaderChecksum(const SavedHeader& header) {
  return ChecksumOf(&header, offsetof(SavedHeader, checksum));
}

uint64_t PadTo8(uint64_t size) { return (size + 7) / 8 * 8; }

}  // namespace

bool LayOut(const SavedHeader& header, SavedLayout* layout) {
  // Far more than any timeline has, far less than what overflows below.
  constexpr uint64_t kMost = uint64_t{1} << 40;
  constexpr uint64_t kMostBytes = uint64_t{1} << 56;
  if (header.token_count > kMost || header.logit_count > kMost ||
      header.page_count > kMost || header.window_count > kMost ||
      header.pieces_size > kMostBytes) {
    return false;
  }
  layout->tokens = sizeof(SavedHeader);
  layout->logits =
      layout->tokens + PadTo8(header.token_count * sizeof(baleen_token));
  layout->table = layout->logits + PadTo8(header.logit_count * sizeof(float));
  layout->pieces = layout->table + (header.page_count + header.window_count) *
                                       sizeof(SavedPiece);
  layout->total = layout->pieces + header.pieces_size;
  return true;
}

void SealHeader(std::span<const unsigned char> front, SavedHeader* header) {
  std::memcpy(header->magic, SavedHeader::kMagic, sizeof header->magic);
  header->version = SavedHeader::kVersion;
  header->header_size = sizeof *header;
  SavedLayout layout;
  LayOut(*header, &layout);
  header->total_size = layout.total;
  header->front_checksum = ChecksumOf(front.data(), front.size());
  std::memset(header->reserved, 0, sizeof header->reserved);
  header->checksum = HeaderChecksum(*header);
}

Status ReadSavedHeader(const unsigned char* bytes, uint64_t size,
                       const char* name, SavedHeader* header,
                       SavedLayout* layout) {
  // What all versions begin with.
  constexpr size_t kBeginning = offsetof(SavedHeader, fingerprint);
  if (size < kBeginning) {
    return Corrupt("%s has %llu bytes, too few for a saved session", name,
                   static_cast<unsigned long long>(size));
  }
  *header = {};
  std::memcpy(header, bytes, kBeginning);
  if (std::memcmp(header->magic, SavedHeader::kMagic, sizeof header->magic) !=
      0) {
    return Corrupt("%s is not a saved session", name);
  }
  if (header->version != SavedHeader::kVersion) {
    return Unsupported(
        "%s is a saved session of version %u; this library reads version %u",
        name, header->version, SavedHeader::kVersion);
  }
  if (size < sizeof *header) {
    return Corrupt("%s has %llu bytes, too few for a saved session", name,
                   static_cast<unsigned long long>(size));
  }
  std::memcpy(header, bytes, sizeof *header);
  if (header->checksum != HeaderChecksum(*header) ||
      header->header_size != sizeof *header || !LayOut(*header, layout) ||
      header->total_size != layout->total) {
    return Corrupt("the header of the saved session in %s was changed", name);
  }
  if (size != layout->total) {
    return Corrupt("%s has %llu bytes, but its saved session has %llu", name,
                   static_cast<unsigned long long>(size),
                   static_cast<unsigned long long>(layout->total));
  }
  return Status();
}

Status CheckSavedFront(const SavedHeader& header, const SavedLayout& layout,
                       std::span<const unsigned char> front, const char* name) {
  if (ChecksumOf(front.data(), front.size()) != header.front_checksum) {
    return Corrupt("the tokens of the saved session in %s were changed", name);
  }
  uint64_t left = header.pieces_size;
  for (uint64_t i = 0; i < header.page_count + header.window_count; ++i) {
    const uint64_t size = PieceOf(layout, front, i).size;
    if (size > left) {
      return Corrupt("the pieces of the saved session in %s do not fit it",
                     name);
    }
    left -= size;
  }
  if (left != 0) {
    return Corrupt("the saved session in %s has %llu bytes too many", name,
                   static_cast<unsigned long long>(left));
  }
  return Status();
}

SavedPiece PieceOf(const SavedLayout& layout,
                   std::span<const unsigned char> front, uint64_t i) {
  SavedPiece piece;
  std::memcpy(
      &piece,
      front.data() + (layout.table - sizeof(SavedHeader)) + i * sizeof piece,
      sizeof piece);
  return piece;
}

}  // namespace baleen
