-- A language model in Neovim: completion at the cursor and a chat in a split.
--
-- The model runs inside the editor's own process, through bindings/lua.  All of
-- it is computed in the idle moments of the editor's loop, a few milliseconds
-- at a time (ticker.lua), so that typing goes on while it writes.
local editor = {}

editor.options = {
  model = nil, -- Its folder; nil: $BALEEN_MODEL.
  library = nil, -- Path of libbaleen.so; nil: where the system finds it.
  threads = 0, -- 0: one for each core.
  session = {}, -- As the binding's model:session takes them.
  complete = {
    context_bytes = 8000, -- How much of the text before the cursor is read.
    generation = {
      max_tokens = 64,
      stops = { "\n\n" },
      temperature = 0.7,
      top_p = 0.9,
    },
  },
  chat = {
    split = "botright vsplit",
    thinking = "off",
    generation = { max_tokens = 2000 },
  },
}

-- setup({ model = "/models/..." }); lists and generations are replaced whole.
function editor.setup(options)
  for name, value in pairs(options or {}) do
    local known = editor.options[name]
    if type(known) == "table" and name ~= "session" then
      for inner, inner_value in pairs(value) do known[inner] = inner_value end
    else
      editor.options[name] = value
    end
  end
end

-- Runs f, and tells the user why if it fails.
local function attempt(f, ...)
  local fine, failure = pcall(f, ...)
  if not fine then vim.notify(tostring(failure), vim.log.levels.ERROR) end
end

-- Goes on with the text at the cursor until a key is pressed.
function editor.complete()
  attempt(require("baleen_editor.complete").start, editor.options)
end

-- Opens the chat; with a question, asks it.
function editor.chat(question)
  attempt(require("baleen_editor.chat").open, editor.options, question)
end

-- Stops all that is being written.
function editor.stop()
  require("baleen_editor.ticker").stop()
end

-- What is going on, for a status line: "" if nothing is.
function editor.status()
  return require("baleen_editor.ticker").status()
end

return editor
