// A session's tokens, logits and state, written to a SavedOutput and read back.
#pragma once

#include <cstdint>
#include <span>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "base/status.h"
#include "format/saved_session.h"
#include "models/model.h"
#include "session/saved_stream.h"

namespace baleen {

// What is saved.
struct SavedParts {
  const Model* model = nullptr;
  baleen_mode mode = BALEEN_MODE_FAST;
  uint64_t seed = 0;
  std::span<const baleen_token> tokens;
  std::span<const float> logits;  // Of the whole vocabulary, or none.
  SessionState* state = nullptr;
};

// Writes a session with the windows of its state that are named, ascending.
class SavedWriter {
 public:
  SavedWriter(const SavedParts& parts, std::span<const int64_t> windows,
              Memory* memory);

  uint64_t total_size() const { return layout_.total; }
  Status Write(SavedOutput* output);

 private:
  Status WritePiece(uint64_t index, const SavedPiece& piece,
                    SavedOutput* output);
  SavedPiece* pieces() {
    return reinterpret_cast<SavedPiece*>(front_.data() + layout_.table -
                                         sizeof(SavedHeader));
  }

  SavedParts parts_;
  SavedHeader header_ = {};
  SavedLayout layout_;
  Vector<unsigned char> front_;
};

// Which sessions may take what is read.
struct SavedTaker {
  Model* model = nullptr;
  baleen_mode mode = BALEEN_MODE_FAST;
  uint64_t capacity = 0;
};

class SavedReader {
 public:
  // `name` is what messages call it; `workers` read and check pages.
  SavedReader(const SavedInput* input, const char* name,
              const baleen_workers* workers, Memory* memory)
      : input_(input),
        name_(name),
        workers_(workers),
        memory_(memory),
        front_(memory) {}

  // Reads and checks all but the pieces.
  Status ReadFront(const SavedTaker& taker);
  const SavedHeader& header() const { return header_; }
  std::span<const baleen_token> tokens() const;
  std::span<const float> logits() const;

  // A state of the first `limit` positions, or as many as there are, that keeps
  // windows each `period`.  Rows from *replay_from on must be computed.  May be
  // called once.
  Result<StatePointer> ReadState(const SavedTaker& taker, int64_t limit,
                                 int64_t period, int64_t* replay_from);

 private:
  Status CheckTaker(const SavedTaker& taker) const;
  Status CheckPieces(const SessionState& state) const;
  SavedPiece PieceAt(uint64_t i) const { return PieceOf(layout_, front_, i); }
  // *bytes: those of the piece, which begins at `offset`, checked; in `room` or
  // where they lie already.  Allocates nothing.
  Status ReadPiece(const SavedPiece& piece, uint64_t offset,
                   unsigned char* room, const unsigned char** bytes) const;
  // The first `count`, into a state of `length` positions or more.
  Status ReadPages(uint64_t count, int64_t length, SessionState* state) const;
  // Those up to position `length` that serve it.
  Status ReadWindows(int64_t length, int64_t period, SessionState* state) const;

  const SavedInput* input_;
  const char* name_;
  const baleen_workers* workers_;
  Memory* memory_;
  SavedHeader header_ = {};
  SavedLayout layout_;
  Vector<unsigned char> front_;
};

}  // namespace baleen
