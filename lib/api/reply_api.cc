// baleen_reply_*: a turn of the model, read back.
#include "api/guard.h"
#include "api/handles.h"
#include "api/options.h"

namespace baleen {
namespace {

Status ReadReplyOptions(const baleen_reply_options* given,
                        baleen_reply_options* options) {
  BALEEN_RETURN_IF_ERROR(ReadOptions(given, "baleen_reply_options", options));
  BALEEN_RETURN_IF_ERROR(CheckFlags(
      options->flags, BALEEN_REPLY_STRICT | BALEEN_REPLY_NO_IMPLICIT_END,
      "baleen_reply_options.flags"));
  BALEEN_RETURN_IF_ERROR(
      CheckReserved(options->reserved, "baleen_reply_options"));
  return CheckEnum(options->thinking, BALEEN_THINKING_MAX, "options.thinking");
}

// `body` with the reply, if no other call is inside it.
template <typename Body>
baleen_status WithReply(baleen_reply* reply, baleen_error* error, Body&& body) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(reply);
    const Entry entry(&reply->busy);
    if (!entry.entered()) return ReplyBusy();
    return body(*reply->reply);
  });
}

}  // namespace
}  // namespace baleen

using baleen::FromHandle;
using baleen::Guard;
using baleen::GuardValue;
using baleen::ModelBundle;
using baleen::Owned;
using baleen::Ref;
using baleen::Reply;
using baleen::Status;
using baleen::WithReply;

baleen_status baleen_reply_create(baleen_model* model,
                                  const baleen_reply_options* options,
                                  baleen_reply** out, baleen_error* error) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(model);
    BALEEN_REQUIRE(out);
    baleen_reply_options read;
    BALEEN_RETURN_IF_ERROR(baleen::ReadReplyOptions(options, &read));
    ModelBundle* bundle = FromHandle(model);
    if (bundle->tokenizer() == nullptr) {
      return baleen::Unsupported("the model was loaded without a tokenizer");
    }
    BALEEN_ASSIGN_OR_RETURN(
        Owned<Reply> reply,
        Reply::Create(bundle->tokenizer(), read, bundle->memory()));
    *out =
        baleen::MakeOwned<baleen_reply>(
            bundle->memory(), Ref<ModelBundle>::Share(bundle), std::move(reply))
            .release();
    return Status();
  });
}

void baleen_reply_release(baleen_reply* reply) { baleen::DestroyHandle(reply); }

baleen_status baleen_reply_add(baleen_reply* reply, const baleen_token* tokens,
                               size_t token_count, baleen_error* error) {
  return WithReply(reply, error, [&](Reply& object) -> Status {
    BALEEN_REQUIRE_ARRAY(tokens, token_count);
    return object.AddTokens({tokens, token_count});
  });
}

baleen_status baleen_reply_add_text(baleen_reply* reply, const char* text,
                                    size_t text_size, baleen_error* error) {
  return WithReply(reply, error, [&](Reply& object) -> Status {
    BALEEN_REQUIRE_ARRAY(text, text_size);
    return object.AddText({text, text_size});
  });
}

baleen_status baleen_reply_finish(baleen_reply* reply, baleen_error* error) {
  return WithReply(reply, error, [](Reply& object) { return object.Finish(); });
}

int32_t baleen_reply_next(baleen_reply* reply, baleen_piece* piece) {
  if (reply == nullptr || piece == nullptr) return 0;
  return GuardValue(int32_t{0}, [&]() -> int32_t {
    const baleen::Entry entry(&reply->busy);
    baleen_piece next = {};
    next.struct_size = piece->struct_size;
    // A size that WriteInfo refuses must not cost a piece.
    if (!entry.entered() ||
        !baleen::CheckStructSize(piece->struct_size, alignof(baleen_piece),
                                 "baleen_piece")
             .ok() ||
        !reply->reply->Next(&next)) {
      return 0;
    }
    return baleen::WriteInfo(next, "baleen_piece", piece).ok() ? 1 : 0;
  });
}

baleen_status baleen_reply_message(baleen_reply* reply, baleen_message* message,
                                   baleen_error* error) {
  return WithReply(reply, error, [&](Reply& object) -> Status {
    BALEEN_REQUIRE(message);
    baleen_message found = {};
    BALEEN_RETURN_IF_ERROR(object.Message(&found));
    *message = found;
    return Status();
  });
}
