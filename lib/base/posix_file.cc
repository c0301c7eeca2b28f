// The default file system.  A handle is a file descriptor plus one, so that
// descriptor 0 is not NULL; no memory is needed to open a file.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

#include "base/file.h"
#include "base/posix_io.h"

namespace baleen {
namespace {

// A single call moves at most 2 GiB on Linux; smaller pieces let a signal's
// EINTR cost little.
constexpr size_t kMostBytesPerCall = size_t{1} << 30;

void* ToHandle(int descriptor) {
  return reinterpret_cast<void*>(static_cast<intptr_t>(descriptor) + 1);
}

int ToDescriptor(void* handle) {
  return static_cast<int>(reinterpret_cast<intptr_t>(handle) - 1);
}

int32_t Open(void*, const char* path, void** file, uint64_t* size) {
  // Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return 1;
  struct stat status;
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor);
    return 1;
  }
  *file = ToHandle(descriptor);
  *size = static_cast<uint64_t>(status.st_size);
  return 0;
}

int32_t Read(void*, void* file, uint64_t offset, void* buffer, size_t size) {
  return ReadAt(ToDescriptor(file), offset, buffer, size) ? 0 : 1;
}

void Close(void*, void* file) { close(ToDescriptor(file)); }

int32_t Map(void*, void* file, uint64_t offset, size_t size,
            const void** memory) {
  // mmap wants whole pages; the pages before `offset` are mapped as well.
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t before = offset % page;
  void* start = mmap(nullptr, size + before, PROT_READ, MAP_SHARED,
                     ToDescriptor(file), static_cast<off_t>(offset - before));
  if (start == MAP_FAILED) return 1;
#if defined(MADV_HUGEPAGE)
  // Weights are read in order, gigabytes for a token: where the file system has
  // huge pages, what is read from now on gets them.  Refusal does no harm.
  madvise(start, size + before, MADV_HUGEPAGE);
#endif
  *memory = static_cast<const char*>(start) + before;
  return 0;
}

void Unmap(void*, void*, const void* memory, size_t size) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t before = address % page;
  munmap(reinterpret_cast<void*>(address - before), size + before);
}

int32_t Create(void*, const char* path, void** file) {
  const int descriptor =
      open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return 1;
  *file = ToHandle(descriptor);
  return 0;
}

int32_t Write(void*, void* file, uint64_t offset, const void* buffer,
              size_t size) {
  const int descriptor = ToDescriptor(file);
  if (!WriteAt(descriptor, offset, buffer, size)) return 1;
#ifdef SYNC_FILE_RANGE_WRITE
  // The disk begins while the next bytes are made, so that Sync has less to wait
  // for: a tenth to a third of what a state takes.  Refusal does no harm.
  sync_file_range(descriptor, static_cast<off_t>(offset),
                  static_cast<off_t>(size), SYNC_FILE_RANGE_WRITE);
#endif
  return 0;
}

int32_t Sync(void*, void* file) { return fsync(ToDescriptor(file)); }

int32_t Rename(void*, const char* from, const char* to) {
  return std::rename(from, to) == 0 && SyncFolderOf(to) ? 0 : 1;
}

int32_t Remove(void*, const char* path) { return unlink(path); }

}  // namespace

bool ReadAt(int descriptor, uint64_t offset, void* buffer, size_t size) {
  auto* out = static_cast<char*>(buffer);
  while (size > 0) {
    const ssize_t done =
        pread(descriptor, out, std::min(size, kMostBytesPerCall),
              static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    out += done;
    offset += static_cast<uint64_t>(done);
    size -= static_cast<size_t>(done);
  }
  return true;
}

bool WriteAt(int descriptor, uint64_t offset, const void* buffer, size_t size) {
  const auto* in = static_cast<const char*>(buffer);
  while (size > 0) {
    const ssize_t done =
        pwrite(descriptor, in, std::min(size, kMostBytesPerCall),
               static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    in += done;
    offset += static_cast<uint64_t>(done);
    size -= static_cast<size_t>(done);
  }
  return true;
}

bool SyncFolderOf(const char* path) {
  char folder[PATH_MAX] = ".";
  if (const char* const slash = std::strrchr(path, '/'); slash != nullptr) {
    // The slash of a file in the root is its folder.
    const size_t size = std::max<size_t>(static_cast<size_t>(slash - path), 1);
    if (size >= sizeof folder) {
      errno = ENAMETOOLONG;
      return false;
    }
    std::memcpy(folder, path, size);
    folder[size] = '\0';
  }
  const int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return errno == EACCES;
  const bool synced = fsync(descriptor) == 0 || errno == EINVAL;
  const int reason = errno;
  close(descriptor);
  errno = reason;
  return synced;
}

const baleen_files& PosixFiles() {
  static constexpr baleen_files kFiles = {sizeof(baleen_files),
                                          0,
                                          nullptr,
                                          Open,
                                          Read,
                                          Close,
                                          Map,
                                          Unmap,
                                          Create,
                                          Write,
                                          Sync,
                                          Rename,
                                          Remove};
  return kFiles;
}

}  // namespace baleen
