// What tells the engine's own work from what other programs did meanwhile.
//
// A frame in which the system took a core away took as long as the others
// wished; no planning helps, so reports tell such frames apart: by what the
// system counts, and by the time that passed while the thread did not run.
#pragma once

#include <ctime>

#if __has_include(<sys/resource.h>)
#include <sys/resource.h>
#endif

namespace game {

// How often the system took a core away from this program, to run another one.
inline long Preemptions() {
#if __has_include(<sys/resource.h>)
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;  // Of all threads.
#else
  return 0;
#endif
}

// Milliseconds that the calling thread has been on a core; 0 where the system
// does not say.
inline double ThreadMilliseconds() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return 1e3 * static_cast<double>(time.tv_sec) +
         1e-6 * static_cast<double>(time.tv_nsec);
#else
  return 0;
#endif
}

}  // namespace game
