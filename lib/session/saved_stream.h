// Where the bytes of a saved session go to or come from: a buffer of the
// caller's, or a file.
//
// A file is never held whole: pieces pass through one block of memory that stays
// in the processor's cache, so a state of gigabytes is saved in the memory that
// its largest piece takes, and loaded in that of a few.  A buffer is filled in
// place.
#pragma once

#include <cstdint>
#include <span>

#include <baleen/baleen.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "format/saved_session.h"

namespace baleen {

class SavedOutput {
 public:
  // Room for header and front, whose content comes last.
  virtual Status Begin(uint64_t front_size) = 0;
  // *room: for the next `size` bytes, which are filled before the next call.
  virtual Status Next(uint64_t size, unsigned char** room) = 0;
  virtual Status Finish(const SavedHeader& header,
                        std::span<const unsigned char> front) = 0;

 protected:
  ~SavedOutput() = default;
};

// Thread-safe.
class SavedInput {
 public:
  virtual uint64_t size() const = 0;
  // *bytes: the `size` bytes at `offset`; in `room`, which has as many, or where
  // they lie already.
  virtual Status Read(uint64_t offset, uint64_t size, unsigned char* room,
                      const unsigned char** bytes) const = 0;

 protected:
  ~SavedInput() = default;
};

class BufferOutput final : public SavedOutput {
 public:
  // REQUIRES: a buffer that is large enough.
  explicit BufferOutput(void* buffer)
      : buffer_(static_cast<unsigned char*>(buffer)) {}

  Status Begin(uint64_t front_size) override;
  Status Next(uint64_t size, unsigned char** room) override;
  Status Finish(const SavedHeader& header,
                std::span<const unsigned char> front) override;

 private:
  unsigned char* buffer_;
  uint64_t offset_ = 0;
};

class FileOutput final : public SavedOutput {
 public:
  // `options`, unless NULL, have the callback that hears of the bytes written,
  // of `total`.
  FileOutput(FileWriter writer, const baleen_save_options* options,
             uint64_t total, Memory* memory);

  Status Begin(uint64_t front_size) override;
  Status Next(uint64_t size, unsigned char** room) override;
  Status Finish(const SavedHeader& header,
                std::span<const unsigned char> front) override;

 private:
  Status Flush();

  FileWriter writer_;
  const baleen_save_options* options_;
  uint64_t total_;
  Memory* memory_;
  Block staging_;
  uint64_t used_ = 0;
  uint64_t written_ = 0;
};

class BufferInput final : public SavedInput {
 public:
  explicit BufferInput(std::span<const unsigned char> bytes) : bytes_(bytes) {}

  uint64_t size() const override { return bytes_.size(); }
  Status Read(uint64_t offset, uint64_t size, unsigned char* room,
              const unsigned char** bytes) const override;

 private:
  std::span<const unsigned char> bytes_;
};

class FileInput final : public SavedInput {
 public:
  explicit FileInput(File file) : file_(std::move(file)) {}

  uint64_t size() const override { return file_.size(); }
  Status Read(uint64_t offset, uint64_t size, unsigned char* room,
              const unsigned char** bytes) const override;

 private:
  File file_;
};

// Tells the progress callback of `options`, and whether it wants to go on.
Status ReportSaved(const baleen_save_options* options, uint64_t done,
                   uint64_t total);

}  // namespace baleen
