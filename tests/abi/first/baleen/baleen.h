/* baleen.h as it was at the baseline; store_abi.sh writes it. */
#ifndef BALEEN_H
#define BALEEN_H
#include <stddef.h>
#include <stdint.h>
#if defined(BALEEN_API)
#elif defined(_WIN32)
# if defined(BALEEN_BUILD)
#define BALEEN_API __declspec(dllexport)
# elif defined(BALEEN_STATIC)
#define BALEEN_API
# else
#define BALEEN_API __declspec(dllimport)
# endif
#else
#define BALEEN_API __attribute__((visibility("default")))
#endif
#ifdef __cplusplus
extern "C" {
#endif
typedef struct baleen_context baleen_context;
typedef struct baleen_model baleen_model;
typedef struct baleen_session baleen_session;
typedef struct baleen_reply baleen_reply;
typedef int32_t baleen_token;
typedef int32_t baleen_status;
enum {
  BALEEN_OK = 0,
  BALEEN_INTERNAL = -1,
  BALEEN_INVALID_ARGUMENT = -2,
  BALEEN_OUT_OF_MEMORY = -3,
  BALEEN_NOT_FOUND = -4,
  BALEEN_IO = -5,
  BALEEN_CORRUPT = -6,
  BALEEN_UNSUPPORTED = -7,
  BALEEN_BUFFER_TOO_SMALL = -8,
  BALEEN_SESSION_FULL = -9,
  BALEEN_CANCELLED = -10,
  BALEEN_BUSY = -11,
  BALEEN_DEVICE_LOST = -12
};
typedef struct baleen_error {
  baleen_status status;
  char message[252];
} baleen_error;
#define BALEEN_VERSION 10000
BALEEN_API uint32_t baleen_version(void);
BALEEN_API const char* baleen_version_string(void);
BALEEN_API int32_t baleen_has_feature(const char* name);
BALEEN_API const char* baleen_status_name(baleen_status status);
typedef int32_t baleen_log_level;
enum {
  BALEEN_LOG_OFF = 0,
  BALEEN_LOG_ERROR = 1,
  BALEEN_LOG_WARNING = 2,
  BALEEN_LOG_INFO = 3,
  BALEEN_LOG_DEBUG = 4
};
typedef void (*baleen_log_fn)(void* user_data, baleen_log_level level,
                              const char* message);
typedef int32_t (*baleen_progress_fn)(void* user_data, uint64_t done,
                                      uint64_t total);
typedef struct baleen_allocator {
  uint32_t struct_size;
  uint32_t reserved;
  void* user_data;
  void* (*allocate)(void* user_data, size_t size, size_t alignment);
  void (*deallocate)(void* user_data, void* memory, size_t size,
                     size_t alignment);
} baleen_allocator;
typedef void (*baleen_task_fn)(void* task_data, uint32_t index);
typedef struct baleen_workers {
  uint32_t struct_size;
  uint32_t width;
  void* user_data;
  void (*run)(void* user_data, uint32_t count, baleen_task_fn task,
              void* task_data);
} baleen_workers;
typedef struct baleen_files {
  uint32_t struct_size;
  uint32_t reserved;
  void* user_data;
  int32_t (*open)(void* user_data, const char* path, void** file,
                  uint64_t* size);
  int32_t (*read)(void* user_data, void* file, uint64_t offset, void* buffer,
                  size_t size);
  void (*close)(void* user_data, void* file);
  int32_t (*map)(void* user_data, void* file, uint64_t offset, size_t size,
                 const void** memory);
  void (*unmap)(void* user_data, void* file, const void* memory, size_t size);
  int32_t (*create)(void* user_data, const char* path, void** file);
  int32_t (*write)(void* user_data, void* file, uint64_t offset,
                   const void* buffer, size_t size);
  int32_t (*sync)(void* user_data, void* file);
  int32_t (*rename)(void* user_data, const char* from, const char* to);
  int32_t (*remove)(void* user_data, const char* path);
} baleen_files;
typedef struct baleen_context_options {
  uint32_t struct_size;
  uint32_t thread_count;
  baleen_log_level log_level;
  uint32_t reserved;
  baleen_log_fn log;
  void* log_user_data;
  const baleen_allocator* allocator;
  const baleen_workers* workers;
  const baleen_files* files;
  const char* backend_path;
  uint64_t state_memory_limit;
  const char* state_path;
} baleen_context_options;
BALEEN_API baleen_status
baleen_context_create(const baleen_context_options* options,
                      baleen_context** out, baleen_error* error);
BALEEN_API void baleen_context_release(baleen_context* context);
BALEEN_API baleen_status baleen_context_load_backend(baleen_context* context,
                                                     const char* path,
                                                     baleen_error* error);
BALEEN_API uint32_t baleen_context_device_count(const baleen_context* context);
typedef struct baleen_device_info {
  uint32_t struct_size;
  uint32_t flags;
  uint64_t memory_total;
  uint64_t memory_free;
  char backend[32];
  char name[96];
} baleen_device_info;
enum {
  BALEEN_DEVICE_UNIFIED_MEMORY = 1 << 0
};
BALEEN_API baleen_status baleen_context_device_info(
    const baleen_context* context, uint32_t device, baleen_device_info* info,
    baleen_error* error);
typedef struct baleen_setting {
  const char* name;
  const char* value;
} baleen_setting;
typedef struct baleen_model_options {
  uint32_t struct_size;
  uint32_t flags;
  const uint32_t* devices;
  uint32_t device_count;
  uint32_t setting_count;
  const baleen_setting* settings;
  uint64_t device_memory_limit;
  baleen_progress_fn progress;
  void* progress_user_data;
} baleen_model_options;
enum {
  BALEEN_MODEL_TOKENIZER_ONLY = 1 << 0,
  BALEEN_MODEL_SHAPES_ONLY = 1 << 1,
  BALEEN_MODEL_VERIFY = 1 << 2,
  BALEEN_MODEL_LOCK_MEMORY = 1 << 3,
  BALEEN_MODEL_REPACK = 1 << 4
};
BALEEN_API baleen_status baleen_model_load(baleen_context* context,
                                           const char* path,
                                           const baleen_model_options* options,
                                           baleen_model** out,
                                           baleen_error* error);
BALEEN_API void baleen_model_release(baleen_model* model);
BALEEN_API baleen_status baleen_model_pack(baleen_context* context,
                                           const char* path,
                                           const char* packed_path,
                                           const baleen_model_options* options,
                                           baleen_error* error);
typedef int32_t baleen_encoder;
enum {
  BALEEN_ENCODER_DEFAULT = 0,
  BALEEN_ENCODER_PREVIEW = 1,
  BALEEN_ENCODER_GA = 2
};
typedef struct baleen_model_info {
  uint32_t struct_size;
  uint32_t vocabulary_size;
  uint32_t hidden_size;
  uint32_t layer_count;
  uint32_t window_layer_count;
  uint32_t csa_layer_count;
  uint32_t hca_layer_count;
  uint32_t draft_layer_count;
  uint32_t expert_count;
  uint32_t experts_per_token;
  baleen_encoder encoder;
  uint32_t reserved;
  uint64_t position_limit;
  uint64_t parameter_count;
  uint64_t weight_bytes;
  char architecture[32];
  char drafter[32];
  char name[96];
} baleen_model_info;
BALEEN_API baleen_status baleen_model_get_info(const baleen_model* model,
                                               baleen_model_info* info,
                                               baleen_error* error);
BALEEN_API const char* baleen_model_metadata(const baleen_model* model,
                                             const char* key);
enum {
  BALEEN_TEXT_SPECIAL = 1 << 0
};
BALEEN_API baleen_status baleen_model_tokenize(
    const baleen_model* model, const char* text, size_t text_size,
    uint32_t flags, baleen_token* tokens, size_t capacity, size_t* count,
    baleen_error* error);
BALEEN_API baleen_status baleen_model_detokenize(
    const baleen_model* model, const baleen_token* tokens, size_t token_count,
    uint32_t flags, char* text, size_t capacity, size_t* text_size,
    baleen_error* error);
BALEEN_API baleen_token baleen_model_find_token(const baleen_model* model,
                                                const char* name);
BALEEN_API int32_t baleen_model_is_end(const baleen_model* model,
                                       baleen_token token);
typedef struct baleen_message {
  const char* role;
  const char* content;
  size_t content_size;
  const char* reasoning;
  size_t reasoning_size;
  const char* tool_calls;
  const char* tool_call_id;
  const char* extra;
  const baleen_token* tokens;
  size_t token_count;
} baleen_message;
typedef int32_t baleen_thinking;
enum {
  BALEEN_THINKING_DEFAULT = 0,
  BALEEN_THINKING_OFF = 1,
  BALEEN_THINKING_ON = 2,
  BALEEN_THINKING_LOW = 3,
  BALEEN_THINKING_HIGH = 4,
  BALEEN_THINKING_MAX = 5
};
typedef struct baleen_chat_options {
  uint32_t struct_size;
  uint32_t flags;
  baleen_thinking thinking;
  baleen_encoder encoder;
  const char* tools;
  const char* response_format;
  size_t context_count;
} baleen_chat_options;
enum {
  BALEEN_CHAT_NO_BEGIN = 1 << 0,
  BALEEN_CHAT_KEEP_REASONING = 1 << 1,
  BALEEN_CHAT_SPECIAL = 1 << 2
};
BALEEN_API baleen_status baleen_model_encode_chat(
    const baleen_model* model, const baleen_message* messages,
    size_t message_count, const baleen_chat_options* options,
    baleen_token* tokens, size_t capacity, size_t* count, baleen_error* error);
typedef int32_t baleen_channel;
enum {
  BALEEN_CHANNEL_ANSWER = 0,
  BALEEN_CHANNEL_THINKING = 1,
  BALEEN_CHANNEL_TOOL_CALL = 2
};
typedef struct baleen_piece {
  uint32_t struct_size;
  baleen_channel channel;
  uint32_t call_index;
  uint32_t reserved;
  const char* call_id;
  const char* tool;
  const char* text;
  size_t text_size;
} baleen_piece;
typedef struct baleen_reply_options {
  uint32_t struct_size;
  uint32_t flags;
  baleen_thinking thinking;
  uint32_t reserved;
  const char* tools;
} baleen_reply_options;
enum {
  BALEEN_REPLY_STRICT = 1 << 0,
  BALEEN_REPLY_NO_IMPLICIT_END = 1 << 1
};
BALEEN_API baleen_status baleen_reply_create(
    baleen_model* model, const baleen_reply_options* options,
    baleen_reply** out, baleen_error* error);
BALEEN_API void baleen_reply_release(baleen_reply* reply);
BALEEN_API baleen_status baleen_reply_add(baleen_reply* reply,
                                          const baleen_token* tokens,
                                          size_t token_count,
                                          baleen_error* error);
BALEEN_API baleen_status baleen_reply_add_text(baleen_reply* reply,
                                               const char* text,
                                               size_t text_size,
                                               baleen_error* error);
BALEEN_API baleen_status baleen_reply_finish(baleen_reply* reply,
                                             baleen_error* error);
BALEEN_API int32_t baleen_reply_next(baleen_reply* reply, baleen_piece* piece);
BALEEN_API baleen_status baleen_reply_message(baleen_reply* reply,
                                              baleen_message* message,
                                              baleen_error* error);
typedef int32_t baleen_mode;
enum {
  BALEEN_MODE_FAST = 0,
  BALEEN_MODE_REFERENCE = 1
};
typedef int32_t baleen_draft;
enum {
  BALEEN_DRAFT_DEFAULT = 0,
  BALEEN_DRAFT_OFF = 1,
  BALEEN_DRAFT_MODEL = 2,
  BALEEN_DRAFT_LOOKUP = 3
};
typedef int32_t baleen_window;
enum {
  BALEEN_WINDOW_DEFAULT = 0,
  BALEEN_WINDOW_NONE = 1,
  BALEEN_WINDOW_PERIODIC = 2,
  BALEEN_WINDOW_FULL = 3
};
typedef struct baleen_session_options {
  uint32_t struct_size;
  uint32_t flags;
  uint64_t capacity;
  uint64_t seed;
  baleen_mode mode;
  uint32_t prefill_chunk;
  baleen_draft draft;
  uint32_t draft_limit;
  baleen_window window;
  uint32_t window_period;
  baleen_progress_fn progress;
  void* progress_user_data;
  const char* log_path;
} baleen_session_options;
enum {
  BALEEN_SESSION_PRIVATE = 1 << 0,
  BALEEN_SESSION_RESUME = 1 << 1
};
BALEEN_API baleen_status baleen_session_create(
    baleen_model* model, const baleen_session_options* options,
    baleen_session** out, baleen_error* error);
BALEEN_API void baleen_session_release(baleen_session* session);
enum {
  BALEEN_PART_EMBEDDING = 0,
  BALEEN_PART_HYPER = 1,
  BALEEN_PART_PROJECTION = 2,
  BALEEN_PART_COMPRESSOR = 3,
  BALEEN_PART_INDEXER = 4,
  BALEEN_PART_ATTENTION = 5,
  BALEEN_PART_ROUTER = 6,
  BALEEN_PART_EXPERTS = 7,
  BALEEN_PART_SHARED_EXPERT = 8,
  BALEEN_PART_HEAD = 9,
  BALEEN_PART_DRAFTER = 10,
  BALEEN_PART_COUNT = 11
};
typedef struct baleen_memory_plan {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t weights_mapped;
  uint64_t weights_host;
  uint64_t weights_device;
  uint64_t session_host;
  uint64_t session_device;
  uint64_t scratch_host;
  uint64_t scratch_device;
  uint64_t weights_by_part[16];
} baleen_memory_plan;
BALEEN_API baleen_status
baleen_context_plan(baleen_context* context, const char* path,
                    const baleen_model_options* model_options,
                    const baleen_session_options* session_options,
                    baleen_memory_plan* plan, baleen_error* error);
BALEEN_API baleen_status baleen_model_plan(
    const baleen_model* model, const baleen_session_options* options,
    baleen_memory_plan* plan, baleen_error* error);
BALEEN_API baleen_status baleen_session_fork(baleen_session* session,
                                             baleen_session** out,
                                             baleen_error* error);
BALEEN_API void baleen_session_cancel(baleen_session* session);
BALEEN_API const baleen_token* baleen_session_tokens(
    const baleen_session* session, size_t* count);
BALEEN_API baleen_status baleen_session_append(baleen_session* session,
                                               const baleen_token* tokens,
                                               size_t token_count,
                                               baleen_error* error);
BALEEN_API baleen_status baleen_session_set_tokens(
    baleen_session* session, const baleen_token* tokens, size_t token_count,
    size_t* reused, baleen_error* error);
BALEEN_API baleen_status baleen_session_truncate(baleen_session* session,
                                                 size_t keep,
                                                 baleen_error* error);
BALEEN_API baleen_status baleen_session_logits(baleen_session* session,
                                               const float** logits,
                                               size_t* count,
                                               baleen_error* error);
typedef struct baleen_token_score {
  baleen_token token;
  float logit;
  float log_probability;
} baleen_token_score;
BALEEN_API baleen_status baleen_session_top_tokens(baleen_session* session,
                                                   baleen_token_score* scores,
                                                   size_t capacity,
                                                   size_t* count,
                                                   baleen_error* error);
BALEEN_API baleen_status baleen_session_append_scored(
    baleen_session* session, const baleen_token* tokens, size_t token_count,
    baleen_token_score* scores, baleen_error* error);
typedef struct baleen_token_bias {
  baleen_token token;
  float bias;
} baleen_token_bias;
typedef void (*baleen_logits_fn)(void* user_data, float* logits, size_t count);
typedef struct baleen_sampling {
  uint32_t struct_size;
  uint32_t flags;
  float temperature;
  float top_p;
  float min_p;
  uint32_t top_k;
  float repeat_penalty;
  uint32_t repeat_window;
  uint32_t bias_count;
  uint32_t reserved;
  const baleen_token_bias* biases;
  baleen_logits_fn edit;
  void* edit_user_data;
} baleen_sampling;
enum {
  BALEEN_SAMPLING_GREEDY = 1 << 0
};
BALEEN_API baleen_status baleen_session_sample(baleen_session* session,
                                               const baleen_sampling* sampling,
                                               baleen_token* token,
                                               baleen_error* error);
BALEEN_API baleen_status baleen_session_step(baleen_session* session,
                                             const baleen_sampling* sampling,
                                             baleen_token* tokens,
                                             size_t capacity, size_t* count,
                                             baleen_error* error);
typedef struct baleen_step {
  baleen_session* session;
  const baleen_token* input;
  size_t input_count;
  const baleen_sampling* sampling;
  baleen_token* tokens;
  baleen_token_score* scores;
  size_t capacity;
  size_t input_done;
  size_t count;
  baleen_status status;
  uint32_t reserved;
} baleen_step;
BALEEN_API baleen_status baleen_session_step_many(baleen_step* steps,
                                                  size_t step_count,
                                                  baleen_error* error);
typedef int32_t baleen_finish;
enum {
  BALEEN_FINISH_NONE = 0,
  BALEEN_FINISH_END = 1,
  BALEEN_FINISH_LIMIT = 2,
  BALEEN_FINISH_STOP = 3,
  BALEEN_FINISH_CALLBACK = 4,
  BALEEN_FINISH_FULL = 5,
  BALEEN_FINISH_TOOL_CALL = 6
};
typedef int32_t (*baleen_piece_fn)(void* user_data, const baleen_piece* piece);
typedef struct baleen_generation {
  uint32_t struct_size;
  uint32_t stop_count;
  const baleen_sampling* sampling;
  const char* const* stops;
  uint64_t max_tokens;
  baleen_piece_fn on_piece;
  void* user_data;
  baleen_reply* reply;
} baleen_generation;
BALEEN_API baleen_status baleen_session_generate(
    baleen_session* session, const baleen_generation* generation,
    baleen_finish* finish, baleen_error* error);
typedef struct baleen_save_options {
  uint32_t struct_size;
  uint32_t flags;
  baleen_window window;
  uint32_t reserved;
  baleen_progress_fn progress;
  void* progress_user_data;
} baleen_save_options;
BALEEN_API baleen_status baleen_session_save(
    baleen_session* session, const baleen_save_options* options, void* buffer,
    size_t capacity, size_t* size, baleen_error* error);
BALEEN_API baleen_status baleen_session_load(baleen_session* session,
                                             const void* buffer, size_t size,
                                             baleen_error* error);
BALEEN_API baleen_status baleen_session_save_file(
    baleen_session* session, const baleen_save_options* options,
    const char* path, baleen_error* error);
BALEEN_API baleen_status baleen_session_load_file(baleen_session* session,
                                                  const char* path,
                                                  baleen_error* error);
BALEEN_API baleen_status baleen_session_evict(baleen_session* session,
                                              baleen_error* error);
typedef struct baleen_session_stats {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t seed;
  uint64_t prompt_tokens;
  uint64_t reused_tokens;
  uint64_t generated_tokens;
  uint64_t drafted_tokens;
  uint64_t accepted_tokens;
  uint64_t state_bytes;
  uint64_t state_bytes_shared;
  uint64_t evictions;
  double prompt_seconds;
  double generate_seconds;
} baleen_session_stats;
BALEEN_API baleen_status baleen_session_get_stats(const baleen_session* session,
                                                  baleen_session_stats* stats,
                                                  baleen_error* error);
typedef struct baleen_session_counters {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t positions;
  uint64_t state_bytes_read;
  uint64_t state_bytes_written;
  uint64_t weight_bytes[16];
  uint64_t operations[16];
  uint64_t operations_fp4;
  uint64_t operations_fp8;
  uint64_t operations_bf16;
  uint64_t operations_f32;
  uint64_t pass_weight_bytes;
} baleen_session_counters;
BALEEN_API baleen_status baleen_session_get_counters(
    const baleen_session* session, baleen_session_counters* total,
    baleen_session_counters* last, baleen_error* error);
#ifdef __cplusplus
}
#endif
#endif
