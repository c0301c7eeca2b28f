#include "text/tool_schema.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "text/python_json.h"

namespace baleen {
namespace {

enum : unsigned {
  kStringType = 1u << 0,
  kNumberType = 1u << 1,  // And integer.
  kBooleanType = 1u << 2,
  kNullType = 1u << 3,
  kOtherType = 1u << 4
};

unsigned TypeOfName(std::string_view name) {
  if (name == "string") return kStringType;
  if (name == "number" || name == "integer") return kNumberType;
  if (name == "boolean") return kBooleanType;
  if (name == "null") return kNullType;
  return kOtherType;
}

unsigned TypesOfSchema(Json schema) {
  unsigned types = 0;
  const Json type = schema.Find("type");
  if (type.IsString()) types |= TypeOfName(type.text());
  if (type.IsArray()) {
    for (const Json one : type) types |= TypeOfName(one.text());
  }
  for (const std::string_view key : {"anyOf", "oneOf"}) {
    const Json choices = schema.Find(key);
    if (!choices.IsArray()) continue;
    for (const Json choice : choices) {
      types |= TypeOfName(choice.Find("type").text());
    }
  }
  return types;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) {
                      return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b;
                    });
}

// "+5", ".5" and "5." are numbers to a model, but not to JSON.
bool AppendNumber(std::string_view text, String* out) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() ||
      text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) {
    return false;
  }
  double number = 0;
  const auto read =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    return false;
  }
  int64_t integer = 0;
  const auto whole =
      std::from_chars(text.data(), text.data() + text.size(), integer);
  if (whole.ec == std::errc() && whole.ptr == text.data() + text.size()) {
    char digits[24];
    out->append(digits,
                std::to_chars(digits, digits + sizeof(digits), integer).ptr);
  } else {
    AppendPythonFloat(number, out);
  }
  return true;
}

}  // namespace

Status ToolSchemas::Read(const char* tools) {
  if (tools == nullptr) return Status();
  text_.assign(tools);
  Result<JsonDocument> parsed =
      JsonDocument::Parse(text_, "tools", memory_, true);
  if (!parsed.ok()) return InvalidArgument("%s", parsed.status().message());
  if (!parsed->root().IsArray() && !parsed->root().IsNull()) {
    return InvalidArgument("tools are no JSON array");
  }
  document_.emplace(*std::move(parsed));
  return Status();
}

unsigned ToolSchemas::TypesOf(std::string_view tool,
                              std::string_view parameter) const {
  if (!document_ || !document_->root().IsArray()) return 0;
  for (const Json entry : document_->root()) {
    const Json function = entry.Find("function");
    if (function.Find("name").text() != tool) continue;
    return TypesOfSchema(
        function.Find("parameters").Find("properties").Find(parameter));
  }
  return 0;
}

void ToolSchemas::AppendValue(std::string_view tool, std::string_view parameter,
                              std::string_view value, ValueMark mark,
                              String* out) const {
  if (mark == ValueMark::kString) {
    AppendPythonString(value, out);
    return;
  }
  const unsigned types = TypesOf(tool, parameter);
  const std::string_view trimmed = Trim(value);
  const bool wants_string =
      mark == ValueMark::kNone && (types & kStringType) != 0;
  if (!wants_string && JsonDocument::Parse(trimmed, "value", memory_).ok()) {
    out->append(trimmed);
    return;
  }
  const auto may_be = [&](unsigned type) {
    return types == 0 || (types & type) != 0;
  };
  if (wants_string) {
    AppendPythonString(value, out);
  } else if (may_be(kBooleanType) && EqualsIgnoringCase(trimmed, "true")) {
    out->append("true");
  } else if (may_be(kBooleanType) && EqualsIgnoringCase(trimmed, "false")) {
    out->append("false");
  } else if (may_be(kNullType) && (EqualsIgnoringCase(trimmed, "none") ||
                                   EqualsIgnoringCase(trimmed, "null"))) {
    out->append("null");
  } else if ((types & kNumberType) == 0 || !AppendNumber(trimmed, out)) {
    AppendPythonString(value, out);
  }
}

}  // namespace baleen
