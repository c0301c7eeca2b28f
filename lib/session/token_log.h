// The write-ahead log of a session's tokens (docs/sessions.md): what a host that
// crashed needs to go on with the same tokens and the same random numbers.
//
//   header   LogHeader, 56 bytes
//   records  LogRecord, tokens i32 [count], and XXH64 of the checksum before it
//            (that of the header for the first), the record and its tokens
//
// A record says how many of the tokens so far are kept and which come after them.
// The first that is not complete or whose checksum is wrong ends the log: it was
// being written when the host ended.  A log is locked while a session writes it.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "base/status.h"

namespace baleen {

// Whose tokens they are.
struct LogOwner {
  uint64_t fingerprint = 0;  // Model::fingerprint
  baleen_mode mode = BALEEN_MODE_FAST;
  uint32_t vocabulary = 0;
  uint64_t capacity = 0;
};

class TokenLog {
 public:
  // Opens or makes the file.  With `resume`, *seed and *tokens become what it
  // holds, if it holds any; else it begins anew with *seed.
  static Result<Owned<TokenLog>> Open(const char* path, const LogOwner& owner,
                                      bool resume, uint64_t* seed,
                                      Vector<baleen_token>* tokens,
                                      Memory* memory);
  // Use Open; public for MakeOwned.
  TokenLog(const char* path, int descriptor, Memory* memory);
  ~TokenLog();
  TokenLog(const TokenLog&) = delete;
  TokenLog& operator=(const TokenLog&) = delete;

  // Tokens that the log holds.
  size_t size() const { return size_; }
  uint64_t seed() const { return seed_; }
  // The first `keep` tokens stay, and `added` follow.  The system has them when
  // this returns, and the disk within a second of writing more.  A failure leaves
  // the log as it was.  Takes no memory.
  Status Write(size_t keep, uint64_t seed, std::span<const baleen_token> added);

 private:
  using Clock = std::chrono::steady_clock;

  Status Begin(const LogOwner& owner, uint64_t seed);
  Status Resume(const LogOwner& owner, uint64_t file_size,
                Vector<baleen_token>* tokens);
  // False at the end of what is whole.
  bool ReadRecord(uint64_t file_size, Vector<baleen_token>* tokens);
  Status CannotWrite() const;

  int descriptor_;
  String path_;
  uint64_t offset_ = 0;  // Behind the last whole record.
  uint64_t checksum_ = 0;
  uint64_t seed_ = 0;
  size_t size_ = 0;
  Clock::time_point synced_;
};

}  // namespace baleen
