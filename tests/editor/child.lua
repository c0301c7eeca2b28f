-- An editor that a test drives from outside, as a person's keys would.
--
-- It is a process of its own with the plug-in in it: keys go in through
-- nvim_input, which takes them as typed, and what it shows comes back as text.
local child = {}
local Child = {}
Child.__index = Child

local loop = vim.loop

-- Runs in the child: notes when a change that was typed had been taken in.
local watch = [[
  _G.typed = {}
  vim.api.nvim_create_autocmd("TextChangedI", { callback = function()
    table.insert(_G.typed, vim.loop.hrtime())
  end })
]]

function child.start(settings)
  local self = setmetatable({
    channel = vim.fn.jobstart({ vim.v.progpath, "--embed", "--headless", "-u",
      "NONE", "-i", "NONE", "-n" }, { rpc = true }),
  }, Child)
  self:lua(watch)
  self:lua([[
    local settings = ...
    vim.opt.runtimepath:append(settings.plugin)
    vim.cmd("runtime plugin/baleen.lua")
    local editor = require("baleen_editor")
    editor.setup(settings.setup)
    if settings.is_endless then
      for _, part in ipairs({ editor.options.complete, editor.options.chat }) do
        part.generation.max_tokens = 0
        part.generation.biases = { [1] = -1e9 } -- The end of a turn.
      end
    end
    vim.keymap.set("i", "<C-b>", "<Plug>(baleen-complete)")
  ]], settings)
  return self
end

function Child:request(method, ...)
  return vim.rpcrequest(self.channel, method, ...)
end

function Child:lua(code, ...)
  return self:request("nvim_exec_lua", code, { ... })
end

-- Types keys, and does not wait for them.
function Child:type(keys)
  self:request("nvim_input", keys)
end

-- All of the current buffer.
function Child:text()
  return self:lua(
    "return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\\n')")
end

function Child:status()
  return self:lua("return require('baleen_editor').status()")
end

-- Waits until f() holds, or fails.
function Child:wait(what, f)
  local held = vim.wait(20000, f, 2)
  if not held then
    error("waited in vain for: " .. what .. "\n" .. self:text(), 2)
  end
end

-- How many milliseconds each of these keys of one character, typed one after
-- the other, took to be in the text.
function Child:latencies(keys, pause)
  local found = {}
  for key in keys:gmatch(".") do
    self:lua("_G.typed = {}")
    local begin = loop.hrtime()
    self:type(key)
    local done
    self:wait("the key " .. key, function()
      done = self:lua("return _G.typed[1]")
      return done ~= nil and done ~= vim.NIL
    end)
    found[#found + 1] = (done - begin) / 1e6
    loop.sleep(pause)
  end
  return found
end

function Child:stop()
  vim.fn.jobstop(self.channel)
end

return child
