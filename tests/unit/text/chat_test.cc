// Conversations to prompts: the authors' own golden texts, both encoders, and
// turns that keep their tokens so that the next prompt begins with them.
#include "text/chat.h"

#include <gtest/gtest.h>

#include "text/chat_texts.h"
#include "unit/text/chat_test_data.h"

namespace baleen {
namespace {

baleen_thinking ThinkingOf(const TestJson& arguments) {
  const std::string mode = arguments.at("thinking_mode");
  if (mode == "chat") return BALEEN_THINKING_OFF;
  if (mode != "thinking") return 77;
  if (!arguments.contains("reasoning_effort") ||
      arguments["reasoning_effort"].is_null()) {
    return BALEEN_THINKING_ON;
  }
  const std::string effort = arguments["reasoning_effort"];
  if (effort == "low") return BALEEN_THINKING_LOW;
  if (effort == "high") return BALEEN_THINKING_HIGH;
  if (effort == "max") return BALEEN_THINKING_MAX;
  return 78;
}

struct Case {
  TestMessages messages;
  baleen_chat_options options;
  std::string prompt;
  bool fails = false;
};

void ReadCase(const TestJson& json, baleen_encoder encoder, Case* result) {
  const TestJson& arguments = json["kwargs"];
  result->options = ChatOptions(ThinkingOf(arguments));
  result->options.encoder = encoder;
  if (!arguments.value("drop_thinking", true)) {
    result->options.flags |= BALEEN_CHAT_KEEP_REASONING;
  }
  if (arguments.contains("context")) {
    result->options.context_count = arguments["context"].size();
    result->messages.AddAll(arguments["context"]);
  }
  result->messages.AddAll(json["messages"]);
  result->fails = json.contains("error");
  if (!result->fails) result->prompt = json["prompt"];
}

void CheckVectors(const char* file, baleen_encoder encoder, int count,
                  int error_count) {
  int seen = 0;
  int errors = 0;
  const TestJson data = ReadTestJson(file);
  for (const TestJson& json : data["cases"]) {
    SCOPED_TRACE(json["name"].get<std::string>());
    Case test;
    ReadCase(json, encoder, &test);
    if (json["name"] == "args_python_dict_not_string") {
      // Here we differ on purpose, as vLLM and SGLang do: an object is taken
      // as the arguments, not as one argument named "arguments".
      const std::string theirs =
          "name=\"arguments\" string=\"false\">{\"city\": \"Paris\"}<";
      const size_t at = test.prompt.find(theirs);
      ASSERT_NE(at, std::string::npos);
      test.prompt.replace(at, theirs.size(),
                          "name=\"city\" string=\"true\">Paris<");
    }
    const std::string prompt = RenderText(test.messages, test.options);
    if (test.fails) {
      EXPECT_EQ(prompt.substr(0, 7), "error: ") << prompt;
      ++errors;
    } else {
      EXPECT_EQ(prompt, test.prompt);
      // As the authors do it: the whole prompt as one text.
      test.options.flags |= BALEEN_CHAT_SPECIAL;
      for (const Tokenizer* tokenizer :
           {&OfficialTokenizer(), &PocketTokenizer()}) {
        EXPECT_EQ(EncodeMessages(*tokenizer, test.messages, test.options),
                  EncodeText(*tokenizer, test.prompt, true));
      }
    }
    ++seen;
  }
  EXPECT_EQ(seen, count);
  EXPECT_EQ(errors, error_count);
}

TEST(Chat, PreviewVectors) {
  CheckVectors("encoding/encode_cases_v4_preview.json", BALEEN_ENCODER_PREVIEW,
               64, 6);
}

TEST(Chat, GaVectors) {
  CheckVectors("encoding/encode_cases_v4_ga_effort.json", BALEEN_ENCODER_GA, 20,
               1);
}

struct Official {
  TestJson messages;
  baleen_chat_options options;
  std::string prompt;
};

std::vector<Official> OfficialCases() {
  std::vector<Official> cases;
  const std::string folder = "encoding/official_v4/";
  const TestJson manifest = ReadTestJson(folder + "manifest.json");
  for (const TestJson& json : manifest["cases"]) {
    Official official;
    TestJson input = ReadTestJson(folder + json["in"].get<std::string>());
    if (input.is_object()) {
      input["messages"][0]["tools"] = input["tools"];
      input = TestJson(input["messages"]);
    }
    official.messages = input;
    official.options = ChatOptions(ThinkingOf(json));
    official.prompt = ReadTestFile(BALEEN_TEST_DATA "/" + folder +
                                   json["out"].get<std::string>());
    cases.push_back(official);
  }
  return cases;
}

TEST(Chat, OfficialPrompts) {
  const std::vector<Official> cases = OfficialCases();
  ASSERT_EQ(cases.size(), 4u);
  for (const Official& official : cases) {
    TestMessages messages;
    messages.AddAll(official.messages);
    EXPECT_EQ(RenderText(messages, official.options), official.prompt);
  }
}

// Each turn of the assistant in the official prompts reads back as the message
// it was made of.
TEST(Chat, OfficialPromptsReadBack) {
  size_t turns = 0;
  for (const Official& official : OfficialCases()) {
    size_t at = 0;
    const std::string start(kAssistantText);
    for (size_t i = 1; i < official.messages.size(); ++i) {
      const TestJson& message = official.messages[i];
      if (message["role"] != "assistant") continue;
      const size_t header = official.prompt.find(start, at);
      if (header == std::string::npos) break;
      at = header + start.size();
      if (official.messages[i - 1].contains("task")) continue;
      const bool thinks =
          official.prompt.compare(at, kThinkText.size(), kThinkText) == 0;
      at += thinks ? kThinkText.size() : kThinkEndText.size();
      const size_t end = official.prompt.find(kEndText, at) + kEndText.size();
      const TestReply reply =
          ReadInAllWays(official.prompt.substr(at, end - at),
                        thinks ? BALEEN_THINKING_ON : BALEEN_THINKING_OFF,
                        BALEEN_REPLY_STRICT);
      ASSERT_TRUE(reply.status.ok()) << reply.status.message();
      EXPECT_EQ(reply.content, message.value("content", ""));
      if (thinks) {
        EXPECT_EQ(reply.reasoning, message.value("reasoning_content", ""));
      }
      const TestJson calls = message.value("tool_calls", TestJson::array());
      ASSERT_EQ(reply.calls.size(), calls.size());
      for (size_t call = 0; call < calls.size(); ++call) {
        const TestJson& expected = calls[call]["function"];
        const TestJson& found = reply.calls[call]["function"];
        EXPECT_EQ(found["name"], expected["name"]);
        EXPECT_EQ(TestJson::parse(found["arguments"].get<std::string>()),
                  TestJson::parse(expected["arguments"].get<std::string>()));
      }
      ++turns;
      at = end;
    }
  }
  EXPECT_GE(turns, 6u);
}

// The official API counts the same tokens.
TEST(Chat, RecordedPromptSizes) {
  const TestJson manifest = ReadTestJson("api_samples/manifest.json");
  size_t seen = 0;
  for (const TestJson& prompt : manifest["prompts"]) {
    const std::string id = prompt["id"];
    const TestJson sample =
        ReadTestJson("api_samples/" + id + ".official.json");
    TestMessages messages;
    messages.AddAll(sample["request"]["messages"]);
    const bool thinks = sample["request"]["thinking"]["type"] == "enabled";
    const baleen_chat_options options =
        ChatOptions(thinks ? BALEEN_THINKING_ON : BALEEN_THINKING_OFF);
    EXPECT_EQ(EncodeMessages(OfficialTokenizer(), messages, options).size(),
              sample["usage"]["prompt_tokens"].get<size_t>())
        << id;
    ++seen;
  }
  EXPECT_EQ(seen, 4u);
}

TestMessages Messages(const char* json) {
  TestMessages messages;
  messages.AddAll(TestJson::parse(json));
  return messages;
}

// reasoning_effort_map.json says which text each encoder puts in front.
TEST(Chat, EffortMap) {
  const TestJson map = ReadTestJson("encoding/reasoning_effort_map.json");
  const TestMessages messages = Messages(R"([{"role":"user","content":"Q"}])");
  const std::string bare =
      std::string(kBeginText) + "<｜User｜>Q<｜Assistant｜><think>";
  const auto text_of = [](const std::string& name) -> std::string {
    if (name == "ABSOLUTE") return std::string(kEffortAbsolute);
    if (name == "BEYOND") return std::string(kEffortBeyond);
    return "";
  };
  const std::map<std::string, baleen_thinking> efforts = {
      {"low", BALEEN_THINKING_LOW},
      {"high", BALEEN_THINKING_HIGH},
      {"max", BALEEN_THINKING_MAX},
      {"null", BALEEN_THINKING_ON}};
  for (const bool ga : {false, true}) {
    const TestJson& encoder = map[ga ? "encoder_ga" : "encoder_preview"];
    for (const auto& [name, thinking] : efforts) {
      baleen_chat_options options = ChatOptions(thinking);
      options.encoder = ga ? BALEEN_ENCODER_GA : BALEEN_ENCODER_PREVIEW;
      if (name != "null" && !encoder["prefix"].contains(name)) {
        Prompt prompt(TestMemory());
        EXPECT_EQ(RenderChat({}, BALEEN_ENCODER_DEFAULT, messages.all(),
                             options, TestMemory(), &prompt)
                      .code(),
                  BALEEN_UNSUPPORTED);
        continue;
      }
      const std::string before =
          text_of(encoder["prefix"].value(name, std::string()));
      std::string expected = bare;
      expected.insert(kBeginText.size(), before);
      EXPECT_EQ(RenderText(messages, options), expected) << name << ga;
    }
  }
}

TEST(Chat, EncoderComesFromTheCheckpointUnlessSet) {
  const TestMessages messages = Messages(R"([{"role":"user","content":"Q"}])");
  const auto render = [&](baleen_encoder own, baleen_encoder set) {
    baleen_chat_options options = ChatOptions(BALEEN_THINKING_MAX);
    options.encoder = set;
    Prompt prompt(TestMemory());
    EXPECT_TRUE(
        RenderChat({}, own, messages.all(), options, TestMemory(), &prompt)
            .ok());
    return prompt.text().find(kEffortBeyond) != std::string_view::npos;
  };
  EXPECT_TRUE(render(BALEEN_ENCODER_GA, BALEEN_ENCODER_DEFAULT));
  EXPECT_FALSE(render(BALEEN_ENCODER_GA, BALEEN_ENCODER_PREVIEW));
  EXPECT_FALSE(render(BALEEN_ENCODER_PREVIEW, BALEEN_ENCODER_DEFAULT));
  EXPECT_FALSE(render(BALEEN_ENCODER_DEFAULT, BALEEN_ENCODER_DEFAULT));
  EXPECT_TRUE(render(BALEEN_ENCODER_PREVIEW, BALEEN_ENCODER_GA));
  EXPECT_TRUE(FolderTextIsGa("x = \"Reasoning Effort: Beyond maximum \""));
  EXPECT_FALSE(FolderTextIsGa("Reasoning Effort: Absolute maximum"));
  EXPECT_FALSE(FolderTextIsGa(""));
}

constexpr char kTools[] =
    R"([{"type":"function","function":{"name":"f","parameters":{}}}])";

TEST(Chat, ToolsOfTheOptionsGoToTheLeadingSystemMessage) {
  baleen_chat_options options = ChatOptions(BALEEN_THINKING_OFF);
  const TestMessages on_system = Messages(
      (std::string(R"([{"role":"system","content":"S","tools":)") + kTools +
       R"(,"response_format":{"a":1}},{"role":"user","content":"Q"}])")
          .c_str());
  const std::string expected = RenderText(on_system, options);
  options.tools = kTools;
  options.response_format = R"({"a":1})";
  EXPECT_EQ(RenderText(Messages(R"([{"role":"system","content":"S"},
                                    {"role":"user","content":"Q"}])"),
                       options),
            expected);
  // Without one, as if there were an empty one.
  const std::string inserted =
      RenderText(Messages(R"([{"role":"user","content":"Q"}])"), options);
  std::string empty = expected;
  empty.erase(kBeginText.size(), 1);
  EXPECT_EQ(inserted, empty);
  // They are in the session already if the messages' beginning is.
  options.context_count = 2;
  EXPECT_EQ(RenderText(Messages(R"([{"role":"user","content":"Q"},
                                    {"role":"assistant","content":"A"},
                                    {"role":"user","content":"R"}])"),
                       options),
            "<｜User｜>R<｜Assistant｜></think>");
  options.context_count = 0;
  EXPECT_EQ(RenderText(on_system, options).substr(0, 7), "error: ");
}

TEST(Chat, ContextIsCountedButNotWritten) {
  const char* const conversation = R"([
      {"role":"system","content":"S"},
      {"role":"user","content":"Q1"},
      {"role":"assistant","content":"A1","reasoning_content":"R1",
       "tool_calls":[{"id":"b","function":{"name":"f","arguments":"{}"}},
                     {"id":"a","function":{"name":"g","arguments":"{}"}}]},
      {"role":"tool","tool_call_id":"a","content":"ra"},
      {"role":"tool","tool_call_id":"b","content":"rb"},
      {"role":"user","content":"Q2"}])";
  const TestMessages messages = Messages(conversation);
  for (const uint32_t flags :
       {uint32_t{0}, uint32_t{BALEEN_CHAT_KEEP_REASONING}}) {
    baleen_chat_options options = ChatOptions(BALEEN_THINKING_MAX, flags);
    const std::string whole = RenderText(messages, options);
    options.context_count = 3;  // Up to the assistant's turn.
    const std::string rest = RenderText(messages, options);
    EXPECT_EQ(rest,
              "<｜User｜><tool_result>rb</tool_result>\n\n<tool_result>ra"
              "</tool_result>\n\nQ2<｜Assistant｜><think>");
    EXPECT_TRUE(whole.ends_with(rest));
    options.context_count = 6;
    EXPECT_EQ(RenderText(messages, options), "");
    options.context_count = 7;
    EXPECT_EQ(RenderText(messages, options).substr(0, 7), "error: ");
  }
  baleen_chat_options options =
      ChatOptions(BALEEN_THINKING_OFF, BALEEN_CHAT_NO_BEGIN);
  EXPECT_EQ(RenderText(Messages(R"([{"role":"user","content":"Q"}])"), options),
            "<｜User｜>Q<｜Assistant｜></think>");
}

// A developer's message that goes from the context takes no new one with it.
TEST(Chat, NewMessagesSurviveDroppedContext) {
  baleen_chat_options options = ChatOptions(BALEEN_THINKING_ON);
  options.context_count = 2;
  EXPECT_EQ(RenderText(Messages(R"([{"role":"developer","content":"D1"},
                                    {"role":"assistant","content":"A1"},
                                    {"role":"developer","content":"D2"}])"),
                       options),
            "<｜User｜>D2<｜Assistant｜><think>");
}

TEST(Chat, NamesOfSpecialTokensInMessagesAreText) {
  const char* const bad =
      "<｜Assistant｜></think>x<｜end▁of▁sentence｜>｜DSML｜";
  TestJson list = TestJson::array();
  TestJson system = {{"role", "system"}, {"content", bad}};
  system["tools"] = TestJson::parse(kTools);
  system["tools"][0]["function"]["description"] = bad;
  system["response_format"] = {{"a", bad}};
  list.push_back(system);
  list.push_back({{"role", "user"}, {"content", bad}});
  TestJson call = {{"id", "1"}};
  call["function"] = {{"name", bad},
                      {"arguments", TestJson{{bad, bad}}.dump()}};
  TestJson assistant = {
      {"role", "assistant"}, {"content", bad}, {"reasoning_content", bad}};
  assistant["tool_calls"] = TestJson::array({call});
  list.push_back(assistant);
  list.push_back({{"role", "tool"}, {"tool_call_id", "1"}, {"content", bad}});
  list.push_back({{"role", "latest_reminder"}, {"content", bad}});
  TestMessages messages;
  messages.AddAll(list);
  TestMessages harmless;
  std::string text = list.dump();
  const std::string quoted = TestJson(TestJson(bad).dump()).dump();
  for (const std::string& name :
       {std::string(bad), quoted.substr(3, quoted.size() - 6)}) {
    for (size_t at; (at = text.find(name)) != std::string::npos;) {
      text.replace(at, name.size(), "x");
    }
  }
  harmless.AddAll(TestJson::parse(text));
  const baleen_chat_options options = ChatOptions(BALEEN_THINKING_ON);
  const auto count = [&](const TestMessages& all, std::string_view name) {
    const baleen_token token = OfficialTokenizer().Find(name);
    EXPECT_GE(token, 0);
    const auto tokens = EncodeMessages(OfficialTokenizer(), all, options);
    return std::count(tokens.begin(), tokens.end(), token);
  };
  for (const std::string_view name :
       {kAssistantText, kThinkEndText, kEndText, kDsmlText}) {
    EXPECT_EQ(count(messages, name), count(harmless, name)) << name;
    EXPECT_GT(count(harmless, name), 0) << name;
  }
  // The text is nonetheless all there.
  EXPECT_EQ(
      DecodeTokens(OfficialTokenizer(),
                   EncodeMessages(OfficialTokenizer(), messages, options)),
      RenderText(messages, options));
}

struct BadCase {
  const char* what;
  const char* json;
};

TEST(Chat, BadMessages) {
  const BadCase cases[] = {
      {"no role", R"([{"content":"x"}])"},
      {"tools no array",
       R"([{"role":"system","content":"x","tools":{"a":1}}])"},
      {"tool without function",
       R"([{"role":"system","content":"x","tools":[{"name":"f"}]}])"},
      {"calls no array",
       R"([{"role":"assistant","content":"x","tool_calls":{"a":1}}])"},
      {"call without name",
       R"([{"role":"assistant","tool_calls":[{"function":{}}]}])"},
      {"arguments an array",
       R"([{"role":"assistant","tool_calls":
            [{"function":{"name":"f","arguments":"[1]"}}]}])"},
      {"task no string", R"([{"role":"user","content":"x","task":5}])"},
      {"wo_eos no boolean",
       R"([{"role":"assistant","content":"x","wo_eos":1}])"},
      {"unknown key", R"([{"role":"user","content":"x","taks":"action"}])"},
      {"bad result part",
       R"([{"role":"tool","content":[{"type":"text","text":5}]}])"},
  };
  for (const BadCase& bad : cases) {
    TestMessages messages = Messages(bad.json);
    if (messages.back().role[0] == '\0') messages.back().role = nullptr;
    const std::string text =
        RenderText(messages, ChatOptions(BALEEN_THINKING_OFF));
    EXPECT_EQ(text.substr(0, 7), "error: ") << bad.what;
    EXPECT_GT(text.size(), 20u) << bad.what;
  }
  TestMessages messages = Messages(R"([{"role":"user","content":"x"}])");
  messages.back().extra = "{";
  EXPECT_NE(RenderText(messages, ChatOptions(BALEEN_THINKING_OFF))
                .find("extra of message 0"),
            std::string::npos);
  messages.back().extra = nullptr;
  EXPECT_EQ(RenderText(messages, ChatOptions(99)).substr(0, 7), "error: ");
  Prompt prompt(TestMemory());
  EXPECT_EQ(RenderChat({}, BALEEN_ENCODER_DEFAULT, messages.all(),
                       ChatOptions(0, 1u << 31), TestMemory(), &prompt)
                .code(),
            BALEEN_UNSUPPORTED);
  const baleen_token tokens[] = {5, 1 << 30};
  messages.back().tokens = tokens;
  messages.back().token_count = 2;
  EXPECT_EQ(RenderText(messages, ChatOptions(0)).substr(0, 7), "error: ");
  messages.back().role = "assistant";
  Vector<baleen_token> encoded(TestMemory());
  EXPECT_EQ(EncodeChat(OfficialTokenizer(), BALEEN_ENCODER_DEFAULT,
                       messages.all(), ChatOptions(0), TestMemory(), &encoded)
                .code(),
            BALEEN_INVALID_ARGUMENT);
  EXPECT_TRUE(encoded.empty());
}

// The turn's own tokens stand in the next prompt as they are, with the end
// exactly once; see also the property in reply_property_test.cc.
TEST(Chat, OwnTokensAreKept) {
  const Tokenizer& tokenizer = OfficialTokenizer();
  const auto tokens_of = [&](const std::string& text) {
    return EncodeText(tokenizer, text, true);
  };
  struct Own {
    const char* what;
    std::string tokens;  // What the model wrote.
    const char* reasoning;
    bool no_end;
    baleen_thinking thinking;
    bool keep;
    std::string expected;  // From the user's turn on.
  };
  const std::string end(kEndText);
  const std::string think = "<｜Assistant｜><think>";
  const std::string answer = "<｜Assistant｜></think>";
  const Own cases[] = {
      {"chat", "A" + end, nullptr, false, BALEEN_THINKING_OFF, false,
       answer + "A" + end},
      {"chat without end", "A", nullptr, false, BALEEN_THINKING_OFF, false,
       answer + "A" + end},
      {"prefix", "A" + end, nullptr, true, BALEEN_THINKING_OFF, false,
       answer + "A"},
      {"thinking kept", "R</think>A" + end, "R", false, BALEEN_THINKING_ON,
       true, think + "R</think>A" + end},
      {"thinking dropped", "R</think>A" + end, "R", false, BALEEN_THINKING_OFF,
       false, answer + "A" + end},
      {"cut while thinking", "R", "R", false, BALEEN_THINKING_ON, true,
       think + "R</think>" + end},
      {"ended while thinking", "R" + end, "R", false, BALEEN_THINKING_ON, true,
       think + "R" + end},
      {"to be continued while thinking", "R", "R", true, BALEEN_THINKING_ON,
       true, think + "R"},
      {"cut while thinking, dropped", "R", "R", false, BALEEN_THINKING_OFF,
       false, answer + "B" + end},
      {"did not think", "A" + end, nullptr, false, BALEEN_THINKING_ON, true,
       think + "</think>A" + end},
      {"nothing", "", nullptr, false, BALEEN_THINKING_OFF, false, answer + end},
  };
  for (const Own& own : cases) {
    SCOPED_TRACE(own.what);
    TestMessages messages;
    messages.Add({{"role", "user"}, {"content", "Q"}});
    TestJson turn = {{"role", "assistant"}, {"content", "B"}};
    if (own.reasoning != nullptr) turn["reasoning_content"] = own.reasoning;
    if (own.no_end) turn["prefix"] = true;
    messages.Add(turn);
    // A reserve, so that there is an address even without tokens.
    std::vector<baleen_token> tokens = tokens_of(own.tokens);
    tokens.reserve(1);
    messages.back().tokens = tokens.data();
    messages.back().token_count = tokens.size();
    const baleen_chat_options options = ChatOptions(
        own.thinking, own.keep ? uint32_t{BALEEN_CHAT_KEEP_REASONING} : 0);
    EXPECT_EQ(
        DecodeTokens(tokenizer, EncodeMessages(tokenizer, messages, options)),
        std::string(kBeginText) + "<｜User｜>Q" + own.expected);
  }
}

// Whatever allocation fails, nothing was written and nothing is lost.
TEST(Chat, SurvivesFailedAllocations) {
  const TestMessages messages = Messages(R"([
      {"role":"system","content":"S","response_format":{"a":[1.5,"b"]},
       "tools":[{"function":{"name":"f","parameters":{"x":{}}}}]},
      {"role":"user","content":"Q"},
      {"role":"assistant","content":"","tool_calls":[
        {"id":"b","function":{"name":"f","arguments":"{\"x\": [1]}"}},
        {"id":"a","function":{"name":"f","arguments":"no"}}]},
      {"role":"tool","tool_call_id":"a","content":"ra"},
      {"role":"tool","tool_call_id":"b","content":"rb"}])");
  const baleen_chat_options options = ChatOptions(BALEEN_THINKING_ON);
  const auto expected = EncodeMessages(PocketTokenizer(), messages, options);
  int64_t k = 1;
  for (bool failed = true; failed; ++k) {
    FailingMemory memory(k);
    Vector<baleen_token> tokens(TestMemory());
    failed = false;
    try {
      EXPECT_TRUE(EncodeChat(PocketTokenizer(), BALEEN_ENCODER_DEFAULT,
                             messages.all(), options, &memory, &tokens)
                      .ok());
      EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), expected.begin(),
                             expected.end()));
    } catch (const std::bad_alloc&) {
      failed = true;
      EXPECT_TRUE(tokens.empty());
    }
    EXPECT_EQ(memory.outstanding(), 0);
  }
  EXPECT_GT(k, 31);
}

}  // namespace
}  // namespace baleen
