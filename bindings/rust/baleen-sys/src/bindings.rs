//! Written by generate.py from baleen.h, which is their manual.
#![allow(non_camel_case_types)]

use std::os::raw::{c_char, c_void};

/// The version of the header that this was made of.
pub const BALEEN_VERSION: u32 = 10000;

/// A handle; see baleen.h.
#[repr(C)]
pub struct baleen_context {
    _private: [u8; 0],
}

/// A handle; see baleen.h.
#[repr(C)]
pub struct baleen_model {
    _private: [u8; 0],
}

/// A handle; see baleen.h.
#[repr(C)]
pub struct baleen_session {
    _private: [u8; 0],
}

/// A handle; see baleen.h.
#[repr(C)]
pub struct baleen_reply {
    _private: [u8; 0],
}

pub type baleen_token = i32;

/// What a call came to. Zero is success and every failure is negative. The
/// values are fixed; later versions may add some, so treat any negative value
/// that you do not know as BALEEN_INTERNAL.
pub type baleen_status = i32;

pub const BALEEN_OK: baleen_status = 0;
/// A bug in this library.
pub const BALEEN_INTERNAL: baleen_status = -1;
/// A bug in the calling program.
pub const BALEEN_INVALID_ARGUMENT: baleen_status = -2;
/// Of the host or a device; see the message.
pub const BALEEN_OUT_OF_MEMORY: baleen_status = -3;
/// No such file, device, token or name.
pub const BALEEN_NOT_FOUND: baleen_status = -4;
/// The system refused a read or write.
pub const BALEEN_IO: baleen_status = -5;
/// A file, state or reply is malformed.
pub const BALEEN_CORRUPT: baleen_status = -6;
/// Not by this build, model or device.
pub const BALEEN_UNSUPPORTED: baleen_status = -7;
/// See "Buffers" above.
pub const BALEEN_BUFFER_TOO_SMALL: baleen_status = -8;
/// No room for another token.
pub const BALEEN_SESSION_FULL: baleen_status = -9;
/// A callback or baleen_session_cancel asked.
pub const BALEEN_CANCELLED: baleen_status = -10;
/// In use by another thread or session.
pub const BALEEN_BUSY: baleen_status = -11;
/// It failed; release what lives on it.
pub const BALEEN_DEVICE_LOST: baleen_status = -12;

/// Why a call failed, in one line of plain English without a final newline.
/// Lives in your memory, so it belongs to no thread and needs no release. It
/// need not be initialised; it is written on failure only. Frozen.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_error {
    pub status: baleen_status,
    /// NUL-terminated; cut short if it must be.
    pub message: [c_char; 252],
}

pub type baleen_log_level = i32;

pub const BALEEN_LOG_OFF: baleen_log_level = 0;
pub const BALEEN_LOG_ERROR: baleen_log_level = 1;
pub const BALEEN_LOG_WARNING: baleen_log_level = 2;
pub const BALEEN_LOG_INFO: baleen_log_level = 3;
pub const BALEEN_LOG_DEBUG: baleen_log_level = 4;

/// Receives one line of the log. May be called from any thread, so it must be
/// thread-safe. `message` is lent for the call.
pub type baleen_log_fn = unsafe extern "C" fn(
    user_data: *mut c_void,
    level: baleen_log_level,
    message: *const c_char,
);

/// Told how much of a long call is done. Return 0 to go on; anything else makes
/// the call fail with BALEEN_CANCELLED.
pub type baleen_progress_fn = unsafe extern "C" fn(
    user_data: *mut c_void,
    done: u64,
    total: u64,
) -> i32;

/// Host memory for everything but the weights' file mapping. Both functions
/// must be set, and thread-safe. `allocate` returns NULL when there is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_allocator {
    pub struct_size: u32,
    pub reserved: u32,
    pub user_data: *mut c_void,
    pub allocate: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            size: usize,
            alignment: usize,
        ) -> *mut c_void,
    >,
    pub deallocate: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            memory: *mut c_void,
            size: usize,
            alignment: usize,
        ),
    >,
}

/// A part of a parallel loop.
pub type baleen_task_fn = unsafe extern "C" fn(task_data: *mut c_void, index: u32);

/// The host's job system, used instead of threads of our own. `run` calls
/// task(task_data, i) once for each i below count, on threads of its choice,
/// and returns when all have returned.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_workers {
    pub struct_size: u32,
    /// How many tasks run at once.
    pub width: u32,
    pub user_data: *mut c_void,
    pub run: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            count: u32,
            task: baleen_task_fn,
            task_data: *mut c_void,
        ),
    >,
}

/// The host's file system, for weights inside a game archive and states beside
/// its saved games. Thread-safe. Each function returns 0, or anything else for
/// failure. `open`, `read` and `close` must be set. Without `map`, weights are
/// read into memory. The five that write are set together or not at all; then
/// the library writes nothing to a path, and fails with BALEEN_UNSUPPORTED.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_files {
    pub struct_size: u32,
    pub reserved: u32,
    pub user_data: *mut c_void,
    pub open: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            path: *const c_char,
            file: *mut *mut c_void,
            size: *mut u64,
        ) -> i32,
    >,
    pub read: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            file: *mut c_void,
            offset: u64,
            buffer: *mut c_void,
            size: usize,
        ) -> i32,
    >,
    pub close: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            file: *mut c_void,
        ),
    >,
    pub map: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            file: *mut c_void,
            offset: u64,
            size: usize,
            memory: *mut *const c_void,
        ) -> i32,
    >,
    pub unmap: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            file: *mut c_void,
            memory: *const c_void,
            size: usize,
        ),
    >,
    pub create: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            path: *const c_char,
            file: *mut *mut c_void,
        ) -> i32,
    >,
    pub write: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            file: *mut c_void,
            offset: u64,
            buffer: *const c_void,
            size: usize,
        ) -> i32,
    >,
    pub sync: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            file: *mut c_void,
        ) -> i32,
    >,
    pub rename: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            from: *const c_char,
            to: *const c_char,
        ) -> i32,
    >,
    pub remove: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            path: *const c_char,
        ) -> i32,
    >,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_context_options {
    pub struct_size: u32,
    /// 0: one for each core that this process may use.
    pub thread_count: u32,
    pub log_level: baleen_log_level,
    pub reserved: u32,
    pub log: Option<baleen_log_fn>,
    pub log_user_data: *mut c_void,
    /// These three are copied; what their
    pub allocator: *const baleen_allocator,
    /// user_data points to must outlive
    pub workers: *const baleen_workers,
    /// the context and all made from it.
    pub files: *const baleen_files,
    /// Folder of backend plug-ins; "": that of this library; NULL: only those
    /// built into it.
    pub backend_path: *const c_char,
    /// Most bytes that the states of all sessions take, of the host; 0: no
    /// limit.
    pub state_memory_limit: u64,
    /// Folder to which the states of idle sessions go, the longest idle first,
    /// when the limit is reached; they come back when used. States saved there
    /// are found by sessions whose tokens begin like theirs. NULL: the call
    /// that needs more memory fails with BALEEN_OUT_OF_MEMORY.
    pub state_path: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_device_info {
    pub struct_size: u32,
    pub flags: u32,
    /// Bytes; 0 if the device does not say.
    pub memory_total: u64,
    pub memory_free: u64,
    /// "cpu", "cuda", ...
    pub backend: [c_char; 32],
    /// "NVIDIA H200", ...
    pub name: [c_char; 96],
}

/// Shares its memory with the host.
pub const BALEEN_DEVICE_UNIFIED_MEMORY: u32 = 1 << 0;

/// A named setting for what is too special for a member of its own, such as
/// {"cuda.graph", "off"} or {"cpu.isa", "avx2"}. Before the dot is the backend
/// that it is for. Frozen.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_setting {
    pub name: *const c_char,
    pub value: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_model_options {
    pub struct_size: u32,
    pub flags: u32,
    /// Spread the layers over these; NULL: we choose.
    pub devices: *const u32,
    pub device_count: u32,
    pub setting_count: u32,
    /// Unknown names fail, BALEEN_NOT_FOUND.
    pub settings: *const baleen_setting,
    /// Bytes of each device; 0: what is free.
    pub device_memory_limit: u64,
    pub progress: Option<baleen_progress_fn>,
    pub progress_user_data: *mut c_void,
}

/// No weights, so no sessions.
pub const BALEEN_MODEL_TOKENIZER_ONLY: u32 = 1 << 0;
/// No weights, config.json is enough; sessions take their memory and count, but
/// compute nothing.
pub const BALEEN_MODEL_SHAPES_ONLY: u32 = 1 << 1;
/// Check every weight; slow.
pub const BALEEN_MODEL_VERIFY: u32 = 1 << 2;
/// Keep the weights out of swap.
pub const BALEEN_MODEL_LOCK_MEMORY: u32 = 1 << 3;
/// Copy raw weights to the fast layout in memory; without it they are used
/// where they are mapped.
pub const BALEEN_MODEL_REPACK: u32 = 1 << 4;

/// The encoders of conversations that V4 checkpoints come with.
pub type baleen_encoder = i32;

/// The checkpoint's own.
pub const BALEEN_ENCODER_DEFAULT: baleen_encoder = 0;
/// April 2026.
pub const BALEEN_ENCODER_PREVIEW: baleen_encoder = 1;
/// Flash-0731, Pro-0813.
pub const BALEEN_ENCODER_GA: baleen_encoder = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_model_info {
    pub struct_size: u32,
    pub vocabulary_size: u32,
    pub hidden_size: u32,
    pub layer_count: u32,
    /// Layers by kind of attention: window only,
    pub window_layer_count: u32,
    /// compressed sparse,
    pub csa_layer_count: u32,
    /// heavily compressed.
    pub hca_layer_count: u32,
    /// Layers that guess further tokens; 0: none.
    pub draft_layer_count: u32,
    /// Routed experts of a layer,
    pub expert_count: u32,
    /// and how many of them a token visits.
    pub experts_per_token: u32,
    pub encoder: baleen_encoder,
    pub reserved: u32,
    /// The longest sequence it was trained for.
    pub position_limit: u64,
    pub parameter_count: u64,
    /// In the files.
    pub weight_bytes: u64,
    /// "deepseek_v4"
    pub architecture: [c_char; 32],
    /// "mtp", "dspark" or ""
    pub drafter: [c_char; 32],
    pub name: [c_char; 96],
}

/// Special tokens are read from, or written to, the text under their names.
/// Never set it to tokenize strangers' text.
pub const BALEEN_TEXT_SPECIAL: u32 = 1 << 0;

/// One message of a conversation. Frozen.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_message {
    /// "system", "user", "assistant", "tool", "developer", "latest_reminder"
    pub role: *const c_char,
    /// NULL: none, which is not the same as empty.
    pub content: *const c_char,
    pub content_size: usize,
    /// What the assistant thought; NULL: nothing.
    pub reasoning: *const c_char,
    pub reasoning_size: usize,
    /// Of the assistant, or NULL: a JSON array of {"id", "type", "function":
    /// {"name", "arguments"}}, `arguments` being JSON text.
    pub tool_calls: *const c_char,
    /// Of a tool's message: the call it answers.
    pub tool_call_id: *const c_char,
    /// A JSON object for what is rare, or NULL: "tools" and "response_format"
    /// of a system message, "task", "mask", "prefix", "wo_eos"; and "content",
    /// a list of parts, where `content` is NULL.
    pub extra: *const c_char,
    /// Of an assistant's message, or NULL: the tokens the model wrote it with.
    /// They go into the prompt as they are, so that a session still holds them.
    /// Where the encoder drops old reasoning, only those after it go.
    pub tokens: *const baleen_token,
    pub token_count: usize,
}

/// How long the model thinks before it answers.
pub type baleen_thinking = i32;

/// ON
pub const BALEEN_THINKING_DEFAULT: baleen_thinking = 0;
pub const BALEEN_THINKING_OFF: baleen_thinking = 1;
/// Without a word about effort.
pub const BALEEN_THINKING_ON: baleen_thinking = 2;
/// GA only, else BALEEN_UNSUPPORTED.
pub const BALEEN_THINKING_LOW: baleen_thinking = 3;
/// These two as the encoder words them.
pub const BALEEN_THINKING_HIGH: baleen_thinking = 4;
pub const BALEEN_THINKING_MAX: baleen_thinking = 5;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_chat_options {
    pub struct_size: u32,
    pub flags: u32,
    pub thinking: baleen_thinking,
    pub encoder: baleen_encoder,
    /// JSON array of the tools on offer, or NULL; they go to the first system
    /// message.
    pub tools: *const c_char,
    /// JSON the answer must follow, or NULL.
    pub response_format: *const c_char,
    /// How many of the messages are already in the session: they count for the
    /// rules, but are not written.
    pub context_count: usize,
}

/// No token that begins a sequence.
pub const BALEEN_CHAT_NO_BEGIN: u32 = 1 << 0;
/// Of earlier turns too.
pub const BALEEN_CHAT_KEEP_REASONING: u32 = 1 << 1;
/// BALEEN_TEXT_SPECIAL for what messages hold, as in the authors' own encoder.
pub const BALEEN_CHAT_SPECIAL: u32 = 1 << 2;

pub type baleen_channel = i32;

pub const BALEEN_CHANNEL_ANSWER: baleen_channel = 0;
pub const BALEEN_CHANNEL_THINKING: baleen_channel = 1;
pub const BALEEN_CHANNEL_TOOL_CALL: baleen_channel = 2;

/// A part of what the model writes: whole characters, and never a part of a
/// special token or tag.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_piece {
    pub struct_size: u32,
    pub channel: baleen_channel,
    /// Of a tool call: which one, from 0.
    pub call_index: u32,
    pub reserved: u32,
    /// Of a tool call: its name for tool_call_id; or NULL.
    pub call_id: *const c_char,
    /// Of a tool call: what is called; or NULL.
    pub tool: *const c_char,
    /// Of a tool call: the next part of its arguments, JSON.
    pub text: *const c_char,
    pub text_size: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_reply_options {
    pub struct_size: u32,
    pub flags: u32,
    /// Those of the prompt's baleen_chat_options.
    pub thinking: baleen_thinking,
    pub reserved: u32,
    pub tools: *const c_char,
}

/// Only what the authors' parser accepts; else what models are known to get
/// wrong is mended.
pub const BALEEN_REPLY_STRICT: u32 = 1 << 0;
/// A tool call inside thinking that was not closed is thinking; else it closes
/// it.
pub const BALEEN_REPLY_NO_IMPLICIT_END: u32 = 1 << 1;

/// How numbers are rounded.
pub type baleen_mode = i32;

/// Exact weights, activations rounded less than in DeepSeek's code.
pub const BALEEN_MODE_FAST: baleen_mode = 0;
/// As in DeepSeek's code.
pub const BALEEN_MODE_REFERENCE: baleen_mode = 1;

/// Where guesses at further tokens come from. They never change what is chosen,
/// or with what probability; only how soon.
pub type baleen_draft = i32;

/// Whatever pays on this device, or none.
pub const BALEEN_DRAFT_DEFAULT: baleen_draft = 0;
pub const BALEEN_DRAFT_OFF: baleen_draft = 1;
/// The model's own drafter; NOT_FOUND without one.
pub const BALEEN_DRAFT_MODEL: baleen_draft = 2;
/// Earlier tokens of the session.
pub const BALEEN_DRAFT_LOOKUP: baleen_draft = 3;

/// Which states of the attention window are kept besides that of the last
/// position, in memory and in saved states, to go back there (truncate, a
/// shorter prefix, a restore) without computing again.
pub type baleen_window = i32;

pub const BALEEN_WINDOW_DEFAULT: baleen_window = 0;
/// A saved state has not even the last one.
pub const BALEEN_WINDOW_NONE: baleen_window = 1;
/// Each window_period positions.
pub const BALEEN_WINDOW_PERIODIC: baleen_window = 2;
/// Each 128 positions: 10 times the memory.
pub const BALEEN_WINDOW_FULL: baleen_window = 3;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_session_options {
    pub struct_size: u32,
    pub flags: u32,
    /// Most tokens it can hold; 0: the model's limit. Memory is taken as the
    /// session grows.
    pub capacity: u64,
    /// Of its random numbers; 0: a fresh one.
    pub seed: u64,
    pub mode: baleen_mode,
    /// Tokens between looks at progress and cancel.
    pub prefill_chunk: u32,
    pub draft: baleen_draft,
    /// Most tokens to guess ahead; 0: we choose.
    pub draft_limit: u32,
    pub window: baleen_window,
    /// Positions, a multiple of 256; 0: 4096.
    pub window_period: u32,
    /// Told of the tokens of a long prompt.
    pub progress: Option<baleen_progress_fn>,
    pub progress_user_data: *mut c_void,
    /// A file to which the seed and each token are written before a call
    /// returns; NULL: none. BALEEN_BUSY if another session, here or elsewhere,
    /// writes to it; BALEEN_UNSUPPORTED with files of the host's.
    pub log_path: *const c_char,
}

/// Shares no prefix with other sessions.
pub const BALEEN_SESSION_PRIVATE: u32 = 1 << 0;
/// Read what `log_path` holds first: the same tokens, and the same
/// continuation.
pub const BALEEN_SESSION_RESUME: u32 = 1 << 1;

/// Parts of the model, for counts by kind.
pub const BALEEN_PART_EMBEDDING: u32 = 0;
/// Hyper-connections, with the norms they hold.
pub const BALEEN_PART_HYPER: u32 = 1;
/// Of queries, keys and the attention's output.
pub const BALEEN_PART_PROJECTION: u32 = 2;
pub const BALEEN_PART_COMPRESSOR: u32 = 3;
pub const BALEEN_PART_INDEXER: u32 = 4;
/// Its core: scores and sums.
pub const BALEEN_PART_ATTENTION: u32 = 5;
pub const BALEEN_PART_ROUTER: u32 = 6;
pub const BALEEN_PART_EXPERTS: u32 = 7;
pub const BALEEN_PART_SHARED_EXPERT: u32 = 8;
pub const BALEEN_PART_HEAD: u32 = 9;
/// All of it.
pub const BALEEN_PART_DRAFTER: u32 = 10;

/// Where how many bytes go.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_memory_plan {
    pub struct_size: u32,
    pub reserved: u32,
    /// Of files; the system may drop and reread them.
    pub weights_mapped: u64,
    /// Allocated.
    pub weights_host: u64,
    /// Of all devices but the CPU.
    pub weights_device: u64,
    /// Of one session, filled to its capacity.
    pub session_host: u64,
    pub session_device: u64,
    /// Of the model, shared by its sessions.
    pub scratch_host: u64,
    pub scratch_device: u64,
    pub weights_by_part: [u64; 16],
}

/// A token and how likely it is. Frozen.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_token_score {
    pub token: baleen_token,
    pub logit: f32,
    /// Over the whole vocabulary, at temperature 1.
    pub log_probability: f32,
}

/// Frozen.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_token_bias {
    pub token: baleen_token,
    /// Added to its logit.
    pub bias: f32,
}

/// Changes the logits before a token is chosen: a grammar sets those it forbids
/// to minus infinity.
pub type baleen_logits_fn = unsafe extern "C" fn(
    user_data: *mut c_void,
    logits: *mut f32,
    count: usize,
);

/// How to choose a token. All zero is what the model's authors advise; set
/// BALEEN_SAMPLING_GREEDY for the likeliest token.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_sampling {
    pub struct_size: u32,
    pub flags: u32,
    pub temperature: f32,
    /// Keep the likeliest tokens that make up this much.
    pub top_p: f32,
    /// Keep those at least this likely, relative to the likeliest.
    pub min_p: f32,
    /// Keep this many.
    pub top_k: u32,
    /// Of tokens among the last `repeat_window`: positive logits are divided by
    /// it, negative multiplied.
    pub repeat_penalty: f32,
    /// 0: 256.
    pub repeat_window: u32,
    pub bias_count: u32,
    pub reserved: u32,
    pub biases: *const baleen_token_bias,
    pub edit: Option<baleen_logits_fn>,
    pub edit_user_data: *mut c_void,
}

pub const BALEEN_SAMPLING_GREEDY: u32 = 1 << 0;

/// One session's part in baleen_session_step_many. Frozen.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_step {
    pub session: *mut baleen_session,
    /// To be read first; NULL: nothing.
    pub input: *const baleen_token,
    pub input_count: usize,
    /// NULL: the model's own.
    pub sampling: *const baleen_sampling,
    /// Chosen ones are written here,
    pub tokens: *mut baleen_token,
    /// and how likely each was here, unless NULL.
    pub scores: *mut baleen_token_score,
    /// 0: read the input only.
    pub capacity: usize,
    /// Set: how much of the input was read. If it is not all of it, nothing was
    /// chosen; pass the rest next time.
    pub input_done: usize,
    /// Set: how many tokens were chosen.
    pub count: usize,
    /// Set: what became of this session.
    pub status: baleen_status,
    pub reserved: u32,
}

pub type baleen_finish = i32;

pub const BALEEN_FINISH_NONE: baleen_finish = 0;
/// The model ended its turn.
pub const BALEEN_FINISH_END: baleen_finish = 1;
/// max_tokens.
pub const BALEEN_FINISH_LIMIT: baleen_finish = 2;
/// A stop text.
pub const BALEEN_FINISH_STOP: baleen_finish = 3;
/// on_piece asked.
pub const BALEEN_FINISH_CALLBACK: baleen_finish = 4;
/// The session is full.
pub const BALEEN_FINISH_FULL: baleen_finish = 5;
/// The model ended its turn by calling tools.
pub const BALEEN_FINISH_TOOL_CALL: baleen_finish = 6;

/// Receives what the model writes, as it comes. `piece` is lent for the call.
/// Return 0 to go on, anything else to stop.
pub type baleen_piece_fn = unsafe extern "C" fn(
    user_data: *mut c_void,
    piece: *const baleen_piece,
) -> i32;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_generation {
    pub struct_size: u32,
    pub stop_count: u32,
    /// NULL: the model's own.
    pub sampling: *const baleen_sampling,
    /// Texts that end the answer; not part of it.
    pub stops: *const *const c_char,
    /// 0: until the end.
    pub max_tokens: u64,
    pub on_piece: Option<baleen_piece_fn>,
    pub user_data: *mut c_void,
    /// A fresh reply that reads along; NULL: one of our own, which sees from
    /// the prompt whether to think.
    pub reply: *mut baleen_reply,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_save_options {
    pub struct_size: u32,
    pub flags: u32,
    /// At most what the session keeps; 0: all of it.
    pub window: baleen_window,
    pub reserved: u32,
    /// In bytes.
    pub progress: Option<baleen_progress_fn>,
    pub progress_user_data: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_session_stats {
    pub struct_size: u32,
    pub reserved: u32,
    /// The one in use.
    pub seed: u64,
    /// Read by append and set_tokens.
    pub prompt_tokens: u64,
    pub reused_tokens: u64,
    pub generated_tokens: u64,
    pub drafted_tokens: u64,
    /// Of those drafted.
    pub accepted_tokens: u64,
    /// Held now, shared pages in full;
    pub state_bytes: u64,
    /// those pages alone.
    pub state_bytes_shared: u64,
    pub evictions: u64,
    pub prompt_seconds: f64,
    pub generate_seconds: f64,
}

/// Bytes moved and operations done, counted by the operators. What a step does
/// for several sessions counts for each in full, as if it had been alone, but
/// for `pass_weight_bytes`. An addition and a multiplication are two
/// operations. docs/long-context.md says what is counted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct baleen_session_counters {
    pub struct_size: u32,
    pub reserved: u32,
    /// Computed: read, generated or guessed in vain.
    pub positions: u64,
    pub state_bytes_read: u64,
    pub state_bytes_written: u64,
    /// By BALEEN_PART_*.
    pub weight_bytes: [u64; 16],
    /// By BALEEN_PART_*.
    pub operations: [u64; 16],
    /// The same sum, by the wider factor's format in
    pub operations_fp4: u64,
    /// reference mode: fp4 is the indexer's scores,
    pub operations_fp8: u64,
    /// fp8 has the experts.
    pub operations_bf16: u64,
    pub operations_f32: u64,
    /// Of the weights that steps read, a share by rows: over all sessions, what
    /// was read.
    pub pass_weight_bytes: u64,
}

extern "C" {
    /// The version of the library that is running: major * 10000 + minor * 100
    /// + patch. All versions with the same major number are binary compatible.
    pub fn baleen_version() -> u32;

    /// "1.4.2", or "1.5.0-dev+3f2c1a" for a build from source. Lent for ever.
    pub fn baleen_version_string() -> *const c_char;

    /// 1 if this build can do `name`, else 0: "backend.cuda",
    /// "format.safetensors", "session.save", ... docs/features.md lists them.
    pub fn baleen_has_feature(name: *const c_char) -> i32;

    /// The name of a status, such as "BALEEN_NOT_FOUND". Lent for ever.
    pub fn baleen_status_name(
        status: baleen_status,
    ) -> *const c_char;

    /// Makes a context. `options` may be NULL.
    pub fn baleen_context_create(
        options: *const baleen_context_options,
        out: *mut *mut baleen_context,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Gives the context back. What was made from it stays usable.
    pub fn baleen_context_release(context: *mut baleen_context);

    /// Loads a backend plug-in from a shared library (see backend.h), by its
    /// absolute path. Its devices come after those already counted; loading it
    /// again adds nothing. BALEEN_UNSUPPORTED if it was built for another
    /// backend interface, or finds no device here. Plug-ins stay loaded as long
    /// as the process.
    pub fn baleen_context_load_backend(
        context: *mut baleen_context,
        path: *const c_char,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// How many devices there are. At least one: device 0 is the CPU.
    pub fn baleen_context_device_count(
        context: *const baleen_context,
    ) -> u32;

    /// Tells about a device.
    pub fn baleen_context_device_info(
        context: *const baleen_context,
        device: u32,
        info: *mut baleen_device_info,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Loads the model in the folder or packed file `path`. Without a
    /// tokenizer.json there, it reads and writes no text. `options` may be
    /// NULL.
    pub fn baleen_model_load(
        context: *mut baleen_context,
        path: *const c_char,
        options: *const baleen_model_options,
        out: *mut *mut baleen_model,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Gives the model back.
    pub fn baleen_model_release(model: *mut baleen_model);

    /// Writes the model in folder `path` to one file in the fast layout of the
    /// device that `options` name, which baleen_model_load opens at once. Takes
    /// little memory, whatever the model's size. `options` may be NULL.
    pub fn baleen_model_pack(
        context: *mut baleen_context,
        path: *const c_char,
        packed_path: *const c_char,
        options: *const baleen_model_options,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Tells about a model.
    pub fn baleen_model_get_info(
        model: *const baleen_model,
        info: *mut baleen_model_info,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// The value of a key of the model's configuration as JSON text, or NULL if
    /// it has none. Lent as long as the model lives.
    pub fn baleen_model_metadata(
        model: *const baleen_model,
        key: *const c_char,
    ) -> *const c_char;

    /// Splits text into tokens.
    pub fn baleen_model_tokenize(
        model: *const baleen_model,
        text: *const c_char,
        text_size: usize,
        flags: u32,
        tokens: *mut baleen_token,
        capacity: usize,
        count: *mut usize,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Joins tokens into text, without a NUL. The text of a few tokens may
    /// begin or end inside a character.
    pub fn baleen_model_detokenize(
        model: *const baleen_model,
        tokens: *const baleen_token,
        token_count: usize,
        flags: u32,
        text: *mut c_char,
        capacity: usize,
        text_size: *mut usize,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// The token with exactly this name, such as "\</think\>", or -1.
    pub fn baleen_model_find_token(
        model: *const baleen_model,
        name: *const c_char,
    ) -> baleen_token;

    /// 1 if the model ends its turn with this token, else 0.
    pub fn baleen_model_is_end(
        model: *const baleen_model,
        token: baleen_token,
    ) -> i32;

    /// Writes a conversation as the tokens the model was trained on, up to
    /// where the model's next turn begins. `options` may be NULL.
    pub fn baleen_model_encode_chat(
        model: *const baleen_model,
        messages: *const baleen_message,
        message_count: usize,
        options: *const baleen_chat_options,
        tokens: *mut baleen_token,
        capacity: usize,
        count: *mut usize,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Makes a reader of one turn of the model. `options` may be NULL.
    pub fn baleen_reply_create(
        model: *mut baleen_model,
        options: *const baleen_reply_options,
        out: *mut *mut baleen_reply,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Gives the reply back.
    pub fn baleen_reply_release(reply: *mut baleen_reply);

    /// Reads further tokens of the turn. BALEEN_CORRUPT, if it is strict, for
    /// what cannot be right.
    pub fn baleen_reply_add(
        reply: *mut baleen_reply,
        tokens: *const baleen_token,
        token_count: usize,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// The same for a model that runs elsewhere: text with special tokens under
    /// their names.
    pub fn baleen_reply_add_text(
        reply: *mut baleen_reply,
        text: *const c_char,
        text_size: usize,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Says that the turn is over. What was held back becomes a piece; a tool
    /// call that was cut off does not count.
    pub fn baleen_reply_finish(
        reply: *mut baleen_reply,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Takes the next piece: 1 if there was one, else 0. Lent until the next
    /// call on the reply.
    pub fn baleen_reply_next(
        reply: *mut baleen_reply,
        piece: *mut baleen_piece,
    ) -> i32;

    /// The turn so far as a message, with its tokens, fit to be the next
    /// prompt's last. What it points to is lent until the next call on the
    /// reply.
    pub fn baleen_reply_message(
        reply: *mut baleen_reply,
        message: *mut baleen_message,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Makes an empty session. `options` may be NULL.
    pub fn baleen_session_create(
        model: *mut baleen_model,
        options: *const baleen_session_options,
        out: *mut *mut baleen_session,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Gives the session back.
    pub fn baleen_session_release(session: *mut baleen_session);

    /// What a model and a session of it would take, to the byte, before
    /// anything is loaded; with BALEEN_MODEL_SHAPES_ONLY, as if the weights
    /// were there (but for the headers of their files). Both options may be
    /// NULL.
    pub fn baleen_context_plan(
        context: *mut baleen_context,
        path: *const c_char,
        model_options: *const baleen_model_options,
        session_options: *const baleen_session_options,
        plan: *mut baleen_memory_plan,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// The same for a model that is loaded.
    pub fn baleen_model_plan(
        model: *const baleen_model,
        options: *const baleen_session_options,
        plan: *mut baleen_memory_plan,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Makes a second session that goes on from where this one stands. They
    /// share state until they differ, so it is cheap. Its random numbers are
    /// the same; the log and the progress callback stay with the first.
    pub fn baleen_session_fork(
        session: *mut baleen_session,
        out: *mut *mut baleen_session,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Makes the call that is inside the session fail with BALEEN_CANCELLED
    /// soon, within about one layer of one chunk. Does nothing if no call is
    /// inside, so a program that goes step by step keeps a flag of its own as
    /// well. May be called from any thread and from a signal handler, but not
    /// while the session is released.
    pub fn baleen_session_cancel(session: *mut baleen_session);

    /// The tokens of the session so far. Lent until its next change. NULL while
    /// another call is inside.
    pub fn baleen_session_tokens(
        session: *const baleen_session,
        count: *mut usize,
    ) -> *const baleen_token;

    /// Reads tokens after those already there, and computes the logits of what
    /// follows. If it is cancelled, the tokens it has read by then stay.
    pub fn baleen_session_append(
        session: *mut baleen_session,
        tokens: *const baleen_token,
        token_count: usize,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Makes the session hold exactly these tokens, keeping the work done for
    /// as many as it can: a chat program just passes the whole conversation
    /// each time. *reused, unless NULL, becomes the number of tokens that cost
    /// nothing, be they of this session, another, or one in state_path.
    pub fn baleen_session_set_tokens(
        session: *mut baleen_session,
        tokens: *const baleen_token,
        token_count: usize,
        reused: *mut usize,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Drops all but the first `keep` tokens.
    pub fn baleen_session_truncate(
        session: *mut baleen_session,
        keep: usize,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// The logits of the token that follows, one for each of the vocabulary.
    /// Lent until the session's next change. BALEEN_NOT_FOUND if it is empty.
    pub fn baleen_session_logits(
        session: *mut baleen_session,
        logits: *mut *const f32,
        count: *mut usize,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// The likeliest tokens, likeliest first; as many as there is room for.
    pub fn baleen_session_top_tokens(
        session: *mut baleen_session,
        scores: *mut baleen_token_score,
        capacity: usize,
        count: *mut usize,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// baleen_session_append, which also says how likely each of the tokens was
    /// where it stood: one score each. That of the first token of an empty
    /// session is zero.
    pub fn baleen_session_append_scored(
        session: *mut baleen_session,
        tokens: *const baleen_token,
        token_count: usize,
        scores: *mut baleen_token_score,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Chooses a token from the logits without reading it. The random number is
    /// made from the seed and the position, so asking twice gives the same.
    pub fn baleen_session_sample(
        session: *mut baleen_session,
        sampling: *const baleen_sampling,
        token: *mut baleen_token,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Chooses tokens and reads them: one, or several where guesses came true.
    /// This is baleen_session_sample and baleen_session_append in one, and
    /// faster. `capacity` is at least 1. Sessions of one model that are stepped
    /// from several threads at once share one pass over the weights.
    pub fn baleen_session_step(
        session: *mut baleen_session,
        sampling: *const baleen_sampling,
        tokens: *mut baleen_token,
        capacity: usize,
        count: *mut usize,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// baleen_session_step for several sessions of one model and one mode in
    /// one pass over the weights. Long inputs are read in chunks, each session
    /// getting its share. What happens to one session, a cancel too, leaves the
    /// others alone; the call fails only if it could not begin.
    pub fn baleen_session_step_many(
        steps: *mut baleen_step,
        step_count: usize,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Generates until there is a reason to stop, and says which. `generation`
    /// may be NULL.
    pub fn baleen_session_generate(
        session: *mut baleen_session,
        generation: *const baleen_generation,
        finish: *mut baleen_finish,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Writes the session's state to `buffer`, for baleen_session_load. It can
    /// be loaded with the same model, on any device, by this and any later
    /// version of the same major number. `options` may be NULL.
    pub fn baleen_session_save(
        session: *mut baleen_session,
        options: *const baleen_save_options,
        buffer: *mut c_void,
        capacity: usize,
        size: *mut usize,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Replaces the session's state by a saved one. The bytes are checked
    /// before they are believed: BALEEN_CORRUPT if they were changed.
    pub fn baleen_session_load(
        session: *mut baleen_session,
        buffer: *const c_void,
        size: usize,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// The same to a file. `path` has the old bytes or the new ones, whatever
    /// happens meanwhile.
    pub fn baleen_session_save_file(
        session: *mut baleen_session,
        options: *const baleen_save_options,
        path: *const c_char,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Reads what baleen_session_save_file wrote.
    pub fn baleen_session_load_file(
        session: *mut baleen_session,
        path: *const c_char,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// Writes the state to the context's state_path and frees its memory; the
    /// next call that needs it brings it back. BALEEN_NOT_FOUND without such a
    /// path.
    pub fn baleen_session_evict(
        session: *mut baleen_session,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// What the session has done since it was made.
    pub fn baleen_session_get_stats(
        session: *const baleen_session,
        stats: *mut baleen_session_stats,
        error: *mut baleen_error,
    ) -> baleen_status;

    /// `total` since the session was made, `last` in the last call that
    /// computed; either may be NULL.
    pub fn baleen_session_get_counters(
        session: *const baleen_session,
        total: *mut baleen_session_counters,
        last: *mut baleen_session_counters,
        error: *mut baleen_error,
    ) -> baleen_status;
}
