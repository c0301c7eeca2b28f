-- Baleen for LuaJIT: DeepSeek-V4 models inside a Lua program, through the FFI.
--
--   local baleen = require("baleen")
--   local model = baleen.context():load_model("/models/DeepSeek-V4-Flash")
--
-- README.md beside this file is the manual.  What the library itself promises
-- is in baleen.h, and this binding adds no rules of its own but one: a Lua
-- state has one thread, so the hooks that other threads may call (log,
-- allocator, workers, files) cannot be written in Lua.
local ffi = require("ffi")
local library = require("baleen.library")
local callback = require("baleen.callback")
local model = require("baleen.model")
local C, check, setters = library.C, library.check, library.setters

local baleen = {
  C = C, -- Whatever this binding does not wrap: the functions of baleen.h.
  is_error = library.is_error,
}

function baleen.version()
  return ffi.string(C.baleen_version_string())
end

function baleen.has_feature(name)
  return C.baleen_has_feature(library.c_string(name, "a feature's name")) == 1
end

-- Several sessions in one pass over the weights; see steps.lua.
baleen.step_many = require("baleen.steps").step_many

-- ---- Context ----------------------------------------------------------------

local Context = {}
Context.__index = Context

local context_options = {
  threads = setters.count("thread_count"),
  backend_path = setters.text("backend_path"),
  state_memory_limit = setters.count("state_memory_limit"),
  state_path = setters.text("state_path"),
}

function baleen.context(options)
  local struct, kept = library.fill("baleen_context_options", context_options,
    options, "a context")
  local out = ffi.new("baleen_context*[1]")
  check(C.baleen_context_create(struct, out, library.failure))
  library.keep(kept)
  return setmetatable({
    handle = ffi.gc(out[0], C.baleen_context_release),
  }, Context)
end

function Context:release()
  library.release(self, C.baleen_context_release)
end

function Context:load_backend(path)
  check(C.baleen_context_load_backend(library.alive(self, "context"),
    library.c_string(path, "the path"), library.failure))
end

-- A list of tables; their `index` is what the option `devices` takes.
function Context:devices()
  local handle = library.alive(self, "context")
  local devices = {}
  for index = 0, C.baleen_context_device_count(handle) - 1 do
    local info = library.read_struct("baleen_device_info",
      "flags memory_total memory_free backend name", function(struct)
        return C.baleen_context_device_info(handle, index, struct,
          library.failure)
      end)
    info.index = index
    info.unified_memory =
      bit.band(info.flags, C.BALEEN_DEVICE_UNIFIED_MEMORY) ~= 0
    info.flags = nil
    devices[#devices + 1] = info
  end
  return devices
end

-- load_model(path, options); options.progress(done, total) may return false.
function Context:load_model(path, options)
  local handle = library.alive(self, "context")
  local struct, kept = model.fill_options(options)
  local handlers = { progress = options and options.progress, kept = kept }
  local out = ffi.new("baleen_model*[1]")
  check(callback.call(handlers, C.baleen_model_load, handle,
    library.c_string(path, "the path"), struct, out, library.failure))
  return model.adopt(out[0])
end

-- Writes the model at `path` to one file that opens at once.
function Context:pack_model(path, packed_path, options)
  local handle = library.alive(self, "context")
  local struct, kept = model.fill_options(options)
  local handlers = { progress = options and options.progress, kept = kept }
  check(callback.call(handlers, C.baleen_model_pack, handle,
    library.c_string(path, "the path"),
    library.c_string(packed_path, "the packed path"), struct, library.failure))
end

-- What a model and one session of it would take, in bytes.
function Context:plan(path, model_options, session_options)
  local handle = library.alive(self, "context")
  library.c_string(path, "the path")
  local model_struct, kept = model.fill_options(model_options)
  local session_struct, session_kept =
    model.fill_session_options(session_options)
  local plan = model.read_plan(function(struct)
    return C.baleen_context_plan(handle, path, model_struct, session_struct,
      struct, library.failure)
  end)
  library.keep(kept, session_kept)
  return plan
end

return baleen
