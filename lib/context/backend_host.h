// What the library offers a backend (baleen_host): memory, threads, the log,
// settings, and a place to say why a call failed.
//
// One for each backend of a context, and one more for each device opened with
// settings of its own.  Thread-safe but for the settings, which are asked for
// while a device is opened.
#pragma once

#include <atomic>
#include <mutex>
#include <span>
#include <string_view>
#include <thread>
#include <utility>

#include <baleen/backend.h>

#include "base/log.h"
#include "base/memory.h"
#include "ops/device.h"

namespace baleen {

// The last failure of each thread that ever had one.  The backend writes it
// during a call, and the caller reads it on the same thread right after.
class FailureBoard {
 public:
  explicit FailureBoard(Memory* memory) : memory_(memory), notes_(memory) {}

  // Never throws: a message that finds no memory is dropped.
  void Record(const char* message) noexcept;
  // "" if this thread recorded none.  Valid until its next Record.
  const char* Last() const;

 private:
  struct Note {
    std::thread::id thread;
    char message[sizeof(baleen_error::message)];
  };
  Note* Find() const;  // REQUIRES: mutex_ is held.

  Memory* memory_;
  mutable std::mutex mutex_;
  Vector<Owned<Note>> notes_;
};

// The session calls in progress, by thread, so that a backend's long operators
// can ask whether theirs was cancelled.
class CancelBoard {
 public:
  // Says that this thread's call is over when *flag becomes true, as long as
  // the scope lives.  Scopes of a thread nest.  NULL hides the outer ones: the
  // thread works for others as well.
  class Scope {
   public:
    Scope(CancelBoard* board, const std::atomic<bool>* flag);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    friend class CancelBoard;
    CancelBoard* board_;
    const std::atomic<bool>* flag_;
    std::thread::id thread_ = std::this_thread::get_id();
    Scope* next_;
  };

  // Was a call of this thread cancelled?
  bool Cancelled() const;

 private:
  mutable std::mutex mutex_;
  Scope* first_ = nullptr;
};

// What all hosts of a context share.
struct HostParts {
  HostMemory* memory;
  const Log* log;
  const baleen_workers* workers;
  const CancelBoard* cancels;
};

class BackendHost {
 public:
  // `failures` is the backend's.
  BackendHost(const HostParts& parts, FailureBoard* failures,
              std::span<const baleen_setting> settings);
  BackendHost(const BackendHost&) = delete;
  BackendHost& operator=(const BackendHost&) = delete;

  const baleen_host* table() const { return &table_; }
  const char* last_failure() const;

  bool HasSettings(std::span<const baleen_setting> settings) const;
  // A setting that the backend never asked for, or NULL.
  const char* FirstUnasked() const;

  // For Device::last_failure.
  static const char* LastFailureOf(const Device& device);

 private:
  struct Setting {
    String name;
    String value;
    bool asked;
  };
  const char* Ask(const char* name);

  HostParts parts_;
  FailureBoard* failures_;
  Vector<Setting> settings_;
  baleen_host table_ = {};
};

}  // namespace baleen
