// The library about itself: version, features, names of statuses.
#include <cstring>

#include <baleen/baleen.h>

// BALEEN_BUILD_VERSION, "1.0.0" and more for a build from source, and
// BALEEN_BUILD_NUMBER, in the form of BALEEN_VERSION, come from CMake.
static_assert(BALEEN_BUILD_NUMBER == BALEEN_VERSION,
              "CMakeLists.txt and baleen.h disagree about the version");

namespace {

// docs/features.md says what each means; a test compares the two.
constexpr const char* kFeatures[] = {"backend.cpu",
                                     "backend.plugins",
                                     "chat.ga",
                                     "chat.preview",
                                     "chat.reply",
                                     "chat.tools",
                                     "format.fp4",
                                     "format.fp8",
                                     "format.safetensors",
                                     "mode.fast",
                                     "mode.reference",
                                     "model.lock_memory",
                                     "model.pack",
                                     "model.shapes_only",
                                     "model.tokenizer_only",
                                     "model.verify",
                                     "plan",
                                     "sampling.biases",
                                     "sampling.edit",
                                     "session.counters",
                                     "session.evict",
                                     "session.fork",
                                     "session.log",
                                     "session.prefix",
                                     "session.save",
                                     "session.save_file",
                                     "session.set_tokens",
                                     "session.windows"};

}  // namespace

uint32_t baleen_version(void) { return BALEEN_BUILD_NUMBER; }

const char* baleen_version_string(void) { return BALEEN_BUILD_VERSION; }

int32_t baleen_has_feature(const char* name) {
  if (name == nullptr) return 0;
  for (const char* feature : kFeatures) {
    if (std::strcmp(feature, name) == 0) return 1;
  }
  return 0;
}

const char* baleen_status_name(baleen_status status) {
  switch (status) {
    case BALEEN_OK:
      return "BALEEN_OK";
    case BALEEN_INTERNAL:
      return "BALEEN_INTERNAL";
    case BALEEN_INVALID_ARGUMENT:
      return "BALEEN_INVALID_ARGUMENT";
    case BALEEN_OUT_OF_MEMORY:
      return "BALEEN_OUT_OF_MEMORY";
    case BALEEN_NOT_FOUND:
      return "BALEEN_NOT_FOUND";
    case BALEEN_IO:
      return "BALEEN_IO";
    case BALEEN_CORRUPT:
      return "BALEEN_CORRUPT";
    case BALEEN_UNSUPPORTED:
      return "BALEEN_UNSUPPORTED";
    case BALEEN_BUFFER_TOO_SMALL:
      return "BALEEN_BUFFER_TOO_SMALL";
    case BALEEN_SESSION_FULL:
      return "BALEEN_SESSION_FULL";
    case BALEEN_CANCELLED:
      return "BALEEN_CANCELLED";
    case BALEEN_BUSY:
      return "BALEEN_BUSY";
    case BALEEN_DEVICE_LOST:
      return "BALEEN_DEVICE_LOST";
    default:
      return "an unknown status";
  }
}
