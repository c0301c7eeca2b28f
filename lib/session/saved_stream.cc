#include "session/saved_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace baleen {
namespace {

// Large enough for the system's calls to cost nothing, small enough for the
// second-level cache of a processor, so that bytes are still there when they are
// written.
constexpr uint64_t kStaging = uint64_t{512} << 10;

// A piece of a malformed file may claim any size up to the file's.
Status CheckLeft(uint64_t offset, uint64_t size, uint64_t end) {
  const uint64_t left = end - std::min(offset, end);
  if (size <= left) return Status();
  return Corrupt("a saved session ends %llu bytes too soon",
                 static_cast<unsigned long long>(size - left));
}

}  // namespace

Status ReportSaved(const baleen_save_options* options, uint64_t done,
                   uint64_t total) {
  if (options == nullptr || options->progress == nullptr ||
      options->progress(options->progress_user_data, done, total) == 0) {
    return Status();
  }
  return Status::Error(BALEEN_CANCELLED, "the progress callback cancelled");
}

Status BufferOutput::Begin(uint64_t front_size) {
  offset_ = sizeof(SavedHeader) + front_size;
  return Status();
}

Status BufferOutput::Next(uint64_t size, unsigned char** room) {
  *room = buffer_ + offset_;
  offset_ += size;
  return Status();
}

// The caller's buffer may lie anywhere, so bytes are copied, never cast.
Status BufferOutput::Finish(const SavedHeader& header,
                            std::span<const unsigned char> front) {
  std::memcpy(buffer_, &header, sizeof header);
  std::copy(front.begin(), front.end(), buffer_ + sizeof header);
  return Status();
}

FileOutput::FileOutput(FileWriter writer, const baleen_save_options* options,
                       uint64_t total, Memory* memory)
    : writer_(std::move(writer)),
      options_(options),
      total_(total),
      memory_(memory) {}

// Zeros stand in for what comes last, so that the host's file system sees no
// holes, and a file that nobody finished has no magic.
Status FileOutput::Begin(uint64_t front_size) {
  staging_ = Block(memory_, kStaging);
  const uint64_t size = sizeof(SavedHeader) + front_size;
  std::memset(staging_.data(), 0, staging_.size());
  while (written_ < size) {
    const uint64_t piece = std::min<uint64_t>(staging_.size(), size - written_);
    BALEEN_RETURN_IF_ERROR(
        writer_.Append(staging_.data(), static_cast<size_t>(piece)));
    written_ += piece;
  }
  return Status();
}

Status FileOutput::Next(uint64_t size, unsigned char** room) {
  if (used_ + size > staging_.size()) {
    BALEEN_RETURN_IF_ERROR(Flush());
    if (size > staging_.size()) {
      staging_ = Block(memory_, static_cast<size_t>(size));
    }
  }
  *room = static_cast<unsigned char*>(staging_.data()) + used_;
  used_ += size;
  return Status();
}

Status FileOutput::Flush() {
  BALEEN_RETURN_IF_ERROR(
      writer_.Append(staging_.data(), static_cast<size_t>(used_)));
  written_ += used_;
  used_ = 0;
  return ReportSaved(options_, std::min(written_, total_ - 1), total_);
}

Status FileOutput::Finish(const SavedHeader& header,
                          std::span<const unsigned char> front) {
  BALEEN_RETURN_IF_ERROR(Flush());
  BALEEN_RETURN_IF_ERROR(
      writer_.WriteAt(sizeof header, front.data(), front.size()));
  BALEEN_RETURN_IF_ERROR(writer_.WriteAt(0, &header, sizeof header));
  BALEEN_RETURN_IF_ERROR(ReportSaved(options_, total_, total_));
  return writer_.Commit();
}

Status BufferInput::Read(uint64_t offset, uint64_t size, unsigned char*,
                         const unsigned char** bytes) const {
  BALEEN_RETURN_IF_ERROR(CheckLeft(offset, size, bytes_.size()));
  *bytes = bytes_.data() + offset;
  return Status();
}

Status FileInput::Read(uint64_t offset, uint64_t size, unsigned char* room,
                       const unsigned char** bytes) const {
  BALEEN_RETURN_IF_ERROR(CheckLeft(offset, size, file_.size()));
  *bytes = room;
  return file_.Read(offset, room, static_cast<size_t>(size));
}

}  // namespace baleen
