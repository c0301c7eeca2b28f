// How much memory the states of all sessions of a context may take, and who
// gives some back when that is not enough.
//
// Sessions register here.  One that needs memory reserves it first; where the
// limit would be passed, the sessions that were idle longest are evicted, each by
// the thread that asks, unless a call is inside it.  A session may be taken out
// and destroyed at any time by its own thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "base/byte_meter.h"
#include "base/linked_list.h"
#include "base/status.h"

namespace baleen {

// A session as the budget sees it.
class Evictable : Linked<Evictable> {
 public:
  // Enters the session unless a call is inside.
  virtual bool TryEnter() = 0;
  virtual void Leave() = 0;
  // Writes the state away and frees its memory.  *evicted: whether there was
  // any.  Inside TryEnter and Leave.
  virtual Status Evict(bool* evicted) = 0;

 protected:
  ~Evictable() = default;

 private:
  friend class StateBudget;
  friend class LinkedList<Evictable>;
  uint64_t last_use_ = 0;
  uint64_t asked_ = 0;  // By which reservation last.
};

class StateBudget {
 public:
  // Memory that was reserved, until it has been taken and is counted.
  class Room {
   public:
    Room() = default;
    ~Room() { Release(); }
    Room(const Room&) = delete;
    Room& operator=(const Room&) = delete;

    void Release();

   private:
    friend class StateBudget;
    StateBudget* budget_ = nullptr;
    uint64_t bytes_ = 0;
  };

  // `limit` 0: none.  `evicts`: there is a place to evict states to.
  StateBudget(uint64_t limit, bool evicts) : limit_(limit), evicts_(evicts) {}

  ByteMeter* meter() { return &meter_; }

  void Add(Evictable* session);
  void Remove(Evictable* session);
  // A call has come to the session.
  void Touch(Evictable* session);

  // Makes sure that `bytes` more may be taken.  The caller holds no other room,
  // no lock that evicting takes, and is inside its own session, if it has one.
  Status Reserve(uint64_t bytes, Room* room);

 private:
  Evictable* Longest(uint64_t reservation);
  Status EvictOne(Evictable* idle);

  const uint64_t limit_;
  const bool evicts_;
  ByteMeter meter_;
  std::mutex mutex_;
  std::condition_variable released_;
  uint64_t reserved_ = 0;
  uint64_t uses_ = 0;
  uint64_t reservations_ = 0;
  LinkedList<Evictable> sessions_;
};

}  // namespace baleen
