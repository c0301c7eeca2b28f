// Ctrl-C; see interrupt.h.
#include "interrupt.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
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

// SIGINT is let in by ppoll alone, so that none comes between the question and
// the wait, where nobody would see it before the next line.
bool WaitForInput() {
  sigset_t interrupt;
  sigset_t before;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, &before);
  pollfd input = {STDIN_FILENO, POLLIN, 0};
  while (!Interrupted() && ppoll(&input, 1, nullptr, &before) < 0 &&
         errno == EINTR) {
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return !TakeInterrupt();
}

bool TakeInterrupt() { return interrupted.exchange(false); }
bool Interrupted() { return interrupted.load(); }

}  // namespace tool
