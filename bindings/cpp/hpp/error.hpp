// What a failed call says, and what all calls have in common.
#pragma once

#include <baleen/baleen.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

// The default of each `Error* error`, and of what comes before it.  Without
// exceptions there is none, so that no failure is overlooked.
#if defined(__cpp_exceptions)
#define BALEEN_OR_THROW = nullptr
#define BALEEN_OR_EMPTY = {}
#else
#define BALEEN_OR_THROW
#define BALEEN_OR_EMPTY
#endif

namespace baleen {
inline namespace cpp {

using Token = baleen_token;

enum class Status : baleen_status {
  kOk = BALEEN_OK,
  kInternal = BALEEN_INTERNAL,
  kInvalidArgument = BALEEN_INVALID_ARGUMENT,
  kOutOfMemory = BALEEN_OUT_OF_MEMORY,
  kNotFound = BALEEN_NOT_FOUND,
  kIo = BALEEN_IO,
  kCorrupt = BALEEN_CORRUPT,
  kUnsupported = BALEEN_UNSUPPORTED,
  kBufferTooSmall = BALEEN_BUFFER_TOO_SMALL,
  kSessionFull = BALEEN_SESSION_FULL,
  kCancelled = BALEEN_CANCELLED,
  kBusy = BALEEN_BUSY,
  kDeviceLost = BALEEN_DEVICE_LOST
};

// Why a call failed; true if it did.  Copying it allocates nothing.
class Error : public std::exception {
 public:
  Error() noexcept { Set(Status::kOk, ""); }
  Error(Status status, std::string_view message) noexcept {
    Set(status, message);
  }
  explicit Error(const baleen_error& error) noexcept : error_(error) {}

  Status status() const noexcept { return static_cast<Status>(error_.status); }
  // One line of plain English.
  const char* what() const noexcept override { return error_.message; }
  explicit operator bool() const noexcept { return error_.status < 0; }

 private:
  void Set(Status status, std::string_view message) noexcept {
    const size_t size = message.copy(error_.message, sizeof error_.message - 1);
    error_.message[size] = '\0';
    error_.status = static_cast<baleen_status>(status);
  }

  baleen_error error_;
};

// The library that is running: "1.4.2", and the same as a number.
inline std::string_view Version() { return baleen_version_string(); }
inline uint32_t VersionNumber() { return baleen_version(); }

// Whether it can do what docs/features.md has under this name.
inline bool HasFeature(const char* name) {
  return baleen_has_feature(name) != 0;
}

// Told how much of a long call is done; true to go on.
using Progress = std::function<bool(uint64_t done, uint64_t total)>;

// What the rest of the headers is made of, and nobody else should use.
namespace detail {

// Throws the failure or stores it, and tells whether all is well.
inline bool Report(const Error& failure, Error* error) {
#if defined(__cpp_exceptions)
  if (error == nullptr && failure) throw failure;
#endif
  if (error != nullptr) *error = failure;
  return !failure;
}

// Makes a call: `call` gets a baleen_error* and returns a baleen_status.
template <typename Call>
Error Try(Call&& call) {
  baleen_error failure;
  return call(&failure) < 0 ? Error(failure) : Error();
}

template <typename Call>
bool Check(Error* error, Call&& call) {
  return Report(Try(std::forward<Call>(call)), error);
}

// Asks for as much as there is: `call` gets a buffer, its capacity and the
// count to fill in.
template <typename Row, typename Call>
Row Fill(size_t guess, Error* error, Call&& call) {
  Row row(guess, typename Row::value_type());
  Error failure;
  for (;;) {
    size_t count = 0;
    failure = Try([&](baleen_error* wrong) {
      return call(row.data(), row.size(), &count, wrong);
    });
    const bool small = failure.status() == Status::kBufferTooSmall;
    if (!small || count <= row.size()) {
      row.resize(failure ? 0 : count);
      break;
    }
    row.resize(count);
  }
  Report(failure, error);
  return row;
}

// A struct of the library's, empty but for its size.
template <typename Struct>
Struct Sized() {
  Struct made{};
  made.struct_size = sizeof made;
  return made;
}

// Texts that end in NUL.  What has a NUL inside is refused, not cut short.
class Names {
 public:
  explicit Names(std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) Add(name);
  }

  void Add(std::string_view name) {
    if (name.find('\0') != std::string_view::npos) {
      failure_ = Error(Status::kInvalidArgument,
                       "a name, path or JSON text has a zero byte inside");
    }
    names_.emplace_back(name);
  }

  const Error& failure() const { return failure_; }
  const char* operator[](size_t index) const { return names_[index].c_str(); }
  // NULL for an empty text.
  const char* Optional(size_t index) const {
    return names_[index].empty() ? nullptr : names_[index].c_str();
  }

 private:
  std::vector<std::string> names_;
  Error failure_;
};

inline uint32_t Flag(bool set, uint32_t flag) { return set ? flag : 0; }

inline std::string_view View(const char* text) {
  return text == nullptr ? std::string_view() : std::string_view(text);
}

// Keeps the exception of a callback until the library's call has returned.
class Guard {
 public:
  // What `callback` returned; `otherwise` if it threw, now or before.
  template <typename Result, typename Callback>
  Result Run(Result otherwise, Callback&& callback) noexcept {
#if defined(__cpp_exceptions)
    if (thrown_) return otherwise;
    try {
      return callback();
    } catch (...) {
      thrown_ = std::current_exception();
      return otherwise;
    }
#else
    static_cast<void>(otherwise);
    return callback();
#endif
  }

  void Rethrow() {
#if defined(__cpp_exceptions)
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
#endif
  }

 private:
  std::exception_ptr thrown_;
};

// A progress callback, and what the library calls for it.
struct Watcher {
  Progress progress;
  Guard guard;

  static int32_t Call(void* watcher, uint64_t done, uint64_t total) {
    auto* self = static_cast<Watcher*>(watcher);
    const bool go_on = self->guard.Run(
        false, [&] { return !self->progress || self->progress(done, total); });
    return go_on ? 0 : 1;
  }
};

}  // namespace detail
}  // namespace cpp
}  // namespace baleen
