// How a call enters a session.
#pragma once

#include "api/guard.h"
#include "api/handles.h"
#include "api/options.h"

namespace baleen {

// What a call that has entered begins with: an older cancel is forgotten.
inline Session& BeginCall(baleen_session* session) {
  session->cancelled.store(false, std::memory_order_relaxed);
  session->session->BeginCall();
  return *session->session;
}

// `body` with the session, if no other call is inside it.
template <typename Body>
baleen_status WithSession(baleen_session* session, baleen_error* error,
                          Body&& body) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(session);
    const Entry entry(&session->busy);
    if (!entry.entered()) return SessionBusy();
    Session& object = BeginCall(session);
    const CancelBoard::Scope scope(session->model->context().cancels(),
                                   &session->cancelled);
    const Session::Use use(&object);
    const Status status = body(object);
    // Tokens of a call that failed stay, too.
    const Status logged = object.FlushLog();
    return status.ok() ? logged : status;
  });
}

}  // namespace baleen
