/* A host's program that calls every function of baleen.h and fills every struct.
 * It is compiled against the first headers, against those of today, and (with
 * BALEEN_LATER) against ones whose structs have members that the library does
 * not know; all three must run with the library of today and print the same.
 *
 *   program MODEL_FOLDER PLUGIN FOLDER_TO_WRITE_TO */
#include <baleen/baleen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) Check((condition) != 0, #condition, __LINE__)
#define CHECK_OK(call) CHECK((call) == BALEEN_OK)

/* A struct with its size set and all else zero. */
#define START(type, name)        \
  type name;                     \
  memset(&name, 0, sizeof name); \
  name.struct_size = (uint32_t)sizeof name

/* That a wish of a later version is refused, not ignored. */
#ifdef BALEEN_LATER
#define CHECK_LATER(options, call)     \
  options.later_number = 1;            \
  CHECK((call) == BALEEN_UNSUPPORTED); \
  options.later_number = 0
/* That what the library does not know is said to be nothing. */
#define CHECK_INFO(info) \
  CHECK(info.later_number == 0 && info.later_pointer == 0)
#define START_INFO(type, name)      \
  type name;                        \
  memset(&name, 0x5a, sizeof name); \
  name.struct_size = (uint32_t)sizeof name
#else
#define CHECK_LATER(options, call)
#define CHECK_INFO(info) CHECK(info.struct_size == sizeof info)
#define START_INFO(type, name) START(type, name)
#endif

enum { kTokens = 512, kStateBytes = 1 << 24 };

static baleen_error error;

static void Check(int good, const char* what, int line) {
  if (good) return;
  fprintf(stderr, "line %d: %s: %s\n", line, what, error.message);
  exit(1);
}

/* Of calls that a library may declare before it can do them. */
static int Supports(baleen_status status) {
  CHECK(status == BALEEN_OK || status == BALEEN_UNSUPPORTED);
  return status == BALEEN_OK;
}

/* ---- What the host gives ------------------------------------------------- */

typedef struct Host {
  const char* folder; /* Of its files. */
  long log_lines;
  long blocks;
  long loops;
  long open_files;
  long progress_calls;
} Host;

static void Log(void* host, baleen_log_level level, const char* message) {
  CHECK(level >= BALEEN_LOG_ERROR && level <= BALEEN_LOG_DEBUG && *message);
  ++((Host*)host)->log_lines;
}

static int32_t Progress(void* host, uint64_t done, uint64_t total) {
  CHECK(done <= total);
  ++((Host*)host)->progress_calls;
  return 0;
}

static void* Allocate(void* host, size_t size, size_t alignment) {
  size_t const step = alignment < 16 ? 16 : alignment;
  ++((Host*)host)->blocks;
  return aligned_alloc(step, (size + step - 1) / step * step);
}

static void Deallocate(void* host, void* memory, size_t size,
                       size_t alignment) {
  (void)size;
  (void)alignment;
  --((Host*)host)->blocks;
  free(memory);
}

static void Run(void* host, uint32_t count, baleen_task_fn task, void* data) {
  uint32_t i;
  ++((Host*)host)->loops;
  for (i = 0; i < count; ++i) task(data, i);
}

static int32_t OpenAs(Host* host, const char* path, const char* mode,
                      void** file) {
  *file = fopen(path, mode);
  if (*file == NULL) return 1;
  ++host->open_files;
  return 0;
}

static int32_t Open(void* host, const char* path, void** file, uint64_t* size) {
  if (OpenAs(host, path, "rb", file) != 0) return 1;
  fseek(*file, 0, SEEK_END);
  *size = (uint64_t)ftell(*file);
  return 0;
}

static int32_t Read(void* host, void* file, uint64_t offset, void* buffer,
                    size_t size) {
  (void)host;
  fseek(file, (long)offset, SEEK_SET);
  return fread(buffer, 1, size, file) != size;
}

static void Close(void* host, void* file) {
  --((Host*)host)->open_files;
  fclose(file);
}

static int32_t Create(void* host, const char* path, void** file) {
  return OpenAs(host, path, "wb", file);
}

static int32_t Write(void* host, void* file, uint64_t offset,
                     const void* buffer, size_t size) {
  (void)host;
  fseek(file, (long)offset, SEEK_SET);
  return fwrite(buffer, 1, size, file) != size;
}

static int32_t Sync(void* host, void* file) {
  (void)host;
  return fflush(file);
}

static int32_t Rename(void* host, const char* from, const char* to) {
  (void)host;
  return rename(from, to);
}

static int32_t Remove(void* host, const char* path) {
  (void)host;
  return remove(path);
}

static baleen_files HostFiles(Host* host) {
  START(baleen_files, files);
  files.user_data = host;
  files.open = Open;
  files.read = Read;
  files.close = Close;
  files.create = Create;
  files.write = Write;
  files.sync = Sync;
  files.rename = Rename;
  files.remove = Remove;
  return files;
}

/* ---- Context and model --------------------------------------------------- */

static baleen_context* MakeContext(Host* host) {
  baleen_context* context = NULL;
  START(baleen_allocator, allocator);
  START(baleen_workers, workers);
  START(baleen_context_options, options);
  baleen_files files = HostFiles(host);
  allocator.user_data = host;
  allocator.allocate = Allocate;
  allocator.deallocate = Deallocate;
  workers.width = 2;
  workers.user_data = host;
  workers.run = Run;
  options.log_level = BALEEN_LOG_DEBUG;
  options.log = Log;
  options.log_user_data = host;
  options.allocator = &allocator;
  options.workers = &workers;
  options.files = &files;
  options.state_memory_limit = (uint64_t)1 << 32;
  CHECK_LATER(options, baleen_context_create(&options, &context, &error));
  CHECK_LATER(allocator, baleen_context_create(&options, &context, &error));
  CHECK_LATER(workers, baleen_context_create(&options, &context, &error));
  CHECK_LATER(files, baleen_context_create(&options, &context, &error));
  CHECK(context == NULL);
  CHECK_OK(baleen_context_create(&options, &context, &error));
  return context;
}

static void UseContext(baleen_context* context, const char* plugin) {
  START_INFO(baleen_device_info, info);
  CHECK(baleen_context_device_count(context) == 1);
  CHECK_OK(baleen_context_device_info(context, 0, &info, &error));
  CHECK_INFO(info);
  CHECK(strcmp(info.backend, "cpu") == 0);
  CHECK_OK(baleen_context_load_backend(context, plugin, &error));
  CHECK(baleen_context_device_count(context) == 2);
  CHECK(baleen_context_load_backend(context, "relative", &error) ==
        BALEEN_INVALID_ARGUMENT);
  CHECK(error.status == BALEEN_INVALID_ARGUMENT && error.message[0] != '\0');
}

static void UsePlan(baleen_context* context, const char* path,
                    const baleen_model* model) {
  START_INFO(baleen_memory_plan, before);
  START_INFO(baleen_memory_plan, loaded);
  CHECK_OK(baleen_context_plan(context, path, NULL, NULL, &before, &error));
  CHECK_OK(baleen_model_plan(model, NULL, &loaded, &error));
  CHECK_INFO(before);
  CHECK(before.session_host == loaded.session_host);
  printf("plan: %lu\n",
         (unsigned long)loaded.weights_by_part[BALEEN_PART_HEAD]);
}

/* Loads on the plug-in's device, which has no operators of its own. */
static baleen_model* Load(baleen_context* context, Host* host,
                          const char* path) {
  static const baleen_setting isa = {"cpu.isa", "portable"};
  static const uint32_t devices[] = {1};
  const baleen_setting unknown = {"cpu.no_such_setting", "1"};
  baleen_model* model = NULL;
  START(baleen_model_options, options);
  options.devices = devices;
  options.device_count = 1;
  options.settings = &unknown;
  options.setting_count = 1;
  options.progress = Progress;
  options.progress_user_data = host;
  CHECK(baleen_model_load(context, path, &options, &model, &error) ==
        BALEEN_NOT_FOUND);
  options.settings = &isa;
  options.flags = BALEEN_MODEL_VERIFY;
  CHECK_LATER(options,
              baleen_model_load(context, path, &options, &model, &error));
  CHECK_OK(baleen_model_load(context, path, &options, &model, &error));
  return model;
}

static void UseModel(const baleen_model* model) {
  START_INFO(baleen_model_info, info);
  baleen_token tokens[kTokens];
  char text[kTokens];
  size_t count = 0;
  size_t size = 0;
  CHECK_OK(baleen_model_get_info(model, &info, &error));
  CHECK_INFO(info);
  CHECK(strcmp(info.architecture, "deepseek_v4") == 0);
  printf("model: %u tokens, %u layers\n", info.vocabulary_size,
         info.layer_count);
  CHECK(strcmp(baleen_model_metadata(model, "bos_token_id"), "0") == 0);
  printf("hidden_size: %s\n", baleen_model_metadata(model, "hidden_size"));
  CHECK(baleen_model_tokenize(model, "a whale", 7, 0, NULL, 0, &count,
                              &error) == BALEEN_BUFFER_TOO_SMALL);
  CHECK_OK(baleen_model_tokenize(model, "a whale", 7, 0, tokens, kTokens,
                                 &count, &error));
  CHECK_OK(baleen_model_detokenize(model, tokens, count, 0, text, kTokens,
                                   &size, &error));
  CHECK(size == 7 && memcmp(text, "a whale", 7) == 0);
  CHECK(baleen_model_find_token(model, "</think>") >= 0);
  CHECK(baleen_model_find_token(model, "<no such>") == -1);
  CHECK(baleen_model_is_end(model, tokens[0]) == 0);
}

static void UsePacking(baleen_context* context, Host* host, const char* path) {
  char packed[1024];
  baleen_model* model = NULL;
  snprintf(packed, sizeof packed, "%s/packed", host->folder);
  CHECK_OK(baleen_model_pack(context, path, packed, NULL, &error));
  CHECK_OK(baleen_model_load(context, packed, NULL, &model, &error));
  baleen_model_release(model);
  remove(packed);
}

/* ---- Conversations ------------------------------------------------------- */

static size_t Encode(const baleen_model* model, baleen_token* tokens) {
  baleen_message messages[2];
  size_t count = 0;
  START(baleen_chat_options, options);
  memset(messages, 0, sizeof messages);
  messages[0].role = "system";
  messages[0].content = "Talk.";
  messages[0].content_size = 5;
  messages[1].role = "user";
  messages[1].content = "What of the sea?";
  messages[1].content_size = 16;
  options.thinking = BALEEN_THINKING_OFF;
  CHECK_LATER(options,
              baleen_model_encode_chat(model, messages, 2, &options, tokens,
                                       kTokens, &count, &error));
  CHECK_OK(baleen_model_encode_chat(model, messages, 2, &options, tokens,
                                    kTokens, &count, &error));
  printf("prompt: %lu tokens\n", (unsigned long)count);
  return count;
}

static void UseReply(baleen_model* model, const baleen_token* tokens) {
  baleen_reply* reply = NULL;
  baleen_message message;
  START_INFO(baleen_piece, piece);
  START(baleen_reply_options, options);
  options.thinking = BALEEN_THINKING_ON;
  CHECK_LATER(options, baleen_reply_create(model, &options, &reply, &error));
  CHECK_OK(baleen_reply_create(model, &options, &reply, &error));
  CHECK_OK(baleen_reply_add_text(reply, "Hm.</think>Aye.", 15, &error));
  CHECK_OK(baleen_reply_add(reply, tokens, 0, &error));
  CHECK_OK(baleen_reply_finish(reply, &error));
  while (baleen_reply_next(reply, &piece)) {
    CHECK_INFO(piece);
    printf("channel %d: %.*s\n", piece.channel, (int)piece.text_size,
           piece.text);
  }
  CHECK_OK(baleen_reply_message(reply, &message, &error));
  CHECK(strcmp(message.role, "assistant") == 0 && message.reasoning_size == 3);
  baleen_reply_release(reply);
}

/* ---- Sessions ------------------------------------------------------------ */

static baleen_session* MakeSession(baleen_model* model, Host* host) {
  baleen_session* session = NULL;
  START(baleen_session_options, options);
  options.capacity = 2 * kTokens;
  options.seed = 7;
  options.mode = BALEEN_MODE_REFERENCE;
  options.prefill_chunk = 8;
  options.draft = BALEEN_DRAFT_OFF;
  options.window = BALEEN_WINDOW_PERIODIC;
  options.window_period = 256;
  options.progress = Progress;
  options.progress_user_data = host;
  CHECK_LATER(options,
              baleen_session_create(model, &options, &session, &error));
  CHECK_OK(baleen_session_create(model, &options, &session, &error));
  return session;
}

static void Favor(void* token, float* logits, size_t count) {
  size_t const favorite = *(const size_t*)token;
  CHECK(favorite < count);
  logits[favorite] += 100;
}

static void UseSampling(baleen_session* session) {
  static const baleen_token_bias bias = {300, -100};
  size_t favorite = 301;
  baleen_token token = -1;
  START(baleen_sampling, sampling);
  sampling.temperature = 0.7f;
  sampling.top_p = 0.9f;
  sampling.min_p = 0.01f;
  sampling.top_k = 50;
  sampling.repeat_penalty = 1.1f;
  sampling.repeat_window = 64;
  sampling.bias_count = 1;
  sampling.biases = &bias;
  sampling.edit = Favor;
  sampling.edit_user_data = &favorite;
  CHECK_LATER(sampling,
              baleen_session_sample(session, &sampling, &token, &error));
  CHECK_OK(baleen_session_sample(session, &sampling, &token, &error));
  CHECK(token == 301);
}

static void StepMany(baleen_session* session, const baleen_sampling* sampling) {
  baleen_token token = -1;
  baleen_token_score score;
  baleen_step step;
  memset(&step, 0, sizeof step);
  step.session = session;
  step.sampling = sampling;
  step.tokens = &token;
  step.scores = &score;
  step.capacity = 1;
  if (!Supports(baleen_session_step_many(&step, 1, &error))) return;
  CHECK_OK(step.status);
  CHECK(step.count == 1 && score.token == token);
}

/* Reads the prompt, and each way to say a token says one. */
static void UseSession(baleen_session* session, const baleen_token* prompt,
                       size_t prompt_count) {
  const float* logits = NULL;
  baleen_token_score scores[4];
  baleen_token said = -1;
  size_t count = 0;
  size_t reused = 0;
  START(baleen_sampling, greedy);
  greedy.flags = BALEEN_SAMPLING_GREEDY;
  CHECK_OK(baleen_session_append(session, prompt, 4, &error));
  CHECK_OK(baleen_session_set_tokens(session, prompt, prompt_count, &reused,
                                     &error));
  CHECK(reused == 4);
  CHECK_OK(baleen_session_logits(session, &logits, &count, &error));
  CHECK_OK(baleen_session_top_tokens(session, scores, 4, &count, &error));
  CHECK(count == 4 && scores[0].logit == logits[scores[0].token]);
  UseSampling(session);
  CHECK_OK(baleen_session_append_scored(session, &scores[0].token, 1,
                                        scores + 1, &error));
  CHECK_OK(baleen_session_step(session, &greedy, &said, 1, &count, &error));
  StepMany(session, &greedy);
  printf("tokens %d %d, log probability %.9g\n", scores[0].token, said,
         scores[1].log_probability);
}

/* Pieces that the library hands out are as long as the library knows them. */
static int32_t OnPiece(void* size, const baleen_piece* piece) {
#ifdef BALEEN_LATER
  CHECK(piece->struct_size < sizeof *piece);
#else
  CHECK(piece->struct_size >= sizeof *piece);
#endif
  *(size_t*)size += piece->text_size;
  return 0;
}

static void UseGeneration(baleen_session* session) {
  static const char* const stops[] = {"\n\n"};
  baleen_finish finish = BALEEN_FINISH_NONE;
  size_t size = 0;
  START(baleen_sampling, greedy);
  START(baleen_generation, generation);
  greedy.flags = BALEEN_SAMPLING_GREEDY;
  generation.sampling = &greedy;
  generation.stops = stops;
  generation.stop_count = 1;
  generation.max_tokens = 8;
  generation.on_piece = OnPiece;
  generation.user_data = &size;
  CHECK_LATER(generation,
              baleen_session_generate(session, &generation, &finish, &error));
  CHECK_OK(baleen_session_generate(session, &generation, &finish, &error));
  printf("generated %lu bytes, finish %d\n", (unsigned long)size, finish);
}

static void UseCounts(baleen_session* session) {
  START_INFO(baleen_session_stats, stats);
  START_INFO(baleen_session_counters, total);
  size_t count = 0;
  CHECK(baleen_session_tokens(session, &count) != NULL);
  CHECK_OK(baleen_session_get_stats(session, &stats, &error));
  CHECK_INFO(stats);
  CHECK(stats.seed == 7 && stats.generated_tokens > 0);
  printf("%lu tokens, generated %lu\n", (unsigned long)count,
         (unsigned long)stats.generated_tokens);
  if (!Supports(baleen_session_get_counters(session, &total, NULL, &error))) {
    return;
  }
  CHECK_INFO(total);
  /* Those that cost nothing, and the last, which is chosen only. */
  CHECK(total.positions + stats.reused_tokens + 1 >= count);
  printf("operations %lu\n",
         (unsigned long)total.operations[BALEEN_PART_EXPERTS]);
}

static void UseStates(baleen_session* session, const char* folder) {
  char path[1024];
  void* const state = malloc(kStateBytes);
  baleen_session* fork = NULL;
  size_t size = 0;
  size_t count = 0;
  size_t loaded = 0;
  START(baleen_save_options, options);
  snprintf(path, sizeof path, "%s/state", folder);
  CHECK_OK(baleen_session_fork(session, &fork, &error));
  CHECK_OK(baleen_session_truncate(fork, 2, &error));
  baleen_session_cancel(fork); /* Nobody is inside, so nothing happens. */
  options.window = BALEEN_WINDOW_NONE;
  CHECK_LATER(options, baleen_session_save(session, &options, state,
                                           kStateBytes, &size, &error));
  CHECK_OK(baleen_session_save(session, &options, state, kStateBytes, &size,
                               &error));
  CHECK_OK(baleen_session_load(fork, state, size, &error));
  CHECK_OK(baleen_session_save_file(session, &options, path, &error));
  CHECK_OK(baleen_session_load_file(fork, path, &error));
  baleen_session_tokens(session, &count);
  baleen_session_tokens(fork, &loaded);
  CHECK(count == loaded);
  CHECK(baleen_session_evict(fork, &error) == BALEEN_NOT_FOUND);
  baleen_session_release(fork);
  remove(path);
  free(state);
}

int main(int argc, char** argv) {
  Host host;
  baleen_context* context;
  baleen_model* model;
  baleen_session* session;
  baleen_token prompt[kTokens];
  size_t count;
  memset(&host, 0, sizeof host);
  if (argc != 4) return 2;
  host.folder = argv[3];
  CHECK(baleen_version() / 10000 == BALEEN_VERSION / 10000);
  CHECK(baleen_version_string()[0] == '1');
  CHECK(baleen_has_feature("session.save") == 1);
  CHECK(strcmp(baleen_status_name(BALEEN_IO), "BALEEN_IO") == 0);
  context = MakeContext(&host);
  UseContext(context, argv[2]);
  model = Load(context, &host, argv[1]);
  UseModel(model);
  UsePlan(context, argv[1], model);
  UsePacking(context, &host, argv[1]);
  baleen_context_release(context);
  count = Encode(model, prompt);
  UseReply(model, prompt);
  session = MakeSession(model, &host);
  baleen_model_release(model);
  UseSession(session, prompt, count);
  UseGeneration(session);
  UseCounts(session);
  UseStates(session, host.folder);
  baleen_session_release(session);
  CHECK(host.log_lines > 0 && host.loops > 0 && host.progress_calls > 0);
  CHECK(host.blocks == 0 && host.open_files == 0);
  return 0;
}
