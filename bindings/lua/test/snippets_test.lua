-- Runs the Lua of the manual and of docs/embedding.md as it is printed there.
--
--   luajit snippets_test.lua PROJECT_FOLDER MODEL_FOLDER
local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/../?.lua;" .. here .. "/?.lua;" .. package.path
local check = require("check")
local snippets = require("snippets")

local project, pocket = assert(arg[1]), assert(arg[2])

local function run(path, heading)
  local said = {}
  local function write(...) said[#said + 1] = table.concat({ ... }) end
  local environment = setmetatable({
    print = write,
    io = setmetatable({ write = write }, { __index = io }),
  }, { __index = _G })
  local chunk = assert(loadstring(snippets.read(path, heading, pocket), path))
  setfenv(chunk, environment)()
  check.is_true(#table.concat(said) > 20, "it said too little")
end

check.case("bindings/lua/README.md", function()
  run(here .. "/../README.md")
end)

check.case("docs/embedding.md", function()
  run(project .. "/docs/embedding.md", "Lua")
end)

check.report()
