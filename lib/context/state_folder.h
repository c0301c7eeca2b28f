// The saved states in a context's state_path, found by how their tokens begin.
//
// With the system's own files the folder is read once, when it is first asked;
// then, and with files of the host's, it knows what this context wrote there.
// What it says is a guess: whoever opens a file checks it, and tells when it is
// not what it seemed.  Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string_view>

#include <baleen/baleen.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"

namespace baleen {

class StateFolder {
 public:
  // `path` may be NULL: there is no folder.  `lists`: it can be read.
  StateFolder(const char* path, bool lists, const FileSystem* files);

  bool exists() const { return !path_.empty(); }

  // A name that no other file there has.
  Result<String> NewPath() const;
  // A state was saved to `path`; one outside of the folder is not remembered,
  // nor one that cannot be read.
  void Remember(std::string_view path);
  void Forget(std::string_view path);

  struct Match {
    String path;  // "": nothing was found.
    size_t common = 0;
  };
  // The state of a model and mode whose tokens seem to have most in common with
  // those of `chain` (format/token_chain.h), if that is more than `least`.
  Match Find(uint64_t fingerprint, baleen_mode mode,
             std::span<const uint64_t> chain, size_t least);

 private:
  struct Entry {
    String path;
    uint64_t fingerprint = 0;
    baleen_mode mode = BALEEN_MODE_FAST;
    Vector<uint64_t> chain;
  };

  // Reads what is there; with the mutex held.
  void List();
  Status Read(std::string_view path, Entry* entry) const;
  void Drop(std::string_view path);

  const FileSystem* files_;
  String path_;
  bool listed_;
  std::mutex mutex_;
  Vector<Entry> entries_;
};

}  // namespace baleen
