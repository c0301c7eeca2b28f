// baleen_session_*: tokens in, logits and tokens out.  What saves and counts is
// in state_api.cc.
#include <algorithm>

#include "api/guard.h"
#include "api/handles.h"
#include "api/options.h"
#include "api/read_options.h"
#include "api/session_entry.h"
#include "session/generate.h"
#include "session/sampler.h"

namespace baleen {
namespace {

Status Store(const Ref<ModelBundle>& model, Owned<Session> session,
             baleen_session** out) {
  *out = MakeOwned<baleen_session>(model->memory(), model, std::move(session))
             .release();
  return Status();
}

// The generation with its sampling, read and checked.
struct Generation {
  baleen_generation generation;
  baleen_sampling sampling;
};

Status ReadGeneration(const baleen_generation* given, Generation* read) {
  baleen_generation& generation = read->generation;
  BALEEN_RETURN_IF_ERROR(ReadOptions(given, "baleen_generation", &generation));
  BALEEN_RETURN_IF_ERROR(ReadSampling(generation.sampling, &read->sampling));
  generation.sampling = &read->sampling;
  BALEEN_REQUIRE_ARRAY(generation.stops, generation.stop_count);
  for (uint32_t i = 0; i < generation.stop_count; ++i) {
    if (generation.stops[i] == nullptr || generation.stops[i][0] == '\0') {
      return InvalidArgument("generation.stops[%u] is NULL or empty", i);
    }
  }
  return Status();
}

// Generates with the caller's reply, which is in use meanwhile as well.
Status GenerateWithReply(Session& session, const Generation& read,
                         baleen_finish* finish) {
  baleen_reply* reply = read.generation.reply;
  if (reply->model.get() != &session.bundle()) {
    return InvalidArgument("generation.reply is of another model");
  }
  const Entry entry(&reply->busy);
  if (!entry.entered()) return ReplyBusy();
  return Generate(&session, read.generation, read.sampling, reply->reply.get(),
                  finish);
}

}  // namespace
}  // namespace baleen

using baleen::FromHandle;
using baleen::Guard;
using baleen::ModelBundle;
using baleen::Owned;
using baleen::Ref;
using baleen::Session;
using baleen::Status;
using baleen::WithSession;

baleen_status baleen_session_create(baleen_model* model,
                                    const baleen_session_options* options,
                                    baleen_session** out, baleen_error* error) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(model);
    BALEEN_REQUIRE(out);
    baleen_session_options read;
    BALEEN_RETURN_IF_ERROR(baleen::ReadSessionOptions(options, &read));
    const auto bundle = Ref<ModelBundle>::Share(FromHandle(model));
    BALEEN_ASSIGN_OR_RETURN(Owned<Session> session,
                            Session::Create(bundle, read));
    return baleen::Store(bundle, std::move(session), out);
  });
}

void baleen_session_release(baleen_session* session) {
  baleen::DestroyHandle(session);
}

baleen_status baleen_session_fork(baleen_session* session, baleen_session** out,
                                  baleen_error* error) {
  return WithSession(session, error, [&](Session& object) -> Status {
    BALEEN_REQUIRE(out);
    BALEEN_ASSIGN_OR_RETURN(Owned<Session> fork, object.Fork());
    return baleen::Store(session->model, std::move(fork), out);
  });
}

void baleen_session_cancel(baleen_session* session) {
  if (session == nullptr) return;
  session->cancelled.store(true, std::memory_order_relaxed);
  session->session->Cancel();
}

const baleen_token* baleen_session_tokens(const baleen_session* session,
                                          size_t* count) {
  if (count != nullptr) *count = 0;
  if (session == nullptr) return nullptr;
  const baleen::Entry entry(&session->busy);
  if (!entry.entered()) return nullptr;
  const auto tokens = session->session->tokens();
  if (count != nullptr) *count = tokens.size();
  return tokens.data();
}

baleen_status baleen_session_append(baleen_session* session,
                                    const baleen_token* tokens,
                                    size_t token_count, baleen_error* error) {
  return WithSession(session, error, [&](Session& object) -> Status {
    BALEEN_REQUIRE_ARRAY(tokens, token_count);
    return object.Append({tokens, token_count});
  });
}

baleen_status baleen_session_append_scored(baleen_session* session,
                                           const baleen_token* tokens,
                                           size_t token_count,
                                           baleen_token_score* scores,
                                           baleen_error* error) {
  return WithSession(session, error, [&](Session& object) -> Status {
    BALEEN_REQUIRE_ARRAY(tokens, token_count);
    BALEEN_REQUIRE_ARRAY(scores, token_count);
    baleen::Vector<baleen_token_score> found(token_count,
                                             object.bundle().memory());
    BALEEN_RETURN_IF_ERROR(
        object.AppendScored({tokens, token_count}, found.data()));
    std::copy(found.begin(), found.end(), scores);
    return Status();
  });
}

baleen_status baleen_session_set_tokens(baleen_session* session,
                                        const baleen_token* tokens,
                                        size_t token_count, size_t* reused,
                                        baleen_error* error) {
  return WithSession(session, error, [&](Session& object) -> Status {
    BALEEN_REQUIRE_ARRAY(tokens, token_count);
    size_t free = 0;
    BALEEN_RETURN_IF_ERROR(object.SetTokens({tokens, token_count}, &free));
    if (reused != nullptr) *reused = free;
    return Status();
  });
}

baleen_status baleen_session_truncate(baleen_session* session, size_t keep,
                                      baleen_error* error) {
  return WithSession(session, error,
                     [&](Session& object) { return object.Truncate(keep); });
}

baleen_status baleen_session_logits(baleen_session* session,
                                    const float** logits, size_t* count,
                                    baleen_error* error) {
  return WithSession(session, error, [&](Session& object) -> Status {
    BALEEN_REQUIRE(logits);
    std::span<const float> found;
    BALEEN_RETURN_IF_ERROR(object.Logits(&found));
    *logits = found.data();
    if (count != nullptr) *count = found.size();
    return Status();
  });
}

baleen_status baleen_session_top_tokens(baleen_session* session,
                                        baleen_token_score* scores,
                                        size_t capacity, size_t* count,
                                        baleen_error* error) {
  return WithSession(session, error, [&](Session& object) -> Status {
    BALEEN_REQUIRE_ARRAY(scores, capacity);
    BALEEN_REQUIRE(count);
    return object.TopTokens({scores, capacity}, count);
  });
}

baleen_status baleen_session_sample(baleen_session* session,
                                    const baleen_sampling* sampling,
                                    baleen_token* token, baleen_error* error) {
  return WithSession(session, error, [&](Session& object) -> Status {
    BALEEN_REQUIRE(token);
    baleen_sampling read;
    BALEEN_RETURN_IF_ERROR(baleen::ReadSampling(sampling, &read));
    return object.Sample(read, token);
  });
}

baleen_status baleen_session_step(baleen_session* session,
                                  const baleen_sampling* sampling,
                                  baleen_token* tokens, size_t capacity,
                                  size_t* count, baleen_error* error) {
  return WithSession(session, error, [&](Session& object) -> Status {
    BALEEN_REQUIRE(tokens);
    BALEEN_REQUIRE(count);
    if (capacity == 0) {
      return baleen::InvalidArgument("capacity is 0, but must be at least 1");
    }
    baleen_sampling read;
    BALEEN_RETURN_IF_ERROR(baleen::ReadSampling(sampling, &read));
    return object.Step(read, {tokens, capacity}, count);
  });
}

baleen_status baleen_session_generate(baleen_session* session,
                                      const baleen_generation* generation,
                                      baleen_finish* finish,
                                      baleen_error* error) {
  return WithSession(session, error, [&](Session& object) -> Status {
    baleen::Generation read;
    BALEEN_RETURN_IF_ERROR(baleen::ReadGeneration(generation, &read));
    if (object.bundle().tokenizer() == nullptr) {
      return baleen::Unsupported(
          "the model was loaded without a tokenizer, so it generates by "
          "baleen_session_step only");
    }
    BALEEN_RETURN_IF_ERROR(baleen::CheckSampling(
        read.sampling, object.bundle().info().vocabulary_size));
    baleen_finish found = BALEEN_FINISH_NONE;
    if (read.generation.reply != nullptr) {
      BALEEN_RETURN_IF_ERROR(baleen::GenerateWithReply(object, read, &found));
    } else {
      BALEEN_RETURN_IF_ERROR(baleen::Generate(&object, read.generation,
                                              read.sampling, nullptr, &found));
    }
    if (finish != nullptr) *finish = found;
    return Status();
  });
}
