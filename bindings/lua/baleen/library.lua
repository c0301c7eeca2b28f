-- Opens the shared library and turns its conventions into Lua's: statuses into
-- errors, tables into structs, enumerations into lower-case words.
--
-- Every other file of the binding stands on this one.
local ffi = require("ffi")

-- A program that forgets the modules and requires them again has the types.
if not pcall(ffi.typeof, "baleen_context") then
  ffi.cdef(require("baleen.cdef"))
end

local library = {}

local function open()
  local path = os.getenv("BALEEN_LIBRARY")
  if path and path ~= "" then return ffi.load(path) end
  for _, name in ipairs({ "libbaleen.so.1", "libbaleen.1.dylib", "baleen" }) do
    local found, opened = pcall(ffi.load, name)
    if found then return opened end
  end
  error("baleen: the system's linker finds no libbaleen.so.1; "
    .. "set BALEEN_LIBRARY to its path", 0)
end

local C = open()
library.C = C
assert(math.floor(C.baleen_version() / 10000) ==
  math.floor(C.BALEEN_VERSION / 10000),
  "baleen: this binding is for another major version of the library")

-- ---- Errors -----------------------------------------------------------------

local Error = {}
Error.__index = Error

function Error:__tostring()
  return ("baleen: %s (%s)"):format(self.message, self.code)
end

-- The word of a status, such as "not_found".
function library.code(status)
  local name = ffi.string(C.baleen_status_name(status))
  return (name:gsub("^BALEEN_", ""):lower())
end

local function raise(status, message)
  error(setmetatable({
    status = status,
    code = library.code(status),
    message = message,
  }, Error), 0)
end

-- One for all calls: Lua states have one thread, and it is read at once.
local failure = ffi.new("baleen_error")
library.failure = failure

-- Raises what a call that returned `status` wrote to library.failure.
function library.check(status)
  if status ~= 0 then raise(status, ffi.string(failure.message)) end
end

-- Called behind a C call with what its structs point to, so that Lua's garbage
-- collector sees it in use until then.
function library.keep() end

-- Raises a mistake of the caller that the library would not see.
function library.refuse(message, ...)
  raise(C.BALEEN_INVALID_ARGUMENT, message:format(...))
end
local refuse = library.refuse

function library.is_error(value)
  return getmetatable(value) == Error
end

-- ---- Enumerations -----------------------------------------------------------

-- enumeration("MODE", "fast reference"): words to values, and back.
local function enumeration(prefix, words)
  local by_word, by_value = {}, {}
  for word in words:gmatch("%S+") do
    local value = C["BALEEN_" .. prefix .. "_" .. word:upper()]
    by_word[word], by_value[value] = value, word
  end
  return { words = words, by_word = by_word, by_value = by_value }
end

library.channel = enumeration("CHANNEL", "answer thinking tool_call")
library.draft = enumeration("DRAFT", "default off model lookup")
library.encoder = enumeration("ENCODER", "default preview ga")
library.finish =
  enumeration("FINISH", "none end limit stop callback full tool_call")
library.mode = enumeration("MODE", "fast reference")
library.thinking = enumeration("THINKING", "default off on low high max")
library.window = enumeration("WINDOW", "default none periodic full")

-- ---- Options ----------------------------------------------------------------

-- A setter writes one option to a struct; what it returns is kept alive as long
-- as the struct is used.
local setters = {}
library.setters = setters

local function expect(value, kind, name)
  if type(value) ~= kind then
    refuse("%s is a %s, and must be a %s", name, type(value), kind)
  end
end

-- A number of things; of 64 bits too, as the FFI has them.
function setters.count(field)
  return function(struct, value, name)
    local whole = type(value) == "number" and value >= 0 and value % 1 == 0
    if not whole and not ffi.istype("uint64_t", value) then
      refuse("%s must be a whole number, not negative", name)
    end
    struct[field] = value
  end
end

function setters.real(field)
  return function(struct, value, name)
    expect(value, "number", name)
    struct[field] = value
  end
end

-- Text that C ends at a zero byte.
function library.c_string(value, name)
  expect(value, "string", name)
  if value:find("%z") then refuse("%s holds a zero byte", name) end
  return value
end

function setters.text(field)
  return function(struct, value, name)
    struct[field] = library.c_string(value, name)
    return value
  end
end

function setters.flag(bit_value)
  return function(struct, value, name)
    expect(value, "boolean", name)
    if value then struct.flags = bit.bor(struct.flags, bit_value) end
  end
end

function setters.word(field, set)
  return function(struct, value, name)
    local number = set.by_word[value]
    if number == nil then
      refuse("%s is %q, and must be one of: %s", name, tostring(value),
        set.words)
    end
    struct[field] = number
  end
end

-- A list; put(cell, item, name) fills one element of the C array.
function setters.list(field, count_field, element, put)
  local array_type = ffi.typeof(element .. "[?]")
  return function(struct, value, name)
    expect(value, "table", name)
    local array = array_type(math.max(#value, 1))
    for i, item in ipairs(value) do put(array, i - 1, item, name) end
    struct[field], struct[count_field] = array, #value
    return { array, value }
  end
end

-- A function of the caller's: not of the struct, but of the call.
function setters.handler()
  return function(_, value, name)
    expect(value, "function", name)
  end
end

-- fill("baleen_x_options", setters, options) makes the struct, and a table that
-- keeps alive what it points to.
function library.fill(kind, fields, options, what)
  local struct, kept = ffi.new(kind), {}
  struct.struct_size = ffi.sizeof(kind)
  if options == nil then return struct, kept end
  expect(options, "table", "the table of options of " .. what)
  for name, value in pairs(options) do
    local set = fields[name]
    if set == nil then
      refuse("%s has no option %q", what, tostring(name))
    end
    kept[name] = set(struct, value, name)
  end
  return struct, kept
end

-- Splits options of several structs: one table for each set of setters.
function library.split(options, what, ...)
  expect(options, "table", "the table of options of " .. what)
  local sets, parts = { ... }, {}
  for i = 1, #sets do parts[i] = {} end
  for name, value in pairs(options) do
    local known = false
    for i, fields in ipairs(sets) do
      if fields[name] then parts[i][name], known = value, true end
    end
    if not known then
      refuse("%s has no option %q", what, tostring(name))
    end
  end
  return unpack(parts)
end

-- ---- Values that come and go ------------------------------------------------

local token_array = ffi.typeof("baleen_token[?]")

-- A Lua list of tokens as a C array and its size; an array stays what it is.
function library.to_tokens(list, name, size)
  if type(list) == "cdata" then return list, size end
  expect(list, "table", name or "the list of tokens")
  local array = token_array(math.max(#list, 1))
  for i = 1, #list do
    local token = list[i]
    expect(token, "number", "a token")
    array[i - 1] = token
  end
  return array, #list
end

function library.from_tokens(array, count)
  local list = {}
  for i = 1, count do list[i] = array[i - 1] end
  return list
end

-- Calls ask(buffer, capacity, count) until the buffer is large enough; returns
-- it and the count.
function library.collect(array_type, capacity, ask)
  local count = ffi.new("size_t[1]")
  while true do
    local buffer = array_type(math.max(capacity, 1))
    local status = ask(buffer, capacity, count)
    if status ~= C.BALEEN_BUFFER_TOO_SMALL then
      library.check(status)
      return buffer, tonumber(count[0])
    end
    capacity = tonumber(count[0])
  end
end

-- A struct that the library fills, as a table: numbers, and text where the
-- field is an array of characters.
function library.read_struct(kind, fields, ask)
  local struct = ffi.new(kind)
  struct.struct_size = ffi.sizeof(kind)
  library.check(ask(struct))
  local result = {}
  for name in fields:gmatch("%S+") do
    local value = struct[name]
    local number = tonumber(value)
    result[name] = number or ffi.string(value)
  end
  return result, struct
end

local parts = "embedding hyper projection compressor indexer attention router "
  .. "experts shared_expert head drafter"

-- A C array that has a number for each part of the model, as a table.
function library.by_part(array)
  local numbers = {}
  for part in parts:gmatch("%S+") do
    numbers[part] = tonumber(array[C["BALEEN_PART_" .. part:upper()]])
  end
  return numbers
end

-- The handle of an object that was not given back.
function library.alive(object, what)
  if object.handle == nil then refuse("this %s was released", what) end
  return object.handle
end

-- Gives `object` back now instead of when it is collected.
function library.release(object, give_back)
  local handle = object.handle
  if handle == nil then return end
  object.handle = nil
  ffi.gc(handle, nil)
  give_back(handle)
end

return library
