// A conversation, whatever its messages hold.  One line is one member of a
// message: a letter says which, the rest of the line is it.  "m" begins a
// message with its role; "o" are options.
#include <baleen/baleen.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/memory.h"
#include "text/chat.h"
#include "text/tokenizer.h"

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

struct Conversation {
  std::deque<std::string> texts;
  std::vector<std::vector<baleen_token>> tokens;
  std::vector<baleen_message> messages;
  baleen_chat_options options = {};

  void AddLine(std::string_view line) {
    texts.emplace_back(line.substr(1));
    const std::string& text = texts.back();
    if (line[0] == 'm') {
      messages.emplace_back();
      messages.back().role = text.c_str();
    } else if (line[0] == 'o' && text.size() >= 4) {
      options.flags = static_cast<uint32_t>(text[0] - '0');
      options.thinking = text[1] - '0';
      options.encoder = text[2] - '0';
      options.context_count = static_cast<size_t>(text[3] - '0');
    } else if (line[0] == 'T') {
      options.tools = text.c_str();
    } else if (line[0] == 'F') {
      options.response_format = text.c_str();
    } else if (!messages.empty()) {
      AddMember(line[0], text);
    }
  }

  void AddMember(char member, const std::string& text) {
    baleen_message& message = messages.back();
    switch (member) {
      case 'c':
        message.content = text.data();
        message.content_size = text.size();
        break;
      case 'r':
        message.reasoning = text.data();
        message.reasoning_size = text.size();
        break;
      case 't':
        message.tool_calls = text.c_str();
        break;
      case 'i':
        message.tool_call_id = text.c_str();
        break;
      case 'e':
        message.extra = text.c_str();
        break;
      case 'k': {
        std::vector<baleen_token> list;
        for (const char c : text) {
          list.push_back(static_cast<unsigned char>(c) * 8 - 4);
        }
        tokens.push_back(std::move(list));
        message.tokens = tokens.back().data();
        message.token_count = tokens.back().size();
        break;
      }
      default:
        break;
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string all(data, data + size);
  Conversation conversation;
  conversation.options.struct_size = sizeof(conversation.options);
  for (size_t at = 0; at < all.size();) {
    const size_t end = std::min(all.find('\n', at), all.size());
    if (end > at) {
      conversation.AddLine(std::string_view(all).substr(at, end - at));
    }
    at = end + 1;
  }
  Vector<baleen_token> tokens(FuzzMemory());
  const Status status =
      EncodeChat(FuzzTokenizer(), BALEEN_ENCODER_DEFAULT, conversation.messages,
                 conversation.options, FuzzMemory(), &tokens);
  if (!status.ok() && (status.message()[0] == '\0' || !tokens.empty())) {
    std::abort();
  }
  for (const baleen_token token : tokens) {
    if (!FuzzTokenizer().IsKnown(token)) std::abort();
  }
  return 0;
}
