"""Written by generate.py from baleen.h, which is their manual."""

from __future__ import annotations

from ctypes import (CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_double,
                    c_float, c_int32, c_size_t, c_uint32, c_uint64, c_void_p)
from typing import Any

BALEEN_VERSION = 10000


class baleen_context(Structure):
    pass


class baleen_model(Structure):
    pass


class baleen_session(Structure):
    pass


class baleen_reply(Structure):
    pass


baleen_token = c_int32

baleen_status = c_int32

BALEEN_OK = 0
BALEEN_INTERNAL = -1
BALEEN_INVALID_ARGUMENT = -2
BALEEN_OUT_OF_MEMORY = -3
BALEEN_NOT_FOUND = -4
BALEEN_IO = -5
BALEEN_CORRUPT = -6
BALEEN_UNSUPPORTED = -7
BALEEN_BUFFER_TOO_SMALL = -8
BALEEN_SESSION_FULL = -9
BALEEN_CANCELLED = -10
BALEEN_BUSY = -11
BALEEN_DEVICE_LOST = -12


class baleen_error(Structure):
    _fields_ = [
        ("status", baleen_status),
        ("message", c_char * 252),
    ]


baleen_log_level = c_int32

BALEEN_LOG_OFF = 0
BALEEN_LOG_ERROR = 1
BALEEN_LOG_WARNING = 2
BALEEN_LOG_INFO = 3
BALEEN_LOG_DEBUG = 4

baleen_log_fn = CFUNCTYPE(None, c_void_p, baleen_log_level, c_char_p)

baleen_progress_fn = CFUNCTYPE(c_int32, c_void_p, c_uint64, c_uint64)


class baleen_allocator(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("user_data", c_void_p),
        ("allocate", CFUNCTYPE(c_void_p, c_void_p, c_size_t, c_size_t)),
        ("deallocate", CFUNCTYPE(None, c_void_p, c_void_p, c_size_t, c_size_t)),
    ]


baleen_task_fn = CFUNCTYPE(None, c_void_p, c_uint32)


class baleen_workers(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("width", c_uint32),
        ("user_data", c_void_p),
        ("run", CFUNCTYPE(None, c_void_p, c_uint32, baleen_task_fn, c_void_p)),
    ]


class baleen_files(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("user_data", c_void_p),
        ("open", CFUNCTYPE(c_int32, c_void_p, c_char_p, POINTER(c_void_p), POINTER(c_uint64))),
        ("read", CFUNCTYPE(c_int32, c_void_p, c_void_p, c_uint64, c_void_p, c_size_t)),
        ("close", CFUNCTYPE(None, c_void_p, c_void_p)),
        ("map", CFUNCTYPE(c_int32, c_void_p, c_void_p, c_uint64, c_size_t, POINTER(c_void_p))),
        ("unmap", CFUNCTYPE(None, c_void_p, c_void_p, c_void_p, c_size_t)),
        ("create", CFUNCTYPE(c_int32, c_void_p, c_char_p, POINTER(c_void_p))),
        ("write", CFUNCTYPE(c_int32, c_void_p, c_void_p, c_uint64, c_void_p, c_size_t)),
        ("sync", CFUNCTYPE(c_int32, c_void_p, c_void_p)),
        ("rename", CFUNCTYPE(c_int32, c_void_p, c_char_p, c_char_p)),
        ("remove", CFUNCTYPE(c_int32, c_void_p, c_char_p)),
    ]


class baleen_context_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("thread_count", c_uint32),
        ("log_level", baleen_log_level),
        ("reserved", c_uint32),
        ("log", baleen_log_fn),
        ("log_user_data", c_void_p),
        ("allocator", POINTER(baleen_allocator)),
        ("workers", POINTER(baleen_workers)),
        ("files", POINTER(baleen_files)),
        ("backend_path", c_char_p),
        ("state_memory_limit", c_uint64),
        ("state_path", c_char_p),
    ]


class baleen_device_info(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("memory_total", c_uint64),
        ("memory_free", c_uint64),
        ("backend", c_char * 32),
        ("name", c_char * 96),
    ]


BALEEN_DEVICE_UNIFIED_MEMORY = 1 << 0


class baleen_setting(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("value", c_char_p),
    ]


class baleen_model_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("devices", POINTER(c_uint32)),
        ("device_count", c_uint32),
        ("setting_count", c_uint32),
        ("settings", POINTER(baleen_setting)),
        ("device_memory_limit", c_uint64),
        ("progress", baleen_progress_fn),
        ("progress_user_data", c_void_p),
    ]


BALEEN_MODEL_TOKENIZER_ONLY = 1 << 0
BALEEN_MODEL_SHAPES_ONLY = 1 << 1
BALEEN_MODEL_VERIFY = 1 << 2
BALEEN_MODEL_LOCK_MEMORY = 1 << 3
BALEEN_MODEL_REPACK = 1 << 4

baleen_encoder = c_int32

BALEEN_ENCODER_DEFAULT = 0
BALEEN_ENCODER_PREVIEW = 1
BALEEN_ENCODER_GA = 2


class baleen_model_info(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("vocabulary_size", c_uint32),
        ("hidden_size", c_uint32),
        ("layer_count", c_uint32),
        ("window_layer_count", c_uint32),
        ("csa_layer_count", c_uint32),
        ("hca_layer_count", c_uint32),
        ("draft_layer_count", c_uint32),
        ("expert_count", c_uint32),
        ("experts_per_token", c_uint32),
        ("encoder", baleen_encoder),
        ("reserved", c_uint32),
        ("position_limit", c_uint64),
        ("parameter_count", c_uint64),
        ("weight_bytes", c_uint64),
        ("architecture", c_char * 32),
        ("drafter", c_char * 32),
        ("name", c_char * 96),
    ]


BALEEN_TEXT_SPECIAL = 1 << 0


class baleen_message(Structure):
    _fields_ = [
        ("role", c_char_p),
        ("content", c_void_p),
        ("content_size", c_size_t),
        ("reasoning", c_void_p),
        ("reasoning_size", c_size_t),
        ("tool_calls", c_char_p),
        ("tool_call_id", c_char_p),
        ("extra", c_char_p),
        ("tokens", POINTER(baleen_token)),
        ("token_count", c_size_t),
    ]


baleen_thinking = c_int32

BALEEN_THINKING_DEFAULT = 0
BALEEN_THINKING_OFF = 1
BALEEN_THINKING_ON = 2
BALEEN_THINKING_LOW = 3
BALEEN_THINKING_HIGH = 4
BALEEN_THINKING_MAX = 5


class baleen_chat_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("thinking", baleen_thinking),
        ("encoder", baleen_encoder),
        ("tools", c_char_p),
        ("response_format", c_char_p),
        ("context_count", c_size_t),
    ]


BALEEN_CHAT_NO_BEGIN = 1 << 0
BALEEN_CHAT_KEEP_REASONING = 1 << 1
BALEEN_CHAT_SPECIAL = 1 << 2

baleen_channel = c_int32

BALEEN_CHANNEL_ANSWER = 0
BALEEN_CHANNEL_THINKING = 1
BALEEN_CHANNEL_TOOL_CALL = 2


class baleen_piece(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("channel", baleen_channel),
        ("call_index", c_uint32),
        ("reserved", c_uint32),
        ("call_id", c_char_p),
        ("tool", c_char_p),
        ("text", c_void_p),
        ("text_size", c_size_t),
    ]


class baleen_reply_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("thinking", baleen_thinking),
        ("reserved", c_uint32),
        ("tools", c_char_p),
    ]


BALEEN_REPLY_STRICT = 1 << 0
BALEEN_REPLY_NO_IMPLICIT_END = 1 << 1

baleen_mode = c_int32

BALEEN_MODE_FAST = 0
BALEEN_MODE_REFERENCE = 1

baleen_draft = c_int32

BALEEN_DRAFT_DEFAULT = 0
BALEEN_DRAFT_OFF = 1
BALEEN_DRAFT_MODEL = 2
BALEEN_DRAFT_LOOKUP = 3

baleen_window = c_int32

BALEEN_WINDOW_DEFAULT = 0
BALEEN_WINDOW_NONE = 1
BALEEN_WINDOW_PERIODIC = 2
BALEEN_WINDOW_FULL = 3


class baleen_session_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("capacity", c_uint64),
        ("seed", c_uint64),
        ("mode", baleen_mode),
        ("prefill_chunk", c_uint32),
        ("draft", baleen_draft),
        ("draft_limit", c_uint32),
        ("window", baleen_window),
        ("window_period", c_uint32),
        ("progress", baleen_progress_fn),
        ("progress_user_data", c_void_p),
        ("log_path", c_char_p),
    ]


BALEEN_SESSION_PRIVATE = 1 << 0
BALEEN_SESSION_RESUME = 1 << 1

BALEEN_PART_EMBEDDING = 0
BALEEN_PART_HYPER = 1
BALEEN_PART_PROJECTION = 2
BALEEN_PART_COMPRESSOR = 3
BALEEN_PART_INDEXER = 4
BALEEN_PART_ATTENTION = 5
BALEEN_PART_ROUTER = 6
BALEEN_PART_EXPERTS = 7
BALEEN_PART_SHARED_EXPERT = 8
BALEEN_PART_HEAD = 9
BALEEN_PART_DRAFTER = 10


class baleen_memory_plan(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("weights_mapped", c_uint64),
        ("weights_host", c_uint64),
        ("weights_device", c_uint64),
        ("session_host", c_uint64),
        ("session_device", c_uint64),
        ("scratch_host", c_uint64),
        ("scratch_device", c_uint64),
        ("weights_by_part", c_uint64 * 16),
    ]


class baleen_token_score(Structure):
    _fields_ = [
        ("token", baleen_token),
        ("logit", c_float),
        ("log_probability", c_float),
    ]


class baleen_token_bias(Structure):
    _fields_ = [
        ("token", baleen_token),
        ("bias", c_float),
    ]


baleen_logits_fn = CFUNCTYPE(None, c_void_p, POINTER(c_float), c_size_t)


class baleen_sampling(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("temperature", c_float),
        ("top_p", c_float),
        ("min_p", c_float),
        ("top_k", c_uint32),
        ("repeat_penalty", c_float),
        ("repeat_window", c_uint32),
        ("bias_count", c_uint32),
        ("reserved", c_uint32),
        ("biases", POINTER(baleen_token_bias)),
        ("edit", baleen_logits_fn),
        ("edit_user_data", c_void_p),
    ]


BALEEN_SAMPLING_GREEDY = 1 << 0


class baleen_step(Structure):
    _fields_ = [
        ("session", POINTER(baleen_session)),
        ("input", POINTER(baleen_token)),
        ("input_count", c_size_t),
        ("sampling", POINTER(baleen_sampling)),
        ("tokens", POINTER(baleen_token)),
        ("scores", POINTER(baleen_token_score)),
        ("capacity", c_size_t),
        ("input_done", c_size_t),
        ("count", c_size_t),
        ("status", baleen_status),
        ("reserved", c_uint32),
    ]


baleen_finish = c_int32

BALEEN_FINISH_NONE = 0
BALEEN_FINISH_END = 1
BALEEN_FINISH_LIMIT = 2
BALEEN_FINISH_STOP = 3
BALEEN_FINISH_CALLBACK = 4
BALEEN_FINISH_FULL = 5
BALEEN_FINISH_TOOL_CALL = 6

baleen_piece_fn = CFUNCTYPE(c_int32, c_void_p, POINTER(baleen_piece))


class baleen_generation(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("stop_count", c_uint32),
        ("sampling", POINTER(baleen_sampling)),
        ("stops", POINTER(c_char_p)),
        ("max_tokens", c_uint64),
        ("on_piece", baleen_piece_fn),
        ("user_data", c_void_p),
        ("reply", POINTER(baleen_reply)),
    ]


class baleen_save_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("window", baleen_window),
        ("reserved", c_uint32),
        ("progress", baleen_progress_fn),
        ("progress_user_data", c_void_p),
    ]


class baleen_session_stats(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("seed", c_uint64),
        ("prompt_tokens", c_uint64),
        ("reused_tokens", c_uint64),
        ("generated_tokens", c_uint64),
        ("drafted_tokens", c_uint64),
        ("accepted_tokens", c_uint64),
        ("state_bytes", c_uint64),
        ("state_bytes_shared", c_uint64),
        ("evictions", c_uint64),
        ("prompt_seconds", c_double),
        ("generate_seconds", c_double),
    ]


class baleen_session_counters(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("positions", c_uint64),
        ("state_bytes_read", c_uint64),
        ("state_bytes_written", c_uint64),
        ("weight_bytes", c_uint64 * 16),
        ("operations", c_uint64 * 16),
        ("operations_fp4", c_uint64),
        ("operations_fp8", c_uint64),
        ("operations_bf16", c_uint64),
        ("operations_f32", c_uint64),
        ("pass_weight_bytes", c_uint64),
    ]

# The result and the arguments of each.
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "baleen_version": (c_uint32, []),
    "baleen_version_string": (c_char_p, []),
    "baleen_has_feature": (c_int32, [
        c_char_p,
    ]),
    "baleen_status_name": (c_char_p, [
        baleen_status,
    ]),
    "baleen_context_create": (baleen_status, [
        POINTER(baleen_context_options),
        POINTER(POINTER(baleen_context)),
        POINTER(baleen_error),
    ]),
    "baleen_context_release": (None, [
        POINTER(baleen_context),
    ]),
    "baleen_context_load_backend": (baleen_status, [
        POINTER(baleen_context),
        c_char_p,
        POINTER(baleen_error),
    ]),
    "baleen_context_device_count": (c_uint32, [
        POINTER(baleen_context),
    ]),
    "baleen_context_device_info": (baleen_status, [
        POINTER(baleen_context),
        c_uint32,
        POINTER(baleen_device_info),
        POINTER(baleen_error),
    ]),
    "baleen_model_load": (baleen_status, [
        POINTER(baleen_context),
        c_char_p,
        POINTER(baleen_model_options),
        POINTER(POINTER(baleen_model)),
        POINTER(baleen_error),
    ]),
    "baleen_model_release": (None, [
        POINTER(baleen_model),
    ]),
    "baleen_model_pack": (baleen_status, [
        POINTER(baleen_context),
        c_char_p,
        c_char_p,
        POINTER(baleen_model_options),
        POINTER(baleen_error),
    ]),
    "baleen_model_get_info": (baleen_status, [
        POINTER(baleen_model),
        POINTER(baleen_model_info),
        POINTER(baleen_error),
    ]),
    "baleen_model_metadata": (c_char_p, [
        POINTER(baleen_model),
        c_char_p,
    ]),
    "baleen_model_tokenize": (baleen_status, [
        POINTER(baleen_model),
        c_char_p,
        c_size_t,
        c_uint32,
        POINTER(baleen_token),
        c_size_t,
        POINTER(c_size_t),
        POINTER(baleen_error),
    ]),
    "baleen_model_detokenize": (baleen_status, [
        POINTER(baleen_model),
        POINTER(baleen_token),
        c_size_t,
        c_uint32,
        POINTER(c_char),
        c_size_t,
        POINTER(c_size_t),
        POINTER(baleen_error),
    ]),
    "baleen_model_find_token": (baleen_token, [
        POINTER(baleen_model),
        c_char_p,
    ]),
    "baleen_model_is_end": (c_int32, [
        POINTER(baleen_model),
        baleen_token,
    ]),
    "baleen_model_encode_chat": (baleen_status, [
        POINTER(baleen_model),
        POINTER(baleen_message),
        c_size_t,
        POINTER(baleen_chat_options),
        POINTER(baleen_token),
        c_size_t,
        POINTER(c_size_t),
        POINTER(baleen_error),
    ]),
    "baleen_reply_create": (baleen_status, [
        POINTER(baleen_model),
        POINTER(baleen_reply_options),
        POINTER(POINTER(baleen_reply)),
        POINTER(baleen_error),
    ]),
    "baleen_reply_release": (None, [
        POINTER(baleen_reply),
    ]),
    "baleen_reply_add": (baleen_status, [
        POINTER(baleen_reply),
        POINTER(baleen_token),
        c_size_t,
        POINTER(baleen_error),
    ]),
    "baleen_reply_add_text": (baleen_status, [
        POINTER(baleen_reply),
        c_char_p,
        c_size_t,
        POINTER(baleen_error),
    ]),
    "baleen_reply_finish": (baleen_status, [
        POINTER(baleen_reply),
        POINTER(baleen_error),
    ]),
    "baleen_reply_next": (c_int32, [
        POINTER(baleen_reply),
        POINTER(baleen_piece),
    ]),
    "baleen_reply_message": (baleen_status, [
        POINTER(baleen_reply),
        POINTER(baleen_message),
        POINTER(baleen_error),
    ]),
    "baleen_session_create": (baleen_status, [
        POINTER(baleen_model),
        POINTER(baleen_session_options),
        POINTER(POINTER(baleen_session)),
        POINTER(baleen_error),
    ]),
    "baleen_session_release": (None, [
        POINTER(baleen_session),
    ]),
    "baleen_context_plan": (baleen_status, [
        POINTER(baleen_context),
        c_char_p,
        POINTER(baleen_model_options),
        POINTER(baleen_session_options),
        POINTER(baleen_memory_plan),
        POINTER(baleen_error),
    ]),
    "baleen_model_plan": (baleen_status, [
        POINTER(baleen_model),
        POINTER(baleen_session_options),
        POINTER(baleen_memory_plan),
        POINTER(baleen_error),
    ]),
    "baleen_session_fork": (baleen_status, [
        POINTER(baleen_session),
        POINTER(POINTER(baleen_session)),
        POINTER(baleen_error),
    ]),
    "baleen_session_cancel": (None, [
        POINTER(baleen_session),
    ]),
    "baleen_session_tokens": (POINTER(baleen_token), [
        POINTER(baleen_session),
        POINTER(c_size_t),
    ]),
    "baleen_session_append": (baleen_status, [
        POINTER(baleen_session),
        POINTER(baleen_token),
        c_size_t,
        POINTER(baleen_error),
    ]),
    "baleen_session_set_tokens": (baleen_status, [
        POINTER(baleen_session),
        POINTER(baleen_token),
        c_size_t,
        POINTER(c_size_t),
        POINTER(baleen_error),
    ]),
    "baleen_session_truncate": (baleen_status, [
        POINTER(baleen_session),
        c_size_t,
        POINTER(baleen_error),
    ]),
    "baleen_session_logits": (baleen_status, [
        POINTER(baleen_session),
        POINTER(POINTER(c_float)),
        POINTER(c_size_t),
        POINTER(baleen_error),
    ]),
    "baleen_session_top_tokens": (baleen_status, [
        POINTER(baleen_session),
        POINTER(baleen_token_score),
        c_size_t,
        POINTER(c_size_t),
        POINTER(baleen_error),
    ]),
    "baleen_session_append_scored": (baleen_status, [
        POINTER(baleen_session),
        POINTER(baleen_token),
        c_size_t,
        POINTER(baleen_token_score),
        POINTER(baleen_error),
    ]),
    "baleen_session_sample": (baleen_status, [
        POINTER(baleen_session),
        POINTER(baleen_sampling),
        POINTER(baleen_token),
        POINTER(baleen_error),
    ]),
    "baleen_session_step": (baleen_status, [
        POINTER(baleen_session),
        POINTER(baleen_sampling),
        POINTER(baleen_token),
        c_size_t,
        POINTER(c_size_t),
        POINTER(baleen_error),
    ]),
    "baleen_session_step_many": (baleen_status, [
        POINTER(baleen_step),
        c_size_t,
        POINTER(baleen_error),
    ]),
    "baleen_session_generate": (baleen_status, [
        POINTER(baleen_session),
        POINTER(baleen_generation),
        POINTER(baleen_finish),
        POINTER(baleen_error),
    ]),
    "baleen_session_save": (baleen_status, [
        POINTER(baleen_session),
        POINTER(baleen_save_options),
        c_void_p,
        c_size_t,
        POINTER(c_size_t),
        POINTER(baleen_error),
    ]),
    "baleen_session_load": (baleen_status, [
        POINTER(baleen_session),
        c_void_p,
        c_size_t,
        POINTER(baleen_error),
    ]),
    "baleen_session_save_file": (baleen_status, [
        POINTER(baleen_session),
        POINTER(baleen_save_options),
        c_char_p,
        POINTER(baleen_error),
    ]),
    "baleen_session_load_file": (baleen_status, [
        POINTER(baleen_session),
        c_char_p,
        POINTER(baleen_error),
    ]),
    "baleen_session_evict": (baleen_status, [
        POINTER(baleen_session),
        POINTER(baleen_error),
    ]),
    "baleen_session_get_stats": (baleen_status, [
        POINTER(baleen_session),
        POINTER(baleen_session_stats),
        POINTER(baleen_error),
    ]),
    "baleen_session_get_counters": (baleen_status, [
        POINTER(baleen_session),
        POINTER(baleen_session_counters),
        POINTER(baleen_session_counters),
        POINTER(baleen_error),
    ]),
}
