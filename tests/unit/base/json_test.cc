// The JSON reader, mostly against nlohmann-json.
#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "base/utf8.h"
#include "unit/failing_memory.h"

namespace baleen {
namespace {

using Oracle = nlohmann::ordered_json;

Result<JsonDocument> Parse(std::string_view text, bool python = false) {
  static HostMemory memory(nullptr);
  return JsonDocument::Parse(text, "test.json", &memory, python);
}

void ExpectSameNumber(Json ours, const Oracle& theirs) {
  double number = 0;
  ASSERT_TRUE(ours.GetDouble(&number));
  EXPECT_EQ(number, theirs.get<double>()) << ours.text();
  int64_t integer = 0;
  uint64_t natural = 0;
  if (theirs.is_number_unsigned()) {
    ASSERT_TRUE(ours.GetUint64(&natural));
    EXPECT_EQ(natural, theirs.get<uint64_t>());
  } else if (theirs.is_number_integer()) {
    ASSERT_TRUE(ours.GetInt64(&integer));
    EXPECT_EQ(integer, theirs.get<int64_t>());
  } else {
    EXPECT_FALSE(ours.GetInt64(&integer));
  }
}

void ExpectSame(Json ours, const Oracle& theirs) {
  ASSERT_TRUE(ours);
  EXPECT_EQ(ours.IsNull(), theirs.is_null());
  EXPECT_EQ(ours.IsBool(), theirs.is_boolean());
  EXPECT_EQ(ours.IsNumber(), theirs.is_number());
  EXPECT_EQ(ours.IsString(), theirs.is_string());
  ASSERT_EQ(ours.IsArray(), theirs.is_array());
  ASSERT_EQ(ours.IsObject(), theirs.is_object());
  if (theirs.is_boolean()) {
    bool value = !theirs.get<bool>();
    EXPECT_TRUE(ours.GetBool(&value));
    EXPECT_EQ(value, theirs.get<bool>());
  } else if (theirs.is_number()) {
    ExpectSameNumber(ours, theirs);
  } else if (theirs.is_string()) {
    EXPECT_EQ(ours.text(), theirs.get<std::string>());
  } else if (theirs.is_structured()) {
    ASSERT_EQ(ours.size(), theirs.size());
    // What a value's source says is the value.
    EXPECT_EQ(Oracle::parse(ours.source()), theirs);
    auto it = ours.begin();
    for (const auto& [key, value] : theirs.items()) {
      ASSERT_TRUE(it != ours.end());
      if (theirs.is_object()) {
        EXPECT_EQ((*it).text(), key);
        ExpectSame((*it).Next(), value);
        ExpectSame(ours.Find(key), value);
        ++it;
      }
      ExpectSame(*it, value);
      ++it;
    }
    EXPECT_FALSE(it != ours.end());
  }
}

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  size_t Below(size_t limit) { return engine_() % limit; }

  std::string Text() {
    String text;
    for (size_t size = Below(8); size > 0; --size) {
      const uint32_t limits[] = {0x20, 0x80, 0x800, 0xD800, 0x110000};
      const auto point =
          static_cast<uint32_t>(Below(limits[Below(std::size(limits))]));
      if (point < 0xD800 || point > 0xDFFF) AppendUtf8(point, &text);
    }
    return std::string(text);
  }

  Oracle Number() {
    const uint64_t bits = uint64_t{engine_()} << 32 | engine_();
    switch (Below(4)) {
      case 0:
        return bits >> Below(64);
      case 1:
        return static_cast<int64_t>(bits) >> Below(64);
      case 2:
        return static_cast<double>(static_cast<int64_t>(bits)) * 1e-9;
      default: {
        double number;
        std::memcpy(&number, &bits, sizeof number);
        return std::isfinite(number) ? number : 0.5;
      }
    }
  }

  Oracle Value(int depth) {
    switch (Below(depth > 0 ? 8 : 5)) {
      case 0:
        return nullptr;
      case 1:
        return Below(2) == 0;
      case 2:
      case 3:
        return Number();
      case 4:
        return Text();
      case 5:
      case 6: {
        Oracle array = Oracle::array();
        for (size_t i = Below(5); i > 0; --i) array.push_back(Value(depth - 1));
        return array;
      }
      default: {
        Oracle object = Oracle::object();
        for (size_t i = Below(5); i > 0; --i) object[Text()] = Value(depth - 1);
        return object;
      }
    }
  }

  std::string Document() {
    const int indent = static_cast<int>(Below(3)) - 1;
    return Value(5).dump(indent, ' ', Below(2) == 0);
  }

 private:
  std::mt19937 engine_;
};

TEST(JsonTest, ReadsRandomDocuments) {
  Random random(1);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random.Document();
    const auto document = Parse(text);
    ASSERT_TRUE(document.ok()) << document.status().message() << text;
    ExpectSame(document->root(), Oracle::parse(text));
    EXPECT_EQ(document->root().source(), text);
    if (HasFailure()) return;
  }
}

bool HasInfinity(Json value) {
  double number = 0;
  if (value.GetDouble(&number)) return std::isinf(number);
  for (const Json child : value) {
    if (!child.IsArray() && !child.IsObject() && !child.IsNumber()) continue;
    if (HasInfinity(child)) return true;
  }
  return false;
}

TEST(JsonTest, AcceptsAndRefusesDamagedDocumentsAsNlohmannDoes) {
  Random random(2);
  int accepted = 0;
  int refused = 0;
  for (int i = 0; i < 30000; ++i) {
    std::string text = random.Document();
    for (size_t changes = 1 + random.Below(2); changes > 0; --changes) {
      const size_t place = random.Below(text.size() + 1);
      constexpr std::string_view kBytes =
          "{}[]:,\"\\/ \n\t0123456789-+.eEnulltruefasbx\x01\x7F\x80\xC3\xFF";
      const char byte = kBytes[random.Below(kBytes.size())];
      switch (random.Below(4)) {
        case 0:
          text.insert(place, 1, byte);
          break;
        case 1:
          if (place < text.size()) text[place] = byte;
          break;
        case 2:
          text.erase(place, 1 + random.Below(3));
          break;
        default:
          text.resize(place);
          break;
      }
    }
    const auto document = Parse(text);
    const bool expected = Oracle::accept(text);
    ++(expected ? accepted : refused);
    if (document.ok() && !expected) {
      // It takes no numbers beyond doubles; we keep what they were written as.
      EXPECT_TRUE(HasInfinity(document->root())) << text;
    } else {
      ASSERT_EQ(document.ok(), expected) << document.status().message() << text;
    }
  }
  EXPECT_GT(accepted, 1000);
  EXPECT_GT(refused, 1000);
}

TEST(JsonTest, ErrorsNameThePlace) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"", "the text ends where a value should be at line 1, column 1"},
      {"  \n ", "the text ends where a value should be at line 2, column 2"},
      {"[1,\n 2,\n x]", "no value at line 3, column 2"},
      {"[1 2]", "no comma and no end at line 1, column 4"},
      {"[1,]", "no value at line 1, column 4"},
      {"{\"a\" 1}", "no colon after a key at line 1, column 6"},
      {"{1: 2}", "no key at line 1, column 2"},
      {"{\"a\": 1,}", "no key at line 1, column 9"},
      {"\"abc", "a string without an end at line 1, column 5"},
      {"\"a\nb\"", "a control character in a string at line 1, column 3"},
      {"\"\xFF\"", "a string that is not UTF-8 at line 1, column 2"},
      {"\"\\x\"", "an unknown escape at line 1, column 4"},
      {"\"\\u12\"", "a \\u without four digits at line 1, column 4"},
      {"\"\\ud800\"", "half a surrogate pair at line 1, column 8"},
      {"\"\\udc00\"", "half a surrogate pair at line 1, column 8"},
      {"\"\\ud800\\u0041\"", "half a surrogate pair at line 1, column 14"},
      {"1 2", "more text after the value at line 1, column 3"},
      {"01", "more text after the value at line 1, column 2"},
      {"1.", "no digit after the point at line 1, column 3"},
      {"1e+", "no digit in the exponent at line 1, column 4"},
      {"-", "no digit at line 1, column 2"},
      {"NaN", "no value at line 1, column 1"},
      {"nul", "no value at line 1, column 1"},
      {"\xEF\xBB\xBF{}", "no value at line 1, column 1"},
  };
  for (const auto& c : cases) {
    const Status status = Parse(c.text).status();
    EXPECT_EQ(status.code(), BALEEN_CORRUPT) << c.text;
    EXPECT_EQ(status.message(),
              std::string("test.json is not valid JSON: ") + c.message);
  }
}

TEST(JsonTest, ReadsEscapes) {
  const std::string text =
      R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u4E2d\ud83d\ude00\u0000 plain")";
  const auto document = Parse(text);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->root().text(),
            std::string("\"\\/\b\f\n\r\tAé中😀") + '\0' + " plain");
  EXPECT_EQ(document->root().source(), text);
}

TEST(JsonTest, StringsWithoutEscapesAreViews) {
  const std::string text = R"(["as it is", "with \n"])";
  const auto document = Parse(text);
  const Json first = *document->root().begin();
  EXPECT_EQ(first.text().data(), text.data() + 2);
}

TEST(JsonTest, KeepsNumbersAsTheyWereWritten) {
  const std::string text =
      "[123456789012345678901234567890, 1.50, -0, 1E5, 9223372036854775807,"
      " 9223372036854775808, -9223372036854775808, 18446744073709551615]";
  const auto document = Parse(text);
  ASSERT_TRUE(document.ok());
  std::vector<Json> values;
  for (const Json value : document->root()) values.push_back(value);
  ASSERT_EQ(values.size(), 8u);
  EXPECT_EQ(values[0].text(), "123456789012345678901234567890");
  EXPECT_EQ(values[1].text(), "1.50");
  int64_t integer = 77;
  uint64_t natural = 77;
  EXPECT_FALSE(values[0].GetInt64(&integer));
  EXPECT_FALSE(values[0].GetUint64(&natural));
  EXPECT_FALSE(values[1].GetInt64(&integer));
  EXPECT_FALSE(values[3].GetInt64(&integer));
  EXPECT_FALSE(values[5].GetInt64(&integer));
  EXPECT_FALSE(values[6].GetUint64(&natural));
  EXPECT_EQ(integer, 77);
  EXPECT_EQ(natural, 77u);
  EXPECT_TRUE(values[2].GetInt64(&integer));
  EXPECT_EQ(integer, 0);
  EXPECT_TRUE(values[4].GetInt64(&integer));
  EXPECT_EQ(integer, INT64_MAX);
  EXPECT_TRUE(values[6].GetInt64(&integer));
  EXPECT_EQ(integer, INT64_MIN);
  EXPECT_TRUE(values[7].GetUint64(&natural));
  EXPECT_EQ(natural, UINT64_MAX);
}

TEST(JsonTest, NumbersBeyondDoublesAreAsStrtodHasThem) {
  const std::string zeros(400, '0');
  const std::string cases[] = {"1e999",
                               "-1e999",
                               "1e-999",
                               "-1e-999",
                               "1" + zeros,
                               "0." + zeros + "1",
                               "1" + zeros + "e-10",
                               "1" + zeros + "e-390",
                               "0." + zeros + "1e10",
                               "0." + zeros + "1e405",
                               "1e99999999999999999999",
                               "1e-99999999999999999999",
                               "1E+999",
                               "0e999",
                               "0.0e-999",
                               "4.9e-324",
                               "2e-324",
                               "1.7976931348623157e308",
                               "1.7976931348623159e308"};
  for (const std::string& text : cases) {
    const auto document = Parse(text);
    ASSERT_TRUE(document.ok()) << text;
    double number = 77;
    ASSERT_TRUE(document->root().GetDouble(&number)) << text;
    const double expected = std::strtod(text.c_str(), nullptr);
    EXPECT_EQ(number, expected) << text;
    EXPECT_EQ(std::signbit(number), std::signbit(expected)) << text;
  }
}

TEST(JsonTest, ReadsPythonsNumbersIfAsked) {
  const std::string text = "[NaN, Infinity, -Infinity]";
  EXPECT_FALSE(Parse(text).ok());
  const auto document = Parse(text, true);
  ASSERT_TRUE(document.ok());
  std::vector<double> values;
  for (const Json value : document->root()) {
    double number = 0;
    EXPECT_TRUE(value.GetDouble(&number));
    values.push_back(number);
  }
  ASSERT_EQ(values.size(), 3u);
  EXPECT_TRUE(std::isnan(values[0]));
  EXPECT_EQ(values[1], HUGE_VAL);
  EXPECT_EQ(values[2], -HUGE_VAL);
  for (const char* wrong : {"-NaN", "nan", "Infinit", "+Infinity", "1nan"}) {
    EXPECT_FALSE(Parse(wrong, true).ok()) << wrong;
  }
}

TEST(JsonTest, FindsTheLastOfSeveralMembers) {
  const std::string text =
      R"({"a": 1, "b": {"a": 2}, "\u0061": [3], "": null})";
  const auto document = Parse(text);
  ASSERT_TRUE(document.ok());
  const Json root = document->root();
  EXPECT_EQ(root.size(), 4u);
  EXPECT_TRUE(root.Find("a").IsArray());
  EXPECT_EQ(root.Find("b").Find("a").text(), "2");
  EXPECT_TRUE(root.Find("").IsNull());
  EXPECT_FALSE(root.Find("c"));
  // Nothing, and values that are no objects, have no members.
  EXPECT_FALSE(root.Find("c").Find("d").Find("e"));
  EXPECT_FALSE(root.Find("a").Find("0"));
}

TEST(JsonTest, NothingHasNoProperties) {
  const Json nothing;
  EXPECT_FALSE(nothing);
  EXPECT_FALSE(nothing.IsNull() || nothing.IsBool() || nothing.IsNumber() ||
               nothing.IsString() || nothing.IsArray() || nothing.IsObject());
  EXPECT_EQ(nothing.text(), "");
  EXPECT_EQ(nothing.source(), "");
  EXPECT_EQ(nothing.size(), 0u);
  EXPECT_FALSE(nothing.begin() != nothing.end());
  int64_t integer = 0;
  double number = 0;
  bool truth = false;
  EXPECT_FALSE(nothing.GetInt64(&integer) || nothing.GetDouble(&number) ||
               nothing.GetBool(&truth));
}

TEST(JsonTest, NestsOnlySoDeep) {
  for (const bool object : {false, true}) {
    for (const uint32_t depth :
         {JsonDocument::kDepthLimit, JsonDocument::kDepthLimit + 1, 1000000u}) {
      std::string text;
      for (uint32_t i = 0; i < depth; ++i) text += object ? "{\"a\":" : "[";
      text += "1" + std::string(depth, object ? '}' : ']');
      const Status status = Parse(text).status();
      EXPECT_EQ(status.ok(), depth <= JsonDocument::kDepthLimit);
      if (status.ok()) continue;
      EXPECT_NE(std::string(status.message()).find("values nested too deeply"),
                std::string::npos);
    }
  }
  // Side by side there may be any number.
  std::string text = "[";
  for (int i = 0; i < 10000; ++i) text += "[[]],";
  EXPECT_TRUE(Parse(text + "0]").ok());
}

TEST(JsonTest, AnyAllocationMayFail) {
  Random random(3);
  std::string text = "[";
  for (int i = 0; i < 30; ++i) text += random.Document() + ",";
  text += "\"\\n" + std::string(1000, 'x') + "\"]";
  int failures = 0;
  for (int64_t k = 1;; ++k) {
    FailingMemory memory(k);
    try {
      const auto document = JsonDocument::Parse(text, "test.json", &memory);
      EXPECT_TRUE(document.ok());
    } catch (const std::bad_alloc&) {
      ++failures;
    }
    EXPECT_EQ(memory.outstanding(), 0);
    if (memory.allocations() < k) break;
  }
  EXPECT_GT(failures, 5);
}

}  // namespace
}  // namespace baleen
