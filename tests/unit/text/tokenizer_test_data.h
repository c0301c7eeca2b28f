// Test data of the tokenizer, and plain second implementations to compare with.
#pragma once

#include <baleen/baleen.h>

#include <climits>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/memory.h"
#include "text/tokenizer.h"

namespace baleen {

inline std::string ReadTestFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Of the official tokenizer and its vectors, unpacked by the build.
inline std::string OfficialFile(const std::string& name) {
  return ReadTestFile(BALEEN_TEST_DATA_BUILT "/tokenizer/" + name);
}

inline const std::string& OfficialTokenizerText() {
  static const std::string text = OfficialFile("tokenizer.json");
  return text;
}

inline std::string PocketTokenizerText() {
  return ReadTestFile(BALEEN_TEST_DATA "/pocket/tokenizer.json");
}

inline const Tokenizer& OfficialTokenizer() {
  static HostMemory memory(nullptr);
  static const Tokenizer tokenizer =
      *Tokenizer::Parse(OfficialTokenizerText(), "tokenizer.json", &memory);
  return tokenizer;
}

inline std::vector<baleen_token> EncodeParts(
    const Tokenizer& tokenizer, const std::vector<TextPart>& parts) {
  Vector<baleen_token> tokens;
  tokenizer.Encode(parts, &tokens);
  return {tokens.begin(), tokens.end()};
}

inline std::vector<baleen_token> EncodeText(const Tokenizer& tokenizer,
                                            std::string_view text,
                                            bool special = false) {
  return EncodeParts(tokenizer, {{text, special}});
}

template <typename Tokens>
std::string DecodeTokens(const Tokenizer& tokenizer, const Tokens& tokens,
                         bool special = true) {
  String text;
  for (const baleen_token token : tokens) {
    tokenizer.Decode(token, special, &text);
  }
  return std::string(text);
}

// Merging as the definition says it (text.md §3.2): again and again the
// leftmost pair of the lowest rank.
class PlainBpe {
 public:
  void AddMerge(baleen_token left, baleen_token right, baleen_token merged) {
    merges_[{left, right}] = {count_++, merged};
  }

  std::vector<baleen_token> Merge(std::vector<baleen_token> symbols) const {
    for (;;) {
      std::pair<int, baleen_token> best = {INT_MAX, -1};
      size_t place = 0;
      for (size_t i = 0; i + 1 < symbols.size(); ++i) {
        const auto found = merges_.find({symbols[i], symbols[i + 1]});
        if (found == merges_.end() || found->second.first >= best.first) {
          continue;
        }
        best = found->second;
        place = i;
      }
      if (best.second < 0) return symbols;
      symbols[place] = best.second;
      symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(place) + 1);
    }
  }

 private:
  std::map<std::pair<baleen_token, baleen_token>, std::pair<int, baleen_token>>
      merges_;
  int count_ = 0;
};

}  // namespace baleen
