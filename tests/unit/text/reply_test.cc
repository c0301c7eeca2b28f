// Turns read back: strict, tolerant and streamed cases, whole, by byte and by
// token, with the same pieces each time.
#include "text/reply.h"

#include <gtest/gtest.h>

#include <cctype>
#include <set>

#include "unit/text/chat_test_data.h"

namespace baleen {
namespace {

baleen_thinking ThinkingOf(const TestJson& json) {
  return json.value("thinking_mode", "chat") == "thinking"
             ? BALEEN_THINKING_ON
             : BALEEN_THINKING_OFF;
}

TEST(StrictReply, AuthorsVectors) {
  int seen = 0;
  int errors = 0;
  const TestJson data = ReadTestJson("encoding/parse_cases_v4.json");
  for (const TestJson& json : data["cases"]) {
    SCOPED_TRACE(json["name"].get<std::string>());
    const TestReply reply =
        ReadInAllWays(json["text"], ThinkingOf(json), BALEEN_REPLY_STRICT);
    ++seen;
    if (json.contains("error")) {
      EXPECT_EQ(reply.status.code(), BALEEN_CORRUPT);
      ++errors;
      continue;
    }
    ASSERT_TRUE(reply.status.ok()) << reply.status.message();
    const TestJson& result = json["result"];
    EXPECT_EQ(reply.role, result["role"]);
    EXPECT_EQ(reply.content, result["content"]);
    EXPECT_EQ(reply.reasoning, result["reasoning_content"]);
    ASSERT_EQ(reply.calls.size(), result["tool_calls"].size());
    EXPECT_EQ(reply.called_tools, !reply.calls.empty());
    for (size_t i = 0; i < reply.calls.size(); ++i) {
      EXPECT_EQ(reply.calls[i]["type"], "function");
      // To the byte, the arguments too.
      EXPECT_EQ(reply.calls[i]["function"],
                result["tool_calls"][i]["function"]);
    }
  }
  EXPECT_EQ(seen, 48);
  EXPECT_EQ(errors, 27);
}

// The values of calls as they are streamed.
std::string ArgumentsOf(const TestReply& reply, uint32_t call) {
  std::string text;
  for (const TestPiece& piece : reply.pieces) {
    if (piece.channel == BALEEN_CHANNEL_TOOL_CALL && piece.call == call) {
      text += piece.text;
    }
  }
  return text;
}

std::string TextOf(const TestReply& reply, baleen_channel channel) {
  std::string text;
  for (const TestPiece& piece : reply.pieces) {
    if (piece.channel == channel) text += piece.text;
  }
  return text;
}

void ExpectPiecesMakeTheMessage(const TestReply& reply) {
  EXPECT_EQ(TextOf(reply, BALEEN_CHANNEL_ANSWER), reply.content);
  EXPECT_EQ(TextOf(reply, BALEEN_CHANNEL_THINKING), reply.reasoning);
  for (size_t i = 0; i < reply.calls.size(); ++i) {
    EXPECT_EQ(ArgumentsOf(reply, static_cast<uint32_t>(i)),
              reply.calls[i]["function"]["arguments"]);
  }
  for (const TestPiece& piece : reply.pieces) {
    if (piece.channel != BALEEN_CHANNEL_TOOL_CALL) continue;
    if (piece.call >= reply.calls.size()) continue;
    EXPECT_EQ(piece.id, reply.calls[piece.call]["id"]);
    EXPECT_EQ(piece.tool, reply.calls[piece.call]["function"]["name"]);
  }
}

std::string OfferedTools(const TestJson& schemas) {
  TestJson tools = TestJson::array();
  for (const auto& [name, schema] : schemas.items()) {
    TestJson tool = {{"type", "function"}};
    tool["function"] = {{"name", name}, {"parameters", schema}};
    tools.push_back(tool);
  }
  return tools.dump();
}

TEST(TolerantReply, CollectedVectors) {
  const TestJson data =
      ReadTestJson("encoding/tool_parser_tolerant_cases.json");
  const std::string tools = OfferedTools(data["tools"]);
  int seen = 0;
  for (const TestJson& json : data["cases"]) {
    SCOPED_TRACE(json["name"].get<std::string>());
    ++seen;
    std::string text = json.value("text", "");
    if (json.contains("chunks")) {
      for (const std::string chunk : json["chunks"]) text += chunk;
    }
    if (json.value("expect_error", false)) {
      // What a strict parser refuses.  Values that are no JSON go through the
      // authors' own (text.md §2.1 3d), which leaves that to the caller.
      const TestReply strict =
          ReadInAllWays("\n\n" + text + "<｜end▁of▁sentence｜>",
                        BALEEN_THINKING_OFF, BALEEN_REPLY_STRICT);
      if (text.find(">ten<") == std::string::npos) {
        EXPECT_EQ(strict.status.code(), BALEEN_CORRUPT);
      } else {
        ASSERT_TRUE(strict.status.ok());
        EXPECT_FALSE(TestJson::accept(
            strict.calls[0]["function"]["arguments"].get<std::string>()));
      }
      // Mended, its arguments are JSON at least.
      const TestReply mended =
          ReadInAllWays(text, BALEEN_THINKING_OFF, 0, tools.c_str());
      ASSERT_EQ(mended.calls.size(), 1u);
      EXPECT_TRUE(TestJson::accept(
          mended.calls[0]["function"]["arguments"].get<std::string>()));
      continue;
    }
    const TestReply reply =
        ReadInAllWays(text, ThinkingOf(json), 0, tools.c_str());
    EXPECT_TRUE(reply.status.ok());
    ExpectPiecesMakeTheMessage(reply);
    const TestJson& calls = json["expected_calls"];
    ASSERT_EQ(reply.calls.size(), calls.size());
    for (size_t i = 0; i < calls.size(); ++i) {
      const TestJson& function = reply.calls[i]["function"];
      EXPECT_EQ(function["name"], calls[i]["name"]);
      EXPECT_EQ(TestJson::parse(function["arguments"].get<std::string>()),
                calls[i]["arguments"]);
    }
    if (json["expected_text"].is_string()) {
      EXPECT_EQ(reply.content, json["expected_text"]);
    } else {
      EXPECT_EQ(reply.content, json["name"] == "sglang_indented_xml"
                                   ? "I'll help you.\n\n\n        "
                               : json["name"] == "sglang_two_sections"
                                   ? ""
                                   : "Checking.\n");
    }
    EXPECT_EQ(reply.reasoning, json.value("expected_reasoning", ""));
  }
  EXPECT_EQ(seen, 21);
}

// vLLM's splitter only tells thinking from the rest; where it goes on with a
// block, ours reads a call, which shows once the block is completed.
TEST(TolerantReply, StreamingVectors) {
  const std::string block =
      "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"w\">\n</｜DSML｜invoke>\n"
      "</｜DSML｜tool_calls>";
  const TestJson data = ReadTestJson("encoding/reasoning_stream_cases.json");
  int seen = 0;
  for (const TestJson& json : data["cases"]) {
    SCOPED_TRACE(json["name"].get<std::string>());
    ++seen;
    const Owned<Reply> reply =
        NewReply(OfficialTokenizer(), BALEEN_THINKING_ON);
    std::string all;
    std::string content;
    std::string reasoning;
    for (size_t i = 0; i < json["deltas"].size(); ++i) {
      const std::string delta = json["deltas"][i];
      all += delta;
      ASSERT_TRUE(reply->AddText(delta).ok());
      TestReply said;
      TakePieces(reply.get(), &said.pieces);
      const TestJson& expected = json["expected"][i];
      const std::string thought =
          expected.is_null() ? "" : expected.value("reasoning", "");
      const std::string rest =
          expected.is_null() ? "" : expected.value("content", "");
      // As soon as theirs, no later and no earlier.
      EXPECT_EQ(TextOf(said, BALEEN_CHANNEL_THINKING), thought) << i;
      reasoning += thought;
      content += rest;
      if (content.find("<｜DSML｜") == std::string::npos) {
        EXPECT_EQ(TextOf(said, BALEEN_CHANNEL_ANSWER), rest) << i;
      }
    }
    bool calls = block.starts_with(content) && !content.empty();
    if (calls) {
      all += block.substr(content.size());
    } else if (content.starts_with("<｜DSML｜")) {
      // In the middle of an invoke tag: any tool will do.
      all += content.ends_with("\"") ? ">\n" : " name=\"w\">\n";
      all += "</｜DSML｜invoke>\n</｜DSML｜tool_calls>";
      calls = true;
    }
    const TestReply whole = ReadInAllWays(all, BALEEN_THINKING_ON);
    EXPECT_EQ(whole.reasoning, reasoning);
    EXPECT_EQ(whole.calls.size(), calls ? 1u : 0u);
    EXPECT_EQ(whole.content, calls ? "" : content);
  }
  EXPECT_EQ(seen, 11);
}

constexpr char kCall[] =
    "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter "
    "name=\"x\" string=\"true\">1</｜DSML｜parameter>\n</｜DSML｜invoke>\n"
    "</｜DSML｜tool_calls>";

TEST(TolerantReply, ImplicitEndCanBeSwitchedOff) {
  const std::string text = std::string("R\n\n") + kCall + "</think>A";
  const TestReply ended = ReadInAllWays(text, BALEEN_THINKING_ON);
  EXPECT_EQ(ended.reasoning, "R");
  EXPECT_EQ(ended.calls.size(), 1u);
  EXPECT_EQ(ended.content, "A");
  const TestReply kept =
      ReadInAllWays(text, BALEEN_THINKING_ON, BALEEN_REPLY_NO_IMPLICIT_END);
  EXPECT_EQ(kept.reasoning, std::string("R\n\n") + kCall);
  EXPECT_TRUE(kept.calls.empty());
  EXPECT_EQ(kept.content, "A");
}

struct Mended {
  const char* what;
  const char* text;  // Of the block.
  const char* name;  // NULL: no call.
  const char* arguments;
  const char* content = "";
};

TEST(TolerantReply, Mends) {
  const char* const tools = R"([{"type":"function","function":{"name":"f",
      "parameters":{"properties":{
        "s":{"type":"string"},"n":{"type":"integer"},
        "b":{"type":"boolean"},"z":{"type":["null","integer"]},
        "u":{"anyOf":[{"type":"number"},{"type":"boolean"}]}}}}}])";
#define BLOCK(inside) "<｜DSML｜tool_calls>" inside "</｜DSML｜tool_calls>"
#define INVOKE(inside) \
  BLOCK("<｜DSML｜invoke name=\"f\">" inside "</｜DSML｜invoke>")
#define PARAMETER(head, value) \
  INVOKE("<｜DSML｜parameter " head ">" value "</｜DSML｜parameter>")
  const Mended cases[] = {
      {"no line feeds at all", PARAMETER("name=\"s\" string=\"true\"", " a "),
       "f", R"({"s": " a "})"},
      {"no parameters", INVOKE(""), "f", "{}"},
      {"spaces in tags",
       "<｜DSML｜tool_calls >\n<｜DSML｜invoke  name = \"f\" >\n"
       "<｜DSML｜parameter\nname=\"s\"  string=\"true\" >v</｜DSML｜parameter >"
       "</｜DSML｜invoke\n></｜DSML｜tool_calls\t>",
       "f", R"({"s": "v"})"},
      {"first bar missing",
       "<DSML｜tool_calls>\n<DSML｜invoke name=\"f\">\n<DSML｜parameter "
       "name=\"s\" string=\"true\">v</DSML｜parameter>\n</DSML｜invoke>\n"
       "</DSML｜tool_calls>",
       "f", R"({"s": "v"})"},
      {"no JSON for a string", PARAMETER("name=\"s\" string=\"false\"", "a b"),
       "f", R"({"s": "a b"})"},
      {"a number as JSON has none",
       PARAMETER("name=\"n\" string=\"false\"", " +5 "), "f", R"({"n": 5})"},
      {"a fraction as JSON has none",
       PARAMETER("name=\"u\" string=\"false\"", ".5"), "f", R"({"u": 0.5})"},
      {"no number", PARAMETER("name=\"n\" string=\"false\"", "ten"), "f",
       R"({"n": "ten"})"},
      {"a truth of Python", PARAMETER("name=\"b\" string=\"false\"", "True"),
       "f", R"({"b": true})"},
      {"None", PARAMETER("name=\"z\" string=\"false\"", "None"), "f",
       R"({"z": null})"},
      {"True for a string", PARAMETER("name=\"s\" string=\"false\"", "True"),
       "f", R"({"s": "True"})"},
      {"a JSON value as it stands",
       PARAMETER("name=\"u\" string=\"false\"", "\n1.50\n"), "f",
       R"({"u": 1.50})"},
      {"value in the mark", PARAMETER("name=\"s\" string=\"Paris\"", ""), "f",
       R"({"s": "Paris"})"},
      {"value in the mark, closed",
       INVOKE("<｜DSML｜parameter name=\"n\" string=\"7\"/>"), "f",
       R"({"n": 7})"},
      {"a mark that is none", PARAMETER("name=\"s\" string=\"yes\"", "5"), "f",
       R"({"s": "5"})"},
      {"no mark, by type", PARAMETER("name=\"s\"", "5"), "f", R"({"s": "5"})"},
      {"no mark, other type", PARAMETER("name=\"n\"", "5"), "f", R"({"n": 5})"},
      {"no mark, unknown", PARAMETER("name=\"q\"", "x y"), "f",
       R"({"q": "x y"})"},
      {"a name with a quote", PARAMETER("name=\"a\"b\" string=\"true\"", "1"),
       "f", R"({"a\"b": "1"})"},
      {"twice",
       INVOKE("<｜DSML｜parameter name=\"s\" string=\"true\">1"
              "</｜DSML｜parameter><｜DSML｜parameter name=\"s\" "
              "string=\"true\">2</｜DSML｜parameter>"),
       "f", R"({"s": "1"})"},
      {"body no object", INVOKE("{1}"), nullptr, ""},
      {"body an array", INVOKE("[1]"), "f", "{}"},
      {"invoke not closed",
       BLOCK("<｜DSML｜invoke name=\"f\"><｜DSML｜parameter name=\"s\" "
             "string=\"true\">v</｜DSML｜parameter>"),
       "f", R"({"s": "v"})"},
      {"junk between tags",
       BLOCK(" and <｜DSML｜invoke name=\"f\">so<｜DSML｜invoke name=\"\">"
             "</｜DSML｜invoke> on "),
       "f", "{}"},
      {"prose behind", INVOKE("") "\n\nDone.", "f", "{}", "\n\nDone."},
      {"end inside a value",
       "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter "
       "name=\"s\" string=\"true\">v<｜end▁of▁sentence｜>more",
       nullptr, ""},
      {"no tags of ours",
       "<tool_calls><invoke name=\"f\"></invoke></tool_calls>", nullptr, "",
       "<tool_calls><invoke name=\"f\"></invoke></tool_calls>"},
      {"another tag", "<｜DSML｜function_calls>", nullptr, "",
       "<｜DSML｜function_calls>"},
      {"bare invokes",
       "<｜DSML｜invoke name=\"f\"></｜DSML｜invoke>\n</｜DSML｜tool_calls>x",
       "f", "{}", "\nx"},
  };
#undef BLOCK
#undef INVOKE
#undef PARAMETER
  for (const Mended& mended : cases) {
    SCOPED_TRACE(mended.what);
    const TestReply reply = ReadInAllWays(std::string("\n\n") + mended.text,
                                          BALEEN_THINKING_OFF, 0, tools);
    EXPECT_TRUE(reply.status.ok());
    const bool is_call = mended.name != nullptr;
    ASSERT_EQ(reply.calls.size(), is_call ? 1u : 0u) << reply.content;
    if (is_call) {
      EXPECT_EQ(reply.calls[0]["function"]["name"], mended.name);
      EXPECT_EQ(reply.calls[0]["function"]["arguments"], mended.arguments);
      EXPECT_EQ(reply.content, mended.content);
      ExpectPiecesMakeTheMessage(reply);
    } else if (mended.content[0] != '\0') {
      EXPECT_EQ(reply.content, std::string("\n\n") + mended.content);
    } else {
      EXPECT_EQ(reply.content, "");
    }
  }
}

TEST(TolerantReply, SpecialTokensVanishFromText) {
  const TestReply reply = ReadInAllWays(
      "<think>R<｜User｜>1</think>A<｜begin▁of▁sentence｜>B<｜User｜><think>C"
      "</think>｜DSML｜D<｜no▁such▁token｜><|EOT|><｜end▁of▁sentence｜>E",
      BALEEN_THINKING_ON);
  EXPECT_EQ(reply.reasoning, "R1");
  EXPECT_EQ(reply.content, "ABC｜DSML｜D<｜no▁such▁token｜><|EOT|>");
  EXPECT_TRUE(reply.ended);
  EXPECT_FALSE(reply.called_tools);
}

// Tokens tell a special token from its name: a model may quote what it likes.
TEST(TolerantReply, NamesSpeltWithOrdinaryTokensAreText) {
  for (const Tokenizer* tokenizer :
       {&OfficialTokenizer(), &PocketTokenizer()}) {
    const std::string quote = std::string("say </think> and ") + kCall;
    const Owned<Reply> reply = NewReply(*tokenizer, BALEEN_THINKING_ON);
    const auto add = [&](std::string_view text, bool special) {
      const auto tokens = EncodeText(*tokenizer, text, special);
      ASSERT_TRUE(reply->AddTokens(tokens).ok());
    };
    add(quote, false);
    add("</think>", true);
    add(quote, false);
    add("<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter "
        "name=\"x\" string=\"true\">",
        true);
    add("</｜DSML｜parameter>", false);
    add("</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>", true);
    ASSERT_TRUE(reply->Finish().ok());
    TestReply result;
    ReadMessage(reply.get(), &result);
    EXPECT_EQ(result.reasoning, quote);
    EXPECT_EQ(result.content, quote);
    ASSERT_EQ(result.calls.size(), 1u);
    EXPECT_EQ(result.calls[0]["function"]["arguments"],
              "{\"x\": \"</｜DSML｜parameter>\"}");
  }
}

// A turn cut anywhere: no half call, no half tag, no half character.
TEST(TolerantReply, CutTurns) {
  const std::string text =
      std::string("Ré</think>日本\n\n") + kCall + "<｜end▁of▁sentence｜>";
  const size_t call_end = text.find("</｜DSML｜invoke>");
  const size_t invoke_end = text.find('>', call_end) + 1;
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const TestReply reply = ReadReply(OfficialTokenizer(), text.substr(0, cut),
                                      Feeding::kBytes, BALEEN_THINKING_ON);
    EXPECT_TRUE(reply.status.ok());
    EXPECT_EQ(reply.calls.size(), cut >= invoke_end ? 1u : 0u) << cut;
    EXPECT_EQ(reply.called_tools, cut >= invoke_end) << cut;
    EXPECT_EQ(reply.ended, cut == text.size());
    for (const std::string& said : {reply.content, reply.reasoning}) {
      EXPECT_EQ(said.find("DSML"), std::string::npos) << cut << said;
      EXPECT_EQ(said.find("｜"), std::string::npos) << cut << said;
    }
  }
}

TEST(TolerantReply, HeldBackTextComesWithTheEnd) {
  for (const char* text : {"a\n\n", "a<", "a\n\n</", "a</thin", "a\n"}) {
    EXPECT_EQ(ReadInAllWays(text, BALEEN_THINKING_OFF).content, text);
  }
  EXPECT_EQ(ReadReply(OfficialTokenizer(), "a\xE6\x97", Feeding::kBytes,
                      BALEEN_THINKING_OFF)
                .content,
            "a\xEF\xBF\xBD");
}

// Each ordinary text is said as soon as it is certain.
TEST(TolerantReply, NothingIsHeldBackInVain) {
  const Owned<Reply> reply = NewReply(OfficialTokenizer(), BALEEN_THINKING_OFF);
  const std::string text = "a <b> c\nd < e </f> ｜ g";
  for (size_t i = 0; i < text.size(); ++i) {
    ASSERT_TRUE(reply->AddText({&text[i], 1}).ok());
    std::vector<TestPiece> pieces;
    TakePieces(reply.get(), &pieces);
    if (std::isalpha(static_cast<unsigned char>(text[i])) != 0) {
      ASSERT_FALSE(pieces.empty()) << i;
      EXPECT_EQ(pieces.back().text.back(), text[i]);
    }
  }
}

TEST(Reply, IdsAreLettersOfTheTurn) {
  const auto id_of = [](const std::string& text, uint32_t flags) {
    const TestReply reply = ReadInAllWays(text, BALEEN_THINKING_OFF, flags);
    std::vector<std::string> ids;
    for (const TestJson& call : reply.calls) ids.push_back(call["id"]);
    return ids;
  };
  const std::string block = std::string("\n\n") + kCall;
  const auto ids = id_of(block + block, 0);
  ASSERT_EQ(ids.size(), 2u);
  for (const std::string& id : ids) {
    EXPECT_EQ(id.size(), 32u);
    for (const char c : id.substr(8)) EXPECT_TRUE(std::isalnum(c)) << id;
  }
  EXPECT_EQ(ids[0].substr(0, 8), "call_00_");
  EXPECT_EQ(ids[1].substr(0, 8), "call_01_");
  EXPECT_NE(ids[0].substr(8), ids[1].substr(8));
  EXPECT_EQ(id_of(block, 0)[0], ids[0]);
  EXPECT_NE(id_of("x" + block, 0)[0], ids[0]);
  EXPECT_EQ(id_of(block + "<｜end▁of▁sentence｜>", BALEEN_REPLY_STRICT).size(),
            1u);
}

TEST(Reply, BadUse) {
  baleen_reply_options options = {};
  options.struct_size = sizeof(options);
  const auto code = [&] {
    return Reply::Create(&OfficialTokenizer(), options, TestMemory())
        .status()
        .code();
  };
  options.flags = 1u << 20;
  EXPECT_EQ(code(), BALEEN_UNSUPPORTED);
  options.flags = 0;
  options.thinking = 42;
  EXPECT_EQ(code(), BALEEN_INVALID_ARGUMENT);
  options.thinking = 0;
  options.tools = "[";
  EXPECT_EQ(code(), BALEEN_INVALID_ARGUMENT);
  options.tools = "{}";
  EXPECT_EQ(code(), BALEEN_INVALID_ARGUMENT);
  const Owned<Reply> reply = NewReply(OfficialTokenizer(), 0);
  const baleen_token tokens[] = {70, 1 << 30};
  EXPECT_EQ(reply->AddTokens(tokens).code(), BALEEN_INVALID_ARGUMENT);
  TestReply result;
  ReadMessage(reply.get(), &result);
  EXPECT_TRUE(result.tokens.empty());
  EXPECT_TRUE(result.has_reasoning);
  ASSERT_TRUE(reply->Finish().ok());
  EXPECT_TRUE(reply->finished());
  EXPECT_TRUE(reply->Finish().ok());
  EXPECT_EQ(reply->AddText("x").code(), BALEEN_INVALID_ARGUMENT);
  EXPECT_EQ(reply->AddTokens({tokens, 1}).code(), BALEEN_INVALID_ARGUMENT);
}

TEST(Reply, StrictStaysCorrupt) {
  const Owned<Reply> reply =
      NewReply(OfficialTokenizer(), BALEEN_THINKING_OFF, BALEEN_REPLY_STRICT);
  EXPECT_TRUE(reply->AddText("a").ok());
  EXPECT_EQ(reply->AddText("</think>").code(), BALEEN_CORRUPT);
  EXPECT_EQ(reply->AddText("b").code(), BALEEN_CORRUPT);
  EXPECT_EQ(reply->Finish().code(), BALEEN_CORRUPT);
  TestReply result;
  ReadMessage(reply.get(), &result);
  EXPECT_EQ(result.content, "a");
}

// A deep or long turn costs time in proportion to its length.
TEST(Reply, LongTurns) {
  const std::string many(200000, '<');
  const std::string feeds(200000, '\n');
  for (const std::string& text :
       {many, feeds, std::string(kCall) + feeds,
        std::string("<｜DSML｜tool_calls><｜DSML｜invoke name=\"f\">{") + many,
        std::string("<｜DSML｜tool_calls><｜DSML｜invoke name=\"") + many,
        std::string("<｜DSML｜tool_calls><｜DSML｜invoke name=\"f\">"
                    "<｜DSML｜parameter name=\"x\" string=\"false\">") +
            std::string(200000, '[')}) {
    for (const uint32_t flags : {uint32_t{0}, uint32_t{BALEEN_REPLY_STRICT}}) {
      const std::string start = flags == 0 ? "" : "\n\n";
      ReadReply(OfficialTokenizer(), start + text, Feeding::kBytes,
                BALEEN_THINKING_OFF, flags);
    }
  }
}

// Whatever allocation fails, trying again goes on as if nothing had happened.
TEST(Reply, SurvivesFailedAllocations) {
  const std::string text = std::string(
                               "A long enough thought</think>Answer "
                               "with some length to it\n\n") +
                           kCall + "<｜end▁of▁sentence｜>";
  for (const uint32_t flags : {uint32_t{0}, uint32_t{BALEEN_REPLY_STRICT}}) {
    const TestReply expected = ReadReply(
        PocketTokenizer(), text, Feeding::kTokens, BALEEN_THINKING_ON, flags);
    const auto tokens = EncodeText(PocketTokenizer(), text, true);
    bool failed = true;
    int64_t k = 1;
    for (; failed; ++k) {
      FailingMemory memory(k);
      failed = false;
      const auto retry = [&](auto action) {
        try {
          return action();
        } catch (const std::bad_alloc&) {
          failed = true;
        }
        return action();
      };
      {
        const Owned<Reply> reply = retry([&] {
          return NewReply(PocketTokenizer(), BALEEN_THINKING_ON, flags, "[]",
                          &memory);
        });
        TestReply result;
        for (const baleen_token token : tokens) {
          EXPECT_TRUE(retry([&] {
                        return reply->AddTokens({&token, 1});
                      }).ok());
          TakePieces(reply.get(), &result.pieces);
        }
        EXPECT_TRUE(retry([&] { return reply->Finish(); }).ok());
        TakePieces(reply.get(), &result.pieces);
        baleen_message message;
        EXPECT_TRUE(retry([&] { return reply->Message(&message); }).ok());
        ReadMessage(reply.get(), &result);
        EXPECT_TRUE(result.pieces == expected.pieces) << k;
        EXPECT_EQ(result.calls_text, expected.calls_text);
        EXPECT_EQ(result.tokens, tokens);
      }
      EXPECT_EQ(memory.outstanding(), 0) << k;
    }
    EXPECT_GT(k, 21);
  }
}

}  // namespace
}  // namespace baleen
