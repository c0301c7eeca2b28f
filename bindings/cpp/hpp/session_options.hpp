// How to make a session, and what is told about it.
#pragma once

#include <string>

#include "error.hpp"

namespace baleen {
inline namespace cpp {

// How numbers are rounded.
enum class Mode : baleen_mode {
  kFast = BALEEN_MODE_FAST,
  kReference = BALEEN_MODE_REFERENCE
};

// Where guesses at further tokens come from.
enum class Draft : baleen_draft {
  kDefault = BALEEN_DRAFT_DEFAULT,
  kOff = BALEEN_DRAFT_OFF,
  kModel = BALEEN_DRAFT_MODEL,
  kLookup = BALEEN_DRAFT_LOOKUP
};

// Which states of the attention window are kept.
enum class Window : baleen_window {
  kDefault = BALEEN_WINDOW_DEFAULT,
  kNone = BALEEN_WINDOW_NONE,
  kPeriodic = BALEEN_WINDOW_PERIODIC,
  kFull = BALEEN_WINDOW_FULL
};

using MemoryPlan = baleen_memory_plan;
using SessionStats = baleen_session_stats;
using SessionCounters = baleen_session_counters;

// baleen_session_options says what the members mean.
struct SessionOptions {
  uint64_t capacity = 0;
  uint64_t seed = 0;
  Mode mode = Mode::kFast;
  uint32_t prefill_chunk = 0;
  Draft draft = Draft::kDefault;
  uint32_t draft_limit = 0;
  Window window = Window::kDefault;
  uint32_t window_period = 0;
  Progress progress = {};     // Kept as long as the session.
  std::string log_path = {};  // Empty: none.
  bool resume = false;        // Read what log_path holds first.
  bool is_private = false;    // Shares no prefix with other sessions.
};

struct SaveOptions {
  Window window = Window::kDefault;
  Progress progress = {};  // In bytes.
};

namespace detail {

// All but the progress.
inline baleen_session_options ReadSessionOptions(const SessionOptions& options,
                                                 const char* log_path) {
  auto c = Sized<baleen_session_options>();
  c.flags = Flag(options.is_private, BALEEN_SESSION_PRIVATE) |
            Flag(options.resume, BALEEN_SESSION_RESUME);
  c.capacity = options.capacity;
  c.seed = options.seed;
  c.mode = static_cast<baleen_mode>(options.mode);
  c.prefill_chunk = options.prefill_chunk;
  c.draft = static_cast<baleen_draft>(options.draft);
  c.draft_limit = options.draft_limit;
  c.window = static_cast<baleen_window>(options.window);
  c.window_period = options.window_period;
  c.log_path = log_path;
  return c;
}

}  // namespace detail
}  // namespace cpp
}  // namespace baleen
