// How functions inside the library fail: a code of baleen.h and one sentence.
//
// A Status carries its message in itself (the 252 bytes of baleen_error), so
// that saying "no memory" needs none.  Result<T> is a T or the Status that
// explains its absence; the standard has std::expected only from C++23 on.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <string_view>
#include <utility>
#include <variant>

#include <baleen/baleen.h>

namespace baleen {

class [[nodiscard]] Status {
 public:
  Status() : code_(BALEEN_OK) { message_[0] = '\0'; }
  Status(const Status& other) { *this = other; }
  Status& operator=(const Status& other);

  // printf's format.  A message that does not fit is cut between characters.
  static Status Error(baleen_status code, const char* format, ...)
      __attribute__((format(printf, 2, 3)));
  static Status ErrorV(baleen_status code, const char* format,
                       va_list arguments) __attribute__((format(printf, 2, 0)));

  bool ok() const { return code_ == BALEEN_OK; }
  baleen_status code() const { return code_; }
  const char* message() const { return message_; }

  // Copies code and message to the caller's error, which may be NULL.
  baleen_status CopyTo(baleen_error* error) const;

 private:
  baleen_status code_;
  char message_[sizeof(baleen_error::message)];
};

Status InvalidArgument(const char* format, ...)
    __attribute__((format(printf, 1, 2)));
Status Corrupt(const char* format, ...) __attribute__((format(printf, 1, 2)));
Status NotFound(const char* format, ...) __attribute__((format(printf, 1, 2)));
Status Unsupported(const char* format, ...)
    __attribute__((format(printf, 1, 2)));
Status Internal(const char* format, ...) __attribute__((format(printf, 1, 2)));
Status OutOfMemory(const char* format, ...)
    __attribute__((format(printf, 1, 2)));

// How many bytes of a text from outside "%.*s" shows, so that there is room for
// the sentence around them: all, or whole characters of at most `most` bytes.
// What a std::string_view holds ends in no NUL and must not meet "%s".
int PrintLength(std::string_view text, size_t most = 60);

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}     // NOLINT: implicit
  Result(const Status& status) : value_(status) {}  // NOLINT: implicit

  bool ok() const { return value_.index() == 1; }
  Status status() const { return ok() ? Status() : std::get<0>(value_); }
  // REQUIRES: ok()
  T& operator*() & { return std::get<1>(value_); }
  const T& operator*() const& { return std::get<1>(value_); }
  T&& operator*() && { return std::get<1>(std::move(value_)); }
  T* operator->() { return &std::get<1>(value_); }
  const T* operator->() const { return &std::get<1>(value_); }

 private:
  std::variant<Status, T> value_;
};

#define BALEEN_CONCAT_INNER(a, b) a##b
#define BALEEN_CONCAT(a, b) BALEEN_CONCAT_INNER(a, b)

// Leaves the function with the status of `expression` unless it is OK.
#define BALEEN_RETURN_IF_ERROR(expression)                        \
  do {                                                            \
    if (::baleen::Status status_ = (expression); !status_.ok()) { \
      return status_;                                             \
    }                                                             \
  } while (false)

// `BALEEN_ASSIGN_OR_RETURN(auto x, F())`: x is the value, or we leave.
#define BALEEN_ASSIGN_OR_RETURN(declaration, expression)                       \
  BALEEN_ASSIGN_OR_RETURN_INNER(BALEEN_CONCAT(result_, __LINE__), declaration, \
                                expression)
#define BALEEN_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                          \
  if (!result.ok()) return result.status();                            \
  declaration = *std::move(result)

}  // namespace baleen
