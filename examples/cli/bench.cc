// baleen bench: how fast a model reads and writes at given context lengths.
//
// Each figure is the median of some repetitions, after one that is not counted:
// machines are noisy, and the first touch of a mapped weight reads the disk.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "engine.h"
#include "format.h"

namespace tool {
namespace {

struct BenchOptions {
  ModelOptions model;
  SessionOptions session;
  std::vector<uint64_t> contexts = {128, 512, 2048};
  uint64_t decode = 64;
  uint32_t repetitions = 3;
  bool json = false;
};

struct Times {
  double prefill_seconds = 0;
  double decode_seconds = 0;
  uint64_t decoded = 0;
};

struct Row {
  uint64_t context = 0;
  double prefill_speed = 0;  // Tokens a second, medians.
  double decode_speed = 0;
};

double Seconds(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
      .count();
}

// Any tokens will do: the work for a token does not depend on which it is, but
// for the experts it is sent to, and these are spread as for text.
Tokens MakePrompt(const Engine& engine, uint64_t size) {
  baleen_model_info info = {};
  info.struct_size = sizeof info;
  baleen_error error;
  Check(baleen_model_get_info(engine.model(), &info, &error), error);
  Tokens tokens(size);
  uint64_t state = 1;
  for (baleen_token& token : tokens) {
    // Knuth's MMIX generator; its high bits are good.
    state = state * 6364136223846793005u + 1442695040888963407u;
    token = static_cast<baleen_token>((state >> 33) % info.vocabulary_size);
  }
  return tokens;
}

Times Measure(baleen_session* session, const Tokens& prompt, uint64_t decode) {
  constexpr size_t kMaxStep = 64;
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.flags = BALEEN_SAMPLING_GREEDY;
  baleen_token tokens[kMaxStep];
  baleen_error error;
  Times times;
  Check(baleen_session_truncate(session, 0, &error), error);
  auto begin = std::chrono::steady_clock::now();
  Check(baleen_session_append(session, prompt.data(), prompt.size(), &error),
        error);
  times.prefill_seconds = Seconds(begin);
  begin = std::chrono::steady_clock::now();
  while (times.decoded < decode) {
    size_t count = 0;
    const size_t room = std::min<uint64_t>(kMaxStep, decode - times.decoded);
    Check(baleen_session_step(session, &sampling, tokens, room, &count, &error),
          error);
    times.decoded += count;
  }
  times.decode_seconds = Seconds(begin);
  return times;
}

double Median(std::vector<double> values) {
  const size_t middle = values.size() / 2;
  std::sort(values.begin(), values.end());
  return values.size() % 2 == 1 ? values[middle]
                                : (values[middle - 1] + values[middle]) / 2;
}

Row MeasureContext(const BenchOptions& options, const Engine& engine,
                   uint64_t context) {
  SessionOptions session_options = options.session;
  session_options.context = context + options.decode;
  const Session session = engine.NewSession(session_options);
  const Tokens prompt = MakePrompt(engine, context);
  std::vector<double> prefill;
  std::vector<double> decode;
  for (uint32_t i = 0; i <= options.repetitions; ++i) {
    const Times times = Measure(session.get(), prompt, options.decode);
    if (i == 0) continue;
    prefill.push_back(static_cast<double>(context) / times.prefill_seconds);
    decode.push_back(static_cast<double>(times.decoded) / times.decode_seconds);
  }
  return {context, Median(prefill), Median(decode)};
}

std::string FormatRow(const std::string& a, const std::string& b,
                      const std::string& c) {
  constexpr size_t kWidth = 16;
  std::string row;
  for (const std::string& cell : {a, b, c}) {
    row.append(kWidth - std::min(kWidth, cell.size()), ' ');
    row += cell;
  }
  return row + "\n";
}

std::string ToJson(const BenchOptions& options, const Engine& engine,
                   const std::vector<Row>& rows) {
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    results.push_back({{"context", row.context},
                       {"prefill_tokens_per_second", row.prefill_speed},
                       {"decode_tokens_per_second", row.decode_speed}});
  }
  const bool fast = options.session.mode == BALEEN_MODE_FAST;
  const nlohmann::ordered_json json = {{"version", baleen_version_string()},
                                       {"model", engine.path()},
                                       {"mode", fast ? "fast" : "reference"},
                                       {"threads", options.model.threads},
                                       {"decoded", options.decode},
                                       {"repetitions", options.repetitions},
                                       {"results", results}};
  return json.dump(2) + "\n";
}

int Bench(const BenchOptions& options) {
  const Engine engine(options.model);
  std::vector<Row> rows;
  if (!options.json)
    Print(FormatRow("context", "prefill tok/s", "decode tok/s"));
  for (const uint64_t context : options.contexts) {
    rows.push_back(MeasureContext(options, engine, context));
    if (options.json) continue;
    const Row& row = rows.back();
    Print(FormatRow(FormatCount(row.context),
                    FormatNumber(row.prefill_speed, 1),
                    FormatNumber(row.decode_speed, 1)));
  }
  if (options.json) Print(ToJson(options, engine, rows));
  return kExitOk;
}

}  // namespace

void AddBench(CLI::App* app, Action* action) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command =
      app->add_subcommand("bench", "How fast a model reads and writes");
  command
      ->add_option("--contexts", options->contexts,
                   "Context lengths; 128,512,2048 if not given")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--decode", options->decode,
                   "Tokens to write after each context; 64 if not given")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--repetitions", options->repetitions,
                   "How often to measure; 3 if not given")
      ->check(CLI::Range(1, 1000));
  command->add_flag("--json", options->json, "Write JSON");
  AddSessionOptions(command, &options->session);
  AddModelOptions(command, &options->model);
  command->callback(
      [options, action] { *action = [options] { return Bench(*options); }; });
}

}  // namespace tool
