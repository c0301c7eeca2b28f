#include "context/state_folder.h"

#include <dirent.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

#include "format/saved_session.h"
#include "format/token_chain.h"

namespace baleen {
namespace {

constexpr std::string_view kSuffix = ".state";
// More tokens than any model has positions are read from no file.
constexpr uint64_t kMostTokens = uint64_t{1} << 24;

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

}  // namespace

StateFolder::StateFolder(const char* path, bool lists, const FileSystem* files)
    : files_(files),
      path_(path == nullptr ? "" : path, files->memory()),
      listed_(path == nullptr || !lists),
      entries_(files->memory()) {}

Result<String> StateFolder::NewPath() const {
  if (!exists()) {
    return NotFound("the context has no state_path to keep states in");
  }
  uint64_t random[2] = {};
  if (getrandom(random, sizeof random, 0) !=
      static_cast<ssize_t>(sizeof random)) {
    return Status::Error(BALEEN_IO, "the system gave no random name for %s",
                         path_.c_str());
  }
  char name[48];
  std::snprintf(name, sizeof name, "%016llx%016llx.state",
                static_cast<unsigned long long>(random[0]),
                static_cast<unsigned long long>(random[1]));
  return JoinPath(path_, name, files_->memory());
}

Status StateFolder::Read(std::string_view path, Entry* entry) const {
  BALEEN_ASSIGN_OR_RETURN(const File file, files_->Open(path));
  unsigned char bytes[sizeof(SavedHeader)];
  BALEEN_RETURN_IF_ERROR(file.Read(0, bytes, sizeof bytes));
  SavedHeader header;
  SavedLayout layout;
  BALEEN_RETURN_IF_ERROR(
      ReadSavedHeader(bytes, file.size(), file.name(), &header, &layout));
  if (header.token_count > kMostTokens) {
    return Corrupt("%s has too many tokens", file.name());
  }
  Vector<baleen_token> tokens(static_cast<size_t>(header.state_length),
                              files_->memory());
  BALEEN_RETURN_IF_ERROR(file.Read(layout.tokens, tokens.data(),
                                   tokens.size() * sizeof(baleen_token)));
  entry->path = path;
  entry->fingerprint = header.fingerprint;
  entry->mode = header.mode;
  ExtendChain(tokens, &entry->chain);
  return Status();
}

void StateFolder::Drop(std::string_view path) {
  std::erase_if(entries_,
                [&](const Entry& entry) { return entry.path == path; });
}

void StateFolder::List() {
  listed_ = true;
  const std::unique_ptr<DIR, CloseFolder> folder(opendir(path_.c_str()));
  if (folder == nullptr) return;
  while (const dirent* item = readdir(folder.get())) {
    const std::string_view name = item->d_name;
    if (!name.ends_with(kSuffix)) continue;
    const String path = JoinPath(path_, name, files_->memory());
    Entry entry = {String(files_->memory()), 0, BALEEN_MODE_FAST,
                   Vector<uint64_t>(files_->memory())};
    if (!Read(path, &entry).ok()) continue;
    Drop(path);
    entries_.push_back(std::move(entry));
  }
}

void StateFolder::Remember(std::string_view path) {
  const size_t end = path.rfind('/');
  std::string_view folder = path_;
  while (folder.size() > 1 && folder.back() == '/') folder.remove_suffix(1);
  if (!exists() || end == std::string_view::npos ||
      path.substr(0, end) != folder) {
    return;
  }
  Entry entry = {String(files_->memory()), 0, BALEEN_MODE_FAST,
                 Vector<uint64_t>(files_->memory())};
  if (!Read(path, &entry).ok()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  Drop(path);
  entries_.push_back(std::move(entry));
}

void StateFolder::Forget(std::string_view path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Drop(path);
}

StateFolder::Match StateFolder::Find(uint64_t fingerprint, baleen_mode mode,
                                     std::span<const uint64_t> chain,
                                     size_t least) {
  Match match = {String(files_->memory()), least};
  if (!exists() || chain.size() * kChainBlock <= least) return match;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!listed_) List();
  const Entry* best = nullptr;
  for (const Entry& entry : entries_) {
    if (entry.fingerprint != fingerprint || entry.mode != mode) continue;
    const size_t common = CommonChain(entry.chain, chain) * kChainBlock;
    if (common <= match.common) continue;
    match.common = common;
    best = &entry;
  }
  if (best != nullptr) match.path = best->path;
  return match;
}

}  // namespace baleen
