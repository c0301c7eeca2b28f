// Ctrl-C; see interrupt.h.
#include "interrupt.h"

#include <csignal>

#include <atomic>

namespace tool {
namespace {

// A handler gets no user data, so what it needs is global.
std::atomic<baleen_session*> target{nullptr};
std::atomic<bool> interrupted{false};
static_assert(std::atomic<baleen_session*>::is_always_lock_free);

void Handle(int) {
  interrupted.store(true);
  baleen_session* session = target.load();
  if (session != nullptr) baleen_session_cancel(session);
}

}  // namespace

InterruptGuard::InterruptGuard(baleen_session* session) {
  target.store(session);
  struct sigaction action = {};
  action.sa_handler = Handle;
  // No SA_RESTART: a read at the prompt must come back.
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
}

InterruptGuard::~InterruptGuard() { target.store(nullptr); }

bool TakeInterrupt() { return interrupted.exchange(false); }
bool Interrupted() { return interrupted.load(); }

}  // namespace tool
