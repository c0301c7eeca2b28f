// How a call enters a session.
#pragma once

#include "api/guard.h"
#include "api/handles.h"
#include "api/options.h"

namespace baleen {

// `body` with the session, if no other call is inside it.
template <typename Body>
baleen_status WithSession(baleen_session* session, baleen_error* error,
                          Body&& body) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(session);
    const Entry entry(&session->busy);
    if (!entry.entered()) return SessionBusy();
    session->cancelled.store(false, std::memory_order_relaxed);
    Session& object = *session->session;
    object.BeginCall();
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
