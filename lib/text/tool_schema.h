// What the tools on offer say about their parameters, to mend values that a
// model wrote without quotes or as no JSON (text.md §2.2).
#pragma once

#include <optional>
#include <string_view>

#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"

namespace baleen {

// How a model marked a parameter's value.
enum class ValueMark {
  kString,  // string="true"
  kJson,    // string="false"
  kNone     // Neither.
};

class ToolSchemas {
 public:
  explicit ToolSchemas(Memory* memory) : memory_(memory), text_(memory) {}
  ToolSchemas(const ToolSchemas&) = delete;
  ToolSchemas& operator=(const ToolSchemas&) = delete;

  // Reads the tools, a JSON array; NULL: none.
  Status Read(const char* tools);

  // Appends the value of a parameter as JSON: as it stands if it is JSON, else
  // what the parameter's type makes of it, else a string.
  void AppendValue(std::string_view tool, std::string_view parameter,
                   std::string_view value, ValueMark mark, String* out) const;

 private:
  // The types a parameter may have, as bits; 0: nobody knows.
  unsigned TypesOf(std::string_view tool, std::string_view parameter) const;

  Memory* memory_;
  String text_;
  std::optional<JsonDocument> document_;
};

}  // namespace baleen
