// baleen perplexity: how well a model foretells a text.
//
// The text is cut into chunks of as many tokens; each is foretold from a fresh
// state that holds the token that begins a sequence and the chunk's earlier
// tokens.  At the default size this is how the golden value of the pocket model
// is defined (tests/data/pocket/golden/perplexity.json).
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <numbers>
#include <string>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "engine.h"
#include "format.h"

namespace tool {
namespace {

constexpr uint64_t kDefaultChunk = 2048;

struct PerplexityOptions {
  ModelOptions model;
  SessionOptions session;
  std::string file;
  uint64_t chunk = kDefaultChunk;
  uint64_t limit = 0;
  bool per_token = false;
  bool json = false;
};

struct Score {
  uint64_t tokens = 0;
  uint64_t bytes = 0;
  double nats = 0;
  double seconds = 0;
  std::vector<double> chunk_nats;

  double PerToken() const { return nats / static_cast<double>(tokens); }
  double BitsPerByte() const {
    return nats / std::numbers::ln2 / static_cast<double>(bytes);
  }
  double Speed() const { return static_cast<double>(tokens) / seconds; }
};

void PrintToken(baleen_token token, double nats) {
  Print(std::to_string(token) + "\t" + FormatNumber(nats, 4) + "\n");
}

// Adds the tokens of one chunk to `score`.  The last of them is read for
// nothing, which costs one position of the chunk and saves a second code path.
void ScoreChunk(const PerplexityOptions& options, baleen_session* session,
                baleen_token begin, const Tokens& chunk, Score* score) {
  Tokens input = {begin};
  input.insert(input.end(), chunk.begin(), chunk.end());
  std::vector<baleen_token_score> scores(input.size());
  baleen_error error;
  const auto start = std::chrono::steady_clock::now();
  Check(baleen_session_truncate(session, 0, &error), error);
  Check(baleen_session_append_scored(session, input.data(), input.size(),
                                     scores.data(), &error),
        error);
  const std::chrono::duration<double> elapsed =
      std::chrono::steady_clock::now() - start;
  double nats = 0;
  for (size_t i = 1; i < scores.size(); ++i) {
    const double token_nats = -static_cast<double>(scores[i].log_probability);
    if (options.per_token) PrintToken(input[i], token_nats);
    nats += token_nats;
  }
  score->nats += nats;
  score->chunk_nats.push_back(nats);
  score->tokens += chunk.size();
  score->seconds += elapsed.count();
}

std::string Describe(const Score& score) {
  return "tokens          " + FormatCount(score.tokens) + " (" +
         FormatCount(score.bytes) + " bytes)\n" + "nats per token  " +
         FormatNumber(score.PerToken(), 4) + "\n" + "bits per byte   " +
         FormatNumber(score.BitsPerByte(), 4) + "\n" + "perplexity      " +
         FormatNumber(std::exp(score.PerToken()), 3) + "\n" +
         "tokens/s        " + FormatNumber(score.Speed(), 1) + "\n";
}

std::string ToJson(const PerplexityOptions& options, const Score& score) {
  const nlohmann::ordered_json json = {
      {"tokens", score.tokens},
      {"bytes", score.bytes},
      {"chunk", options.chunk},
      {"total_nats", score.nats},
      {"chunk_nats", score.chunk_nats},
      {"nats_per_token", score.PerToken()},
      {"bits_per_byte", score.BitsPerByte()},
      {"perplexity", std::exp(score.PerToken())},
      {"tokens_per_second", score.Speed()}};
  return json.dump(2) + "\n";
}

int Perplexity(PerplexityOptions* options) {
  const std::string text = ReadInput(options->file);
  const Engine engine(options->model);
  Tokens tokens = engine.Tokenize(text);
  if (options->limit != 0 && tokens.size() > options->limit) {
    tokens.resize(options->limit);
  }
  if (tokens.empty()) throw Failure(options->file + " holds no text.");
  const auto begin = engine.BeginToken();
  if (!begin) throw Failure("The model has no token that begins a sequence.");

  options->session.context = options->chunk + 1;
  const Session session = engine.NewSession(options->session);
  ProgressBar bar("scoring", ProgressBar::Unit::kTokens);
  Score score;
  for (size_t i = 0; i < tokens.size(); i += options->chunk) {
    const size_t end = std::min<size_t>(tokens.size(), i + options->chunk);
    const Tokens chunk(tokens.begin() + static_cast<ptrdiff_t>(i),
                       tokens.begin() + static_cast<ptrdiff_t>(end));
    ProgressBar::Report(&bar, i, tokens.size());
    ScoreChunk(*options, session.get(), *begin, chunk, &score);
  }
  bar.Clear();
  score.bytes = engine.Detokenize(tokens).size();
  Print(options->json ? ToJson(*options, score) : Describe(score));
  return kExitOk;
}

}  // namespace

void AddPerplexity(CLI::App* app, Action* action) {
  auto options = std::make_shared<PerplexityOptions>();
  CLI::App* command =
      app->add_subcommand("perplexity", "How well a model foretells a text");
  command
      ->add_option("file", options->file,
                   "File with the text; - for standard input")
      ->required();
  command
      ->add_option("--chunk", options->chunk,
                   "Tokens foretold from one fresh state; 2048 if not given")
      ->check(CLI::PositiveNumber);
  command->add_option("--tokens", options->limit,
                      "Use this many tokens of the text; 0: all");
  command->add_flag("--per-token", options->per_token,
                    "First list each token with its nats");
  command->add_flag("--json", options->json, "Write JSON");
  AddSessionOptions(command, &options->session);
  AddModelOptions(command, &options->model);
  command->callback([options, action] {
    *action = [options] { return Perplexity(options.get()); };
  });
}

}  // namespace tool
