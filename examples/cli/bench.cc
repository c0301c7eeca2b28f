// baleen bench: how fast a model reads and writes at given context lengths.
//
// Each speed is the median of some repetitions, after one that is not counted:
// machines are noisy, and the first touch of a mapped weight reads the disk.
// What a token costs is counted by the engine: bytes read of weights and state,
// and operations, for a token that is written after the context.
#include <algorithm>
#include <array>
#include <chrono>
#include <initializer_list>
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

// What a token costs, as the engine counts it.
struct Cost {
  double weight_bytes = 0;
  double state_bytes = 0;  // Read.
  double operations = 0;
  std::array<double, BALEEN_PART_COUNT> weight_bytes_by_part = {};
  std::array<double, BALEEN_PART_COUNT> operations_by_part = {};
};

struct Times {
  double prefill_seconds = 0;
  double decode_seconds = 0;
  uint64_t decoded = 0;
  Cost prefill;
  Cost decode;
  uint64_t state_bytes = 0;  // Held in the end.
};

struct Row {
  uint64_t context = 0;
  double prefill_speed = 0;  // Tokens a second, medians.
  double decode_speed = 0;
  Times last;
};

constexpr const char* kPartNames[BALEEN_PART_COUNT] = {
    "embedding",     "hyper",     "projection", "compressor",
    "indexer",       "attention", "router",     "experts",
    "shared_expert", "head",      "drafter"};

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

baleen_session_counters GetCounters(baleen_session* session) {
  baleen_session_counters counters = {};
  counters.struct_size = sizeof counters;
  baleen_error error;
  Check(baleen_session_get_counters(session, &counters, nullptr, &error),
        error);
  return counters;
}

uint64_t GetStateBytes(baleen_session* session) {
  baleen_session_stats stats = {};
  stats.struct_size = sizeof stats;
  baleen_error error;
  Check(baleen_session_get_stats(session, &stats, &error), error);
  return stats.state_bytes;
}

// Of each of so many tokens, between two counts.
Cost CostOf(const baleen_session_counters& before,
            const baleen_session_counters& after, uint64_t tokens) {
  const double count = static_cast<double>(std::max<uint64_t>(tokens, 1));
  const auto each = [&](uint64_t from, uint64_t to) {
    return static_cast<double>(to - from) / count;
  };
  Cost cost;
  cost.state_bytes = each(before.state_bytes_read, after.state_bytes_read);
  for (size_t i = 0; i < BALEEN_PART_COUNT; ++i) {
    cost.weight_bytes_by_part[i] =
        each(before.weight_bytes[i], after.weight_bytes[i]);
    cost.operations_by_part[i] =
        each(before.operations[i], after.operations[i]);
    cost.weight_bytes += cost.weight_bytes_by_part[i];
    cost.operations += cost.operations_by_part[i];
  }
  return cost;
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
  const baleen_session_counters start = GetCounters(session);
  auto begin = std::chrono::steady_clock::now();
  Check(baleen_session_append(session, prompt.data(), prompt.size(), &error),
        error);
  times.prefill_seconds = Seconds(begin);
  const baleen_session_counters read = GetCounters(session);
  times.prefill = CostOf(start, read, prompt.size());
  begin = std::chrono::steady_clock::now();
  while (times.decoded < decode) {
    size_t count = 0;
    const size_t room = std::min<uint64_t>(kMaxStep, decode - times.decoded);
    Check(baleen_session_step(session, &sampling, tokens, room, &count, &error),
          error);
    times.decoded += count;
  }
  times.decode_seconds = Seconds(begin);
  // The last token is chosen, and not computed before it is needed.
  times.decode = CostOf(read, GetCounters(session), times.decoded - 1);
  times.state_bytes = GetStateBytes(session);
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
  Times times;
  for (uint32_t i = 0; i <= options.repetitions; ++i) {
    times = Measure(session.get(), prompt, options.decode);
    if (i == 0) continue;
    prefill.push_back(static_cast<double>(context) / times.prefill_seconds);
    decode.push_back(static_cast<double>(times.decoded) / times.decode_seconds);
  }
  return {context, Median(prefill), Median(decode), times};
}

std::string FormatRow(std::initializer_list<std::string> cells) {
  constexpr size_t kWidth = 15;
  std::string row;
  for (const std::string& cell : cells) {
    row.append(kWidth - std::min(kWidth, cell.size()), ' ');
    row += cell;
  }
  return row + "\n";
}

std::string Rounded(double bytes) {
  return FormatBytes(static_cast<uint64_t>(bytes));
}

std::string FormatSpeeds(const Row& row) {
  return FormatRow(
      {FormatCount(row.context), FormatNumber(row.prefill_speed, 1),
       FormatNumber(row.decode_speed, 1), Rounded(row.last.decode.weight_bytes),
       Rounded(row.last.decode.state_bytes),
       FormatNumber(row.last.decode.operations * 1e-6, 2),
       FormatBytes(row.last.state_bytes)});
}

// What a token written after the longest context costs.
std::string FormatParts(const Row& row) {
  std::string text = "\n" + FormatRow({"part", "weights/tok", "MFLOP/tok"});
  const Cost& cost = row.last.decode;
  for (size_t i = 0; i < BALEEN_PART_COUNT; ++i) {
    if (cost.weight_bytes_by_part[i] == 0 && cost.operations_by_part[i] == 0) {
      continue;
    }
    text += FormatRow({kPartNames[i], Rounded(cost.weight_bytes_by_part[i]),
                       FormatNumber(cost.operations_by_part[i] * 1e-6, 3)});
  }
  return text;
}

nlohmann::ordered_json CostToJson(const Cost& cost) {
  nlohmann::ordered_json weights;
  nlohmann::ordered_json operations;
  for (size_t i = 0; i < BALEEN_PART_COUNT; ++i) {
    weights[kPartNames[i]] = cost.weight_bytes_by_part[i];
    operations[kPartNames[i]] = cost.operations_by_part[i];
  }
  return {{"weight_bytes", cost.weight_bytes},
          {"state_bytes_read", cost.state_bytes},
          {"operations", cost.operations},
          {"weight_bytes_by_part", weights},
          {"operations_by_part", operations}};
}

std::string ToJson(const BenchOptions& options, const Engine& engine,
                   const std::vector<Row>& rows) {
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    results.push_back({{"context", row.context},
                       {"prefill_tokens_per_second", row.prefill_speed},
                       {"decode_tokens_per_second", row.decode_speed},
                       {"state_bytes", row.last.state_bytes},
                       {"prefill_token", CostToJson(row.last.prefill)},
                       {"decode_token", CostToJson(row.last.decode)}});
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
  if (!options.json) {
    Print(FormatRow({"context", "prefill tok/s", "decode tok/s", "weights/tok",
                     "state/tok", "MFLOP/tok", "state held"}));
  }
  for (const uint64_t context : options.contexts) {
    rows.push_back(MeasureContext(options, engine, context));
    if (options.json) continue;
    Print(FormatSpeeds(rows.back()));
  }
  Print(options.json ? ToJson(options, engine, rows)
                     : FormatParts(rows.back()));
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
