-- A session: one sequence of tokens that a model goes on with.
--
-- Each method here is one call of the library and returns when that is done.
-- What is to be drawn between tokens is a stream; see stream.lua.
local ffi = require("ffi")
local callback = require("baleen.callback")
local library = require("baleen.library")
local stream = require("baleen.stream")
local C, check, setters = library.C, library.check, library.setters

local session = {}
local Session = {}
Session.__index = Session

-- ---- Options ----------------------------------------------------------------

local session_options = {
  capacity = setters.count("capacity"),
  seed = setters.count("seed"),
  mode = setters.word("mode", library.mode),
  prefill_chunk = setters.count("prefill_chunk"),
  draft = setters.word("draft", library.draft),
  draft_limit = setters.count("draft_limit"),
  window = setters.word("window", library.window),
  window_period = setters.count("window_period"),
  log_path = setters.text("log_path"),
  private = setters.flag(C.BALEEN_SESSION_PRIVATE),
  resume = setters.flag(C.BALEEN_SESSION_RESUME),
  progress = setters.handler(),
}

function session.fill_options(options)
  local struct, kept = library.fill("baleen_session_options", session_options,
    options, "a session")
  if options and options.progress then
    struct.progress = callback.progress()
  end
  return struct, kept
end

local function put_bias(array, at, bias, name)
  if type(bias[1]) ~= "number" or type(bias[2]) ~= "number" then
    library.refuse("%s must go from tokens to numbers", name)
  end
  array[at].token, array[at].bias = bias[1], bias[2]
end
local set_biases =
  setters.list("biases", "bias_count", "baleen_token_bias", put_bias)

local sampling_options = {
  greedy = setters.flag(C.BALEEN_SAMPLING_GREEDY),
  temperature = setters.real("temperature"),
  top_p = setters.real("top_p"),
  min_p = setters.real("min_p"),
  top_k = setters.count("top_k"),
  repeat_penalty = setters.real("repeat_penalty"),
  repeat_window = setters.count("repeat_window"),
  -- A table from tokens to what is added to their logits.
  biases = function(struct, value, name)
    local list = {}
    for token, bias in pairs(value) do list[#list + 1] = { token, bias } end
    return set_biases(struct, list, name)
  end,
  edit = setters.handler(),
}

function session.fill_sampling(options)
  local struct, kept = library.fill("baleen_sampling", sampling_options,
    options, "sampling")
  if options and options.edit then struct.edit = callback.edit() end
  return struct, kept
end

local fill_sampling = session.fill_sampling

local generation_options = {
  max_tokens = setters.count("max_tokens"),
  stops = setters.list("stops", "stop_count", "const char*",
    function(array, at, text, name)
      array[at] = library.c_string(text, name)
    end),
  on_piece = setters.handler(),
  -- A baleen.reply object that reads along.
  reply = function(struct, value)
    struct.reply = library.alive(value, "reply")
  end,
}

-- ---- Life -------------------------------------------------------------------

-- `model_handle` is plain: the session keeps the model alive, so that it is
-- good as long as the session's own is.
local function adopt(handle, model_handle, progress)
  return setmetatable({
    handle = ffi.gc(handle, C.baleen_session_release),
    model_handle = ffi.cast("baleen_model*", model_handle),
    progress = progress,
  }, Session)
end

function session.create(model_handle, options)
  local struct, kept = session.fill_options(options)
  local out = ffi.new("baleen_session*[1]")
  check(C.baleen_session_create(model_handle, struct, out, library.failure))
  library.keep(kept)
  return adopt(out[0], model_handle, options and options.progress)
end

-- Gives the session back now.  Sessions are large and Lua's garbage collector
-- cannot see how large, so do it rather than wait for that.
function Session:release()
  if self.inside then library.refuse("a call is inside this session") end
  library.release(self, C.baleen_session_release)
end

-- Calls c_function(handle, ...) with the session's and the call's handlers.
local function compute(self, handlers, c_function, ...)
  local handle = library.alive(self, "session")
  handlers.progress, handlers.session = self.progress, handle
  local outer = self.inside
  self.inside = true
  local fine, status = pcall(callback.call, handlers, c_function, handle, ...)
  self.inside = outer
  if not fine then error(status, 0) end
  check(status)
end

function Session:fork()
  local out = ffi.new("baleen_session*[1]")
  check(C.baleen_session_fork(library.alive(self, "session"), out,
    library.failure))
  return adopt(out[0], self.model_handle)
end

-- Makes the call that is now inside fail soon with "cancelled"; for callbacks.
function Session:cancel()
  C.baleen_session_cancel(library.alive(self, "session"))
end

-- ---- Tokens -----------------------------------------------------------------

function Session:tokens()
  local count = ffi.new("size_t[1]")
  local array = C.baleen_session_tokens(library.alive(self, "session"), count)
  return library.from_tokens(array, array ~= nil and tonumber(count[0]) or 0)
end

-- How many of these tokens, from the first on, the session holds already.
function Session:common(tokens)
  local size = ffi.new("size_t[1]")
  local array = C.baleen_session_tokens(library.alive(self, "session"), size)
  local limit = array ~= nil and math.min(tonumber(size[0]), #tokens) or 0
  local count = 0
  while count < limit and array[count] == tokens[count + 1] do
    count = count + 1
  end
  return count
end

function Session:append(tokens)
  local array, count = library.to_tokens(tokens)
  compute(self, {}, C.baleen_session_append, array, count, library.failure)
end

function session.read_score(score)
  return {
    token = score.token,
    logit = score.logit,
    log_probability = score.log_probability,
  }
end

local read_score = session.read_score

-- append, which returns how likely each of the tokens was where it stood.
function Session:append_scored(tokens)
  local array, count = library.to_tokens(tokens)
  local scores = ffi.new("baleen_token_score[?]", math.max(count, 1))
  compute(self, {}, C.baleen_session_append_scored, array, count, scores,
    library.failure)
  local list = {}
  for i = 1, count do list[i] = read_score(scores[i - 1]) end
  return list
end

-- Makes the session hold exactly these; returns how many cost nothing.  A
-- C array of tokens comes with its size.
function Session:set_tokens(tokens, size)
  local array, count = library.to_tokens(tokens, nil, size)
  local reused = ffi.new("size_t[1]")
  compute(self, {}, C.baleen_session_set_tokens, array, count, reused,
    library.failure)
  return tonumber(reused[0])
end

function Session:truncate(keep)
  compute(self, {}, C.baleen_session_truncate, keep, library.failure)
end

-- The logits of the token that follows, as a C array of floats counted from 0
-- and its length.  Lent until the session's next change.
function Session:logits()
  local logits, count = ffi.new("const float*[1]"), ffi.new("size_t[1]")
  compute(self, {}, C.baleen_session_logits, logits, count, library.failure)
  return logits[0], tonumber(count[0])
end

-- The `limit` likeliest tokens, likeliest first.
function Session:top_tokens(limit)
  local scores = ffi.new("baleen_token_score[?]", math.max(limit, 1))
  local count = ffi.new("size_t[1]")
  compute(self, {}, C.baleen_session_top_tokens, scores, limit, count,
    library.failure)
  local list = {}
  for i = 1, tonumber(count[0]) do list[i] = read_score(scores[i - 1]) end
  return list
end

-- Chooses a token without reading it.
function Session:sample(sampling)
  local struct, kept = fill_sampling(sampling)
  local token = ffi.new("baleen_token[1]")
  compute(self, { edit = sampling and sampling.edit, kept = kept },
    C.baleen_session_sample, struct, token, library.failure)
  return token[0]
end

local step_capacity = 16 -- More than any drafter guesses ahead.

-- Chooses tokens and reads them; returns them: one, or several where guesses
-- came true.
function Session:step(sampling, limit)
  local struct, kept = fill_sampling(sampling)
  local capacity = math.min(limit or step_capacity, step_capacity)
  local tokens = ffi.new("baleen_token[?]", step_capacity)
  local count = ffi.new("size_t[1]")
  compute(self, { edit = sampling and sampling.edit, kept = kept },
    C.baleen_session_step, struct, tokens, capacity, count, library.failure)
  return library.from_tokens(tokens, tonumber(count[0]))
end

-- Generates until there is a reason to stop, and returns it.  The options are
-- those of sampling and max_tokens, stops, reply and on_piece(piece), which may
-- return false to stop.
function Session:generate(options)
  local generation, sampling = library.split(options or {}, "generate",
    generation_options, sampling_options)
  local sampling_struct, kept_sampling = fill_sampling(sampling)
  local struct, kept = library.fill("baleen_generation", generation_options,
    generation, "generate")
  struct.sampling = sampling_struct
  if generation.on_piece then struct.on_piece = callback.piece() end
  local finish = ffi.new("baleen_finish[1]")
  compute(self, {
    on_piece = generation.on_piece,
    edit = sampling.edit,
    kept = { kept, kept_sampling },
  }, C.baleen_session_generate, struct, finish, library.failure)
  return library.finish.by_value[finish[0]]
end

-- The same step by step, for a timer or a loop; see stream.lua.
function Session:stream(options)
  local own, reply_part, sampling = library.split(options or {}, "stream",
    stream.options, require("baleen.reply").options, sampling_options)
  fill_sampling(sampling) -- Refuses now what each step would.
  return stream.create(self, own, reply_part, sampling)
end

-- ---- Saved states -----------------------------------------------------------

local save_options = {
  window = setters.word("window", library.window),
  progress = setters.handler(),
}

local function fill_save(options)
  local struct, kept = library.fill("baleen_save_options", save_options,
    options, "save")
  if options and options.progress then
    struct.progress = callback.progress()
  end
  return struct, { progress = options and options.progress, kept = kept }
end

-- As `compute`, but the progress is that of the saving.
local function save(self, handlers, c_function, ...)
  local handle = library.alive(self, "session")
  handlers.session = handle
  return callback.call(handlers, c_function, handle, ...)
end

-- The session's state as a string of bytes.  Lua holds no more than some
-- hundred megabytes; larger ones go to files.
function Session:save(options)
  local struct, handlers = fill_save(options)
  local size = ffi.new("size_t[1]")
  local status = save(self, handlers, C.baleen_session_save, struct, nil, 0,
    size, library.failure)
  if status ~= C.BALEEN_BUFFER_TOO_SMALL then check(status) end
  local buffer = ffi.new("uint8_t[?]", size[0])
  check(save(self, handlers, C.baleen_session_save, struct, buffer, size[0],
    size, library.failure))
  return ffi.string(buffer, size[0])
end

function Session:load(bytes)
  if type(bytes) ~= "string" then
    library.refuse("a saved state is a string")
  end
  compute(self, {}, C.baleen_session_load, bytes, #bytes, library.failure)
end

function Session:save_file(path, options)
  library.c_string(path, "the path")
  local struct, handlers = fill_save(options)
  check(save(self, handlers, C.baleen_session_save_file, struct, path,
    library.failure))
end

function Session:load_file(path)
  compute(self, {}, C.baleen_session_load_file,
    library.c_string(path, "the path"), library.failure)
end

-- Writes the state to the context's state_path and frees its memory.
function Session:evict()
  compute(self, {}, C.baleen_session_evict, library.failure)
end

-- ---- Counts -----------------------------------------------------------------

-- What the session has done.  The seed keeps its 64 bits: a session made with
-- it writes the same.
function Session:stats()
  local handle = library.alive(self, "session")
  local stats, struct = library.read_struct("baleen_session_stats",
    "prompt_tokens reused_tokens generated_tokens drafted_tokens "
    .. "accepted_tokens state_bytes state_bytes_shared evictions "
    .. "prompt_seconds generate_seconds", function(struct)
      return C.baleen_session_get_stats(handle, struct, library.failure)
    end)
  stats.seed = struct.seed
  return stats
end

local counter_fields = "positions state_bytes_read state_bytes_written "
  .. "operations_fp4 operations_fp8 operations_bf16 operations_f32 "
  .. "pass_weight_bytes"

local function read_counters(ask)
  local counters, struct =
    library.read_struct("baleen_session_counters", counter_fields, ask)
  counters.weight_bytes = library.by_part(struct.weight_bytes)
  counters.operations = library.by_part(struct.operations)
  return counters
end

-- Bytes moved and operations done since the session was made, and in the last
-- call that computed: two tables.
function Session:counters()
  local handle = library.alive(self, "session")
  return read_counters(function(struct)
    return C.baleen_session_get_counters(handle, struct, nil, library.failure)
  end), read_counters(function(struct)
    return C.baleen_session_get_counters(handle, nil, struct, library.failure)
  end)
end

return session
