// The bytes of a saved session: a header, tokens, logits, the model's state.
//
//   header    SavedHeader, 96 bytes, its own checksum last
//   tokens    i32 [token_count]
//   logits    f32 [logit_count], or none
//   padding   zeros up to a multiple of 64
//   state     state_size bytes, as the model wrote them (see docs/design.md)
//   checksum  XXH64 of everything behind the header
//
// Little-endian.  A reader refuses what it does not know; a later version of
// the format gets a higher number in `version`.
#pragma once

#include <cstdint>
#include <span>

#include <baleen/baleen.h>

#include "base/status.h"

namespace baleen {

struct SavedHeader {
  static constexpr char kMagic[9] = "BALEENSS";
  static constexpr uint32_t kVersion = 1;

  char magic[8];
  uint32_t version;
  uint32_t header_size;
  uint64_t fingerprint;  // Of the model: Model::fingerprint.
  int32_t mode;          // BALEEN_MODE_*
  uint32_t vocabulary;
  uint64_t seed;
  uint64_t token_count;
  uint64_t state_length;  // Tokens that the state holds.
  uint64_t state_size;
  uint64_t logit_count;  // 0, or the vocabulary: those after the last token.
  uint64_t total_size;   // Of the whole.
  uint64_t reserved;
  uint64_t checksum;  // Of the header up to here.
};
static_assert(sizeof(SavedHeader) == 96);

// Where the parts of a saved session lie, from the header's counts.
struct SavedLayout {
  uint64_t tokens = 0;
  uint64_t logits = 0;
  uint64_t state = 0;
  uint64_t checksum = 0;
  uint64_t total = 0;
};

// False if the counts overflow.
bool LayOut(const SavedHeader& header, SavedLayout* layout);

// Fills in magic, version, sizes and checksum from the counts.
// REQUIRES: counts that do not overflow.
void SealHeader(SavedHeader* header);

// Checks everything that can be checked without a model: sizes, both
// checksums.  `name` is what messages call the bytes.
Status ReadSaved(std::span<const unsigned char> bytes, const char* name,
                 SavedHeader* header, SavedLayout* layout);

}  // namespace baleen
