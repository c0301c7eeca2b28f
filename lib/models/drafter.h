// Models that guess further tokens, for speculation: the V3-style MTP block and
// the DSpark drafter, as the model itself sees them.  Guesses never change what
// a session's tokens are, only how soon they come.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include <baleen/backend.h>

#include "base/status.h"
#include "models/model.h"

namespace baleen {

// Rows for the MTP block.  Row i pairs the residual streams of position
// `position` + i with the token that follows there; its logits are of the token
// after that.
struct MtpRows {
  SessionState* state = nullptr;
  int64_t position = 0;
  std::span<const baleen_token> next_tokens;
  // bf16 [next_tokens.size(), M, D]: of the last layer, or of the block itself
  // for a guess behind a guess.
  const uint16_t* streams = nullptr;
  int64_t output_count = 0;  // How many of the last rows' logits are wanted.
  // What they cost is added there; or NULL.
  baleen_session_counters* counters = nullptr;
};

// A DSpark block.
struct BlockDraft {
  std::span<baleen_token> tokens;  // [block_size]
  std::span<float> confidence;     // [block_size], before the sigmoid
  std::span<float> logits;         // [block_size, V], or empty
  // What it costs is added there; or NULL.
  baleen_session_counters* counters = nullptr;
};

class DraftModel {
 public:
  // Rows of residual streams that the last Step of the model left, in its
  // order: bf16 [count, M, D].  Valid until the next call that computes.
  virtual Status ReadStreams(int64_t first, int64_t count,
                             uint16_t* streams) = 0;

  // MTP.  The block's own window is filled by the rows that are given, so it
  // should see every position of the last 128.  `logits` gets [output_count, V];
  // `streams`, unless NULL, the block's output streams of all rows.
  virtual Status DraftMtp(baleen_mode mode, const MtpRows& rows,
                          const std::atomic<bool>* cancel, float* logits,
                          uint16_t* streams) = 0;

  // DSpark: tokens that may follow `next`, which follows the state's last
  // position.  Context caches are filled by Step.  `rows` says how each is
  // drawn.
  virtual int64_t block_size() const = 0;
  virtual Status DraftBlock(baleen_mode mode, SessionState* state,
                            baleen_token next,
                            std::span<const baleen_sample_row> rows,
                            const std::atomic<bool>* cancel,
                            const BlockDraft& draft) = 0;

 protected:
  ~DraftModel() = default;
};

}  // namespace baleen
