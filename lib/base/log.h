// The context's log: one line at a time, to the host's function or nowhere.
#pragma once

#include <baleen/baleen.h>

namespace baleen {

class Log {
 public:
  Log() = default;
  Log(baleen_log_fn function, void* user_data, baleen_log_level level)
      : function_(function), user_data_(user_data), level_(level) {}

  bool Wants(baleen_log_level level) const {
    return function_ != nullptr && level <= level_;
  }
  // printf's format; lines longer than 500 bytes are cut.
  void Write(baleen_log_level level, const char* format, ...) const
      __attribute__((format(printf, 3, 4)));

 private:
  baleen_log_fn function_ = nullptr;
  void* user_data_ = nullptr;
  baleen_log_level level_ = BALEEN_LOG_OFF;
};

}  // namespace baleen
