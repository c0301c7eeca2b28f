// Files through the host's file system (baleen_files) or, by default, POSIX.
//
// A File stays open as long as something was read or mapped from it matters to
// its owner; its name is kept for messages.  Failures of the host's functions
// carry no reason, so the message says which file and what was tried.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/memory.h"
#include "base/status.h"

namespace baleen {

class FileSystem;

// Bytes of a file in memory: mapped where the host can, else read.
class FileView {
 public:
  FileView() = default;
  FileView(FileView&& other) noexcept { *this = std::move(other); }
  FileView& operator=(FileView&& other) noexcept;
  ~FileView();

  const unsigned char* data() const { return data_; }
  uint64_t size() const { return size_; }
  bool mapped() const { return mapped_; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(data_), static_cast<size_t>(size_)};
  }

 private:
  friend class File;
  const baleen_files* files_ = nullptr;
  void* handle_ = nullptr;
  Block block_;
  const unsigned char* data_ = nullptr;
  uint64_t size_ = 0;
  bool mapped_ = false;
};

// A file open for reading.
class File {
 public:
  File() = default;
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  const char* name() const { return name_.c_str(); }
  uint64_t size() const { return size_; }

  // Reads exactly `size` bytes at `offset`; BALEEN_CORRUPT if the file is
  // shorter.
  Status Read(uint64_t offset, void* buffer, size_t size) const;

  // The bytes from `offset` on, mapped if the host can map.  The view must not
  // outlive the file.
  Result<FileView> View(uint64_t offset, uint64_t size) const;

 private:
  friend class FileSystem;
  File(const baleen_files* files, std::string_view name, Memory* memory)
      : files_(files), memory_(memory), name_(name, memory) {}

  const baleen_files* files_ = nullptr;
  Memory* memory_ = nullptr;
  void* handle_ = nullptr;
  uint64_t size_ = 0;
  String name_;
};

// A file that replaces another when it is complete: `path` has the old bytes or
// the new ones, whatever happens meanwhile.  Until then they are in a file of a
// name of its own, so that writers of one path do not meet.
class FileWriter {
 public:
  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&& other) noexcept;
  // Without Commit, removes what was written.
  ~FileWriter();

  Status Append(const void* data, size_t size);
  // May be called by several threads at once.
  Status WriteAt(uint64_t offset, const void* data, size_t size);
  uint64_t size() const { return size_; }
  // Syncs, closes, and renames to the path, of which POSIX's rename syncs the
  // folder.
  Status Commit();

 private:
  friend class FileSystem;
  FileWriter(const baleen_files* files, std::string_view path, Memory* memory);

  const baleen_files* files_ = nullptr;
  void* handle_ = nullptr;
  uint64_t size_ = 0;
  String path_;
  String temporary_path_;
};

// Thread-safe.
class FileSystem {
 public:
  // `hooks` may be NULL: POSIX.
  FileSystem(const baleen_files* hooks, Memory* memory);

  // BALEEN_NOT_FOUND if it cannot be opened.
  Result<File> Open(std::string_view path) const;
  bool Exists(std::string_view path) const;
  // The whole file, small ones: configurations and the like.
  Result<String> ReadText(std::string_view path, uint64_t size_limit) const;
  // BALEEN_UNSUPPORTED if the host's file system only reads.
  Result<FileWriter> Create(std::string_view path) const;

  // Whether files can be mapped rather than read.
  bool can_map() const { return files_.map != nullptr; }
  const baleen_files& hooks() const { return files_; }

  Memory* memory() const { return memory_; }

 private:
  baleen_files files_;
  Memory* memory_;
};

// "folder/name".
String JoinPath(std::string_view folder, std::string_view name, Memory* memory);

// The functions that work on POSIX, for FileSystem.
const baleen_files& PosixFiles();

}  // namespace baleen
