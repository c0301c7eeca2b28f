// Hostile text for the pocket model's tokenizer, and hostile tokenizer files:
// an input that begins with '{' is one.  Any bytes must come back from their
// tokens, however they are cut into parts.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"
#include "text/utf8_stream.h"

namespace {

using baleen::TextPart;
using baleen::Tokenizer;

// Cuts an input into parts: special ones and ordinary ones in turn.
constexpr char kCut = '\x1E';

void Check(bool holds) {
  if (!holds) std::abort();
}

std::string Decode(const Tokenizer& tokenizer,
                   const baleen::Vector<baleen_token>& tokens,
                   baleen::Memory* memory) {
  baleen::String text(memory);
  baleen::String streamed(memory);
  baleen::Utf8Stream stream;
  for (const baleen_token token : tokens) {
    Check(tokenizer.IsKnown(token));
    const size_t before = text.size();
    tokenizer.Decode(token, true, &text);
    Check(text.size() > before);
    stream.Write(std::string_view(text).substr(before), &streamed);
  }
  stream.Finish(&streamed);
  // What is UTF-8 already, the stream leaves alone.
  baleen::String again(memory);
  baleen::Utf8Stream second;
  second.Write(streamed, &again);
  Check(second.held_size() == 0 && again == streamed);
  return std::string(text);
}

void CheckText(const Tokenizer& tokenizer, std::string_view input,
               baleen::Memory* memory) {
  std::vector<TextPart> parts;
  std::string joined;
  for (bool special = false;; special = !special) {
    const std::string_view part = input.substr(0, input.find(kCut));
    parts.push_back({part, special});
    joined += part;
    if (part.size() == input.size()) break;
    input.remove_prefix(part.size() + 1);
  }
  baleen::Vector<baleen_token> tokens(memory);
  tokenizer.Encode(parts, &tokens);
  Check(Decode(tokenizer, tokens, memory) == joined);
  // Ordinary text has no control tokens in it.
  tokens.clear();
  const TextPart ordinary = {joined, false};
  tokenizer.Encode({&ordinary, 1}, &tokens);
  for (const baleen_token token : tokens) Check(token > 2);
  Check(Decode(tokenizer, tokens, memory) == joined);
}

void CheckFile(std::string_view json, baleen::Memory* memory) {
  const auto tokenizer = Tokenizer::Parse(json, "tokenizer.json", memory);
  if (!tokenizer.ok()) {
    Check(tokenizer.status().message()[0] != '\0');
    return;
  }
  const std::string sample =
      "the whale, 1851\xFF <a><b>\n\n\xE4\xB8\xAD" + std::string(100, 'h');
  for (const bool special : {false, true}) {
    baleen::Vector<baleen_token> tokens(memory);
    const TextPart part = {sample, special};
    tokenizer->Encode({&part, 1}, &tokens);
    Check(Decode(*tokenizer, tokens, memory) == sample);
  }
}

const Tokenizer& PocketTokenizer() {
  static baleen::HostMemory memory(nullptr);
  static const Tokenizer tokenizer = [] {
    std::ifstream file(BALEEN_TEST_DATA "/pocket/tokenizer.json");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    auto parsed = Tokenizer::Parse(text, "tokenizer.json", &memory);
    Check(parsed.ok());
    return *std::move(parsed);
  }();
  return tokenizer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  baleen::HostMemory memory(nullptr);
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (!input.empty() && input[0] == '{') {
    CheckFile(input, &memory);
  } else {
    CheckText(PocketTokenizer(), input, &memory);
  }
  return 0;
}
