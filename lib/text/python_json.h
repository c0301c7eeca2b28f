// JSON as Python's json.dumps(value, ensure_ascii=False) writes it, to the
// byte: the models were trained on prompts made so (text.md §1.10).
//
// base/json.h keeps numbers as they were written; Python does not, so 1.50
// becomes 1.5 and 1E5 becomes 100000.0.  Integers of any size stay.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/memory.h"

namespace baleen {

// Appends the value.
void AppendPythonJson(Json value, Memory* memory, String* out);

// Appends the text as a JSON string, with its quotes.
void AppendPythonString(std::string_view text, String* out);

// Appends what stands between the quotes of such a string.
void AppendPythonCharacters(std::string_view text, String* out);

// Appends the number as Python's repr has it.
void AppendPythonFloat(double value, String* out);

struct JsonMember {
  std::string_view key;
  Json value;
};

// The members of an object as a Python dictionary has them: of several with
// one key, the last one's value at the first one's place.
Vector<JsonMember> UniqueMembers(Json object, Memory* memory);

// Python's truth: false for nothing, null, false, zero and what is empty.
bool IsTruthy(Json value);

}  // namespace baleen
