#include "benchmarks/model/operator_table.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "ops/table.h"

namespace baleen::bench {
namespace {

constexpr const char* kHeading = "  %-14s %7s %9s %6s %8s %9s %9s %6s\n";

std::string Row(const char* name, double calls, double seconds, double whole,
                const OperatorWork& work, const Rates& rates) {
  char line[160];
  std::snprintf(
      line, sizeof line,
      "  %-14s %7.1f %9.3f %5.1f%% %8.2f %9.1f %9.3f %5.0f%%\n", name, calls,
      seconds * 1e3, 100 * seconds / whole, work.bytes / seconds * 1e-9,
      work.TotalOperations() / seconds * 1e-9, work.FloorSeconds(rates) * 1e3,
      100 * work.FloorSeconds(rates) / seconds);
  return line;
}

OperatorWork Scaled(OperatorWork work, double factor) {
  work.bytes *= factor;
  for (double& operations : work.operations) operations *= factor;
  return work;
}

}  // namespace

std::string OperatorTable(const std::string& title, const char* unit,
                          double count, double seconds, const Trace& trace,
                          const StepWork& work, const Rates& rates) {
  const double whole =
      static_cast<double>(trace.TotalNanoseconds()) * 1e-9 / count;
  std::vector<baleen_op> order;
  for (baleen_op op = 0; op < BALEEN_OP_COUNT; ++op) {
    if (trace.operators[op].calls > 0) order.push_back(op);
  }
  std::sort(order.begin(), order.end(), [&](baleen_op a, baleen_op b) {
    return trace.operators[a].nanoseconds > trace.operators[b].nanoseconds;
  });
  char line[200];
  std::snprintf(line, sizeof line,
                "%s, of a %s: %.3f ms, operators %.3f ms when each is waited "
                "for\n",
                title.c_str(), unit, seconds * 1e3, whole * 1e3);
  std::string table = line;
  std::snprintf(line, sizeof line, kHeading, "operator", "calls", "ms", "share",
                "GB/s", "GOP/s", "floor ms", "of it");
  table += line;
  for (const baleen_op op : order) {
    const Trace::Entry& entry = trace.operators[op];
    table +=
        Row(OperatorName(op), static_cast<double>(entry.calls) / count,
            static_cast<double>(entry.nanoseconds) * 1e-9 / count, whole,
            Scaled(work.operators[static_cast<size_t>(op)], 1 / count), rates);
  }
  return table;
}

}  // namespace baleen::bench
