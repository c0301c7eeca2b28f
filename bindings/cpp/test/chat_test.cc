// What every binding shows with the pocket model: conversations.
#include <gtest/gtest.h>

#include <optional>

#include "pocket.h"

namespace {

using baleen::Channel;
using baleen::Finish;
using baleen::Message;
using baleen::Piece;
using baleen::Status;
using baleen::Thinking;
using baleen::Token;

baleen::ChatOptions Off(std::string_view tools = {}) {
  baleen::ChatOptions options;
  options.thinking = Thinking::kOff;
  options.tools = tools;
  return options;
}

baleen::Reply NewReply(std::string_view tools = {}) {
  baleen::ReplyOptions options;
  options.thinking = Thinking::kOff;
  options.tools = tools;
  return PocketModel().NewReply(options);
}

TEST(ChatTest, TextBecomesTokensAndBack) {
  const baleen::Model& model = PocketModel();
  const std::string text("Call me Ishmael.\0 Größe 鯨", 29);
  EXPECT_EQ(model.Detokenize(model.Tokenize(text)), text);
  const Token end = model.FindToken("</think>");
  EXPECT_GE(end, 0);
  EXPECT_FALSE(model.IsEnd(end));
  EXPECT_TRUE(model.IsEnd(1));
  EXPECT_EQ(model.FindToken("</thinking>"), -1);
  EXPECT_EQ(model.TokenizeSpecial("</think>"), std::vector<Token>{end});
  EXPECT_EQ(model.DetokenizeSpecial({end}), "</think>");
  EXPECT_TRUE(model.Tokenize("").empty());
  EXPECT_EQ(model.Detokenize({}), "");
}

TEST(ChatTest, TurnsStreamAndKeepTheWork) {
  std::vector<Message> messages = {Message::User("Tell me about the whale.")};
  baleen::Session session = NewSession(5);
  for (int turn = 0; turn < 2; ++turn) {
    const size_t before = session.tokens().size();
    const auto prompt = PocketModel().EncodeChat(messages, Off());
    // The session still holds what the answer was written by; the last token
    // may have been chosen, but not read.
    EXPECT_GE(session.SetTokens(prompt) + 1, before);
    baleen::Reply reply = NewReply();
    std::string text;
    baleen::Generation generation;
    generation.max_tokens = 30;
    generation.reply = &reply;
    session.Generate(generation, [&](const Piece& piece) {
      EXPECT_EQ(piece.channel, Channel::kAnswer);
      text += piece.text;
    });
    reply.Finish();
    const Message message = reply.Message();
    EXPECT_EQ(message.role, "assistant");
    EXPECT_EQ(message.content, text);
    EXPECT_FALSE(text.empty() || message.tokens.empty());
    messages.push_back(message);
    messages.push_back(Message::User("And of the sea?"));
  }
  const baleen::SessionStats stats = session.Stats();
  EXPECT_EQ(stats.seed, 5u);
  EXPECT_GT(stats.generated_tokens, 0u);
  EXPECT_GT(stats.reused_tokens, 0u);
  EXPECT_GT(stats.generate_seconds, 0);
}

TEST(ChatTest, GenerationStopsForItsReasons) {
  baleen::Session session = NewSession(1);
  session.Append(Prompt(30));
  int pieces = 0;
  EXPECT_EQ(session.Generate({}, [&](const Piece&) { return ++pieces < 3; }),
            Finish::kCallback);
  EXPECT_EQ(pieces, 3);
  baleen::Generation generation;
  generation.max_tokens = 2;
  EXPECT_EQ(session.Generate(generation, [](const Piece&) {}), Finish::kLimit);
  generation = baleen::Generation();
  generation.sampling = Endless();
  generation.stops = {"never in the text", "e"};
  std::string text;
  EXPECT_EQ(session.Generate(generation,
                             [&](const Piece& piece) { text += piece.text; }),
            Finish::kStop);
  EXPECT_EQ(text.find('e'), std::string::npos) << text;
  generation.stops = {std::string("a\0b", 3)};
  EXPECT_EQ(
      StatusOf([&] { session.Generate(generation, [](const Piece&) {}); }),
      Status::kInvalidArgument);
}

constexpr const char* kTools = R"([{"type": "function", "function": {
    "name": "get_weather", "description": "The weather of a place.",
    "parameters": {"type": "object", "required": ["city"],
        "properties": {"city": {"type": "string"}}}}}])";

// What a larger model would answer.
constexpr const char* kCall =
    "I look.\n\n<｜DSML｜tool_calls>\n"
    "<｜DSML｜invoke name=\"get_weather\">\n"
    "<｜DSML｜parameter name=\"city\" "
    "string=\"true\">Paris</｜DSML｜parameter>\n"
    "</｜DSML｜invoke>\n</｜DSML｜tool_calls><｜end▁of▁sentence｜>";

// What a reply said, part by part.
struct Heard {
  std::string said;
  std::string arguments;
  std::string call_id;
  std::string tool;
};

Heard Hear(baleen::Reply* reply, std::string_view text) {
  Heard heard;
  for (const Token token : PocketModel().TokenizeSpecial(text)) {
    reply->Add({token});
    while (const std::optional<Piece> piece = reply->Next()) {
      if (piece->channel != Channel::kToolCall) {
        heard.said += piece->text;
        continue;
      }
      EXPECT_EQ(piece->call_index, 0u);
      heard.call_id = piece->call_id;
      heard.tool = piece->tool;
      heard.arguments += piece->text;
    }
  }
  reply->Finish();
  return heard;
}

TEST(ChatTest, ToolCallGoesRoundTrip) {
  const baleen::Model& model = PocketModel();
  std::vector<Message> messages = {
      Message::User("How is the weather in <Paris>?")};
  const auto asked = model.EncodeChat(messages, Off(kTools));
  const std::string prompt = model.DetokenizeSpecial(asked);
  EXPECT_NE(prompt.find(R"("name": "get_weather")"), std::string::npos);

  baleen::Reply reply = NewReply(kTools);
  const Heard heard = Hear(&reply, kCall);
  EXPECT_EQ(heard.said, "I look.");
  EXPECT_EQ(heard.tool, "get_weather");
  EXPECT_EQ(heard.arguments, R"({"city": "Paris"})");
  const Message message = reply.Message();
  EXPECT_EQ(message.content, "I look.");
  EXPECT_NE(message.tool_calls.find(heard.call_id), std::string::npos);
  EXPECT_NE(message.tool_calls.find("get_weather"), std::string::npos);

  // The tool's answer goes behind it, whether the call is given as tokens or as
  // text.
  messages.push_back(message);
  messages.push_back(Message::Tool(heard.call_id, "Rain."));
  const auto by_tokens = model.EncodeChat(messages, Off(kTools));
  messages[1].tokens.clear();
  EXPECT_EQ(by_tokens, model.EncodeChat(messages, Off(kTools)));
  ASSERT_GT(by_tokens.size(), asked.size());
  EXPECT_TRUE(std::equal(asked.begin(), asked.end(), by_tokens.begin()));
}

// The pocket model was never taught to call tools, so its choices are dictated.
TEST(ChatTest, GenerationEndsWithAToolCall) {
  const auto turn = PocketModel().TokenizeSpecial(kCall);
  baleen::Session session = NewSession(1);
  session.Append(
      PocketModel().EncodeChat({Message::User("Rain?")}, Off(kTools)));
  baleen::Reply reply = NewReply(kTools);
  baleen::Generation generation;
  generation.reply = &reply;
  size_t at = 0;
  generation.sampling.edit = [&](baleen::Span<float> logits) {
    for (float& logit : logits) logit = -1e9f;
    logits[static_cast<size_t>(turn[at++])] = 0;
  };
  std::string arguments;
  const Finish finish = session.Generate(generation, [&](const Piece& piece) {
    if (piece.channel == Channel::kToolCall) arguments += piece.text;
  });
  EXPECT_EQ(finish, Finish::kToolCall);
  EXPECT_EQ(arguments, R"({"city": "Paris"})");
}

TEST(ChatTest, BrokenReplyIsRefused) {
  baleen::ReplyOptions options;
  options.thinking = Thinking::kOff;
  options.strict = true;
  baleen::Reply reply = PocketModel().NewReply(options);
  reply.AddText("Hello.");
  EXPECT_EQ(StatusOf([&] { reply.Finish(); }), Status::kCorrupt);
}

}  // namespace
