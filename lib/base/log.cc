#include "base/log.h"

#include <cstdarg>
#include <cstdio>

namespace baleen {

void Log::Write(baleen_log_level level, const char* format, ...) const {
  if (!Wants(level)) return;
  char line[501];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  function_(user_data_, level, line);
}

}  // namespace baleen
