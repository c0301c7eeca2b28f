#include "text/python_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace baleen {
namespace {

bool IsFloat(std::string_view number) {
  return number.find_first_of(".eE") != std::string_view::npos;
}

void AppendNumber(Json value, String* out) {
  const std::string_view text = value.text();
  if (text == "-0") {
    out->push_back('0');
  } else if (!IsFloat(text)) {  // An integer, or NaN and its like.
    out->append(text);
  } else {
    double number = 0;
    value.GetDouble(&number);
    AppendPythonFloat(number, out);
  }
}

}  // namespace

// The shortest digits that are read back as the same value, with an exponent
// below 1e-4 and from 1e16 on.
void AppendPythonFloat(double value, String* out) {
  if (std::isnan(value)) {
    out->append("NaN");
    return;
  }
  if (std::signbit(value)) out->push_back('-');
  value = std::fabs(value);
  if (std::isinf(value)) {
    out->append("Infinity");
    return;
  }
  char buffer[32];  // 17 digits, a point and "e-308" at most.
  const char* end = std::to_chars(buffer, buffer + sizeof(buffer), value,
                                  std::chars_format::scientific)
                        .ptr;
  const char* letter = std::find(static_cast<const char*>(buffer), end, 'e');
  int exponent = 0;
  const char* sign = letter + 1;
  std::from_chars(*sign == '+' ? sign + 1 : sign, end, exponent);
  char digits[24];
  int count = 0;
  for (const char* c = buffer; c < letter; ++c) {
    if (*c != '.') digits[count++] = *c;
  }
  const std::string_view all(digits, static_cast<size_t>(count));
  if (exponent < -4 || exponent >= 16) {
    out->push_back(all.front());
    if (count > 1) out->append(".").append(all.substr(1));
    const int size = std::abs(exponent);
    out->append(exponent < 0 ? "e-" : "e+");
    if (size < 10) out->push_back('0');
    char text[8];
    out->append(text, std::to_chars(text, text + sizeof(text), size).ptr);
  } else if (exponent < 0) {
    out->append("0.").append(static_cast<size_t>(-exponent - 1), '0');
    out->append(all);
  } else {
    const auto whole = static_cast<size_t>(exponent) + 1;
    out->append(all.substr(0, whole));
    if (all.size() < whole) out->append(whole - all.size(), '0');
    out->append(".");
    out->append(all.size() > whole ? all.substr(whole) : "0");
  }
}

void AppendPythonCharacters(std::string_view text, String* out) {
  for (const char c : text) {
    switch (c) {
      case '"':
        out->append("\\\"");
        break;
      case '\\':
        out->append("\\\\");
        break;
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      case '\t':
        out->append("\\t");
        break;
      case '\b':
        out->append("\\b");
        break;
      case '\f':
        out->append("\\f");
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          constexpr std::string_view kHex = "0123456789abcdef";
          out->append(c < 0x10 ? "\\u000" : "\\u001");
          out->push_back(kHex[static_cast<size_t>(c & 0xF)]);
        } else {
          out->push_back(c);
        }
    }
  }
}

void AppendPythonString(std::string_view text, String* out) {
  out->push_back('"');
  AppendPythonCharacters(text, out);
  out->push_back('"');
}

Vector<JsonMember> UniqueMembers(Json object, Memory* memory) {
  Vector<JsonMember> members(memory);
  members.reserve(object.size());
  bool is_key = true;
  for (const Json json : object) {
    if (is_key) members.push_back({json.text(), json.Next()});
    is_key = !is_key;
  }
  // Those of one key side by side, in their order.
  Vector<uint32_t> order(members.size(), 0, memory);
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const int compared = members[a].key.compare(members[b].key);
    return compared != 0 ? compared < 0 : a < b;
  });
  for (size_t i = 0; i < order.size();) {
    const size_t first = order[i];
    size_t next = i + 1;
    for (; next < order.size(); ++next) {
      JsonMember& again = members[order[next]];
      if (again.key != members[first].key) break;
      members[first].value = again.value;
      again.value = Json();
    }
    i = next;
  }
  const auto gone =
      std::remove_if(members.begin(), members.end(),
                     [](const JsonMember& member) { return !member.value; });
  members.erase(gone, members.end());
  return members;
}

// Recursion ends with the tree, which is JsonDocument::kDepthLimit deep.
void AppendPythonJson(Json value, Memory* memory, String* out) {
  switch (value.type()) {
    case JsonType::kNull:
      out->append("null");
      break;
    case JsonType::kFalse:
      out->append("false");
      break;
    case JsonType::kTrue:
      out->append("true");
      break;
    case JsonType::kNumber:
      AppendNumber(value, out);
      break;
    case JsonType::kString:
      AppendPythonString(value.text(), out);
      break;
    case JsonType::kArray: {
      out->push_back('[');
      const char* separator = "";
      for (const Json element : value) {
        out->append(separator);
        AppendPythonJson(element, memory, out);
        separator = ", ";
      }
      out->push_back(']');
      break;
    }
    case JsonType::kObject: {
      out->push_back('{');
      const char* separator = "";
      for (const JsonMember& member : UniqueMembers(value, memory)) {
        out->append(separator);
        AppendPythonString(member.key, out);
        out->append(": ");
        AppendPythonJson(member.value, memory, out);
        separator = ", ";
      }
      out->push_back('}');
      break;
    }
  }
}

bool IsTruthy(Json value) {
  if (!value) return false;
  switch (value.type()) {
    case JsonType::kNull:
    case JsonType::kFalse:
      return false;
    case JsonType::kTrue:
      return true;
    case JsonType::kNumber: {
      double number = 1;
      value.GetDouble(&number);
      return number != 0;
    }
    case JsonType::kString:
      return !value.text().empty();
    case JsonType::kArray:
    case JsonType::kObject:
      return value.size() != 0;
  }
  return false;
}

}  // namespace baleen
