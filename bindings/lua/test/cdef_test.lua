-- That the committed cdef is what the header says, and that LuaJIT's FFI lays
-- its structs out as a C compiler does.
--
--   luajit cdef_test.lua PROJECT_FOLDER
local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/../?.lua;" .. here .. "/?.lua;" .. package.path
local ffi = require("ffi")
local check = require("check")
local make_cdef = dofile(here .. "/../make_cdef.lua")

local project = assert(arg[1], "usage: cdef_test.lua PROJECT_FOLDER")

local function read_all(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

check.case("the cdef is made from the header", function()
  local made = make_cdef(project .. "/include/baleen/baleen.h")
  check.is_true(made == read_all(here .. "/../baleen/cdef.lua"),
    "baleen/cdef.lua is old; make it again as make_cdef.lua says")
end)

-- Types and constants of backend.h are in the list too; no binding reads those.
local function is_known(name)
  return pcall(ffi.typeof, name) or pcall(function() return ffi.C[name] end)
end

check.case("the layout is that of version 1.0", function()
  ffi.cdef(require("baleen.cdef"))
  local layout = read_all(project .. "/tests/abi/layout_1_0.inc")
  local checked = 0
  for kind, name, rest in layout:gmatch("\n(%u+)%(([%w_]+), ([^)]*)%)") do
    local number = tonumber(rest:match("%-?%d+$"))
    if is_known(name) then
      checked = checked + 1
      if kind == "EXACT" then
        check.equal(ffi.sizeof(name), number, name)
      elseif kind == "SIZE" then
        check.is_true(ffi.sizeof(name) >= number, name .. " is shorter")
      elseif kind == "AT" then
        local field = rest:match("^[%w_]+")
        check.equal(ffi.offsetof(name, field), number, name .. "." .. field)
      else
        check.equal(kind, "IS")
        check.equal(tonumber(ffi.C[name]), number, name)
      end
    end
  end
  check.is_true(checked > 250, "only " .. checked .. " lines were checked")
end)

check.report()
