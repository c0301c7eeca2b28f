// What guesses are worth on the pocket model: how many come true, how much sooner
// tokens come, and that they are the same tokens.
//
// BALEEN_DRAFT_TOKENS (256) tokens behind each of six prompts.  Sessions with and
// without guesses take turns, so that a machine that becomes slower does so for
// both; of each prompt the best of six rounds counts.
#include <baleen/baleen.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Tokens = std::vector<baleen_token>;

constexpr const char* kPrompts[] = {
    "It is a truth universally",
    "And God said unto them",
    "Call me",
    "The state of the Union",
    "hacker n.",
    "Emma was",
};
constexpr int kRounds = 6;
constexpr size_t kRoom = 9;

void Check(baleen_status status, const baleen_error& error) {
  if (status == BALEEN_OK) return;
  std::fprintf(stderr, "%s\n", error.message);
  std::exit(1);
}

struct Release {
  void operator()(baleen_session* session) const {
    baleen_session_release(session);
  }
};
using Session = std::unique_ptr<baleen_session, Release>;

baleen_model* LoadPocket() {
  baleen_error error;
  baleen_context* context = nullptr;
  baleen_model* model = nullptr;
  Check(baleen_context_create(nullptr, &context, &error), error);
  Check(baleen_model_load(context, BALEEN_TEST_DATA "/pocket", nullptr, &model,
                          &error),
        error);
  baleen_context_release(context);
  return model;
}

// Alive until the program ends.
baleen_model* Pocket() {
  static baleen_model* const model = LoadPocket();
  return model;
}

Tokens Tokenize(std::string_view text) {
  Tokens tokens(text.size() + 1);  // The first begins a sequence.
  size_t count = 0;
  baleen_error error;
  Check(baleen_model_tokenize(Pocket(), text.data(), text.size(), 0,
                              tokens.data() + 1, text.size(), &count, &error),
        error);
  tokens.resize(count + 1);
  return tokens;
}

size_t TokenCount() {
  const char* count = std::getenv("BALEEN_DRAFT_TOKENS");
  return count == nullptr ? 256 : std::strtoull(count, nullptr, 10);
}

struct Run {
  Tokens tokens;
  double seconds = 0;
  uint64_t drafted = 0;
  uint64_t accepted = 0;
};

Run Generate(const Tokens& prompt, baleen_draft draft, float temperature) {
  baleen_error error;
  baleen_session_options options = {};
  options.struct_size = sizeof options;
  options.capacity = prompt.size() + TokenCount();
  options.seed = 1;
  options.draft = draft;
  options.flags = BALEEN_SESSION_PRIVATE;
  baleen_session* created = nullptr;
  Check(baleen_session_create(Pocket(), &options, &created, &error), error);
  const Session session(created);
  Check(baleen_session_append(session.get(), prompt.data(), prompt.size(),
                              &error),
        error);
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.flags = temperature > 0 ? 0 : BALEEN_SAMPLING_GREEDY;
  sampling.temperature = temperature;
  sampling.top_p = temperature < 1 ? 0.9f : 1;
  Run run;
  const auto start = Clock::now();
  while (run.tokens.size() < TokenCount()) {
    baleen_token some[kRoom];
    size_t got = 0;
    Check(baleen_session_step(session.get(), &sampling, some,
                              std::min(kRoom, TokenCount() - run.tokens.size()),
                              &got, &error),
          error);
    run.tokens.insert(run.tokens.end(), some, some + got);
  }
  run.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  baleen_session_stats stats = {};
  stats.struct_size = sizeof stats;
  Check(baleen_session_get_stats(session.get(), &stats, &error), error);
  run.drafted = stats.drafted_tokens;
  run.accepted = stats.accepted_tokens;
  return run;
}

void Compare(benchmark::State& state, baleen_draft draft, float temperature) {
  double plain_seconds = 0;
  double seconds = 0;
  double drafted = 0;
  double accepted = 0;
  for (auto _ : state) {
    double pass_seconds = 0;
    for (const char* text : kPrompts) {
      const Tokens prompt = Tokenize(text);
      double best_plain = 1e9;
      double best = 1e9;
      for (int round = 0; round < kRounds; ++round) {
        const Run plain = Generate(prompt, BALEEN_DRAFT_OFF, temperature);
        const Run run = Generate(prompt, draft, temperature);
        if (run.tokens != plain.tokens) {
          state.SkipWithError("the tokens are not the same");
          return;
        }
        best_plain = std::min(best_plain, plain.seconds);
        best = std::min(best, run.seconds);
        drafted += static_cast<double>(run.drafted) / kRounds;
        accepted += static_cast<double>(run.accepted) / kRounds;
      }
      plain_seconds += best_plain;
      pass_seconds += best;
    }
    state.SetIterationTime(pass_seconds);
    seconds += pass_seconds;
  }
  const auto tokens = static_cast<double>(state.iterations()) *
                      static_cast<double>(std::size(kPrompts) * TokenCount());
  state.counters["tok/s"] = tokens / seconds;
  state.counters["times_faster"] = plain_seconds / seconds;
  state.counters["guesses_per_token"] = drafted / tokens;
  state.counters["come_true"] = drafted > 0 ? accepted / drafted : 0;
}

void Register() {
  const struct {
    const char* name;
    float temperature;
  } kinds[] = {{"greedy", 0}, {"temperature:0.7", 0.7f}, {"temperature:1", 1}};
  const struct {
    const char* name;
    baleen_draft draft;
  } sources[] = {{"default", BALEEN_DRAFT_DEFAULT},
                 {"model", BALEEN_DRAFT_MODEL},
                 {"lookup", BALEEN_DRAFT_LOOKUP}};
  for (const auto& kind : kinds) {
    for (const auto& source : sources) {
      const std::string name =
          std::string("Drafts/") + source.name + "/" + kind.name;
      benchmark::RegisterBenchmark(name.c_str(), Compare, source.draft,
                                   kind.temperature)
          ->Iterations(1)
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
}

[[maybe_unused]] const bool registered = (Register(), true);

}  // namespace
