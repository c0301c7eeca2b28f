// A host's file system in memory, one of whose calls can be made to fail.
#pragma once

#include <baleen/baleen.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>

namespace baleen {

class MemoryFiles {
 public:
  enum Options {
    kReadOnly = 1 << 0,  // No functions that write.
    kNoMap = 1 << 1
  };

  explicit MemoryFiles(int options = 0) {
    hooks_.struct_size = sizeof hooks_;
    hooks_.user_data = this;
    hooks_.open = Open;
    hooks_.read = Read;
    hooks_.close = Close;
    if ((options & kNoMap) == 0) {
      hooks_.map = Map;
      hooks_.unmap = Unmap;
    }
    if ((options & kReadOnly) == 0) {
      hooks_.create = Create;
      hooks_.write = Write;
      hooks_.sync = Sync;
      hooks_.rename = Rename;
      hooks_.remove = Remove;
    }
  }
  MemoryFiles(const MemoryFiles&) = delete;
  MemoryFiles& operator=(const MemoryFiles&) = delete;

  const baleen_files* hooks() const { return &hooks_; }
  void ForbidMapping() {
    hooks_.map = nullptr;
    hooks_.unmap = nullptr;
  }

  // The bytes of a file, which is made if it is not there.
  std::string& operator[](const std::string& path) { return files_[path]; }
  size_t size() const { return files_.size(); }

  // The number of the call, or of the read, that fails, from 1; 0: none.
  int64_t failing = 0;
  int64_t failing_read = 0;
  int64_t calls = 0;
  int64_t reads = 0;
  int64_t open = 0;    // Files that are open,
  int64_t mapped = 0;  // and mappings; both must be 0 in the end.
  int64_t unmapped_after_close = 0;

 private:
  // A file keeps its place in the map, so mappings stay where they are.
  struct Handle {
    std::string* bytes;
    int64_t mappings = 0;
  };

  bool Fails() { return ++calls == failing; }
  static MemoryFiles* Self(void* self) {
    return static_cast<MemoryFiles*>(self);
  }
  static Handle* File(void* file) { return static_cast<Handle*>(file); }
  void* NewHandle(std::string* bytes) {
    ++open;
    return new Handle{bytes};
  }

  static int32_t Open(void* user, const char* path, void** file,
                      uint64_t* size) {
    MemoryFiles* self = Self(user);
    const auto found = self->files_.find(path);
    if (self->Fails() || found == self->files_.end()) return -1;
    *file = self->NewHandle(&found->second);
    *size = found->second.size();
    return 0;
  }
  static int32_t Read(void* user, void* file, uint64_t offset, void* buffer,
                      size_t size) {
    MemoryFiles* self = Self(user);
    const bool fails = self->Fails();
    if (++self->reads == self->failing_read || fails) return 5;
    const std::string& bytes = *File(file)->bytes;
    if (offset > bytes.size() || size > bytes.size() - offset) return 5;
    std::memcpy(buffer, bytes.data() + offset, size);
    return 0;
  }
  static void Close(void* user, void* file) {
    Self(user)->unmapped_after_close += File(file)->mappings;
    --Self(user)->open;
    delete File(file);
  }
  static int32_t Map(void* user, void* file, uint64_t offset, size_t,
                     const void** memory) {
    if (Self(user)->Fails()) return 1;
    ++File(file)->mappings;
    ++Self(user)->mapped;
    *memory = File(file)->bytes->data() + offset;
    return 0;
  }
  static void Unmap(void* user, void* file, const void*, size_t) {
    --File(file)->mappings;
    --Self(user)->mapped;
  }
  static int32_t Create(void* user, const char* path, void** file) {
    MemoryFiles* self = Self(user);
    if (self->Fails()) return 1;
    self->files_[path].clear();
    *file = self->NewHandle(&self->files_[path]);
    return 0;
  }
  static int32_t Write(void* user, void* file, uint64_t offset,
                       const void* buffer, size_t size) {
    std::string& bytes = *File(file)->bytes;
    // A write that fails has done half of its work.
    const bool fails = Self(user)->Fails();
    if (fails) size /= 2;
    if (bytes.size() < offset + size) bytes.resize(offset + size);
    std::memcpy(bytes.data() + offset, buffer, size);
    return fails ? 1 : 0;
  }
  static int32_t Sync(void* user, void*) { return Self(user)->Fails() ? 1 : 0; }
  static int32_t Rename(void* user, const char* from, const char* to) {
    MemoryFiles* self = Self(user);
    if (self->Fails()) return 1;
    self->files_[to] = self->files_[from];
    self->files_.erase(from);
    return 0;
  }
  static int32_t Remove(void* user, const char* path) {
    return Self(user)->files_.erase(path) == 1 ? 0 : 1;
  }

  baleen_files hooks_ = {};
  std::map<std::string, std::string> files_;
};

}  // namespace baleen
