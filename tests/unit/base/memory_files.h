// A host's file system in memory, one of whose calls can be made to fail.
#pragma once

#include <baleen/baleen.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>

namespace baleen {

class MemoryFiles {
 public:
  explicit MemoryFiles(bool writable = true) {
    hooks.struct_size = sizeof hooks;
    hooks.user_data = this;
    hooks.open = Open;
    hooks.read = Read;
    hooks.close = Close;
    if (writable) {
      hooks.create = Create;
      hooks.write = Write;
      hooks.sync = Sync;
      hooks.rename = Rename;
      hooks.remove = Remove;
    }
  }

  // Lets files be mapped too.
  void EnableMapping() {
    hooks.map = Map;
    hooks.unmap = Unmap;
  }

  baleen_files hooks = {};
  std::map<std::string, std::string> contents;
  int failing = 0;  // The call that fails, from 1; 0: none.
  int calls = 0;
  int open_count = 0;
  int mapped_count = 0;

 private:
  struct OpenFile {
    std::string name;
    std::string bytes;
  };

  bool Fails() { return ++calls == failing; }
  static MemoryFiles* Self(void* self) {
    return static_cast<MemoryFiles*>(self);
  }
  static OpenFile* File(void* file) { return static_cast<OpenFile*>(file); }
  void* Handle(OpenFile file) {
    ++open_count;
    return new OpenFile(std::move(file));
  }

  static int32_t Open(void* user, const char* path, void** file,
                      uint64_t* size) {
    MemoryFiles* self = Self(user);
    const auto found = self->contents.find(path);
    if (self->Fails() || found == self->contents.end()) return -1;
    *file = self->Handle({path, found->second});
    *size = found->second.size();
    return 0;
  }
  static int32_t Read(void* user, void* file, uint64_t offset, void* buffer,
                      size_t size) {
    const std::string& bytes = File(file)->bytes;
    if (Self(user)->Fails() || offset + size > bytes.size()) return 5;
    std::memcpy(buffer, bytes.data() + offset, size);
    return 0;
  }
  static void Close(void* user, void* file) {
    --Self(user)->open_count;
    delete File(file);
  }
  static int32_t Map(void* user, void* file, uint64_t offset, size_t,
                     const void** memory) {
    if (Self(user)->Fails()) return 1;
    ++Self(user)->mapped_count;
    *memory = File(file)->bytes.data() + offset;
    return 0;
  }
  static void Unmap(void* user, void*, const void*, size_t) {
    --Self(user)->mapped_count;
  }
  static int32_t Create(void* user, const char* path, void** file) {
    MemoryFiles* self = Self(user);
    if (self->Fails()) return 1;
    self->contents[path].clear();
    *file = self->Handle({path, ""});
    return 0;
  }
  static int32_t Write(void* user, void* file, uint64_t offset,
                       const void* buffer, size_t size) {
    MemoryFiles* self = Self(user);
    std::string& bytes = self->contents[File(file)->name];
    // A write that fails has done half of its work.
    const bool fails = self->Fails();
    if (fails) size /= 2;
    if (bytes.size() < offset + size) bytes.resize(offset + size);
    std::memcpy(bytes.data() + offset, buffer, size);
    return fails ? 1 : 0;
  }
  static int32_t Sync(void* user, void*) { return Self(user)->Fails() ? 1 : 0; }
  static int32_t Rename(void* user, const char* from, const char* to) {
    MemoryFiles* self = Self(user);
    if (self->Fails()) return 1;
    self->contents[to] = self->contents[from];
    self->contents.erase(from);
    return 0;
  }
  static int32_t Remove(void* user, const char* path) {
    return Self(user)->contents.erase(path) == 1 ? 0 : 1;
  }
};

}  // namespace baleen
