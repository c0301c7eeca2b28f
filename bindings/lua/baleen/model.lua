-- A model: what it is, its tokens and text, and its conversations.
local ffi = require("ffi")
local library = require("baleen.library")
local reply = require("baleen.reply")
local session = require("baleen.session")
local C, check, setters = library.C, library.check, library.setters

local model = {}
local Model = {}
Model.__index = Model

local token_array = ffi.typeof("baleen_token[?]")
local text_array = ffi.typeof("char[?]")

-- ---- Options ----------------------------------------------------------------

local model_options = {
  tokenizer_only = setters.flag(C.BALEEN_MODEL_TOKENIZER_ONLY),
  shapes_only = setters.flag(C.BALEEN_MODEL_SHAPES_ONLY),
  verify = setters.flag(C.BALEEN_MODEL_VERIFY),
  lock_memory = setters.flag(C.BALEEN_MODEL_LOCK_MEMORY),
  repack = setters.flag(C.BALEEN_MODEL_REPACK),
  fetch_experts = setters.flag(C.BALEEN_MODEL_FETCH_EXPERTS),
  device_memory_limit = setters.count("device_memory_limit"),
  devices = setters.list("devices", "device_count", "uint32_t",
    function(array, at, index) array[at] = index end),
  progress = setters.handler(),
}

local put_setting = function(array, at, setting, name)
  array[at].name = library.c_string(setting[1], name)
  array[at].value = library.c_string(setting[2], name)
end
local set_settings =
  setters.list("settings", "setting_count", "baleen_setting", put_setting)

-- Settings are a table from names to values; C has a list of pairs.
function model_options.settings(struct, value, name)
  local pairs_of_it = {}
  for key, text in pairs(value) do
    pairs_of_it[#pairs_of_it + 1] = { key, text }
  end
  return set_settings(struct, pairs_of_it, name)
end

function model.fill_options(options)
  local struct, kept = library.fill("baleen_model_options", model_options,
    options, "a model")
  if options and options.progress then
    struct.progress = require("baleen.callback").progress()
  end
  return struct, kept
end

model.fill_session_options = session.fill_options

-- ---- What it is -------------------------------------------------------------

-- Makes a Model of a handle from C.
function model.adopt(handle)
  return setmetatable({
    handle = ffi.gc(handle, C.baleen_model_release),
  }, Model)
end

function Model:release()
  library.release(self, C.baleen_model_release)
end

function Model:info()
  local handle = library.alive(self, "model")
  local info = library.read_struct("baleen_model_info",
    "vocabulary_size hidden_size layer_count window_layer_count "
    .. "csa_layer_count hca_layer_count draft_layer_count expert_count "
    .. "experts_per_token encoder position_limit parameter_count weight_bytes "
    .. "architecture drafter name", function(struct)
      return C.baleen_model_get_info(handle, struct, library.failure)
    end)
  info.encoder = library.encoder.by_value[info.encoder]
  return info
end

-- The value of a key of config.json, as JSON text, or nil.
function Model:metadata(key)
  local value = C.baleen_model_metadata(library.alive(self, "model"),
    library.c_string(key, "the key"))
  return value ~= nil and ffi.string(value) or nil
end

function model.read_plan(ask)
  local plan, struct = library.read_struct("baleen_memory_plan",
    "weights_mapped weights_host weights_device session_host session_device "
    .. "scratch_host scratch_device", ask)
  plan.weights_by_part = library.by_part(struct.weights_by_part)
  return plan
end

-- What the model and a session with these options take, in bytes.
function Model:plan(options)
  local handle = library.alive(self, "model")
  local session_struct, kept = session.fill_options(options)
  local plan = model.read_plan(function(struct)
    return C.baleen_model_plan(handle, session_struct, struct, library.failure)
  end)
  library.keep(kept)
  return plan
end

-- ---- Tokens and text --------------------------------------------------------

local function text_flags(options, what)
  local parted = library.split(options or {}, what, { special = true })
  return parted.special and C.BALEEN_TEXT_SPECIAL or 0
end

-- tokenize(text, {special = true}) reads the names of special tokens too.
function Model:tokenize(text, options)
  local handle = library.alive(self, "model")
  local flags = text_flags(options, "tokenize")
  if type(text) ~= "string" then library.refuse("the text must be a string") end
  return library.from_tokens(library.collect(token_array, #text + 1,
    function(buffer, capacity, count)
      return C.baleen_model_tokenize(handle, text, #text, flags, buffer,
        capacity, count, library.failure)
    end))
end

-- The text of tokens; that of a few may begin or end inside a character.
function Model:detokenize(tokens, options)
  local handle = library.alive(self, "model")
  local flags = text_flags(options, "detokenize")
  local array, token_count = library.to_tokens(tokens)
  return ffi.string(library.collect(text_array, 16 * token_count,
    function(buffer, capacity, size)
      return C.baleen_model_detokenize(handle, array, token_count, flags,
        buffer, capacity, size, library.failure)
    end))
end

-- The token with exactly this name, or nil.
function Model:find_token(name)
  local token = C.baleen_model_find_token(library.alive(self, "model"),
    library.c_string(name, "the name"))
  return token >= 0 and token or nil
end

function Model:is_end(token)
  return C.baleen_model_is_end(library.alive(self, "model"), token) == 1
end

-- ---- Conversations ----------------------------------------------------------

local chat_options = {
  thinking = setters.word("thinking", library.thinking),
  encoder = setters.word("encoder", library.encoder),
  tools = setters.text("tools"),
  response_format = setters.text("response_format"),
  context_count = setters.count("context_count"),
  no_begin = setters.flag(C.BALEEN_CHAT_NO_BEGIN),
  keep_reasoning = setters.flag(C.BALEEN_CHAT_KEEP_REASONING),
  special = setters.flag(C.BALEEN_CHAT_SPECIAL),
}

-- How the fields of a message are written to a baleen_message.
local function sized(field)
  return function(struct, value, name)
    if type(value) ~= "string" then library.refuse("%s must be text", name) end
    struct[field], struct[field .. "_size"] = value, #value
    return value
  end
end
local message_fields = {
  role = setters.text("role"),
  content = sized("content"),
  reasoning = sized("reasoning"),
  tool_calls = setters.text("tool_calls"),
  tool_call_id = setters.text("tool_call_id"),
  extra = setters.text("extra"),
}
function message_fields.tokens(struct, value, name)
  local array, count = library.to_tokens(value, name)
  struct.tokens, struct.token_count = array, count
  return array
end

local function to_messages(list)
  local array = ffi.new("baleen_message[?]", math.max(#list, 1))
  local kept = {}
  for i, message in ipairs(list) do
    for name, value in pairs(message) do
      local set = message_fields[name]
      if set == nil then
        library.refuse("a message has no field %q", tostring(name))
      end
      kept[#kept + 1] = set(array[i - 1], value, name) or value
    end
  end
  return array, #list, kept
end

-- The conversation as tokens, up to where the model's turn begins.
function Model:encode_chat(messages, options)
  local handle = library.alive(self, "model")
  if type(messages) ~= "table" then
    library.refuse("the messages must be a list of tables")
  end
  local array, message_count, kept = to_messages(messages)
  local struct, kept_options = library.fill("baleen_chat_options",
    chat_options, options, "encode_chat")
  local buffer, count = library.collect(token_array, 1024,
    function(buffer, capacity, count)
      return C.baleen_model_encode_chat(handle, array, message_count, struct,
        buffer, capacity, count, library.failure)
    end)
  library.keep(kept, kept_options)
  return library.from_tokens(buffer, count)
end

-- ---- What is made of it -----------------------------------------------------

-- A reader of one turn of the model.
function Model:reply(options)
  return reply.create(library.alive(self, "model"), options)
end

-- An empty sequence of tokens.
function Model:session(options)
  return session.create(library.alive(self, "model"), options)
end

return model
