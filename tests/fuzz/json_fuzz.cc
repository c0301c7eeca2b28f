// Hostile JSON.  Whatever is accepted must hold together: every value lies in
// the text, its source is that value again, and keys find their members.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.h"

namespace {

using baleen::Json;
using baleen::JsonDocument;

// A source is parsed again for each value inside another, so depth costs.
constexpr int kMostReparsed = 3;

void Check(bool holds) {
  if (!holds) std::abort();
}

void CheckValue(Json value, std::string_view text, bool python, int depth,
                baleen::Memory* memory) {
  const std::string_view source = value.source();
  Check(!source.empty() && source.data() >= text.data() &&
        source.data() + source.size() <= text.data() + text.size());
  int64_t integer = 0;
  uint64_t natural = 0;
  double number = 0;
  bool truth = false;
  Check(!value.GetInt64(&integer) || value.IsNumber());
  Check(!value.GetUint64(&natural) || value.IsNumber());
  Check(value.GetDouble(&number) == value.IsNumber());
  Check(value.GetBool(&truth) == value.IsBool());
  if (depth < kMostReparsed) {
    const auto again = JsonDocument::Parse(source, "source", memory, python);
    Check(again.ok() && again->root().type() == value.type() &&
          again->root().text() == value.text());
  }
  uint32_t count = 0;
  for (auto it = value.begin(); it != value.end(); ++it, ++count) {
    if (value.IsObject()) {
      Check((*it).IsString());
      Check(static_cast<bool>(value.Find((*it).text())));
      ++it;
    }
    CheckValue(*it, text, python, depth + 1, memory);
  }
  Check(count == value.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Looking up every member is quadratic.
  if (size > 1 << 16) return 0;
  baleen::HostMemory memory(nullptr);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool python : {false, true}) {
    const auto document = JsonDocument::Parse(text, "input", &memory, python);
    if (document.ok()) {
      CheckValue(document->root(), text, python, 0, &memory);
    } else {
      Check(document.status().message()[0] != '\0');
    }
  }
  return 0;
}
