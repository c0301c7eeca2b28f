// A file system in memory behind baleen_files, and an allocator that counts:
// both fail when told to, so that tests can reach every path.
#pragma once

#include <baleen/baleen.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>

namespace baleen_test {

class MemoryFiles {
 public:
  static constexpr int64_t kNever = -1;

  MemoryFiles() {
    hooks_.struct_size = sizeof hooks_;
    hooks_.user_data = this;
    hooks_.open = Open;
    hooks_.read = Read;
    hooks_.close = Close;
    hooks_.map = Map;
    hooks_.unmap = Unmap;
  }
  MemoryFiles(const MemoryFiles&) = delete;
  MemoryFiles& operator=(const MemoryFiles&) = delete;

  const baleen_files* hooks() const { return &hooks_; }
  std::string& operator[](const std::string& path) { return files_[path]; }
  void Remove(const std::string& path) { files_.erase(path); }

  // As a host that only reads.
  void ForbidMapping() {
    hooks_.map = nullptr;
    hooks_.unmap = nullptr;
  }

  int64_t fail_read = kNever;  // The number of the read that fails.
  int64_t reads = 0;
  uint64_t read_bytes = 0;
  int64_t open = 0;    // Files that are open,
  int64_t mapped = 0;  // and mappings; both must be 0 in the end.
  int64_t unmapped_after_close = 0;

 private:
  struct Handle {
    const std::string* text;
    int64_t mappings;
  };

  static int32_t Open(void* self, const char* path, void** file,
                      uint64_t* size) {
    auto* files = static_cast<MemoryFiles*>(self);
    const auto found = files->files_.find(path);
    if (found == files->files_.end()) return 1;
    *file = new Handle{&found->second, 0};
    *size = found->second.size();
    ++files->open;
    return 0;
  }

  static int32_t Read(void* self, void* file, uint64_t offset, void* buffer,
                      size_t size) {
    auto* files = static_cast<MemoryFiles*>(self);
    if (files->reads++ == files->fail_read) return 1;
    const std::string& text = *static_cast<Handle*>(file)->text;
    if (offset > text.size() || size > text.size() - offset) return 1;
    std::memcpy(buffer, text.data() + offset, size);
    files->read_bytes += size;
    return 0;
  }

  static void Close(void* self, void* file) {
    auto* files = static_cast<MemoryFiles*>(self);
    auto* handle = static_cast<Handle*>(file);
    files->unmapped_after_close += handle->mappings;
    --files->open;
    delete handle;
  }

  static int32_t Map(void* self, void* file, uint64_t offset, size_t,
                     const void** memory) {
    auto* handle = static_cast<Handle*>(file);
    ++handle->mappings;
    ++static_cast<MemoryFiles*>(self)->mapped;
    *memory = handle->text->data() + offset;
    return 0;
  }

  static void Unmap(void* self, void* file, const void*, size_t) {
    --static_cast<Handle*>(file)->mappings;
    --static_cast<MemoryFiles*>(self)->mapped;
  }

  baleen_files hooks_ = {};
  std::map<std::string, std::string> files_;
};

class CountingAllocator {
 public:
  static constexpr int64_t kNever = -1;

  CountingAllocator() {
    hooks_.struct_size = sizeof hooks_;
    hooks_.user_data = this;
    hooks_.allocate = Allocate;
    hooks_.deallocate = Deallocate;
  }
  CountingAllocator(const CountingAllocator&) = delete;
  CountingAllocator& operator=(const CountingAllocator&) = delete;

  const baleen_allocator* hooks() const { return &hooks_; }

  int64_t fail = kNever;  // The number of the allocation that fails.
  int64_t allocations = 0;
  int64_t bytes = 0;  // Held now.

 private:
  static void* Allocate(void* self, size_t size, size_t alignment) {
    auto* allocator = static_cast<CountingAllocator*>(self);
    if (allocator->allocations++ == allocator->fail) return nullptr;
    void* memory = nullptr;
    if (alignment < sizeof(void*)) alignment = sizeof(void*);
    if (posix_memalign(&memory, alignment, size) != 0) return nullptr;
    allocator->bytes += static_cast<int64_t>(size);
    return memory;
  }

  static void Deallocate(void* self, void* memory, size_t size, size_t) {
    static_cast<CountingAllocator*>(self)->bytes -= static_cast<int64_t>(size);
    std::free(memory);
  }

  baleen_allocator hooks_ = {};
};

// A file of the format with this header and data.
inline std::string Safetensors(const std::string& header,
                               const std::string& data) {
  std::string file;
  for (int i = 0; i < 8; ++i) {
    file += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  }
  return file + header + data;
}

}  // namespace baleen_test
