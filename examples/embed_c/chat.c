/* The shortest useful program: asks a model one question and prints its answer
 * as it comes.  C99, and nothing but <baleen/baleen.h>. */
#include <baleen/baleen.h>
#include <stdio.h>
#include <string.h>

static int32_t print(void* user, const baleen_piece* piece) {
  (void)user;
  if (piece->channel == BALEEN_CHANNEL_ANSWER) {
    fwrite(piece->text, 1, piece->text_size, stdout);
    fflush(stdout);
  }
  return 0;
}

int main(int argc, char** argv) {
  baleen_context* context = NULL;
  baleen_model* model = NULL;
  baleen_session* session = NULL;
  baleen_error error;
  baleen_token tokens[4096];
  size_t count = 0;
  baleen_message message;
  baleen_generation generation;
  int failed;

  if (argc < 3) {
    fprintf(stderr, "usage: chat MODEL_FOLDER QUESTION\n");
    return 2;
  }
  memset(&message, 0, sizeof message);
  message.role = "user";
  message.content = argv[2];
  message.content_size = strlen(argv[2]);
  memset(&generation, 0, sizeof generation);
  generation.struct_size = sizeof generation;
  generation.max_tokens = 200;
  generation.on_piece = print;

  failed = baleen_context_create(NULL, &context, &error) ||
           baleen_model_load(context, argv[1], NULL, &model, &error) ||
           baleen_session_create(model, NULL, &session, &error) ||
           baleen_model_encode_chat(model, &message, 1, NULL, tokens, 4096,
                                    &count, &error) ||
           baleen_session_append(session, tokens, count, &error) ||
           baleen_session_generate(session, &generation, NULL, &error);
  if (failed) {
    fprintf(stderr, "chat: %s\n", error.message);
  } else {
    printf("\n");
  }

  baleen_context_release(context);
  baleen_model_release(model);
  baleen_session_release(session);
  return failed;
}
