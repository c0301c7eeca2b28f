#include "context/state_budget.h"

namespace baleen {

void StateBudget::Room::Release() {
  if (budget_ == nullptr) return;
  {
    const std::lock_guard<std::mutex> lock(budget_->mutex_);
    budget_->reserved_ -= bytes_;
  }
  budget_->released_.notify_all();
  budget_ = nullptr;
}

void StateBudget::Add(Evictable* session) {
  const std::lock_guard<std::mutex> lock(mutex_);
  session->last_use_ = ++uses_;
  sessions_.Add(session);
}

void StateBudget::Remove(Evictable* session) {
  const std::lock_guard<std::mutex> lock(mutex_);
  sessions_.Remove(session);
}

void StateBudget::Touch(Evictable* session) {
  if (limit_ == 0) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  session->last_use_ = ++uses_;
}

// Enters the session that was idle longest of those that this reservation has
// not asked yet; NULL if there is none.
Evictable* StateBudget::Longest(uint64_t reservation) {
  for (;;) {
    Evictable* longest = nullptr;
    for (Evictable* one = sessions_.first(); one != nullptr;
         one = sessions_.Next(one)) {
      if (one->asked_ != reservation &&
          (longest == nullptr || one->last_use_ < longest->last_use_)) {
        longest = one;
      }
    }
    if (longest == nullptr) return nullptr;
    longest->asked_ = reservation;
    if (longest->TryEnter()) return longest;
  }
}

// Leaves the session also when there is no memory to evict it with.
Status StateBudget::EvictOne(Evictable* idle) {
  struct Inside {
    Evictable* session;
    ~Inside() { session->Leave(); }
  };
  const Inside inside = {idle};
  bool evicted = false;
  return idle->Evict(&evicted);
}

Status StateBudget::Reserve(uint64_t bytes, Room* room) {
  if (limit_ == 0 || bytes == 0) return Status();
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t reservation = ++reservations_;
  Status failed;
  for (;;) {
    const uint64_t wanted = meter_.bytes() + bytes;
    if (wanted + reserved_ <= limit_) {
      reserved_ += bytes;
      room->budget_ = this;
      room->bytes_ = bytes;
      return Status();
    }
    Evictable* idle = evicts_ ? Longest(reservation) : nullptr;
    if (idle == nullptr) {
      // What others reserved may be counted twice while they take it.
      if (reserved_ > 0) {
        released_.wait(lock);
        continue;
      }
      if (!failed.ok()) return failed;
      return OutOfMemory(
          "the states of sessions take %llu bytes, %llu more would be over "
          "state_memory_limit, and no idle session can be evicted",
          static_cast<unsigned long long>(meter_.bytes()),
          static_cast<unsigned long long>(bytes));
    }
    lock.unlock();
    const Status status = EvictOne(idle);
    lock.lock();
    if (!status.ok()) {
      failed =
          OutOfMemory("cannot evict an idle session: %s", status.message());
    }
  }
}

}  // namespace baleen
