// baleen: the command line tool, and the largest example of the C API.
//
// Exit codes: 0, 1 for a failure (with "baleen: <sentence>" on standard error),
// 2 for a command line that makes no sense, 130 after Ctrl-C.
#include <cstdio>
#include <exception>

#include <baleen/baleen.h>
#include <CLI/CLI.hpp>

#include "commands.h"
#include "terminal.h"

namespace {

int Run(int argc, char** argv) {
  CLI::App app("Runs DeepSeek-V4 language models.", "baleen");
  tool::Action action;
  app.require_subcommand(1);
  app.set_version_flag("--version", baleen_version_string());
  tool::AddChat(&app, &action);
  tool::AddComplete(&app, &action);
  tool::AddTokenize(&app, &action);
  tool::AddInfo(&app, &action);
  tool::AddPack(&app, &action);
  tool::AddPerplexity(&app, &action);
  tool::AddBench(&app, &action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    tool::Note(error.what());
    std::fputs("Run 'baleen --help', or 'baleen COMMAND --help'.\n", stderr);
    return tool::kExitUsage;
  }
  return action();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& error) {
    tool::Note(error.what());
    return tool::kExitFailure;
  }
}
