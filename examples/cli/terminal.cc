// Progress bars, dimmed text and checked output; see terminal.h.
#include "terminal.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "format.h"
#include "handles.h"

namespace tool {
namespace {

// Less than this is over before one has read the bar.
constexpr auto kBarDelay = std::chrono::milliseconds(300);
constexpr auto kBarPeriod = std::chrono::milliseconds(50);
constexpr uint64_t kBarWidth = 30;

bool TerminalKnowsEscapes() {
  const char* kind = std::getenv("TERM");
  return kind != nullptr && std::strcmp(kind, "dumb") != 0;
}

}  // namespace

bool StdinIsTerminal() { return isatty(STDIN_FILENO) == 1; }
bool StdoutIsTerminal() { return isatty(STDOUT_FILENO) == 1; }
bool StderrIsTerminal() { return isatty(STDERR_FILENO) == 1; }

bool TryPrint(std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

void Print(std::string_view text) {
  if (!TryPrint(text)) {
    throw Failure(std::string("Standard output cannot be written: ") +
                  std::strerror(errno) + ".");
  }
}

void Note(std::string_view text) {
  std::fprintf(stderr, "baleen: %.*s\n", static_cast<int>(text.size()),
               text.data());
}

bool SetDimmed(bool dimmed) {
  if (!StdoutIsTerminal() || !TerminalKnowsEscapes()) return true;
  return TryPrint(dimmed ? "\033[2m" : "\033[0m");
}

ProgressBar::ProgressBar(std::string_view label, Unit unit)
    : label_(label),
      unit_(unit),
      enabled_(StderrIsTerminal() && TerminalKnowsEscapes()) {}

int32_t ProgressBar::Report(void* bar, uint64_t done, uint64_t total) {
  ProgressBar& self = *static_cast<ProgressBar*>(bar);
  if (!self.enabled_) return 0;
  const Clock::time_point now = Clock::now();
  if (!self.begun_) {
    self.begun_ = true;
    self.begin_ = now;
  }
  if (done >= total) {
    self.Clear();
  } else if (now - self.begin_ >= kBarDelay &&
             (!self.drawn_ || now - self.last_ >= kBarPeriod)) {
    self.drawn_ = true;
    self.last_ = now;
    self.Draw(done, total);
  }
  return 0;
}

void ProgressBar::Clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  begun_ = false;
  drawn_ = false;
}

// No allocation here: the library calls it, and must not see an exception.
void ProgressBar::Draw(uint64_t done, uint64_t total) const {
  const double part = static_cast<double>(done) / static_cast<double>(total);
  char bar[kBarWidth + 1];
  const auto filled = static_cast<uint64_t>(part * kBarWidth);
  std::memset(bar, ' ', kBarWidth);
  std::memset(bar, '=', filled);
  bar[kBarWidth] = '\0';
  const double divisor = unit_ == Unit::kBytes ? kMegabyte : 1;
  std::fprintf(stderr, "\r%s [%s] %3.0f %%  %.0f of %.0f %s\033[K",
               label_.c_str(), bar, 100 * part,
               static_cast<double>(done) / divisor,
               static_cast<double>(total) / divisor,
               unit_ == Unit::kBytes ? "MB" : "tokens");
}

}  // namespace tool
