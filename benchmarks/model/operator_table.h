// Where the time of a benchmark goes, as a table: for each operator its share,
// and how near it comes to what memory and arithmetic allow.
#pragma once

#include <string>

#include "benchmarks/model/work.h"
#include "ops/trace.h"

namespace baleen::bench {

// `trace` and `work` are of `count` tokens or steps, called `unit`; times and
// counts in the table are of one.  `seconds` is what one took without the
// trace, which waits for each operator.
std::string OperatorTable(const std::string& title, const char* unit,
                          double count, double seconds, const Trace& trace,
                          const StepWork& work, const Rates& rates);

}  // namespace baleen::bench
