// How often the system took a core away from this program, to run another one.
//
// A frame in which that happened took as long as the others wished; no planning
// helps, so the report tells such frames apart.
#pragma once

#if __has_include(<sys/resource.h>)
#include <sys/resource.h>
#endif

namespace game {

inline long Preemptions() {
#if __has_include(<sys/resource.h>)
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;  // Of all threads.
#else
  return 0;
#endif
}

}  // namespace game
