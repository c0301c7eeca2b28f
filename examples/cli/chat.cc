// baleen chat: a conversation with a model.
//
// The whole conversation is encoded anew for each turn, and the session keeps
// the state of the longest common prefix, so a turn costs what is new in it.
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "chat_session.h"
#include "commands.h"
#include "line_reader.h"

namespace tool {
namespace {

constexpr const char* kHelp =
    "  /help            this text\n"
    "  /reset           begin again, with the same system message\n"
    "  /system TEXT     begin again with this system message, or none\n"
    "  /think MODE      off, on, low, high or max, from the next answer on\n"
    "  /save FILE       write the conversation and the model's state\n"
    "  /load FILE       read them back\n"
    "  /exit            leave; Ctrl-D does too\n"
    "  //text           say something that begins with a slash\n"
    "Ctrl-C stops an answer; what was said so far stays.\n";

const std::map<std::string, baleen_thinking>& ThinkingModes() {
  static const std::map<std::string, baleen_thinking> kModes = {
      {"off", BALEEN_THINKING_OFF},
      {"on", BALEEN_THINKING_ON},
      {"low", BALEEN_THINKING_LOW},
      {"high", BALEEN_THINKING_HIGH},
      {"max", BALEEN_THINKING_MAX}};
  return kModes;
}

enum class Next { kGoOn, kLeave };

// "/name rest": the two parts.
std::pair<std::string, std::string> SplitCommand(const std::string& line) {
  const size_t space = line.find(' ');
  if (space == std::string::npos) return {line, {}};
  const size_t rest = line.find_first_not_of(' ', space);
  return {line.substr(0, space),
          rest == std::string::npos ? std::string() : line.substr(rest)};
}

Next Obey(ChatSession* chat, const std::string& line) {
  const auto [name, rest] = SplitCommand(line);
  if (name == "/exit" || name == "/quit") return Next::kLeave;
  if (name == "/help") {
    std::fputs(kHelp, stderr);
  } else if (name == "/reset") {
    chat->Reset();
  } else if (name == "/system") {
    chat->SetSystem(rest);
  } else if (name == "/think") {
    const auto mode = ThinkingModes().find(rest);
    if (mode == ThinkingModes().end()) {
      Note("/think needs one of off, on, low, high and max.");
    } else {
      chat->set_thinking(mode->second);
    }
  } else if (name == "/save" || name == "/load") {
    if (rest.empty()) {
      Note(name + " needs the name of a file.");
    } else if (name == "/save") {
      chat->Save(rest);
    } else {
      chat->Load(rest);
    }
  } else {
    Note("There is no command " + name + "; /help lists those there are.");
  }
  return Next::kGoOn;
}

// What is wrong with one line ends neither the conversation nor the program.
Next Handle(ChatSession* chat, const std::string& line) {
  try {
    if (line.empty()) return Next::kGoOn;
    if (line.starts_with("//")) {
      chat->Say(line.substr(1));
    } else if (line.front() == '/') {
      return Obey(chat, line);
    } else {
      chat->Say(line);
    }
  } catch (const OutputClosed&) {
    throw;
  } catch (const Failure& failure) {
    chat->CountFailure();
    Note(failure.what());
  }
  return Next::kGoOn;
}

int Chat(const ChatOptions& options) {
  const bool interactive = StdinIsTerminal() && StdoutIsTerminal();
  ChatSession chat(options);
  const InterruptGuard guard(nullptr);
  if (interactive) {
    std::fputs("Ctrl-C stops an answer, /help lists commands.\n", stderr);
  }
  LineReader reader;
  std::string line;
  bool interrupted_before = false;
  for (;;) {
    if (interactive) Print("> ");
    const LineReader::Result result = reader.Read(&line);
    if (result == LineReader::Result::kInterrupted) {
      Print("\n");
      if (interrupted_before || !interactive) return kExitInterrupted;
      interrupted_before = true;
      std::fputs("Once more, or Ctrl-D, to leave.\n", stderr);
      continue;
    }
    interrupted_before = false;
    if (result == LineReader::Result::kEnd) break;
    if (Handle(&chat, line) == Next::kLeave) break;
  }
  if (interactive) Print("\n");
  // A script must learn that a turn failed; a person has seen it.
  return chat.failures() != 0 && !interactive ? kExitFailure : kExitOk;
}

}  // namespace

void AddChat(CLI::App* app, Action* action) {
  auto options = std::make_shared<ChatOptions>();
  CLI::App* command =
      app->add_subcommand("chat", "A conversation with a model");
  command->add_option("--system", options->system, "The system message");
  command
      ->add_option("--think", options->thinking,
                   "How long to think: off, on, low, high or max")
      ->transform(CLI::CheckedTransformer(ThinkingModes()).description(""))
      ->type_name("MODE");
  AddGenerationOptions(command, &options->generation);
  AddSessionOptions(command, &options->session);
  AddModelOptions(command, &options->model);
  command->callback(
      [options, action] { *action = [options] { return Chat(*options); }; });
}

}  // namespace tool
