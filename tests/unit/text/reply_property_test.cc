// Properties of random conversations: a turn of the model, read back with its
// tokens, leaves the session's tokens where they are in the next prompt; and
// whatever is fed to a reply, in whatever parts, comes out the same.
#include <gtest/gtest.h>

#include <random>

#include "unit/text/chat_test_data.h"

namespace baleen {
namespace {

class RandomText {
 public:
  explicit RandomText(uint32_t seed) : random_(seed) {}

  size_t Below(size_t count) { return random_() % count; }

  // Text with all that could be mistaken for something.
  std::string Text(bool special) {
    static const char* const kOrdinary[] = {
        "Hello", " world", "\n", "\n\n", "<",  "</",
        ">",     "日本",   "é",  "😀",    "\"", "\\",
        "DSML",  "｜",     "{}", "a=1",  " ",  "tool_calls"};
    static const char* const kSpecial[] = {
        "｜DSML｜",
        "</think>",
        "<think>",
        "<｜User｜>",
        "<｜DSML｜invoke",
        "<｜DSML｜tool_calls>",
        "<｜DSML｜invoke name=\"f\">",
        "<｜DSML｜parameter name=\"x\" string=\"true\">",
        "<｜DSML｜parameter name=\"y\" string=\"false\">",
        "</｜DSML｜parameter>",
        "</｜DSML｜invoke>",
        "</｜DSML｜tool_calls>",
        "<｜end▁of▁sentence｜>",
        "<DSML｜tool_calls>",
        "name=\"x\"/>",
        "</｜DS",
        "\xE6\x97",
        "\xFF"};
    std::string text;
    for (size_t i = Below(8); i > 0; --i) {
      if (special && Below(3) == 0) {
        text += kSpecial[Below(std::size(kSpecial))];
      } else {
        text += kOrdinary[Below(std::size(kOrdinary))];
      }
    }
    return text;
  }

 private:
  std::mt19937 random_;
};

// A turn as a model writes it; values spelt with ordinary tokens.
std::vector<baleen_token> ModelTurn(const Tokenizer& tokenizer, bool thinks,
                                    bool calls, RandomText* random) {
  std::vector<TextPart> parts;
  std::deque<std::string> texts;
  const auto add = [&](std::string text, bool special) {
    texts.push_back(std::move(text));
    parts.push_back({texts.back(), special});
  };
  if (thinks) {
    add(random->Text(false), false);
    add("</think>", true);
  }
  add(random->Text(false), false);
  if (calls) {
    add("\n\n<｜DSML｜tool_calls>\n", true);
    for (size_t i = 1 + random->Below(3); i > 0; --i) {
      add("<｜DSML｜invoke name=\"f\">\n", true);
      if (random->Below(2) == 0) {
        add("<｜DSML｜parameter name=\"x\" string=\"true\">", true);
        add(random->Text(true), false);
        add("</｜DSML｜parameter>", true);
      }
      add("\n</｜DSML｜invoke>\n", true);
    }
    add("</｜DSML｜tool_calls>", true);
  }
  std::vector<baleen_token> tokens = EncodeParts(tokenizer, parts);
  if (random->Below(3) == 0) {
    // As no encoder would cut it: byte by byte.
    std::vector<baleen_token> bytes;
    for (const baleen_token token : tokens) {
      String text;
      tokenizer.Decode(token, false, &text);
      if (tokenizer.IsAdded(token) || random->Below(2) == 0) {
        bytes.push_back(token);
        continue;
      }
      for (const char& byte : text) {
        const baleen_token single = tokenizer.Find({&byte, 1});
        bytes.push_back(single);
      }
    }
    tokens = bytes;
  }
  return tokens;
}

// The user speaks, or tools answer the calls of the last turn.
void Answer(const TestReply& last, RandomText* random, TestMessages* messages) {
  for (const TestJson& call : last.calls) {
    messages->Add({{"role", "tool"},
                   {"tool_call_id", call["id"]},
                   {"content", random->Text(true)}});
  }
  if (last.calls.empty() || random->Below(3) == 0) {
    messages->Add({{"role", "user"}, {"content", random->Text(true)}});
  }
}

TEST(ReplyProperty, NextPromptBeginsWithTheSession) {
  size_t turns = 0;
  for (uint32_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    RandomText random(seed);
    const Tokenizer& tokenizer =
        seed % 2 == 0 ? OfficialTokenizer() : PocketTokenizer();
    const baleen_token end = TurnTokens::Of(tokenizer).end;
    const bool thinks = random.Below(2) == 0;
    // Without tools, thinking is dropped once the user speaks, by design.
    const bool has_tools = random.Below(2) == 0;
    baleen_chat_options options = ChatOptions(
        thinks ? BALEEN_THINKING_HIGH : BALEEN_THINKING_OFF,
        thinks && !has_tools ? uint32_t{BALEEN_CHAT_KEEP_REASONING} : 0);
    options.encoder =
        random.Below(2) == 0 ? BALEEN_ENCODER_GA : BALEEN_ENCODER_PREVIEW;
    if (has_tools) {
      options.tools = R"([{"type":"function","function":{"name":"f"}}])";
    }
    TestMessages messages;
    if (random.Below(2) == 0) {
      messages.Add({{"role", "system"}, {"content", random.Text(true)}});
    }
    TestReply last;
    std::vector<baleen_token> session;
    for (size_t turn = 0; turn < 4; ++turn) {
      Answer(last, &random, &messages);
      const std::vector<baleen_token> prompt =
          EncodeMessages(tokenizer, messages, options);
      ASSERT_GE(prompt.size(), session.size());
      ASSERT_TRUE(std::equal(session.begin(), session.end(), prompt.begin()))
          << DecodeTokens(tokenizer, session) << "\n---\n"
          << DecodeTokens(tokenizer, prompt);
      // Nor is the end there twice.
      ASSERT_FALSE(session.size() < prompt.size() && !session.empty() &&
                   session.back() == end && prompt[session.size()] == end);
      session = prompt;
      // Some turns are cut, or end without the session having the end.
      std::vector<baleen_token> written = ModelTurn(
          tokenizer, thinks, has_tools && random.Below(2) == 0, &random);
      if (random.Below(4) == 0) {
        written.resize(random.Below(written.size() + 1));
      }
      if (random.Below(4) != 0) written.push_back(end);
      session.insert(session.end(), written.begin(), written.end());
      const Owned<Reply> reply =
          NewReply(tokenizer, options.thinking, 0, options.tools);
      ASSERT_TRUE(reply->AddTokens(written).ok());
      ASSERT_TRUE(reply->Finish().ok());
      baleen_message message;
      ASSERT_TRUE(reply->Message(&message).ok());
      messages.AddCopy(message);
      last = TestReply();
      ReadMessage(reply.get(), &last);
      ++turns;
    }
  }
  EXPECT_EQ(turns, 1600u);
}

// Garbage in all ways it may come.
TEST(ReplyProperty, FeedingMakesNoDifference) {
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    RandomText random(seed);
    std::string text;
    for (size_t i = random.Below(6); i > 0; --i) text += random.Text(true);
    // Text that ends inside a name may have been meant as the token; tokens say
    // what was meant.
    text += random.Below(2) == 0 ? "<x" : "<";
    const auto thinking =
        random.Below(2) == 0 ? BALEEN_THINKING_ON : BALEEN_THINKING_OFF;
    const uint32_t flags = static_cast<uint32_t>(random.Below(3));
    if (flags == 0) {
      const TestReply whole =
          ReadReply(PocketTokenizer(), text, Feeding::kWhole, thinking, flags);
      for (const TestJson& call : whole.calls) {
        EXPECT_TRUE(
            TestJson::accept(call["function"]["arguments"].get<std::string>()));
      }
    }
    ReadInAllWays(text, thinking, flags);
  }
}

// Taking parts at random, with tokens and text in turns.
TEST(ReplyProperty, MixedFeeding) {
  for (uint32_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    RandomText random(seed);
    std::string text;
    const Owned<Reply> reply = NewReply(PocketTokenizer(), BALEEN_THINKING_ON);
    std::vector<TestPiece> pieces;
    for (size_t i = random.Below(20); i > 0; --i) {
      const std::string part = random.Text(true);
      if (random.Below(2) == 0) {
        ASSERT_TRUE(reply->AddText(part).ok());
      } else {
        const auto tokens = EncodeText(PocketTokenizer(), part, true);
        ASSERT_TRUE(reply->AddTokens(tokens).ok());
      }
      if (random.Below(2) == 0) TakePieces(reply.get(), &pieces);
    }
    ASSERT_TRUE(reply->Finish().ok());
    TakePieces(reply.get(), &pieces);
    TestReply result;
    ReadMessage(reply.get(), &result);
    std::string answer;
    for (const TestPiece& piece : pieces) {
      if (piece.channel == BALEEN_CHANNEL_ANSWER) answer += piece.text;
    }
    EXPECT_EQ(answer, result.content);
  }
}

}  // namespace
}  // namespace baleen
