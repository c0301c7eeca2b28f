// The bytes of a saved session (docs/state-format.md): a header, a front part
// that says what the rest is, and the model's state in pieces.
//
//   header    SavedHeader, 128 bytes, its own checksum last
//   front     tokens i32 [token_count], logits f32 [logit_count], pieces
//             SavedPiece [page_count + window_count]; each padded to 8 bytes
//   pieces    pages in their order, then windows by position, one after another
//
// Every piece has a checksum of its own, so that a reader may stream them, skip
// what it does not want, and still believe nothing unchecked.  Little-endian.  A
// reader refuses what it does not know; a later version of the format gets a
// higher number in `version`.  Version 1 had one checksum for all and was never
// released.
#pragma once

#include <cstdint>
#include <span>

#include <baleen/baleen.h>

#include "base/status.h"

namespace baleen {

struct SavedHeader {
  static constexpr char kMagic[9] = "BALEENSS";
  static constexpr uint32_t kVersion = 2;

  char magic[8];
  uint32_t version;
  uint32_t header_size;
  uint64_t fingerprint;  // Of the model: Model::fingerprint.
  int32_t mode;          // BALEEN_MODE_*
  uint32_t vocabulary;
  uint64_t seed;
  uint64_t token_count;
  uint64_t state_length;  // Tokens that the pages hold; at most token_count.
  uint64_t logit_count;   // 0, or the vocabulary: those after the last token.
  uint64_t page_count;
  uint64_t window_count;
  uint64_t pieces_size;  // Of all pieces together.
  uint64_t total_size;   // Of the whole.
  uint64_t front_checksum;
  uint64_t reserved[2];
  uint64_t checksum;  // Of the header up to here.
};
static_assert(sizeof(SavedHeader) == 128);

struct SavedPiece {
  uint64_t position;  // A page's first; the one that a window belongs to.
  uint64_t size;
  uint64_t checksum;  // XXH64
};
static_assert(sizeof(SavedPiece) == 24);

// Where the parts of a saved session lie, from the header's counts.
struct SavedLayout {
  uint64_t tokens = 0;
  uint64_t logits = 0;
  uint64_t table = 0;  // Of pieces.
  uint64_t pieces = 0;
  uint64_t total = 0;
};

// False if the counts are beyond all measure.
bool LayOut(const SavedHeader& header, SavedLayout* layout);

// Fills in magic, version, sizes and checksums from the counts and the front,
// which are the bytes between header and pieces.
// REQUIRES: counts that LayOut takes.
void SealHeader(std::span<const unsigned char> front, SavedHeader* header);

// Checks all that can be checked of the header alone.  `size` is that of the
// whole, `name` what messages call it.
Status ReadSavedHeader(const unsigned char* bytes, uint64_t size,
                       const char* name, SavedHeader* header,
                       SavedLayout* layout);

// Checks the front: its checksum, and that the pieces fill what is left.
Status CheckSavedFront(const SavedHeader& header, const SavedLayout& layout,
                       std::span<const unsigned char> front, const char* name);

// The i-th piece that the front tells of.
SavedPiece PieceOf(const SavedLayout& layout,
                   std::span<const unsigned char> front, uint64_t i);

}  // namespace baleen
