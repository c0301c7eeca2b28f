// See files.h.
#include "robustness/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace baleen_test {
namespace {

struct OpenFile {
  int descriptor;
  std::string path;
};

OpenFile* FileOf(void* file) { return static_cast<OpenFile*>(file); }

}  // namespace

TestFiles::TestFiles(int options) {
  hooks_.struct_size = sizeof hooks_;
  hooks_.user_data = this;
  SetReaders(options);
  if ((options & kReadOnly) == 0) SetWriters();
}

bool TestFiles::Fails(const char* path) {
  ++calls_;
  if (fail_in_ == 0 || --fail_in_ != 0) return false;
  failed_path_ = path;
  failed_ = true;
  return true;
}

void TestFiles::SetReaders(int options) {
  hooks_.open = [](void* self, const char* path, void** file,
                   uint64_t* size) -> int32_t {
    auto* files = static_cast<TestFiles*>(self);
    if (files->Fails(path)) return 1;
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return 1;
    struct stat status;
    fstat(descriptor, &status);
    *file = new OpenFile{descriptor, path};
    *size = static_cast<uint64_t>(status.st_size);
    ++files->open_files_;
    return 0;
  };
  hooks_.read = [](void* self, void* file, uint64_t offset, void* buffer,
                   size_t size) -> int32_t {
    if (static_cast<TestFiles*>(self)->Fails(FileOf(file)->path.c_str())) {
      return 1;
    }
    const ssize_t done = pread(FileOf(file)->descriptor, buffer, size,
                               static_cast<off_t>(offset));
    return done == static_cast<ssize_t>(size) ? 0 : 1;
  };
  hooks_.close = [](void* self, void* file) {
    --static_cast<TestFiles*>(self)->open_files_;
    close(FileOf(file)->descriptor);
    delete FileOf(file);
  };
  if ((options & kNoMap) != 0) return;
  hooks_.map = [](void* self, void* file, uint64_t offset, size_t size,
                  const void** memory) -> int32_t {
    auto* files = static_cast<TestFiles*>(self);
    if (files->Fails(FileOf(file)->path.c_str())) return 1;
    // The library may ask for any offset, so all in front is mapped as well.
    void* start = mmap(nullptr, size + offset, PROT_READ, MAP_SHARED,
                       FileOf(file)->descriptor, 0);
    if (start == MAP_FAILED) return 1;
    *memory = static_cast<char*>(start) + offset;
    ++files->maps_;
    ++files->mapped_;
    return 0;
  };
  hooks_.unmap = [](void* self, void*, const void* memory, size_t size) {
    const auto address = reinterpret_cast<uintptr_t>(memory);
    const uintptr_t before = address % 4096;
    munmap(reinterpret_cast<void*>(address - before), size + before);
    --static_cast<TestFiles*>(self)->mapped_;
  };
}

void TestFiles::SetWriters() {
  hooks_.create = [](void* self, const char* path, void** file) -> int32_t {
    auto* files = static_cast<TestFiles*>(self);
    if (files->Fails(path)) return 1;
    const int descriptor =
        open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0) return 1;
    *file = new OpenFile{descriptor, path};
    ++files->open_files_;
    return 0;
  };
  hooks_.write = [](void* self, void* file, uint64_t offset, const void* buffer,
                    size_t size) -> int32_t {
    if (static_cast<TestFiles*>(self)->Fails(FileOf(file)->path.c_str())) {
      return 1;
    }
    const ssize_t done = pwrite(FileOf(file)->descriptor, buffer, size,
                                static_cast<off_t>(offset));
    return done == static_cast<ssize_t>(size) ? 0 : 1;
  };
  hooks_.sync = [](void* self, void* file) -> int32_t {
    if (static_cast<TestFiles*>(self)->Fails(FileOf(file)->path.c_str())) {
      return 1;
    }
    return fsync(FileOf(file)->descriptor);
  };
  hooks_.rename = [](void* self, const char* from, const char* to) -> int32_t {
    if (static_cast<TestFiles*>(self)->Fails(to)) return 1;
    return std::rename(from, to);
  };
  hooks_.remove = [](void*, const char* path) -> int32_t {
    return unlink(path);
  };
}

}  // namespace baleen_test
