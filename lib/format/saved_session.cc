#include "format/saved_session.h"

#include <cstddef>
#include <cstring>

#include "base/checksum.h"

namespace baleen {
namespace {

constexpr uint64_t kStateAlignment = 64;

uint64_t HeaderChecksum(const SavedHeader& header) {
  return ChecksumOf(&header, offsetof(SavedHeader, checksum));
}

}  // namespace

bool LayOut(const SavedHeader& header, SavedLayout* layout) {
  // Far more than any timeline has, far less than what overflows below.
  constexpr uint64_t kMost = uint64_t{1} << 48;
  if (header.token_count > kMost || header.logit_count > kMost ||
      header.state_size > kMost) {
    return false;
  }
  layout->tokens = sizeof(SavedHeader);
  layout->logits = layout->tokens + header.token_count * sizeof(baleen_token);
  layout->state = layout->logits + header.logit_count * sizeof(float);
  layout->state =
      (layout->state + kStateAlignment - 1) / kStateAlignment * kStateAlignment;
  layout->checksum = layout->state + header.state_size;
  layout->total = layout->checksum + sizeof(uint64_t);
  return true;
}

void SealHeader(SavedHeader* header) {
  std::memcpy(header->magic, SavedHeader::kMagic, sizeof header->magic);
  header->version = SavedHeader::kVersion;
  header->header_size = sizeof *header;
  SavedLayout layout;
  LayOut(*header, &layout);
  header->total_size = layout.total;
  header->reserved = 0;
  header->checksum = HeaderChecksum(*header);
}

Status ReadSaved(std::span<const unsigned char> bytes, const char* name,
                 SavedHeader* header, SavedLayout* layout) {
  if (bytes.size() < sizeof *header) {
    return Corrupt("%s has %zu bytes, too few for a saved session", name,
                   bytes.size());
  }
  std::memcpy(header, bytes.data(), sizeof *header);
  if (std::memcmp(header->magic, SavedHeader::kMagic, sizeof header->magic) !=
      0) {
    return Corrupt("%s is not a saved session", name);
  }
  if (header->version != SavedHeader::kVersion) {
    return Unsupported(
        "%s is a saved session of version %u; this library "
        "reads version %u",
        name, header->version, SavedHeader::kVersion);
  }
  if (header->checksum != HeaderChecksum(*header) ||
      header->header_size != sizeof *header || !LayOut(*header, layout) ||
      header->total_size != layout->total) {
    return Corrupt("the header of the saved session in %s was changed", name);
  }
  if (bytes.size() != layout->total) {
    return Corrupt("%s has %zu bytes, but its saved session has %llu", name,
                   bytes.size(),
                   static_cast<unsigned long long>(layout->total));
  }
  uint64_t checksum = 0;
  std::memcpy(&checksum, bytes.data() + layout->checksum, sizeof checksum);
  const uint64_t actual =
      ChecksumOf(bytes.data() + sizeof *header,
                 static_cast<size_t>(layout->checksum) - sizeof *header);
  if (checksum != actual) {
    return Corrupt("the saved session in %s was changed", name);
  }
  return Status();
}

}  // namespace baleen
