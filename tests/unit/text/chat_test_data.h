// Conversations of the test data as the library takes them, and replies read
// in different ways.
#pragma once

#include <baleen/baleen.h>
#include <gtest/gtest.h>

#include <deque>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/memory.h"
#include "text/chat.h"
#include "text/reply.h"
#include "unit/failing_memory.h"
#include "unit/text/tokenizer_test_data.h"

namespace baleen {

using TestJson = nlohmann::ordered_json;

inline TestJson ReadTestJson(const std::string& name) {
  return TestJson::parse(ReadTestFile(BALEEN_TEST_DATA "/" + name));
}

inline const Tokenizer& PocketTokenizer() {
  static HostMemory memory(nullptr);
  static const std::string text = PocketTokenizerText();
  static const Tokenizer tokenizer =
      *Tokenizer::Parse(text, "tokenizer.json", &memory);
  return tokenizer;
}

// Messages in OpenAI's form as a caller of baleen.h would pass them.
class TestMessages {
 public:
  void Add(const TestJson& json) {
    baleen_message message = {};
    message.role = Keep(json.value("role", ""));
    TestJson extra = TestJson::object();
    for (const auto& [key, value] : json.items()) {
      if (key == "content" && value.is_string()) {
        message.content_size = value.get_ref<const std::string&>().size();
        message.content = Keep(value.get<std::string>());
      } else if (key == "reasoning_content" && value.is_string()) {
        message.reasoning_size = value.get_ref<const std::string&>().size();
        message.reasoning = Keep(value.get<std::string>());
      } else if (key == "tool_calls") {
        message.tool_calls = Keep(value.dump());
      } else if (key == "tool_call_id") {
        message.tool_call_id = Keep(value.get<std::string>());
      } else if (key != "role" && key != "content_blocks" && !value.is_null()) {
        extra[key] = value;
      }
    }
    if (!extra.empty()) message.extra = Keep(extra.dump());
    messages_.push_back(message);
  }

  void AddAll(const TestJson& list) {
    for (const TestJson& json : list) Add(json);
  }

  // Adds a message that points into a reply, which it may outlive.
  void AddCopy(const baleen_message& message) {
    baleen_message copy = message;
    if (message.content != nullptr) {
      copy.content = Keep({message.content, message.content_size});
    }
    if (message.reasoning != nullptr) {
      copy.reasoning = Keep({message.reasoning, message.reasoning_size});
    }
    if (message.tool_calls != nullptr)
      copy.tool_calls = Keep(message.tool_calls);
    if (message.tokens != nullptr) {
      tokens_.emplace_back(message.tokens,
                           message.tokens + message.token_count);
      copy.tokens = tokens_.back().data();
    }
    messages_.push_back(copy);
  }

  std::span<const baleen_message> all() const { return messages_; }
  baleen_message& back() { return messages_.back(); }

 private:
  const char* Keep(std::string text) {
    texts_.push_back(std::move(text));
    return texts_.back().c_str();
  }

  std::deque<std::string> texts_;
  std::deque<std::vector<baleen_token>> tokens_;
  std::vector<baleen_message> messages_;
};

inline Memory* TestMemory() {
  static HostMemory memory(nullptr);
  return &memory;
}

// The prompt as text; "error: ..." if there is none.
inline std::string RenderText(const TestMessages& messages,
                              const baleen_chat_options& options) {
  Prompt prompt(TestMemory());
  const Status status = RenderChat({}, BALEEN_ENCODER_DEFAULT, messages.all(),
                                   options, TestMemory(), &prompt);
  if (!status.ok()) return std::string("error: ") + status.message();
  return std::string(prompt.text());
}

inline std::vector<baleen_token> EncodeMessages(
    const Tokenizer& tokenizer, const TestMessages& messages,
    const baleen_chat_options& options) {
  Vector<baleen_token> tokens(TestMemory());
  const Status status =
      EncodeChat(tokenizer, BALEEN_ENCODER_DEFAULT, messages.all(), options,
                 TestMemory(), &tokens);
  EXPECT_TRUE(status.ok()) << status.message();
  return {tokens.begin(), tokens.end()};
}

inline baleen_chat_options ChatOptions(baleen_thinking thinking,
                                       uint32_t flags = 0) {
  baleen_chat_options options = {};
  options.struct_size = sizeof(options);
  options.thinking = thinking;
  options.flags = flags;
  return options;
}

// What a reply says, pieces joined by what they belong to.
struct TestPiece {
  baleen_channel channel = 0;
  uint32_t call = 0;
  std::string id;
  std::string tool;
  std::string text;
  bool operator==(const TestPiece&) const = default;
};

struct TestReply {
  Status status;
  std::vector<TestPiece> pieces;
  std::string role;
  std::string content;
  std::string reasoning;
  bool has_reasoning = false;
  TestJson calls = TestJson::array();
  std::string calls_text;
  std::vector<baleen_token> tokens;
  bool ended = false;
  bool called_tools = false;
};

enum class Feeding { kWhole, kBytes, kTokens };

inline void TakePieces(Reply* reply, std::vector<TestPiece>* pieces) {
  baleen_piece piece;
  while (reply->Next(&piece)) {
    EXPECT_EQ(piece.struct_size, sizeof(piece));
    EXPECT_GT(piece.text_size, 0u);
    TestPiece next;
    next.channel = piece.channel;
    next.call = piece.call_index;
    next.id = piece.call_id == nullptr ? "" : piece.call_id;
    next.tool = piece.tool == nullptr ? "" : piece.tool;
    next.text.assign(piece.text, piece.text_size);
    // Whole characters only: nlohmann throws at anything else.
    EXPECT_NO_THROW(TestJson(next.text).dump()) << next.text;
    if (!pieces->empty() && pieces->back().channel == next.channel &&
        pieces->back().call == next.call) {
      EXPECT_EQ(pieces->back().id, next.id);
      EXPECT_EQ(pieces->back().tool, next.tool);
      pieces->back().text += next.text;
    } else {
      pieces->push_back(next);
    }
  }
}

inline Owned<Reply> NewReply(const Tokenizer& tokenizer,
                             baleen_thinking thinking, uint32_t flags = 0,
                             const char* tools = nullptr,
                             Memory* memory = TestMemory()) {
  baleen_reply_options options = {};
  options.struct_size = sizeof(options);
  options.flags = flags;
  options.thinking = thinking;
  options.tools = tools;
  Result<Owned<Reply>> reply = Reply::Create(&tokenizer, options, memory);
  EXPECT_TRUE(reply.ok()) << reply.status().message();
  return *std::move(reply);
}

inline void ReadMessage(Reply* reply, TestReply* result) {
  baleen_message message;
  ASSERT_TRUE(reply->Message(&message).ok());
  result->role = message.role;
  result->content.assign(message.content, message.content_size);
  result->has_reasoning = message.reasoning != nullptr;
  if (result->has_reasoning) {
    result->reasoning.assign(message.reasoning, message.reasoning_size);
  }
  if (message.tool_calls != nullptr) {
    result->calls_text = message.tool_calls;
    result->calls = TestJson::parse(message.tool_calls);
  }
  if (message.tokens != nullptr) {
    result->tokens.assign(message.tokens, message.tokens + message.token_count);
  }
  result->ended = reply->ended();
  result->called_tools = reply->called_tools();
}

// Reads a turn in one of the ways it may come.
inline TestReply ReadReply(const Tokenizer& tokenizer, const std::string& text,
                           Feeding feeding, baleen_thinking thinking,
                           uint32_t flags = 0, const char* tools = nullptr) {
  TestReply result;
  const Owned<Reply> reply = NewReply(tokenizer, thinking, flags, tools);
  const auto note = [&](const Status& status) {
    if (result.status.ok()) result.status = status;
    TakePieces(reply.get(), &result.pieces);
  };
  if (feeding == Feeding::kWhole) {
    note(reply->AddText(text));
  } else if (feeding == Feeding::kBytes) {
    for (const char& c : text) note(reply->AddText({&c, 1}));
  } else {
    for (const baleen_token token : EncodeText(tokenizer, text, true)) {
      note(reply->AddTokens({&token, 1}));
    }
  }
  note(reply->Finish());
  ReadMessage(reply.get(), &result);
  return result;
}

// Reads a turn in every way, with both tokenizers, and expects the same of all.
inline TestReply ReadInAllWays(const std::string& text,
                               baleen_thinking thinking, uint32_t flags = 0,
                               const char* tools = nullptr) {
  const TestReply first = ReadReply(OfficialTokenizer(), text, Feeding::kWhole,
                                    thinking, flags, tools);
  for (const Tokenizer* tokenizer :
       {&OfficialTokenizer(), &PocketTokenizer()}) {
    for (const Feeding feeding :
         {Feeding::kWhole, Feeding::kBytes, Feeding::kTokens}) {
      const TestReply other =
          ReadReply(*tokenizer, text, feeding, thinking, flags, tools);
      EXPECT_EQ(other.status.code(), first.status.code());
      EXPECT_EQ(other.content, first.content);
      EXPECT_EQ(other.reasoning, first.reasoning);
      EXPECT_EQ(other.calls_text, first.calls_text);
      EXPECT_EQ(other.ended, first.ended);
      EXPECT_EQ(other.called_tools, first.called_tools);
      // What a strict reply says before it refuses depends on how it came.
      if (first.status.ok()) {
        EXPECT_TRUE(other.pieces == first.pieces)
            << "fed in way " << static_cast<int>(feeding);
      }
      if (feeding == Feeding::kTokens) {
        EXPECT_EQ(other.tokens, EncodeText(*tokenizer, text, true));
      }
    }
  }
  return first;
}

}  // namespace baleen
