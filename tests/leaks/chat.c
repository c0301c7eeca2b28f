/* A full chat in C, of which nothing may be left: two turns with a tool call
 * between them, a fork, a saved state, a cancel, and calls that fail.
 *
 *   leak_chat MODEL_FOLDER [forget]
 */
#include <baleen/baleen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kTools[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"look\","
    " \"description\": \"Looks.\", \"parameters\": {\"type\": \"object\"}}}]";
static const char kCalls[] =
    "[{\"id\": \"call_1\", \"type\": \"function\", \"function\":"
    " {\"name\": \"look\", \"arguments\": \"{}\"}}]";

enum { kMaxTokens = 4096 };

static baleen_error failure;

/* Ends the program where something else happened than was meant to. */
static void expect(const char* what, int fine) {
  if (fine) return;
  fprintf(stderr, "%s: %s\n", what, failure.message);
  exit(1);
}

static int32_t count_piece(void* user, const baleen_piece* piece) {
  *(size_t*)user += piece->text_size;
  return 0;
}

static int32_t cancel_at_once(void* user, const baleen_piece* piece) {
  (void)piece;
  baleen_session_cancel(user);
  return 0;
}

static void write_log(void* user, baleen_log_level level, const char* line) {
  (void)level;
  (void)line;
  *(int*)user = 1;
}

static int32_t watch(void* user, uint64_t done, uint64_t total) {
  (void)user;
  return done > total;
}

static baleen_message say(const char* role, const char* content) {
  baleen_message message;
  memset(&message, 0, sizeof message);
  message.role = role;
  message.content = content;
  message.content_size = strlen(content);
  return message;
}

static void take_turn(baleen_model* model, baleen_session* session,
                      const baleen_message* messages, size_t count) {
  static baleen_token tokens[kMaxTokens];
  baleen_chat_options options;
  baleen_generation generation;
  baleen_message answer;
  size_t token_count;
  size_t said = 0;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.tools = kTools;
  expect("encode_chat",
         !baleen_model_encode_chat(model, messages, count, &options, tokens,
                                   kMaxTokens, &token_count, &failure));
  expect("set_tokens", !baleen_session_set_tokens(session, tokens, token_count,
                                                  NULL, &failure));
  memset(&generation, 0, sizeof generation);
  generation.struct_size = sizeof generation;
  generation.max_tokens = 24;
  generation.on_piece = count_piece;
  generation.user_data = &said;
  expect("reply_create",
         !baleen_reply_create(model, NULL, &generation.reply, &failure));
  expect("generate",
         !baleen_session_generate(session, &generation, NULL, &failure));
  expect("reply_message",
         !baleen_reply_message(generation.reply, &answer, &failure));
  expect("pieces", said > 0 && answer.token_count > 0);
  baleen_reply_release(generation.reply);
}

static void chat(baleen_model* model, baleen_session* session) {
  baleen_message messages[3];
  messages[0] = say("user", "Tell me about the whale.");
  take_turn(model, session, messages, 1);
  messages[1] = say("assistant", "I look.");
  messages[1].tool_calls = kCalls;
  messages[2] = say("tool", "It is white.");
  messages[2].tool_call_id = "call_1";
  take_turn(model, session, messages, 3);
}

static void save_and_load(baleen_session* from, baleen_session* to) {
  size_t size = 0;
  void* state;
  expect("save", baleen_session_save(from, NULL, NULL, 0, &size, &failure) ==
                     BALEEN_BUFFER_TOO_SMALL);
  state = malloc(size);
  expect("malloc", state != NULL);
  expect("save",
         !baleen_session_save(from, NULL, state, size, &size, &failure));
  expect("load", !baleen_session_load(to, state, size, &failure));
  ((char*)state)[size / 2] ^= 1;
  expect("a changed state",
         baleen_session_load(to, state, size, &failure) == BALEEN_CORRUPT);
  free(state);
}

static void cancel(baleen_session* session) {
  baleen_generation generation;
  memset(&generation, 0, sizeof generation);
  generation.struct_size = sizeof generation;
  generation.on_piece = cancel_at_once;
  generation.user_data = session;
  expect("cancel", baleen_session_generate(session, &generation, NULL,
                                           &failure) == BALEEN_CANCELLED);
}

int main(int argc, char** argv) {
  baleen_context_options context_options;
  baleen_session_options session_options;
  baleen_context* context;
  baleen_model* model;
  baleen_model* none = NULL;
  baleen_session* session;
  baleen_session* fork;
  int logged = 0;
  expect("usage: leak_chat MODEL_FOLDER [forget]", argc >= 2);
  memset(&context_options, 0, sizeof context_options);
  context_options.struct_size = sizeof context_options;
  context_options.thread_count = 2;
  context_options.log_level = BALEEN_LOG_DEBUG;
  context_options.log = write_log;
  context_options.log_user_data = &logged;
  expect("context_create",
         !baleen_context_create(&context_options, &context, &failure));
  expect("a model that is not there",
         baleen_model_load(context, "/no/such/model", NULL, &none, &failure) ==
             BALEEN_NOT_FOUND);
  expect("model_load",
         !baleen_model_load(context, argv[1], NULL, &model, &failure));
  memset(&session_options, 0, sizeof session_options);
  session_options.struct_size = sizeof session_options;
  session_options.seed = 1;
  session_options.progress = watch;
  expect("session_create",
         !baleen_session_create(model, &session_options, &session, &failure));
  baleen_context_release(context);
  chat(model, session);
  expect("fork", !baleen_session_fork(session, &fork, &failure));
  save_and_load(session, fork);
  baleen_model_release(model);
  cancel(fork);
  baleen_session_release(session);
  if (argc == 2) baleen_session_release(fork);
  fork = NULL;
  expect("the log", logged);
  return 0;
}
