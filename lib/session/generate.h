// Generation until there is a reason to stop: Session::Step in a loop, the
// reply that reads along, stop texts.
#pragma once

#include <baleen/baleen.h>

#include "session/session.h"
#include "text/reply.h"

namespace baleen {

// `generation` has been read by lib/api.  `reply` reads along; NULL: one of our
// own.
Status Generate(Session* session, const baleen_generation& generation,
                const baleen_sampling& sampling, Reply* reply,
                baleen_finish* finish);

}  // namespace baleen
