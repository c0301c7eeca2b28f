// JSON text byte for byte as Python's json.dumps writes it (text.md §1.10).
#include "text/python_json.h"

#include <gtest/gtest.h>

#include <string>

#include "base/memory.h"

namespace baleen {
namespace {

std::string Dump(std::string_view text) {
  HostMemory memory(nullptr);
  const Result<JsonDocument> parsed =
      JsonDocument::Parse(text, "text", &memory, true);
  if (!parsed.ok()) return parsed.status().message();
  String out(&memory);
  AppendPythonJson(parsed->root(), &memory, &out);
  return std::string(out);
}

struct Pair {
  const char* text;
  const char* dump;
};

// Right sides by Python 3.11: json.dumps(json.loads(text), ensure_ascii=False).
TEST(PythonJson, Numbers) {
  const Pair pairs[] = {
      {"0", "0"},
      {"-0", "0"},
      {"-5", "-5"},
      {"123456789012345678901234567890", "123456789012345678901234567890"},
      {"1.50", "1.5"},
      {"1.0", "1.0"},
      {"-0.0", "-0.0"},
      {"1E5", "100000.0"},
      {"1e15", "1000000000000000.0"},
      {"123456789012345.6", "123456789012345.6"},
      {"9999999999999998.0", "9999999999999998.0"},
      {"1e16", "1e+16"},
      {"12345678901234567.0", "1.2345678901234568e+16"},
      {"1e21", "1e+21"},
      {"0.1", "0.1"},
      {"0.0001", "0.0001"},
      {"0.00012", "0.00012"},
      {"0.00001", "1e-05"},
      {"0.000015", "1.5e-05"},
      {"1e-7", "1e-07"},
      {"1.7976931348623157e308", "1.7976931348623157e+308"},
      {"5e-324", "5e-324"},
      {"2.2250738585072014e-308", "2.2250738585072014e-308"},
      {"1e400", "Infinity"},
      {"-1e400", "-Infinity"},
      {"1e-400", "0.0"},
      {"NaN", "NaN"},
      {"-Infinity", "-Infinity"},
      {"100.25", "100.25"},
      {"0.30000000000000004", "0.30000000000000004"},
  };
  for (const Pair& pair : pairs) EXPECT_EQ(Dump(pair.text), pair.dump);
}

TEST(PythonJson, StringsAndSpaces) {
  EXPECT_EQ(Dump("[1,2 , {\"a\":null,\"b\" :[true,false]},[],{}]"),
            "[1, 2, {\"a\": null, \"b\": [true, false]}, [], {}]");
  EXPECT_EQ(Dump(R"("\u00fc\/\u0001\u001f\"\\\n\r\t\b\f\u007f\u2028😀")"),
            "\"ü/\\u0001\\u001f\\\"\\\\\\n\\r\\t\\b\\f\x7f\xE2\x80\xA8😀\"");
}

TEST(PythonJson, OfEqualKeysTheLastValueAtTheFirstPlace) {
  EXPECT_EQ(Dump(R"({"b":1,"a":2,"b":3,"c":4,"a":5,"b":6})"),
            R"({"b": 6, "a": 5, "c": 4})");
  EXPECT_EQ(Dump(R"({"\u0061":1,"a":2})"), R"({"a": 2})");
}

TEST(PythonJson, ManyEqualKeysTakeLittleTime) {
  std::string text = "{";
  for (int i = 0; i < 100000; ++i) text += "\"k\":1,";
  EXPECT_EQ(Dump(text + "\"k\":2}"), R"({"k": 2})");
}

TEST(PythonJson, Truth) {
  HostMemory memory(nullptr);
  EXPECT_FALSE(IsTruthy(Json()));
  for (const char* text : {"null", "false", "0", "0.0", "\"\"", "[]", "{}"}) {
    EXPECT_FALSE(IsTruthy(JsonDocument::Parse(text, "", &memory)->root()));
  }
  for (const char* text : {"true", "1", "-0.5", "\"0\"", "[0]", "{\"a\":0}"}) {
    EXPECT_TRUE(IsTruthy(JsonDocument::Parse(text, "", &memory)->root()));
  }
}

}  // namespace
}  // namespace baleen
