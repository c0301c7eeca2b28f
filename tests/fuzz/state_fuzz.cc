// A saved session, as it is and with its checksums mended.
//
// A fuzzer does not guess checksums, so the second way is what reaches the code
// behind them.  Whatever the bytes hold, a session that took them must go on, and
// one that refused them must be as before.
#include <baleen/baleen.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <span>
#include <vector>

#include "base/checksum.h"
#include "format/saved_session.h"

namespace {

using Bytes = std::vector<unsigned char>;

constexpr uint64_t kCapacity = 4096;
// More would be spent on floats that mean nothing to the reader.
constexpr uint64_t kMostBytes = uint64_t{1} << 20;
constexpr baleen_token kOldTokens[] = {0, 300, 301};

void Check(bool right) {
  if (!right) std::abort();
}

baleen_model* PocketModel() {
  static baleen_model* const model = [] {
    baleen_context* context = nullptr;
    baleen_model* made = nullptr;
    Check(baleen_context_create(nullptr, &context, nullptr) == BALEEN_OK);
    Check(baleen_model_load(context, BALEEN_TEST_DATA "/pocket", nullptr, &made,
                            nullptr) == BALEEN_OK);
    baleen_context_release(context);
    return made;
  }();
  return model;
}

baleen_session* NewSession() {
  baleen_session_options options = {};
  options.struct_size = sizeof options;
  options.capacity = kCapacity;
  options.seed = 1;
  baleen_session* session = nullptr;
  Check(baleen_session_create(PocketModel(), &options, &session, nullptr) ==
        BALEEN_OK);
  return session;
}

Bytes Save(baleen_session* session) {
  size_t size = 0;
  baleen_session_save(session, nullptr, nullptr, 0, &size, nullptr);
  Bytes bytes(size);
  Check(baleen_session_save(session, nullptr, bytes.data(), bytes.size(), &size,
                            nullptr) == BALEEN_OK);
  return bytes;
}

// Which model saved it; a seed may be older than the fingerprint's definition.
uint64_t Fingerprint() {
  static const uint64_t fingerprint = [] {
    baleen_session* session = NewSession();
    const Bytes bytes = Save(session);
    baleen_session_release(session);
    baleen::SavedHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    return header.fingerprint;
  }();
  return fingerprint;
}

// Makes the size of the whole, checksums and fingerprint those of a saved
// session; the counts and the sizes of pieces stay as they are.  False where
// that would take too many bytes.
bool Mend(Bytes* bytes) {
  baleen::SavedHeader header;
  if (bytes->size() < sizeof header) return false;
  std::memcpy(&header, bytes->data(), sizeof header);
  header.pieces_size = 0;
  baleen::SavedLayout layout;
  if (!baleen::LayOut(header, &layout) || layout.pieces > kMostBytes) {
    return false;
  }
  bytes->resize(std::max<uint64_t>(bytes->size(), layout.pieces));
  const uint64_t count = header.page_count + header.window_count;
  const auto front = [&] {
    return std::span<const unsigned char>(*bytes).subspan(
        sizeof header, layout.pieces - sizeof header);
  };
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t size = baleen::PieceOf(layout, front(), i).size;
    if (size > kMostBytes - header.pieces_size) return false;
    header.pieces_size += size;
  }
  bytes->resize(layout.pieces + header.pieces_size);
  uint64_t offset = layout.pieces;
  for (uint64_t i = 0; i < count; ++i) {
    baleen::SavedPiece piece = baleen::PieceOf(layout, front(), i);
    piece.checksum = baleen::ChecksumOf(bytes->data() + offset, piece.size);
    offset += piece.size;
    std::memcpy(bytes->data() + layout.table + i * sizeof piece, &piece,
                sizeof piece);
  }
  header.fingerprint = Fingerprint();
  baleen::SealHeader(front(), &header);
  std::memcpy(bytes->data(), &header, sizeof header);
  return true;
}

void CheckRefused(baleen_session* session) {
  size_t count = 0;
  const baleen_token* tokens = baleen_session_tokens(session, &count);
  Check(count == std::size(kOldTokens) &&
        std::memcmp(tokens, kOldTokens, sizeof kOldTokens) == 0);
}

// The logits are floats of whatever value.
void ChooseFromLogits(baleen_session* session) {
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.top_p = 0.9f;
  sampling.top_k = 50;
  baleen_token token = 0;
  baleen_session_sample(session, &sampling, &token, nullptr);
  baleen_token_score scores[4];
  size_t count = 0;
  baleen_session_top_tokens(session, scores, std::size(scores), &count,
                            nullptr);
}

void CheckTaken(baleen_session* session) {
  size_t count = 0;
  baleen_session_tokens(session, &count);
  ChooseFromLogits(session);
  const baleen_token next = 302;
  Check(baleen_session_append(session, &next, 1, nullptr) == BALEEN_OK ||
        count == kCapacity);
  Check(baleen_session_truncate(session, count / 2, nullptr) == BALEEN_OK);
  Check(!Save(session).empty());
}

void Load(baleen_session* session, const Bytes& bytes) {
  baleen_error error;
  error.message[0] = '\0';
  const baleen_status status =
      baleen_session_load(session, bytes.data(), bytes.size(), &error);
  if (status == BALEEN_OK) {
    CheckTaken(session);
  } else {
    Check(error.message[0] != '\0');
    CheckRefused(session);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Forked for each input, which is cheaper than reading its tokens again.
  static baleen_session* const prepared = [] {
    baleen_session* session = NewSession();
    Check(baleen_session_append(session, kOldTokens, std::size(kOldTokens),
                                nullptr) == BALEEN_OK);
    return session;
  }();
  Bytes bytes(data, data + size);
  for (int mended = 0; mended < 2; ++mended) {
    if (mended == 1 && !Mend(&bytes)) break;
    baleen_session* session = nullptr;
    Check(baleen_session_fork(prepared, &session, nullptr) == BALEEN_OK);
    Load(session, bytes);
    baleen_session_release(session);
  }
  return 0;
}
