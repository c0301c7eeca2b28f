#include "base/file.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <new>

namespace baleen {
namespace {

// ".part-" and what no other writer has: the process, the thread, and when.
void AppendTemporaryName(String* path) {
  const auto now = static_cast<uint64_t>(
      std::chrono::system_clock::now().time_since_epoch().count());
  // Of a thread's address, whose low bits are all the same.
  const auto thread = static_cast<uint64_t>(pthread_self()) >> 12;
  char name[64];
  const int size =
      std::snprintf(name, sizeof name, ".part-%lx-%llx-%llx",
                    static_cast<unsigned long>(getpid()),
                    static_cast<unsigned long long>(thread & 0xFFFFFF),
                    static_cast<unsigned long long>(now));
  path->append(name, static_cast<size_t>(size));
}

}  // namespace

FileView& FileView::operator=(FileView&& other) noexcept {
  std::swap(files_, other.files_);
  std::swap(handle_, other.handle_);
  std::swap(block_, other.block_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

FileView::~FileView() {
  if (mapped_ && files_->unmap != nullptr) {
    files_->unmap(files_->user_data, handle_, data_,
                  static_cast<size_t>(size_));
  }
}

// Strings of different memory cannot be swapped, so a file that is assigned to
// is made anew.
File::File(File&& other) noexcept
    : files_(other.files_),
      memory_(other.memory_),
      handle_(std::exchange(other.handle_, nullptr)),
      size_(other.size_),
      name_(std::move(other.name_)) {}

File& File::operator=(File&& other) noexcept {
  if (this == &other) return *this;
  this->~File();
  return *new (this) File(std::move(other));
}

File::~File() {
  if (handle_ != nullptr) files_->close(files_->user_data, handle_);
}

Status File::Read(uint64_t offset, void* buffer, size_t size) const {
  if (offset > size_ || size > size_ - offset) {
    return Corrupt("%s ends at byte %llu, before byte %llu + %zu", name(),
                   static_cast<unsigned long long>(size_),
                   static_cast<unsigned long long>(offset), size);
  }
  if (size == 0) return Status();
  if (files_->read(files_->user_data, handle_, offset, buffer, size) != 0) {
    return Status::Error(BALEEN_IO, "cannot read %zu bytes at %llu of %s", size,
                         static_cast<unsigned long long>(offset), name());
  }
  return Status();
}

Result<FileView> File::View(uint64_t offset, uint64_t size) const {
  if (offset > size_ || size > size_ - offset) {
    return Corrupt("%s ends at byte %llu, before byte %llu + %llu", name(),
                   static_cast<unsigned long long>(size_),
                   static_cast<unsigned long long>(offset),
                   static_cast<unsigned long long>(size));
  }
  FileView view;
  view.files_ = files_;
  view.handle_ = handle_;
  view.size_ = size;
  const void* memory = nullptr;
  if (size > 0 && files_->map != nullptr &&
      files_->map(files_->user_data, handle_, offset, static_cast<size_t>(size),
                  &memory) == 0) {
    view.data_ = static_cast<const unsigned char*>(memory);
    view.mapped_ = true;
    return view;
  }
  view.block_ = Block(memory_, static_cast<size_t>(size));
  BALEEN_RETURN_IF_ERROR(
      Read(offset, view.block_.data(), static_cast<size_t>(size)));
  view.data_ = static_cast<const unsigned char*>(view.block_.data());
  return view;
}

FileWriter::FileWriter(const baleen_files* files, std::string_view path,
                       Memory* memory)
    : files_(files), path_(path, memory), temporary_path_(path, memory) {
  AppendTemporaryName(&temporary_path_);
}

FileWriter::FileWriter(FileWriter&& other) noexcept
    : files_(other.files_),
      handle_(std::exchange(other.handle_, nullptr)),
      size_(other.size_),
      path_(std::move(other.path_)),
      temporary_path_(std::move(other.temporary_path_)) {}

FileWriter& FileWriter::operator=(FileWriter&& other) noexcept {
  if (this == &other) return *this;
  this->~FileWriter();
  return *new (this) FileWriter(std::move(other));
}

FileWriter::~FileWriter() {
  if (handle_ == nullptr) return;
  files_->close(files_->user_data, handle_);
  files_->remove(files_->user_data, temporary_path_.c_str());
}

Status FileWriter::Append(const void* data, size_t size) {
  return WriteAt(size_, data, size);
}

Status FileWriter::WriteAt(uint64_t offset, const void* data, size_t size) {
  if (size == 0) return Status();
  if (files_->write(files_->user_data, handle_, offset, data, size) != 0) {
    return Status::Error(BALEEN_IO, "cannot write %zu bytes to %s", size,
                         path_.c_str());
  }
  const std::atomic_ref<uint64_t> end(size_);
  uint64_t old = end.load();
  while (offset + size > old &&
         !end.compare_exchange_weak(old, offset + size)) {
  }
  return Status();
}

Status FileWriter::Commit() {
  const bool synced = files_->sync(files_->user_data, handle_) == 0;
  files_->close(files_->user_data, handle_);
  handle_ = nullptr;
  if (!synced || files_->rename(files_->user_data, temporary_path_.c_str(),
                                path_.c_str()) != 0) {
    files_->remove(files_->user_data, temporary_path_.c_str());
    return Status::Error(BALEEN_IO, "cannot %s %s",
                         synced ? "rename the new file to" : "sync",
                         path_.c_str());
  }
  return Status();
}

FileSystem::FileSystem(const baleen_files* hooks, Memory* memory)
    : files_(hooks != nullptr ? *hooks : PosixFiles()), memory_(memory) {}

Result<File> FileSystem::Open(std::string_view path) const {
  File file(&files_, path, memory_);
  void* handle = nullptr;
  uint64_t size = 0;
  if (files_.open(files_.user_data, file.name_.c_str(), &handle, &size) != 0) {
    return NotFound("cannot open %s", file.name_.c_str());
  }
  file.handle_ = handle;
  file.size_ = size;
  return file;
}

bool FileSystem::Exists(std::string_view path) const { return Open(path).ok(); }

Result<String> FileSystem::ReadText(std::string_view path,
                                    uint64_t size_limit) const {
  BALEEN_ASSIGN_OR_RETURN(const File file, Open(path));
  if (file.size() > size_limit) {
    return Corrupt("%s has %llu bytes, more than the %llu such a file may have",
                   file.name(), static_cast<unsigned long long>(file.size()),
                   static_cast<unsigned long long>(size_limit));
  }
  String text(static_cast<size_t>(file.size()), '\0', memory_);
  BALEEN_RETURN_IF_ERROR(file.Read(0, text.data(), text.size()));
  return text;
}

Result<FileWriter> FileSystem::Create(std::string_view path) const {
  if (files_.create == nullptr) {
    return Unsupported("the host's file system cannot write %.*s",
                       PrintLength(path, 120), path.data());
  }
  FileWriter writer(&files_, path, memory_);
  void* handle = nullptr;
  if (files_.create(files_.user_data, writer.temporary_path_.c_str(),
                    &handle) != 0) {
    return Status::Error(BALEEN_IO, "cannot create %s",
                         writer.temporary_path_.c_str());
  }
  writer.handle_ = handle;
  return writer;
}

String JoinPath(std::string_view folder, std::string_view name,
                Memory* memory) {
  String path(folder, memory);
  if (!path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

}  // namespace baleen
