// Tool calls as the models write them (text.md §1.7).
//
// It looks like XML and is not: values stand as they are, without any escapes,
// and its tags have the special token ｜DSML｜ in them.
#pragma once

#include <cstddef>

#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"
#include "text/prompt.h"

namespace baleen {

// Writes the calls, a JSON array as in baleen_message, of message number
// `message`.
Status AppendDsmlCalls(Json calls, size_t message, Memory* memory,
                       Prompt* prompt);

}  // namespace baleen
