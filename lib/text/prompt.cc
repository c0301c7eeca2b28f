#include "text/prompt.h"

namespace baleen {

void Prompt::Add(std::string_view text, bool special) {
  if (text.empty()) return;
  const size_t begin = text_.size();
  text_.append(text);
  Part* last = parts_.empty() ? nullptr : &parts_.back();
  if (last != nullptr && last->tokens.empty() && last->special == special) {
    last->size += text.size();
  } else {
    parts_.push_back({begin, text.size(), special, {}});
  }
}

void Prompt::Tokens(std::span<const baleen_token> tokens) {
  if (!tokens.empty()) parts_.push_back({text_.size(), 0, false, tokens});
}

void Prompt::Encode(const Tokenizer& tokenizer, bool all_special,
                    Memory* memory, Vector<baleen_token>* tokens) const {
  Vector<TextPart> stretch(memory);
  for (size_t i = 0; i <= parts_.size(); ++i) {
    const bool is_text = i < parts_.size() && parts_[i].tokens.empty();
    if (is_text) {
      const Part& part = parts_[i];
      stretch.push_back({text(part), part.special || all_special});
      continue;
    }
    if (!stretch.empty()) tokenizer.Encode(stretch, tokens);
    stretch.clear();
    if (i == parts_.size()) break;
    const std::span<const baleen_token> known = parts_[i].tokens;
    tokens->insert(tokens->end(), known.begin(), known.end());
  }
}

}  // namespace baleen
