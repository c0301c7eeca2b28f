/* A public header alone, twice: it needs nothing before it and bears being
 * included again.  Compiled as each version of C and C++ (CMakeLists.txt). */
#include BALEEN_HEADER
#include BALEEN_HEADER
