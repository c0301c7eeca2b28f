// A plug-in that was built for the next major version of the interface, and
// does not notice that the host has another.
#include <baleen/backend.h>

extern "C" BALEEN_API const baleen_backend* baleen_backend_entry(
    const baleen_host*) {
  static constexpr baleen_backend kBackend = {sizeof(baleen_backend),
                                              BALEEN_BACKEND_MAJOR + 1,
                                              0,
                                              0,
                                              "newer",
                                              nullptr,
                                              nullptr,
                                              nullptr,
                                              nullptr};
  return &kBackend;
}
