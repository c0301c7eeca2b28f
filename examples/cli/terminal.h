// What goes to the terminal: progress bars, dimmed text, checked output.
//
// Everything here is silent or plain when the stream is not a terminal, so that
// the tool's output can be piped.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace tool {

bool StdinIsTerminal();
bool StdoutIsTerminal();
bool StderrIsTerminal();

// Writes to standard output and flushes; false if that failed.  Safe inside a
// callback of the library, through which no exception may pass.
bool TryPrint(std::string_view text);

// The same, but throws a Failure.
void Print(std::string_view text);

// One line to standard error: "baleen: text".
void Note(std::string_view text);

// Switches standard output between dimmed and normal text.  Does nothing, and
// succeeds, when it is not a terminal that knows how.
bool SetDimmed(bool dimmed);

// A bar on standard error, which appears once the work has taken a while and
// vanishes at its end.
class ProgressBar {
 public:
  enum class Unit { kBytes, kTokens };

  ProgressBar(std::string_view label, Unit unit);
  ~ProgressBar() { Clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // A baleen_progress_fn whose user_data is a ProgressBar.
  static int32_t Report(void* bar, uint64_t done, uint64_t total);

  // Forgets the work so far; the next report begins another.
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;

  void Draw(uint64_t done, uint64_t total) const;

  std::string label_;
  Unit unit_;
  bool enabled_;
  bool begun_ = false;
  bool drawn_ = false;
  Clock::time_point begin_;
  Clock::time_point last_;
};

}  // namespace tool
