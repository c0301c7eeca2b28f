// Runs the command line tool; see process.h.
#include "cli/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace baleen::cli_test {
namespace {

constexpr int kTimeoutMilliseconds = 60'000;

std::array<int, 2> MakePipe() {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw std::runtime_error("no pipe could be made");
  }
  return ends;
}

std::array<int, 2> MakeTerminal() {
  const int ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (ours < 0 || grantpt(ours) != 0 || unlockpt(ours) != 0) {
    throw std::runtime_error("no terminal could be made");
  }
  const int theirs = open(ptsname(ours), O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (theirs < 0) throw std::runtime_error("no terminal could be opened");
  return {ours, theirs};
}

[[noreturn]] void Execute(const std::vector<std::string>& arguments, int in,
                          int out, int err) {
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  std::vector<char*> argv = {const_cast<char*>(BALEEN_TOOL_PATH)};
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  setenv("TERM", "xterm", 1);
  unsetenv("BALEEN_MODEL");
  execv(BALEEN_TOOL_PATH, argv.data());
  _exit(127);
}

void Close(int* file) {
  if (*file >= 0) close(*file);
  *file = -1;
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, Ends ends) {
  signal(SIGPIPE, SIG_IGN);  // A tool that ended early is a failed write here.
  std::array<int, 3> theirs;
  if (ends == Ends::kTerminal) {
    const auto [master, slave] = MakeTerminal();
    theirs = {slave, slave, slave};
    in_ = out_ = master;
  } else {
    const auto in = MakePipe();
    const auto out = MakePipe();
    const auto err = MakePipe();
    theirs = {in[0], out[1], err[1]};
    in_ = in[1];
    out_ = out[0];
    err_ = err[0];
  }
  pid_ = fork();
  if (pid_ == 0) {
    signal(SIGPIPE, SIG_DFL);
    Execute(arguments, theirs[0], theirs[1], theirs[2]);
  }
  close(theirs[0]);
  if (theirs[1] != theirs[0]) {
    close(theirs[1]);
    close(theirs[2]);
  }
}

Process::~Process() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (in_ != out_) Close(&in_);
  Close(&out_);
  Close(&err_);
}

void Process::Write(const std::string& text) {
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t count =
        write(in_, text.data() + written, text.size() - written);
    if (count <= 0) return;
    written += static_cast<size_t>(count);
  }
}

void Process::CloseInput() {
  if (in_ != out_) Close(&in_);
}

void Process::CloseOutput() { Close(&out_); }

void Process::Signal(int signal) { kill(pid_, signal); }

// False at the end of both streams, or when nothing comes for too long.
bool Process::ReadSome() {
  std::array<pollfd, 2> files = {pollfd{out_, POLLIN, 0},
                                 pollfd{err_, POLLIN, 0}};
  if (poll(files.data(), files.size(), kTimeoutMilliseconds) <= 0) return false;
  const std::array<std::pair<int*, std::string*>, 2> streams = {
      std::pair{&out_, &output_.out}, std::pair{&err_, &output_.err}};
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i].fd < 0 || files[i].revents == 0) continue;
    char bytes[4096];
    const ssize_t count = read(files[i].fd, bytes, sizeof bytes);
    if (count > 0) {
      streams[i].second->append(bytes, static_cast<size_t>(count));
    } else {  // A terminal says EIO where a pipe says 0.
      if (in_ == *streams[i].first) in_ = -1;
      Close(streams[i].first);
    }
  }
  return out_ >= 0 || err_ >= 0;
}

bool Process::ReadUntil(const std::function<bool(const std::string&)>& done) {
  while (!done(output_.out)) {
    if (!ReadSome()) return done(output_.out);
  }
  return true;
}

Output Process::Finish() {
  CloseInput();
  while (ReadSome()) {
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  output_.exit_code =
      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output_;
}

Output RunTool(const std::vector<std::string>& arguments,
               const std::string& input) {
  Process process(arguments);
  process.Write(input);
  return process.Finish();
}

std::string TemporaryPath(const std::string& name) {
  static const std::filesystem::path folder = [] {
    std::string path =
        (std::filesystem::temp_directory_path() / "baleen-cli-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) {
      throw std::runtime_error("no temporary folder could be made");
    }
    return path;
  }();
  const std::filesystem::path path = folder / name;
  std::filesystem::remove(path);
  return path.string();
}

}  // namespace baleen::cli_test
