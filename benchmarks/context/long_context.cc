// The tables and the picture of docs/long-context.md, from the engine's own
// counters: what a token of V4-Flash and V4-Pro keeps and computes in contexts
// from 4K to 1M, beside V3.2 as published (published.h).
//
//   long_context [DOCS]
//
// No weights are needed: the models are loaded for their shapes, and sessions
// take the memory of every position, 3.7 and 5.3 GB, one after the other.  With
// DOCS, the folder of the documentation, the page and its picture are written
// anew; else the tables are printed.
#include <baleen/baleen.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "benchmarks/context/curve.h"
#include "benchmarks/context/published.h"

namespace {

using baleen::published::Operations;

constexpr uint64_t kFirst = 4096;
constexpr uint64_t kLast = 1048576;

void Check(baleen_status status, const baleen_error& error) {
  if (status != BALEEN_OK) throw std::runtime_error(error.message);
}

struct Release {
  void operator()(baleen_context* context) const {
    baleen_context_release(context);
  }
  void operator()(baleen_model* model) const { baleen_model_release(model); }
  void operator()(baleen_session* session) const {
    baleen_session_release(session);
  }
};
template <typename T>
using Handle = std::unique_ptr<T, Release>;

// What the library has allocated, as its host sees it.
struct Meter {
  uint64_t bytes = 0;

  baleen_allocator hooks() {
    baleen_allocator hooks = {};
    hooks.struct_size = sizeof hooks;
    hooks.user_data = this;
    hooks.allocate = [](void* self, size_t size, size_t alignment) -> void* {
      void* memory = nullptr;
      if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), size) !=
          0) {
        return nullptr;
      }
      static_cast<Meter*>(self)->bytes += size;
      return memory;
    };
    hooks.deallocate = [](void* self, void* memory, size_t size, size_t) {
      static_cast<Meter*>(self)->bytes -= size;
      std::free(memory);
    };
    return hooks;
  }
};

// One decoded token that sees so many positions, itself among them.
struct Point {
  uint64_t context = 0;
  uint64_t state_bytes = 0;      // Held by the session.
  uint64_t allocated_bytes = 0;  // Since before it.
  baleen_session_counters token = {};

  Operations operations() const {
    Operations sum;
    sum.fp4 = static_cast<double>(token.operations_fp4);
    sum.fp8 = static_cast<double>(token.operations_fp8);
    sum.bf16 =
        static_cast<double>(token.operations_bf16 + token.operations_f32);
    return sum;
  }
};

// A folder with a published config.json, as a model is loaded from.
class ConfigFolder {
 public:
  explicit ConfigFolder(const std::string& config) {
    std::string name =
        (std::filesystem::temp_directory_path() / "baleen-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("no folder could be made for a configuration");
    }
    path_ = name;
    std::filesystem::copy_file(BALEEN_TEST_DATA "/configs/" + config,
                               path_ + "/config.json");
  }
  ~ConfigFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Point Measure(baleen_session* session, uint64_t context) {
  baleen_error error = {};
  baleen_session_stats stats = {};
  stats.struct_size = sizeof stats;
  Check(baleen_session_get_stats(session, &stats, &error), error);
  // Any tokens will do: nothing is computed of them.
  const std::vector<baleen_token> tokens(context - 1 - stats.prompt_tokens, 1);
  Check(baleen_session_append(session, tokens.data(), tokens.size(), &error),
        error);
  const baleen_token token = 1;
  Check(baleen_session_append(session, &token, 1, &error), error);
  Point point;
  point.context = context;
  point.token.struct_size = sizeof point.token;
  Check(baleen_session_get_counters(session, nullptr, &point.token, &error),
        error);
  Check(baleen_session_get_stats(session, &stats, &error), error);
  point.state_bytes = stats.state_bytes;
  return point;
}

std::vector<Point> MeasureModel(const std::string& config) {
  const ConfigFolder folder(config);
  Meter meter;
  const baleen_allocator hooks = meter.hooks();
  baleen_error error = {};
  baleen_context_options context_options = {};
  context_options.struct_size = sizeof context_options;
  context_options.thread_count = 1;
  context_options.allocator = &hooks;
  baleen_context* context = nullptr;
  Check(baleen_context_create(&context_options, &context, &error), error);
  const Handle<baleen_context> owned_context(context);
  baleen_model_options model_options = {};
  model_options.struct_size = sizeof model_options;
  model_options.flags = BALEEN_MODEL_SHAPES_ONLY;
  baleen_model* model = nullptr;
  Check(baleen_model_load(context, folder.path().c_str(), &model_options,
                          &model, &error),
        error);
  const Handle<baleen_model> owned_model(model);
  const uint64_t before = meter.bytes;
  baleen_session* session = nullptr;
  Check(baleen_session_create(model, nullptr, &session, &error), error);
  const Handle<baleen_session> owned_session(session);
  std::vector<Point> points;
  for (uint64_t n = kFirst; n <= kLast; n *= 2) {
    points.push_back(Measure(session, n));
    points.back().allocated_bytes = meter.bytes - before;
  }
  return points;
}

struct Model {
  const char* name;
  std::vector<Point> points;
};

std::string Number(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string Row(const std::vector<std::string>& cells) {
  std::string row = "|";
  for (const std::string& cell : cells) row += " " + cell + " |";
  return row + "\n";
}

std::string Percent(double part, double whole) {
  return Number(100 * part / whole, 2) + " %";
}

double PerToken(const Point& point) {
  return static_cast<double>(point.state_bytes) /
         static_cast<double>(point.context);
}

std::string StateTable(const std::vector<Model>& models) {
  std::string table = Row({"", "held at 1,048,576 positions", "allocated",
                           "bytes a token", "of V3.2"}) +
                      Row({"---", "---:", "---:", "---:", "---:"});
  using baleen::published::kV32BytesPerToken;
  for (const Model& model : models) {
    const Point& last = model.points.back();
    table += Row(
        {model.name,
         Number(static_cast<double>(last.state_bytes) * 1e-9, 3) + " GB",
         Number(static_cast<double>(last.allocated_bytes) * 1e-9, 3) + " GB",
         Number(PerToken(last), 0),
         Percent(PerToken(last), kV32BytesPerToken)});
  }
  const double v32 = kV32BytesPerToken * static_cast<double>(kLast);
  return table + Row({"V3.2, published", Number(v32 * 1e-9, 3) + " GB", "",
                      Number(kV32BytesPerToken, 0), ""});
}

// GFLOP of a token that sees 2^20 positions, as model.md §15.3 sorts them.
std::string OperationsTable(const std::vector<Model>& models) {
  std::string table =
      Row({"GFLOP", "linear", "attention core", "indexer QK",
           "hyper-connections", "sum", "FP8-equivalent", "of V3.2"}) +
      Row({"---", "---:", "---:", "---:", "---:", "---:", "---:", "---:"});
  const Operations v32 =
      baleen::published::V32Operations(static_cast<double>(kLast));
  const auto giga = [](double value) { return Number(value * 1e-9, 1); };
  for (const Model& model : models) {
    const baleen_session_counters& token = model.points.back().token;
    const uint64_t* parts = token.operations;
    const auto sum = static_cast<double>(
        std::accumulate(parts, parts + BALEEN_PART_COUNT, uint64_t{0}));
    const auto scores = static_cast<double>(token.operations_fp4);
    const auto core = static_cast<double>(parts[BALEEN_PART_ATTENTION]);
    const auto hyper = static_cast<double>(parts[BALEEN_PART_HYPER]);
    const double in_fp8 = model.points.back().operations().InFp8();
    table += Row({model.name, giga(sum - scores - core - hyper), giga(core),
                  giga(scores), giga(hyper), giga(sum), giga(in_fp8),
                  Percent(in_fp8, v32.InFp8())});
  }
  return table + Row({"V3.2, published", "", "", "", "–",
                      giga(v32.fp8 + v32.bf16), giga(v32.InFp8()), ""});
}

std::string CurveTable(const std::vector<Model>& models) {
  std::vector<std::string> head = {"context"};
  std::vector<std::string> line = {"---:"};
  for (const Model& model : models) {
    for (const char* what : {" MB held", " MB read", " GFLOP", " of V3.2"}) {
      head.push_back(model.name + std::string(what));
      line.emplace_back("---:");
    }
  }
  std::string table = Row(head) + Row(line);
  for (size_t i = 0; i < models[0].points.size(); ++i) {
    std::vector<std::string> cells;
    for (const Model& model : models) {
      const Point& point = model.points[i];
      if (cells.empty()) cells.push_back(std::to_string(point.context));
      const double in_fp8 = point.operations().InFp8();
      cells.push_back(Number(static_cast<double>(point.state_bytes) * 1e-6, 1));
      cells.push_back(
          Number(static_cast<double>(point.token.state_bytes_read) * 1e-6, 1));
      cells.push_back(Number(in_fp8 * 1e-9, 1));
      cells.push_back(Percent(in_fp8, baleen::published::V32Operations(
                                          static_cast<double>(point.context))
                                          .InFp8()));
    }
    table += Row(cells);
  }
  return table;
}

std::string Draw(const std::vector<Model>& models) {
  const char* const kColors[] = {"#1f77b4", "#d62728"};
  Panel state = {"KV held by a session, GB", {}};
  Panel work = {"Operations of a token, FP8-equivalent GFLOP", {}};
  std::vector<double> contexts;
  Curve v32_state = {"V3.2", "#555", {}};
  Curve v32_work = v32_state;
  for (const Point& point : models[0].points) {
    const auto context = static_cast<double>(point.context);
    contexts.push_back(context);
    v32_state.values.push_back(baleen::published::kV32BytesPerToken * context *
                               1e-9);
    v32_work.values.push_back(
        baleen::published::V32Operations(context).InFp8() * 1e-9);
  }
  state.curves.push_back(v32_state);
  work.curves.push_back(v32_work);
  for (size_t i = 0; i < models.size(); ++i) {
    Curve held = {models[i].name, kColors[i], {}};
    Curve done = held;
    for (const Point& point : models[i].points) {
      held.values.push_back(static_cast<double>(point.state_bytes) * 1e-9);
      done.values.push_back(point.operations().InFp8() * 1e-9);
    }
    state.curves.push_back(held);
    work.curves.push_back(done);
  }
  return DrawCurves(contexts, {state, work});
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteText(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

// Puts `table` between the page's marks of that name.
void Replace(const std::string& name, const std::string& table,
             std::string* page) {
  const std::string begin = "<!-- " + name + ": made by long_context -->\n";
  const std::string end = "<!-- end -->";
  const size_t first = page->find(begin);
  const size_t last = page->find(end, first);
  if (first == std::string::npos || last == std::string::npos) {
    throw std::runtime_error("the page has no place for " + name);
  }
  const size_t from = first + begin.size();
  page->replace(from, last - from, table);
}

void Run(const char* docs) {
  const std::vector<Model> models = {
      {"V4-Flash", MeasureModel("DeepSeek-V4-Flash.config.json")},
      {"V4-Pro", MeasureModel("DeepSeek-V4-Pro.config.json")}};
  const std::string state = StateTable(models);
  const std::string operations = OperationsTable(models);
  const std::string curve = CurveTable(models);
  if (docs == nullptr) {
    std::printf("%s\n%s\n%s", state.c_str(), operations.c_str(), curve.c_str());
    return;
  }
  const std::string path = docs + std::string("/long-context.md");
  std::string page = ReadText(path);
  Replace("state", state, &page);
  Replace("operations", operations, &page);
  Replace("curve", curve, &page);
  WriteText(path, page);
  WriteText(docs + std::string("/images/long-context.svg"), Draw(models));
}

}  // namespace

int main(int count, char** arguments) {
  try {
    Run(count > 1 ? arguments[1] : nullptr);
    return 0;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "long_context: %s\n", failure.what());
    return 1;
  }
}
