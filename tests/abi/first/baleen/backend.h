/* backend.h as it was at the baseline; store_abi.sh writes it. */
#ifndef BALEEN_BACKEND_H
#define BALEEN_BACKEND_H
#include <baleen/baleen.h>
#ifdef __cplusplus
extern "C" {
#endif
enum {
  BALEEN_BACKEND_MAJOR = 1,
  BALEEN_BACKEND_MINOR = 1
};
typedef struct baleen_device baleen_device;
typedef struct baleen_queue baleen_queue;
typedef struct baleen_weight baleen_weight;
typedef struct baleen_program baleen_program;
typedef int32_t baleen_type;
enum {
  BALEEN_TYPE_NONE = 0,
  BALEEN_TYPE_F32 = 1,
  BALEEN_TYPE_BF16 = 2,
  BALEEN_TYPE_I32 = 3,
  BALEEN_TYPE_F8_E4M3 = 4,
  BALEEN_TYPE_F4_E2M1 = 5,
  BALEEN_TYPE_E8M0 = 6,
  BALEEN_TYPE_I8 = 7,
  BALEEN_TYPE_I64 = 8,
  BALEEN_TYPE_BYTE = 9
};
enum { BALEEN_TENSOR_RANK = 4 };
typedef struct baleen_tensor {
  void* data;
  void* scales;
  baleen_type type;
  baleen_type scale_type;
  uint32_t rank;
  uint32_t block_rows;
  uint32_t block_columns;
  uint32_t reserved;
  int64_t size[4];
  int64_t stride[4];
} baleen_tensor;
typedef struct baleen_format {
  baleen_type type;
  baleen_type scale_type;
  uint32_t block;
  uint32_t reserved;
} baleen_format;
enum {
  BALEEN_COUNT_ROWS = 0,
  BALEEN_COUNT_SESSIONS = 1,
  BALEEN_COUNT_OUTPUTS = 2,
  BALEEN_COUNT_SIZE = 8
};
typedef struct baleen_batch {
  uint32_t struct_size;
  uint32_t position_limit;
  const baleen_tensor* counts;
  const baleen_tensor* tokens;
  const baleen_tensor* positions;
  const baleen_tensor* sessions;
  const baleen_tensor* starts;
  const baleen_tensor* slots;
  const baleen_tensor* pages;
  const baleen_tensor* outputs;
} baleen_batch;
typedef int32_t baleen_pool;
enum {
  BALEEN_POOL_WINDOW = 0,
  BALEEN_POOL_ENTRIES = 1,
  BALEEN_POOL_KEYS = 2,
  BALEEN_POOL_TAIL = 3,
  BALEEN_POOL_COUNT = 4
};
typedef struct baleen_state_shape {
  uint32_t ratio;
  uint32_t head_size;
  uint32_t rope_size;
  uint32_t key_size;
  uint32_t ring_rows;
  uint32_t tail_rows;
  uint32_t slab_pages;
  uint32_t slab_slots;
} baleen_state_shape;
typedef struct baleen_state {
  baleen_state_shape shape;
  void** slabs[BALEEN_POOL_COUNT];
} baleen_state;
typedef int32_t baleen_weight_kind;
enum {
  BALEEN_WEIGHT_LINEAR = 0,
  BALEEN_WEIGHT_GROUPED = 1,
  BALEEN_WEIGHT_EXPERTS = 2,
  BALEEN_WEIGHT_TABLE = 3
};
typedef struct baleen_weight_source {
  uint32_t struct_size;
  baleen_weight_kind kind;
  const baleen_tensor* tensors;
  uint32_t tensor_count;
  uint32_t resident_limit;
} baleen_weight_source;
typedef int32_t baleen_op;
enum {
  BALEEN_OP_EMBED = 0,
  BALEEN_OP_MHC_BOUNDARY = 1,
  BALEEN_OP_IN_PROJ = 2,
  BALEEN_OP_QKV_POST = 3,
  BALEEN_OP_Q_UP = 4,
  BALEEN_OP_INDEXER_Q = 5,
  BALEEN_OP_COMPRESS = 6,
  BALEEN_OP_STEP_PLAN = 7,
  BALEEN_OP_INDEXER_SCORE = 8,
  BALEEN_OP_TOPK_SELECT = 9,
  BALEEN_OP_SPARSE_ATTN = 10,
  BALEEN_OP_WO_A = 11,
  BALEEN_OP_WO_B = 12,
  BALEEN_OP_ROUTER = 13,
  BALEEN_OP_MOE_PLAN = 14,
  BALEEN_OP_MOE_GATE_UP = 15,
  BALEEN_OP_MOE_DOWN = 16,
  BALEEN_OP_LINEAR = 17,
  BALEEN_OP_HC_HEAD = 18,
  BALEEN_OP_HEAD = 19,
  BALEEN_OP_SAMPLE = 20,
  BALEEN_OP_DRAFT_HEAD = 21,
  BALEEN_OP_COUNT = 22
};
typedef struct baleen_op_common {
  uint32_t struct_size;
  baleen_mode mode;
  uint32_t flags;
  int32_t layer;
  const baleen_batch* batch;
  void* scratch;
  void* persistent;
} baleen_op_common;
typedef struct baleen_embed_args {
  baleen_op_common common;
  const baleen_weight* table;
  baleen_tensor* streams;
} baleen_embed_args;
typedef struct baleen_mhc_boundary_args {
  baleen_op_common common;
  const baleen_tensor* y;
  const baleen_tensor* post_in;
  const baleen_tensor* mix_in;
  const baleen_tensor* fn;
  const baleen_tensor* base;
  const baleen_tensor* scale;
  const baleen_tensor* norm;
  baleen_tensor* streams;
  baleen_tensor* u;
  baleen_tensor* u_rounded;
  baleen_tensor* post;
  baleen_tensor* mix;
  baleen_tensor* stream_mean;
  float hc_epsilon;
  float norm_epsilon;
  uint32_t iterations;
  uint32_t reserved;
} baleen_mhc_boundary_args;
enum {
  BALEEN_IN_QUERY = 0,
  BALEEN_IN_KV = 1,
  BALEEN_IN_ENTRY_VALUE = 2,
  BALEEN_IN_ENTRY_GATE = 3,
  BALEEN_IN_KEY_VALUE = 4,
  BALEEN_IN_KEY_GATE = 5,
  BALEEN_IN_KEY_WEIGHT = 6,
  BALEEN_IN_COUNT = 7
};
typedef struct baleen_in_proj_args {
  baleen_op_common common;
  const baleen_tensor* u;
  const baleen_tensor* u_rounded;
  const baleen_weight* weight;
  baleen_tensor* out[8];
} baleen_in_proj_args;
typedef struct baleen_qkv_post_args {
  baleen_op_common common;
  const baleen_tensor* query;
  const baleen_tensor* kv;
  const baleen_tensor* q_norm;
  const baleen_tensor* kv_norm;
  const baleen_tensor* rope;
  const baleen_state* state;
  baleen_tensor* query_rounded;
  baleen_tensor* block;
  float epsilon;
  uint32_t reserved;
} baleen_qkv_post_args;
typedef struct baleen_q_up_args {
  baleen_op_common common;
  const baleen_tensor* query_rounded;
  const baleen_weight* weight;
  const baleen_tensor* rope;
  baleen_tensor* q;
  baleen_tensor* iq;
  float epsilon;
  uint32_t rope_size;
} baleen_q_up_args;
typedef struct baleen_indexer_q_args {
  baleen_op_common common;
  const baleen_tensor* iq;
  const baleen_tensor* key_weight;
  const baleen_tensor* rope;
  baleen_tensor* iq_rounded;
  baleen_tensor* head_weight;
  float scale;
  uint32_t rope_size;
} baleen_indexer_q_args;
typedef struct baleen_compress_args {
  baleen_op_common common;
  baleen_pool pool;
  float epsilon;
  const baleen_tensor* value;
  const baleen_tensor* gate;
  const baleen_tensor* ape;
  const baleen_tensor* norm;
  const baleen_tensor* rope;
  const baleen_tensor* plan;
  const baleen_tensor* frozen;
  const baleen_state* state;
} baleen_compress_args;
typedef struct baleen_step_plan_args {
  baleen_op_common common;
  const baleen_state_shape* kinds;
  uint32_t kind_count;
  uint32_t heads;
  uint32_t index_heads;
  uint32_t selected;
  baleen_tensor* plan;
} baleen_step_plan_args;
typedef struct baleen_indexer_score_args {
  baleen_op_common common;
  const baleen_tensor* iq_rounded;
  const baleen_tensor* head_weight;
  const baleen_tensor* plan;
  const baleen_state* state;
  baleen_tensor* scores;
} baleen_indexer_score_args;
typedef struct baleen_topk_select_args {
  baleen_op_common common;
  const baleen_tensor* scores;
  const baleen_tensor* plan;
  const baleen_state* state;
  baleen_tensor* selected;
  baleen_tensor* count;
} baleen_topk_select_args;
typedef struct baleen_sparse_attn_args {
  baleen_op_common common;
  const baleen_tensor* q;
  const baleen_tensor* sink;
  const baleen_tensor* rope;
  const baleen_tensor* plan;
  const baleen_tensor* selected;
  const baleen_tensor* count;
  const baleen_tensor* block;
  const baleen_state* state;
  baleen_tensor* out;
  float scale;
  uint32_t window;
} baleen_sparse_attn_args;
typedef struct baleen_wo_a_args {
  baleen_op_common common;
  const baleen_tensor* in;
  const baleen_weight* weight;
  baleen_tensor* z;
} baleen_wo_a_args;
typedef struct baleen_wo_b_args {
  baleen_op_common common;
  const baleen_tensor* z;
  const baleen_weight* weight;
  baleen_tensor* y;
} baleen_wo_b_args;
typedef struct baleen_router_args {
  baleen_op_common common;
  const baleen_tensor* u;
  const baleen_tensor* gate;
  const baleen_tensor* bias;
  const baleen_tensor* table;
  baleen_tensor* experts;
  baleen_tensor* weights;
  float route_scale;
  uint32_t reserved;
} baleen_router_args;
typedef struct baleen_moe_plan_args {
  baleen_op_common common;
  const baleen_tensor* experts;
  const baleen_tensor* weights;
  const baleen_tensor* resident;
  baleen_tensor* plan;
  baleen_tensor* visited;
  baleen_tensor* missing;
} baleen_moe_plan_args;
typedef struct baleen_moe_gate_up_args {
  baleen_op_common common;
  const baleen_tensor* u;
  const baleen_tensor* u_rounded;
  const baleen_tensor* plan;
  const baleen_weight* weight;
  baleen_tensor* a;
  float limit;
  float shared_limit;
} baleen_moe_gate_up_args;
typedef struct baleen_moe_down_args {
  baleen_op_common common;
  const baleen_tensor* a;
  const baleen_tensor* plan;
  const baleen_tensor* others;
  const baleen_weight* weight;
  baleen_tensor* y;
} baleen_moe_down_args;
typedef struct baleen_linear_args {
  baleen_op_common common;
  const baleen_tensor* in;
  const baleen_tensor* norm_in;
  const baleen_weight* weight;
  const baleen_tensor* add;
  const baleen_tensor* norm_out;
  baleen_tensor* out;
  float epsilon;
  uint32_t repeat;
} baleen_linear_args;
typedef struct baleen_hc_head_args {
  baleen_op_common common;
  const baleen_tensor* y;
  const baleen_tensor* post_in;
  const baleen_tensor* mix_in;
  const baleen_tensor* fn;
  const baleen_tensor* base;
  const baleen_tensor* scale;
  const baleen_tensor* norm;
  baleen_tensor* streams;
  baleen_tensor* joined;
  baleen_tensor* u;
  baleen_tensor* stream_mean;
  float hc_epsilon;
  float norm_epsilon;
} baleen_hc_head_args;
typedef struct baleen_head_args {
  baleen_op_common common;
  const baleen_tensor* u;
  const baleen_weight* weight;
  baleen_tensor* logits;
  baleen_tensor* top;
  baleen_tensor* top_logits;
  baleen_tensor* log_sum;
} baleen_head_args;
typedef struct baleen_sample_row {
  uint64_t seed;
  float temperature;
  float top_p;
  float min_p;
  uint32_t top_k;
  uint32_t flags;
  baleen_token draft;
} baleen_sample_row;
typedef struct baleen_sample_args {
  baleen_op_common common;
  const baleen_tensor* logits;
  const baleen_tensor* rows;
  const baleen_tensor* draft_logits;
  baleen_tensor* tokens;
  baleen_tensor* log_probability;
  baleen_tensor* accepted;
} baleen_sample_args;
typedef struct baleen_draft_head_args {
  baleen_op_common common;
  const baleen_tensor* base;
  const baleen_tensor* joined;
  const baleen_tensor* first;
  const baleen_tensor* rows;
  const baleen_weight* w1;
  const baleen_weight* w2;
  const baleen_tensor* confidence_weight;
  baleen_tensor* logits;
  baleen_tensor* tokens;
  baleen_tensor* confidence;
  uint32_t block;
  uint32_t reserved;
} baleen_draft_head_args;
typedef struct baleen_ops {
  uint32_t struct_size;
  uint32_t reserved;
  baleen_status (*embed)(baleen_queue* queue, const baleen_embed_args* args);
  baleen_status (*mhc_boundary)(baleen_queue* queue,
                                const baleen_mhc_boundary_args* args);
  baleen_status (*in_proj)(baleen_queue* queue,
                           const baleen_in_proj_args* args);
  baleen_status (*qkv_post)(baleen_queue* queue,
                            const baleen_qkv_post_args* args);
  baleen_status (*q_up)(baleen_queue* queue, const baleen_q_up_args* args);
  baleen_status (*indexer_q)(baleen_queue* queue,
                             const baleen_indexer_q_args* args);
  baleen_status (*compress)(baleen_queue* queue,
                            const baleen_compress_args* args);
  baleen_status (*step_plan)(baleen_queue* queue,
                             const baleen_step_plan_args* args);
  baleen_status (*indexer_score)(baleen_queue* queue,
                                 const baleen_indexer_score_args* args);
  baleen_status (*topk_select)(baleen_queue* queue,
                               const baleen_topk_select_args* args);
  baleen_status (*sparse_attn)(baleen_queue* queue,
                               const baleen_sparse_attn_args* args);
  baleen_status (*wo_a)(baleen_queue* queue, const baleen_wo_a_args* args);
  baleen_status (*wo_b)(baleen_queue* queue, const baleen_wo_b_args* args);
  baleen_status (*router)(baleen_queue* queue, const baleen_router_args* args);
  baleen_status (*moe_plan)(baleen_queue* queue,
                            const baleen_moe_plan_args* args);
  baleen_status (*moe_gate_up)(baleen_queue* queue,
                               const baleen_moe_gate_up_args* args);
  baleen_status (*moe_down)(baleen_queue* queue,
                            const baleen_moe_down_args* args);
  baleen_status (*linear)(baleen_queue* queue, const baleen_linear_args* args);
  baleen_status (*hc_head)(baleen_queue* queue,
                           const baleen_hc_head_args* args);
  baleen_status (*head)(baleen_queue* queue, const baleen_head_args* args);
  baleen_status (*sample)(baleen_queue* queue, const baleen_sample_args* args);
  baleen_status (*draft_head)(baleen_queue* queue,
                              const baleen_draft_head_args* args);
} baleen_ops;
typedef struct baleen_op_needs {
  uint32_t struct_size;
  uint32_t launches;
  uint64_t scratch_bytes;
  uint64_t persistent_bytes;
  uint64_t out_bytes;
  uint32_t parts;
  uint32_t reserved;
  const char* implementation;
} baleen_op_needs;
typedef struct baleen_op_record {
  baleen_op op;
  uint32_t reserved;
  const void* args;
} baleen_op_record;
typedef struct baleen_state_copy {
  uint32_t struct_size;
  baleen_pool pool;
  const baleen_state* from;
  const baleen_state* to;
  void* host;
  uint64_t host_size;
  int32_t from_index;
  int32_t to_index;
  uint32_t first;
  uint32_t count;
} baleen_state_copy;
typedef struct baleen_device_table {
  uint32_t struct_size;
  uint32_t reserved;
  const baleen_ops* ops;
  baleen_status (*allocate)(baleen_device* device, uint64_t size,
                            void** memory);
  void (*deallocate)(baleen_device* device, void* memory);
  baleen_status (*allocate_staging)(baleen_device* device, uint64_t size,
                                    void** memory);
  void (*deallocate_staging)(baleen_device* device, void* memory);
  baleen_status (*queue_create)(baleen_device* device, baleen_queue** queue);
  void (*queue_destroy)(baleen_queue* queue);
  baleen_status (*queue_wait)(baleen_queue* queue);
  baleen_status (*upload)(baleen_queue* queue, void* memory, const void* host,
                          uint64_t size);
  baleen_status (*download)(baleen_queue* queue, void* host, const void* memory,
                            uint64_t size);
  baleen_status (*copy)(baleen_queue* queue, void* to, const void* from,
                        uint64_t size);
  baleen_status (*queue_after)(baleen_queue* queue, baleen_queue* other);
  baleen_status (*format)(baleen_device* device, baleen_mode mode,
                          baleen_format* format);
  baleen_status (*query)(baleen_device* device, baleen_op op, const void* args,
                         baleen_op_needs* needs);
  baleen_status (*state_size)(baleen_device* device,
                              const baleen_state_shape* shape, baleen_pool pool,
                              uint64_t* bytes);
  baleen_status (*state_copy)(baleen_queue* queue,
                              const baleen_state_copy* copies, uint32_t count);
  const char* (*weight_layout)(baleen_device* device);
  baleen_status (*weight_size)(baleen_device* device,
                               const baleen_weight_source* source,
                               uint64_t* bytes);
  baleen_status (*weight_pack)(baleen_device* device,
                               const baleen_weight_source* source,
                               uint32_t first, uint32_t count, void* blob);
  baleen_status (*weight_open)(baleen_device* device,
                               const baleen_weight_source* source,
                               const void* blob, baleen_weight** weight);
  void (*weight_close)(baleen_weight* weight);
  baleen_status (*expert_fetch)(baleen_queue* queue, baleen_weight* weight,
                                const int32_t* experts, const int32_t* places,
                                uint32_t count, baleen_tensor* resident);
  baleen_status (*program_create)(baleen_queue* queue,
                                  const baleen_op_record* records,
                                  uint32_t record_count,
                                  const baleen_tensor* const* inner,
                                  uint32_t inner_count, uint32_t* taken,
                                  baleen_program** program);
  baleen_status (*program_run)(baleen_queue* queue, baleen_program* program);
  void (*program_destroy)(baleen_device* device, baleen_program* program);
  baleen_status (*queue_rows)(baleen_queue* queue, uint32_t rows);
} baleen_device_table;
typedef struct baleen_host {
  uint32_t struct_size;
  uint32_t major;
  uint32_t minor;
  uint32_t reserved;
  void* user_data;
  void (*fail)(void* user_data, const char* message);
  void (*log)(void* user_data, baleen_log_level level, const char* message);
  const char* (*setting)(void* user_data, const char* name);
  int32_t (*cancelled)(void* user_data);
  const baleen_allocator* allocator;
  const baleen_workers* workers;
} baleen_host;
typedef struct baleen_backend {
  uint32_t struct_size;
  uint32_t major;
  uint32_t minor;
  uint32_t reserved;
  const char* name;
  uint32_t (*device_count)(const baleen_host* host);
  baleen_status (*device_info)(const baleen_host* host, uint32_t index,
                               baleen_device_info* info);
  baleen_status (*device_open)(const baleen_host* host, uint32_t index,
                               baleen_device** device,
                               const baleen_device_table** table);
  void (*device_close)(baleen_device* device);
} baleen_backend;
typedef const baleen_backend* (*baleen_backend_entry_fn)(
    const baleen_host* host);
#define BALEEN_BACKEND_ENTRY "baleen_backend_entry"
BALEEN_API baleen_status baleen_context_add_backend(
    baleen_context* context, baleen_backend_entry_fn entry,
    baleen_error* error);
#ifdef __cplusplus
}
#endif
#endif
