// A turn of a model, whatever it writes: the first byte chooses how it is read,
// the rest is the turn.  Fed whole and in parts it must say the same, in whole
// characters.
#include <baleen/baleen.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "base/memory.h"
#include "text/reply.h"
#include "text/tokenizer.h"
#include "text/utf8_stream.h"

namespace {

using namespace baleen;

HostMemory* FuzzMemory() {
  static HostMemory memory(nullptr);
  return &memory;
}

const Tokenizer& FuzzTokenizer() {
  static const std::string text = [] {
    std::ifstream file(BALEEN_TEST_DATA "/pocket/tokenizer.json",
                       std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }();
  static const Tokenizer tokenizer =
      *Tokenizer::Parse(text, "tokenizer.json", FuzzMemory());
  return tokenizer;
}

constexpr char kTools[] = R"([{"type":"function","function":{"name":"f",
    "parameters":{"properties":{"x":{"type":"integer"}}}}}])";

void Check(bool right) {
  if (!right) std::abort();
}

void TakePieces(Reply* reply, std::string* said) {
  baleen_piece piece;
  while (reply->Next(&piece)) {
    const std::string_view text(piece.text, piece.text_size);
    String repaired(FuzzMemory());
    Utf8Stream stream;
    stream.Write(text, &repaired);
    stream.Finish(&repaired);
    Check(repaired == text);
    said[piece.channel].append(text);
  }
}

// Reads the turn in parts of `step` bytes; returns whether it was right.
bool Read(std::string_view turn, size_t step,
          const baleen_reply_options& options, std::string* said,
          std::string* calls) {
  const Owned<Reply> reply =
      *Reply::Create(&FuzzTokenizer(), options, FuzzMemory());
  bool right = true;
  for (size_t i = 0; i < turn.size(); i += step) {
    right = reply->AddText(turn.substr(i, step)).ok() && right;
    TakePieces(reply.get(), said);
  }
  right = reply->Finish().ok() && right;
  TakePieces(reply.get(), said);
  baleen_message message;
  Check(reply->Message(&message).ok());
  Check(said[BALEEN_CHANNEL_ANSWER] ==
        std::string_view(message.content, message.content_size));
  Check((message.tool_calls != nullptr) == reply->called_tools());
  if (message.tool_calls != nullptr) *calls = message.tool_calls;
  return right;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string turn(data + 1, data + size);
  baleen_reply_options options = {};
  options.struct_size = sizeof(options);
  options.flags = (data[0] >> 1) % 3;
  options.thinking =
      data[0] % 2 == 0 ? BALEEN_THINKING_ON : BALEEN_THINKING_OFF;
  if (data[0] >= 128) options.tools = kTools;
  std::string whole[3];
  std::string parts[3];
  std::string whole_calls;
  std::string parts_calls;
  const bool right = Read(turn, turn.size() + 1, options, whole, &whole_calls);
  Check(Read(turn, 1 + data[0] % 5, options, parts, &parts_calls) == right);
  Check(whole_calls == parts_calls);
  for (int channel = 0; right && channel < 3; ++channel) {
    Check(whole[channel] == parts[channel]);
  }
  return 0;
}
