#include "session/token_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/checksum.h"
#include "base/posix_io.h"

namespace baleen {
namespace {

constexpr char kMagic[9] = "BALEENTL";
constexpr uint32_t kVersion = 1;

struct LogHeader {
  char magic[8];
  uint32_t version;
  uint32_t header_size;
  uint64_t fingerprint;
  int32_t mode;
  uint32_t vocabulary;
  uint64_t seed;
  uint64_t reserved;
  uint64_t checksum;  // Of what is before it.
};
static_assert(sizeof(LogHeader) == 56);

struct LogRecord {
  uint64_t keep;
  uint64_t seed;
  uint64_t count;
};

uint64_t HeaderChecksum(const LogHeader& header) {
  return ChecksumOf(&header, offsetof(LogHeader, checksum));
}

uint64_t RecordChecksum(uint64_t before, const LogRecord& record,
                        std::span<const baleen_token> tokens) {
  Checksum sum;
  sum.Add(&before, sizeof before);
  sum.Add(&record, sizeof record);
  sum.Add(tokens.data(), tokens.size_bytes());
  return sum.Value();
}

}  // namespace

TokenLog::TokenLog(const char* path, int descriptor, Memory* memory)
    : descriptor_(descriptor), path_(path, memory) {}

TokenLog::~TokenLog() {
  fdatasync(descriptor_);
  close(descriptor_);
}

Status TokenLog::CannotWrite() const {
  return Status::Error(BALEEN_IO, "cannot write to the log %s: %s",
                       path_.c_str(), std::strerror(errno));
}

Result<Owned<TokenLog>> TokenLog::Open(const char* path, const LogOwner& owner,
                                       bool resume, uint64_t* seed,
                                       Vector<baleen_token>* tokens,
                                       Memory* memory) {
  Owned<TokenLog> log = MakeOwned<TokenLog>(memory, path, -1, memory);
  // Without O_NONBLOCK, opening a pipe would wait for somebody to read it.
  log->descriptor_ =
      open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
  if (log->descriptor_ < 0) {
    return Status::Error(BALEEN_IO, "cannot open the log %s: %s", path,
                         std::strerror(errno));
  }
  struct stat status;
  if (fstat(log->descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    return Status::Error(BALEEN_IO, "the log %s is no regular file", path);
  }
  if (flock(log->descriptor_, LOCK_EX | LOCK_NB) != 0) {
    return Status::Error(BALEEN_BUSY, "another session writes to the log %s",
                         path);
  }
  // Whoever had the lock before may have written since.
  if (fstat(log->descriptor_, &status) != 0) return log->CannotWrite();
  const auto size = static_cast<uint64_t>(status.st_size);
  // What is no log is not overwritten; one whose header was torn is.
  char magic[sizeof LogHeader::magic] = {};
  const size_t compared = std::min<uint64_t>(size, sizeof magic);
  if (!ReadAt(log->descriptor_, 0, magic, compared) ||
      std::memcmp(magic, kMagic, compared) != 0) {
    return Corrupt("%s is there already and no log of tokens", path);
  }
  if (resume && size >= sizeof(LogHeader)) {
    BALEEN_RETURN_IF_ERROR(log->Resume(owner, size, tokens));
    *seed = log->seed_;
  } else {
    BALEEN_RETURN_IF_ERROR(log->Begin(owner, *seed));
  }
  return log;
}

Status TokenLog::Begin(const LogOwner& owner, uint64_t seed) {
  LogHeader header = {};
  std::memcpy(header.magic, kMagic, sizeof header.magic);
  header.version = kVersion;
  header.header_size = sizeof header;
  header.fingerprint = owner.fingerprint;
  header.mode = owner.mode;
  header.vocabulary = owner.vocabulary;
  header.seed = seed;
  header.checksum = HeaderChecksum(header);
  if (ftruncate(descriptor_, 0) != 0 ||
      !WriteAt(descriptor_, 0, &header, sizeof header) ||
      fsync(descriptor_) != 0 || !SyncFolderOf(path_.c_str())) {
    return CannotWrite();
  }
  offset_ = sizeof header;
  checksum_ = header.checksum;
  seed_ = seed;
  synced_ = Clock::now();
  return Status();
}

Status TokenLog::Resume(const LogOwner& owner, uint64_t file_size,
                        Vector<baleen_token>* tokens) {
  LogHeader header;
  if (!ReadAt(descriptor_, 0, &header, sizeof header)) {
    return Status::Error(BALEEN_IO, "cannot read the log %s", path_.c_str());
  }
  if (header.version != kVersion) {
    return Unsupported("the log %s has version %u; this library reads %u",
                       path_.c_str(), header.version, kVersion);
  }
  if (header.checksum != HeaderChecksum(header) ||
      header.header_size != sizeof header) {
    return Corrupt("the header of the log %s was changed", path_.c_str());
  }
  if (header.fingerprint != owner.fingerprint ||
      header.vocabulary != owner.vocabulary) {
    return Unsupported("the log %s is of another model", path_.c_str());
  }
  if (header.mode != owner.mode) {
    return Unsupported("the log %s is of a session in another mode",
                       path_.c_str());
  }
  offset_ = sizeof header;
  checksum_ = header.checksum;
  seed_ = header.seed;
  tokens->clear();
  while (ReadRecord(file_size, tokens)) {
  }
  if (tokens->size() > owner.capacity) {
    return Status::Error(BALEEN_SESSION_FULL,
                         "the log %s has %zu tokens, over the capacity %llu",
                         path_.c_str(), tokens->size(),
                         static_cast<unsigned long long>(owner.capacity));
  }
  for (const baleen_token token : *tokens) {
    if (token >= 0 && static_cast<uint32_t>(token) < owner.vocabulary) continue;
    return Corrupt("the log %s has the token %d of %u", path_.c_str(), token,
                   owner.vocabulary);
  }
  size_ = tokens->size();
  if (file_size > offset_ &&
      ftruncate(descriptor_, static_cast<off_t>(offset_)) != 0) {
    return CannotWrite();
  }
  synced_ = Clock::now();
  return Status();
}

bool TokenLog::ReadRecord(uint64_t file_size, Vector<baleen_token>* tokens) {
  LogRecord record;
  uint64_t checksum = 0;
  const uint64_t left = file_size - offset_;
  constexpr uint64_t kAround = sizeof record + sizeof checksum;
  if (left < kAround || !ReadAt(descriptor_, offset_, &record, sizeof record) ||
      record.keep > tokens->size() ||
      record.count > (left - kAround) / sizeof(baleen_token)) {
    return false;
  }
  Vector<baleen_token> added(static_cast<size_t>(record.count),
                             tokens->get_allocator().resource());
  const std::span<baleen_token> span(added);
  if (!ReadAt(descriptor_, offset_ + sizeof record, span.data(),
              span.size_bytes()) ||
      !ReadAt(descriptor_, offset_ + sizeof record + span.size_bytes(),
              &checksum, sizeof checksum) ||
      checksum != RecordChecksum(checksum_, record, span)) {
    return false;
  }
  tokens->resize(static_cast<size_t>(record.keep));
  tokens->insert(tokens->end(), added.begin(), added.end());
  seed_ = record.seed;
  checksum_ = checksum;
  offset_ += kAround + span.size_bytes();
  return true;
}

Status TokenLog::Write(size_t keep, uint64_t seed,
                       std::span<const baleen_token> added) {
  const LogRecord record = {keep, seed, added.size()};
  const uint64_t checksum = RecordChecksum(checksum_, record, added);
  const uint64_t tokens = offset_ + sizeof record;
  const uint64_t end = tokens + added.size_bytes();
  if (!WriteAt(descriptor_, offset_, &record, sizeof record) ||
      !WriteAt(descriptor_, tokens, added.data(), added.size_bytes()) ||
      !WriteAt(descriptor_, end, &checksum, sizeof checksum)) {
    return CannotWrite();
  }
  const Clock::time_point now = Clock::now();
  if (now - synced_ >= std::chrono::seconds(1)) {
    if (fdatasync(descriptor_) != 0) return CannotWrite();
    synced_ = now;
  }
  offset_ = end + sizeof checksum;
  checksum_ = checksum;
  seed_ = seed;
  size_ = keep + added.size();
  return Status();
}

}  // namespace baleen
