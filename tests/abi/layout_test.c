/* Sizes, offsets and values of the ABI, as assertions: of all checks it is the
 * one that sees a changed constant and a grown array element, and it needs no
 * tool.  Compiled as C and as C++; that it compiles is the test.
 *
 * A struct that is not frozen may have grown since; offsets and values stay. */
#include <stddef.h>
#include <stdint.h>

#include <baleen/backend.h>
#include <baleen/baleen.h>

/* An array of negative size does not compile, in any version of C. */
#define JOIN_INNER(a, b) a##b
#define JOIN(a, b) JOIN_INNER(a, b)
#define ASSERT(condition) \
  typedef char JOIN(assertion_, __LINE__)[(condition) ? 1 : -1]

#define SIZE(type, size) ASSERT(sizeof(type) >= (size));
#define EXACT(type, size) ASSERT(sizeof(type) == (size));
#define AT(type, member, offset) ASSERT(offsetof(type, member) == (offset));
#define IS(constant, value) ASSERT((constant) == (value));

#if UINTPTR_MAX > 0xFFFFFFFFu
#include "abi/layout_1_0.inc"
#endif

int main(void) { return 0; }
