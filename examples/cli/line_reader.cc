// Lines from standard input; see line_reader.h.
//
// std::getline would try again after a signal and keep a stream's error flags.
#include "line_reader.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "handles.h"
#include "interrupt.h"

namespace tool {

LineReader::Result LineReader::Read(std::string* line) {
  for (;;) {
    const size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      *line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (!line->empty() && line->back() == '\r') line->pop_back();
      return Result::kLine;
    }
    if (ended_) {
      *line = std::exchange(buffer_, {});
      return line->empty() ? Result::kEnd : Result::kLine;
    }
    if (!WaitForInput()) {
      buffer_.clear();
      return Result::kInterrupted;
    }
    char bytes[4096];
    const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count > 0) {
      buffer_.append(bytes, static_cast<size_t>(count));
    } else if (count == 0) {
      ended_ = true;
    } else if (errno != EINTR) {
      throw Failure(std::string("Standard input cannot be read: ") +
                    std::strerror(errno) + ".");
    }
  }
}

}  // namespace tool
