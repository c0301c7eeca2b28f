// The commands of the tool.  Each adds itself to the command line and says what
// to run if it is chosen; what runs returns the program's exit code.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

namespace tool {

using Action = std::function<int()>;

constexpr int kExitOk = 0;
constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;
constexpr int kExitInterrupted = 130;  // As a shell says of SIGINT: 128 + 2.

void AddChat(CLI::App* app, Action* action);
void AddComplete(CLI::App* app, Action* action);
void AddTokenize(CLI::App* app, Action* action);
void AddInfo(CLI::App* app, Action* action);
void AddPack(CLI::App* app, Action* action);
void AddPerplexity(CLI::App* app, Action* action);
void AddBench(CLI::App* app, Action* action);

}  // namespace tool
