// Lines from standard input, for a program that handles Ctrl-C itself.
#pragma once

#include <string>

namespace tool {

class LineReader {
 public:
  enum class Result { kLine, kEnd, kInterrupted };

  // Reads up to the next line feed, which is not part of `line`.  A last line
  // without one counts.  kInterrupted drops what was typed so far.
  Result Read(std::string* line);

 private:
  std::string buffer_;
  bool ended_ = false;
};

}  // namespace tool
