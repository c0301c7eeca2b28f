// Runs the command line tool with pipes, or with a terminal, at its ends.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace baleen::cli_test {

struct Output {
  int exit_code = -1;  // 128 + the signal, if one ended it.
  std::string out;
  std::string err;
};

// A running tool.
class Process {
 public:
  enum class Ends { kPipes, kTerminal };

  // With kTerminal all three ends are one terminal, whose text is `out`.
  explicit Process(const std::vector<std::string>& arguments,
                   Ends ends = Ends::kPipes);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void Write(const std::string& text);
  void CloseInput();
  void CloseOutput();  // Standard output alone.
  void Signal(int signal);

  // Reads until `done(out so far)`; false if the tool ended, or a minute went
  // by, before.
  bool ReadUntil(const std::function<bool(const std::string&)>& done);

  // Waits for the end and gives all that was written.
  Output Finish();

 private:
  bool ReadSome();

  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  int err_ = -1;
  Output output_;
};

// Runs the tool to its end.
Output RunTool(const std::vector<std::string>& arguments,
               const std::string& input = "");

// A file in the test's own folder, removed first if it exists.
std::string TemporaryPath(const std::string& name);

}  // namespace baleen::cli_test
