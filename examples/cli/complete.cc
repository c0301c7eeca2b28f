// baleen complete: goes on with a text.
#include <memory>
#include <string>

#include "commands.h"
#include "engine.h"
#include "interrupt.h"
#include "sampling.h"

namespace tool {
namespace {

constexpr uint64_t kDefaultMaxTokens = 256;

struct CompleteOptions {
  ModelOptions model;
  SessionOptions session;
  GenerationOptions generation;
  std::string prompt;
  std::string file;
  bool echo = false;
  bool no_begin = false;
  bool special = false;
  bool stats = false;
};

int32_t PrintPiece(void*, const baleen_piece* piece) {
  return TryPrint({piece->text, piece->text_size}) ? 0 : 1;
}

void PrintStats(baleen_session* session, baleen_finish finish) {
  baleen_session_stats stats = {};
  stats.struct_size = sizeof stats;
  baleen_error error;
  Check(baleen_session_get_stats(session, &stats, &error), error);
  std::fprintf(stderr,
               "%llu tokens read in %.2f s, %llu written in %.2f s; %s; "
               "seed %llu\n",
               static_cast<unsigned long long>(stats.prompt_tokens),
               stats.prompt_seconds,
               static_cast<unsigned long long>(stats.generated_tokens),
               stats.generate_seconds, DescribeFinish(finish),
               static_cast<unsigned long long>(stats.seed));
}

Tokens ReadPrompt(const CompleteOptions& options, const Engine& engine,
                  const std::string& text) {
  Tokens tokens;
  const auto begin = engine.BeginToken();
  if (begin && !options.no_begin) tokens.push_back(*begin);
  const uint32_t flags = options.special ? BALEEN_TEXT_SPECIAL : 0;
  const Tokens rest = engine.Tokenize(text, flags);
  tokens.insert(tokens.end(), rest.begin(), rest.end());
  return tokens;
}

int Complete(CompleteOptions* options) {
  const std::string text =
      options->file.empty() ? options->prompt : ReadInput(options->file);
  const Engine engine(options->model);
  ProgressBar bar("reading", ProgressBar::Unit::kTokens);
  const Session session = engine.NewSession(options->session, &bar);
  const Tokens prompt = ReadPrompt(*options, engine, text);
  const InterruptGuard guard(session.get());
  std::vector<const char*> stops;
  baleen_generation generation = MakeGeneration(&options->generation, &stops);
  generation.on_piece = PrintPiece;
  baleen_finish finish = BALEEN_FINISH_NONE;
  baleen_error error;

  if (options->echo) Print(text);
  baleen_status status = baleen_session_append(session.get(), prompt.data(),
                                               prompt.size(), &error);
  bar.Clear();
  if (status == BALEEN_OK && !Interrupted()) {
    status =
        baleen_session_generate(session.get(), &generation, &finish, &error);
  }
  if (TakeInterrupt()) {
    Print("\n");
    return kExitInterrupted;
  }
  Check(status, error);
  Print("\n");  // Also finds out why PrintPiece failed, if it did.
  if (options->stats) PrintStats(session.get(), finish);
  return kExitOk;
}

}  // namespace

void AddComplete(CLI::App* app, Action* action) {
  auto options = std::make_shared<CompleteOptions>();
  options->generation.max_tokens = kDefaultMaxTokens;
  CLI::App* command = app->add_subcommand("complete", "Go on with a text");
  CLI::Option* prompt = command->add_option(
      "prompt", options->prompt,
      "The text; standard input if neither it nor --file is "
      "given");
  command
      ->add_option("-f,--file", options->file,
                   "File with the text; - for standard input")
      ->excludes(prompt);
  command->add_flag("--echo", options->echo, "Write the prompt as well");
  command->add_flag("--no-begin", options->no_begin,
                    "Do not put the token before it that begins a sequence");
  command->add_flag("--special", options->special,
                    "Read special tokens from the text by their names");
  command->add_flag("--stats", options->stats,
                    "Say on standard error how long it took");
  AddGenerationOptions(command, &options->generation);
  AddSessionOptions(command, &options->session);
  AddModelOptions(command, &options->model);
  command->callback([options, prompt, action] {
    if (prompt->count() == 0 && options->file.empty()) {
      if (StdinIsTerminal()) {
        throw CLI::ValidationError("A prompt or --file is needed");
      }
      options->file = "-";
    }
    *action = [options] { return Complete(options.get()); };
  });
}

}  // namespace tool
