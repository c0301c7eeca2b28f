#include "base/status.h"

#include <cstdio>
#include <cstring>

namespace baleen {
namespace {

// How many of the first `end` bytes of a longer text are whole characters.
size_t WholeCharacters(const char* text, size_t end) {
  size_t start = end;
  while (start > 0 &&
         (static_cast<unsigned char>(text[start - 1]) & 0xC0) == 0x80) {
    --start;
  }
  if (start == 0) return end;
  const auto lead = static_cast<unsigned char>(text[start - 1]);
  const size_t size = lead >= 0xF0   ? 4
                      : lead >= 0xE0 ? 3
                      : lead >= 0xC0 ? 2
                                     : 1;
  return start - 1 + size > end ? start - 1 : end;
}

// Formats into `out`; if it does not fit, cuts before the character that would
// be halved.
void Format(char* out, size_t capacity, const char* format, va_list arguments) {
  const int length = std::vsnprintf(out, capacity, format, arguments);
  if (length < 0) {
    out[0] = '\0';
    return;
  }
  if (static_cast<size_t>(length) < capacity) return;
  out[WholeCharacters(out, capacity - 1)] = '\0';
}

}  // namespace

Status& Status::operator=(const Status& other) {
  code_ = other.code_;
  std::strcpy(message_, other.message_);
  return *this;
}

baleen_status Status::CopyTo(baleen_error* error) const {
  if (!ok() && error != nullptr) {
    error->status = code_;
    static_assert(sizeof error->message == sizeof message_);
    std::strcpy(error->message, message_);
  }
  return code_;
}

Status Status::ErrorV(baleen_status code, const char* format,
                      va_list arguments) {
  Status status;
  status.code_ = code;
  Format(status.message_, sizeof status.message_, format, arguments);
  return status;
}

Status Status::Error(baleen_status code, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const Status status = ErrorV(code, format, arguments);
  va_end(arguments);
  return status;
}

#define BALEEN_DEFINE_ERROR(Name, code)                            \
  Status Name(const char* format, ...) {                           \
    va_list arguments;                                             \
    va_start(arguments, format);                                   \
    const Status status = Status::ErrorV(code, format, arguments); \
    va_end(arguments);                                             \
    return status;                                                 \
  }

BALEEN_DEFINE_ERROR(InvalidArgument, BALEEN_INVALID_ARGUMENT)
BALEEN_DEFINE_ERROR(Corrupt, BALEEN_CORRUPT)
BALEEN_DEFINE_ERROR(NotFound, BALEEN_NOT_FOUND)
BALEEN_DEFINE_ERROR(Unsupported, BALEEN_UNSUPPORTED)
BALEEN_DEFINE_ERROR(Internal, BALEEN_INTERNAL)
BALEEN_DEFINE_ERROR(OutOfMemory, BALEEN_OUT_OF_MEMORY)

#undef BALEEN_DEFINE_ERROR

int PrintLength(std::string_view text, size_t most) {
  if (text.size() <= most) return static_cast<int>(text.size());
  return static_cast<int>(WholeCharacters(text.data(), most));
}

}  // namespace baleen
