// What the handles of baleen.h are.
//
// A context or model is the reference-counted object itself, under its own
// address.  A session or reply is a small struct around one: it adds the mark
// that one call is inside, and the reference that keeps the memory alive which
// all of it comes from.
#pragma once

#include <atomic>
#include <utility>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "base/ref_count.h"
#include "base/status.h"
#include "context/context.h"
#include "session/model_bundle.h"
#include "session/session.h"
#include "text/reply.h"

namespace baleen {

inline baleen_context* ToHandle(Ref<Context> context) {
  return reinterpret_cast<baleen_context*>(context.Leak());
}
inline Context* FromHandle(baleen_context* context) {
  return reinterpret_cast<Context*>(context);
}
inline const Context* FromHandle(const baleen_context* context) {
  return reinterpret_cast<const Context*>(context);
}

inline baleen_model* ToHandle(Ref<ModelBundle> model) {
  return reinterpret_cast<baleen_model*>(model.Leak());
}
inline ModelBundle* FromHandle(baleen_model* model) {
  return reinterpret_cast<ModelBundle*>(model);
}
inline const ModelBundle* FromHandle(const baleen_model* model) {
  return reinterpret_cast<const ModelBundle*>(model);
}

// Marks a handle as in use for the life of the object; `entered` is false if
// another call is inside.
class Entry {
 public:
  explicit Entry(std::atomic<bool>* busy)
      : busy_(busy),
        entered_(!busy->exchange(true, std::memory_order_acquire)) {}
  ~Entry() {
    if (entered_) busy_->store(false, std::memory_order_release);
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  bool entered() const { return entered_; }

 private:
  std::atomic<bool>* busy_;
  bool entered_;
};

inline Status SessionBusy() {
  return Status::Error(BALEEN_BUSY, "another call is inside this session");
}
inline Status ReplyBusy() {
  return Status::Error(BALEEN_BUSY, "another call is inside this reply");
}

// Destroys a session's or reply's handle.  Its model, and so the memory that it
// came from, lives until all of it is gone.
template <typename Handle>
void DestroyHandle(Handle* handle) {
  if (handle == nullptr) return;
  const Ref<ModelBundle> model = handle->model;
  Deleter<Handle>(model->memory())(handle);
}

}  // namespace baleen

struct baleen_session {
  baleen_session(baleen::Ref<baleen::ModelBundle> session_model,
                 baleen::Owned<baleen::Session> object)
      : model(std::move(session_model)), session(std::move(object)) {}

  baleen::Ref<baleen::ModelBundle> model;
  baleen::Owned<baleen::Session> session;
  mutable std::atomic<bool> busy{false};
  // The call inside was cancelled; what backends ask.
  std::atomic<bool> cancelled{false};
};

struct baleen_reply {
  baleen_reply(baleen::Ref<baleen::ModelBundle> reply_model,
               baleen::Owned<baleen::Reply> object)
      : model(std::move(reply_model)), reply(std::move(object)) {}

  baleen::Ref<baleen::ModelBundle> model;
  baleen::Owned<baleen::Reply> reply;
  std::atomic<bool> busy{false};
};
