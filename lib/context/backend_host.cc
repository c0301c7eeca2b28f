// See backend_host.h.
#include "context/backend_host.h"

#include <algorithm>
#include <cstdio>
#include <new>
#include <utility>

namespace baleen {

FailureBoard::Note* FailureBoard::Find() const {
  const std::thread::id self = std::this_thread::get_id();
  for (const Owned<Note>& note : notes_) {
    if (note->thread == self) return note.get();
  }
  return nullptr;
}

void FailureBoard::Record(const char* message) noexcept {
  if (message == nullptr) return;
  const std::lock_guard lock(mutex_);
  Note* note = Find();
  if (note == nullptr) {
    try {
      Owned<Note> fresh = MakeOwned<Note>(memory_);
      fresh->thread = std::this_thread::get_id();
      note = fresh.get();
      notes_.push_back(std::move(fresh));
    } catch (const std::bad_alloc&) {
      return;
    }
  }
  std::snprintf(note->message, sizeof note->message, "%s", message);
}

const char* FailureBoard::Last() const {
  const std::lock_guard lock(mutex_);
  const Note* note = Find();
  return note == nullptr ? "" : note->message;
}

CancelBoard::Scope::Scope(CancelBoard* board, const std::atomic<bool>* flag)
    : board_(board), flag_(flag) {
  const std::lock_guard lock(board_->mutex_);
  next_ = std::exchange(board_->first_, this);
}

CancelBoard::Scope::~Scope() {
  const std::lock_guard lock(board_->mutex_);
  Scope** link = &board_->first_;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
}

bool CancelBoard::Cancelled() const {
  const std::thread::id self = std::this_thread::get_id();
  const std::lock_guard lock(mutex_);
  for (const Scope* scope = first_; scope != nullptr; scope = scope->next_) {
    if (scope->thread_ != self) continue;
    if (scope->flag_ == nullptr) return false;
    if (scope->flag_->load(std::memory_order_relaxed)) return true;
  }
  return false;
}

BackendHost::BackendHost(const HostParts& parts, FailureBoard* failures,
                         std::span<const baleen_setting> settings)
    : parts_(parts), failures_(failures), settings_(parts.memory) {
  settings_.reserve(settings.size());
  for (const baleen_setting& setting : settings) {
    settings_.push_back({String(setting.name, parts.memory),
                         String(setting.value, parts.memory), false});
  }
  table_.struct_size = sizeof table_;
  table_.major = BALEEN_BACKEND_MAJOR;
  table_.minor = BALEEN_BACKEND_MINOR;
  table_.user_data = this;
  table_.fail = [](void* self, const char* message) {
    static_cast<BackendHost*>(self)->failures_->Record(message);
  };
  table_.log = [](void* self, baleen_log_level level, const char* message) {
    static_cast<BackendHost*>(self)->parts_.log->Write(level, "%s", message);
  };
  table_.setting = [](void* self, const char* name) {
    return static_cast<BackendHost*>(self)->Ask(name);
  };
  table_.cancelled = [](void* self) -> int32_t {
    return static_cast<BackendHost*>(self)->parts_.cancels->Cancelled() ? 1 : 0;
  };
  table_.allocator = parts.memory->hooks();
  table_.workers = parts.workers;
}

const char* BackendHost::last_failure() const {
  const char* reason = failures_->Last();
  return reason[0] == '\0' ? "it gave no reason" : reason;
}

bool BackendHost::HasSettings(std::span<const baleen_setting> settings) const {
  return std::equal(
      settings_.begin(), settings_.end(), settings.begin(), settings.end(),
      [](const Setting& mine, const baleen_setting& given) {
        return mine.name == given.name && mine.value == given.value;
      });
}

const char* BackendHost::Ask(const char* name) {
  const char* value = nullptr;
  for (Setting& setting : settings_) {
    if (setting.name != name) continue;
    setting.asked = true;
    value = setting.value.c_str();
  }
  return value;
}

const char* BackendHost::FirstUnasked() const {
  for (const Setting& setting : settings_) {
    if (!setting.asked) return setting.name.c_str();
  }
  return nullptr;
}

const char* BackendHost::LastFailureOf(const Device& device) {
  const auto* host = static_cast<const BackendHost*>(device.host->user_data);
  return host->last_failure();
}

}  // namespace baleen
