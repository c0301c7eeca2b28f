// Byte-level BPE as in the checkpoint's tokenizer.json (text.md §3).
//
// Immutable after Parse, so any thread may use it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "base/status.h"

namespace baleen {

// A stretch of a text to be tokenized as one.
struct TextPart {
  std::string_view text;
  // Added tokens ("</think>") that lie wholly in parts like this are read as
  // tokens; elsewhere their names are ordinary text.
  bool special = false;
};

class TokenizerData;

class Tokenizer {
 public:
  // `name` is what messages call the file.
  static Result<Tokenizer> Parse(std::string_view json, const char* name,
                                 Memory* memory);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Appends the tokens of the parts' joined text.
  void Encode(std::span<const TextPart> parts,
              Vector<baleen_token>* tokens) const;

  // Appends the bytes of a token; of an added token its name if `special`, else
  // nothing, whatever the file's flag: control text must not leak into what
  // people read.  REQUIRES: a known token.
  void Decode(baleen_token token, bool special, String* text) const;

  // The token with exactly this name (an added token's content, or the one
  // whose bytes these are), or -1.
  baleen_token Find(std::string_view name) const;

  // Ids are 0 .. size() - 1; not all of them need be known.
  int32_t size() const;
  bool IsKnown(baleen_token token) const;
  // True for added tokens: those with names rather than bytes.
  bool IsAdded(baleen_token token) const;
  // The file's flag "special" of an added token.  It is false of "<think>" and
  // other tags that only V4's templates write, so it says less than IsAdded.
  bool IsSpecial(baleen_token token) const;

 private:
  explicit Tokenizer(Owned<TokenizerData> data);
  Owned<TokenizerData> data_;
};

}  // namespace baleen
