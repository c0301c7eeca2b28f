-- Writes baleen/cdef.lua, what LuaJIT's FFI reads of baleen.h: the header
-- without its comments and conditionals, which the FFI's parser lacks.
--
--   luajit make_cdef.lua ../../include/baleen/baleen.h > baleen/cdef.lua
--
-- The test of the bindings makes it again and compares.

local function read_all(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

-- Comments become a space; lines that had nothing else go later.
local function without_comments(text)
  return (text:gsub("/%*.-%*/", " "))
end

-- Keeps what is outside of conditionals, but for the guard around all of it.
local function without_directives(text)
  local kept, depth = {}, 0
  for line in text:gmatch("([^\n]*)\n") do
    local directive, rest = line:match("^#%s*(%w+)%s*(.*)")
    if directive == nil then
      if depth <= 1 then kept[#kept + 1] = line end
    elseif directive:find("^if") then
      depth = depth + 1
    elseif directive == "endif" then
      depth = depth - 1
    elseif directive == "define" and depth == 1 then
      local name, value = rest:match("^(%u[%u_]*)%s+(%d+)%s*$")
      if name then
        kept[#kept + 1] =
          ("static const int %s = %s;"):format(name, value)
      end
    end
  end
  assert(depth == 0, "the header's conditionals do not close")
  return table.concat(kept, "\n") .. "\n"
end

local function tidy(text)
  text = text:gsub("BALEEN_API%s+", ""):gsub("[ \t]+\n", "\n")
  text = text:gsub("([^\n]) +", "%1 "):gsub("\n\n+", "\n")
  return (text:gsub("^\n+", ""))
end

local function make_cdef(path)
  local text = tidy(without_directives(without_comments(read_all(path))))
  assert(not text:find("]]", 1, true), "the text would end the Lua string")
  return "-- What LuaJIT's FFI reads of baleen.h; made by make_cdef.lua.\n"
    .. "return [[\n" .. text .. "]]\n"
end

if arg and arg[0] and arg[0]:find("make_cdef.lua", 1, true) then
  io.write(make_cdef(assert(arg[1], "usage: make_cdef.lua HEADER")))
else
  return make_cdef
end
