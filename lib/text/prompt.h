// A conversation written out, before it is split into tokens.
//
// What the template says and what messages hold stay apart until then: a name
// of a special token in a user's message must not become that token (text.md
// §2.3).  Turns of the model whose tokens are known stand as those tokens.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "base/status.h"
#include "text/tokenizer.h"

namespace baleen {

class Prompt {
 public:
  explicit Prompt(Memory* memory) : text_(memory), parts_(memory) {}

  struct Part {
    size_t begin = 0;  // Of its text in that of the prompt.
    size_t size = 0;
    bool special = false;                  // As in TextPart.
    std::span<const baleen_token> tokens;  // Instead of text.
  };

  // Adds what the template says.
  void Template(std::string_view text) { Add(text, true); }
  // Adds what somebody else wrote.
  void Field(std::string_view text) { Add(text, false); }
  // Adds tokens, which must outlive the prompt.
  void Tokens(std::span<const baleen_token> tokens);

  const Vector<Part>& parts() const { return parts_; }
  std::string_view text() const { return text_; }
  std::string_view text(const Part& part) const {
    return text().substr(part.begin, part.size);
  }

  // Appends the prompt's tokens; with `all_special`, names of special tokens
  // are read as such in what others wrote too.
  void Encode(const Tokenizer& tokenizer, bool all_special, Memory* memory,
              Vector<baleen_token>* tokens) const;

 private:
  void Add(std::string_view text, bool special);

  String text_;
  Vector<Part> parts_;
};

}  // namespace baleen
