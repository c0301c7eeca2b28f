// Saved states and counts of a session.
#include "api/guard.h"
#include "api/handles.h"
#include "api/options.h"
#include "api/read_options.h"
#include "api/session_entry.h"

using baleen::Session;
using baleen::Status;
using baleen::WithSession;

baleen_status baleen_session_save(baleen_session* session,
                                  const baleen_save_options* options,
                                  void* buffer, size_t capacity, size_t* size,
                                  baleen_error* error) {
  return WithSession(session, error, [&](Session& object) -> Status {
    BALEEN_REQUIRE_ARRAY(buffer, capacity);
    BALEEN_REQUIRE(size);
    baleen_save_options read;
    BALEEN_RETURN_IF_ERROR(baleen::ReadSaveOptions(options, &read));
    return object.Save(read, buffer, capacity, size);
  });
}

baleen_status baleen_session_load(baleen_session* session, const void* buffer,
                                  size_t size, baleen_error* error) {
  return WithSession(session, error, [&](Session& object) -> Status {
    BALEEN_REQUIRE_ARRAY(buffer, size);
    return object.Load(buffer, size);
  });
}

baleen_status baleen_session_save_file(baleen_session* session,
                                       const baleen_save_options* options,
                                       const char* path, baleen_error* error) {
  return WithSession(session, error, [&](Session& object) -> Status {
    BALEEN_REQUIRE(path);
    baleen_save_options read;
    BALEEN_RETURN_IF_ERROR(baleen::ReadSaveOptions(options, &read));
    return object.SaveFile(read, path);
  });
}

baleen_status baleen_session_load_file(baleen_session* session,
                                       const char* path, baleen_error* error) {
  return WithSession(session, error, [&](Session& object) -> Status {
    BALEEN_REQUIRE(path);
    return object.LoadFile(path);
  });
}

baleen_status baleen_session_evict(baleen_session* session,
                                   baleen_error* error) {
  return WithSession(session, error, [](Session& object) {
    bool evicted = false;
    return object.Evict(&evicted);
  });
}

baleen_status baleen_session_get_stats(const baleen_session* session,
                                       baleen_session_stats* stats,
                                       baleen_error* error) {
  return baleen::Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(session);
    BALEEN_REQUIRE(stats);
    const baleen::Entry entry(&session->busy);
    if (!entry.entered()) return baleen::SessionBusy();
    const Session::Use use(session->session.get(), false);
    baleen_session_stats found = {};
    session->session->GetStats(&found);
    return baleen::WriteInfo(found, "baleen_session_stats", stats);
  });
}

baleen_status baleen_session_get_counters(const baleen_session* session,
                                          baleen_session_counters* total,
                                          baleen_session_counters* last,
                                          baleen_error* error) {
  return baleen::Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(session);
    const baleen::Entry entry(&session->busy);
    if (!entry.entered()) return baleen::SessionBusy();
    const Session::Use use(session->session.get(), false);
    constexpr const char* kName = "baleen_session_counters";
    const baleen::CallCounts& counts = session->session->counts();
    if (total != nullptr) {
      BALEEN_RETURN_IF_ERROR(baleen::WriteInfo(counts.total(), kName, total));
    }
    return last == nullptr ? Status()
                           : baleen::WriteInfo(counts.last(), kName, last);
  });
}
