-- Goes on with the text before the cursor, into the buffer, until the model
-- ends or a key is pressed.  The key then does what it always does, and one
-- undo takes back all that was written.
local engine = require("baleen_editor.engine")
local ticker = require("baleen_editor.ticker")
local writer = require("baleen_editor.writer")

local complete = {}

local api = vim.api
local namespace = api.nvim_create_namespace("baleen_keys")
local session -- Keeps the work for what is alike in the next completion.
local running

-- What the editor's loop says to itself comes as keys too.
local no_keys = {}
for _, name in ipairs({ "<Ignore>", "<CursorHold>", "<FocusGained>",
  "<FocusLost>" }) do
  no_keys[api.nvim_replace_termcodes(name, true, true, true)] = true
end

local function stop()
  if running then ticker.cancel(running) end
end

-- Where text is to go: at the cursor in insert mode, behind it in normal mode.
local function place()
  local row, column = unpack(api.nvim_win_get_cursor(0))
  local line = api.nvim_get_current_line()
  if not api.nvim_get_mode().mode:find("^[iR]") and #line > 0 then
    column = column + #vim.fn.matchstr(line:sub(column + 1), ".")
  end
  return row - 1, column
end

-- The text before a place, but for blanks that the first word brings along.
local function text_before(row, column, limit)
  local lines, size = {}, 0
  for at = row, 0, -1 do
    local line = api.nvim_buf_get_lines(0, at, at + 1, false)[1]
    if at == row then line = line:sub(1, column) end
    size = size + #line + 1
    if size > limit and at < row then break end
    table.insert(lines, 1, line)
  end
  local text, blanks = table.concat(lines, "\n"):match("^(.-)([ \t]*)$")
  return text, blanks
end

-- Writes pieces at the place and takes the cursor along.  All but the first are
-- one change with what is there; it cannot be joined if the user has undone it.
local function write(place_writer, window, pieces)
  for _, piece in ipairs(pieces) do
    if piece.text ~= "" then
      if place_writer.begun then pcall(vim.cmd, "undojoin") end
      place_writer:add(piece.text)
      place_writer.begun = true
    end
  end
  if #pieces > 0 and api.nvim_get_current_win() == window then
    local row, column = place_writer:position()
    api.nvim_win_set_cursor(window, { row + 1, column })
  end
end

-- What `generation` becomes when the cursor stands behind blanks.
local function without_blanks(pieces, blanks)
  local first = pieces[1]
  if first and blanks ~= "" then first.text = first.text:gsub("^ ", "") end
  return first ~= nil
end

function complete.start(options)
  stop()
  if not vim.bo.modifiable then error("baleen: this buffer is read only", 0) end
  local model = engine.model(options)
  session = session or model:session(options.session)
  local row, column = place()
  local text, blanks = text_before(row, column, options.complete.context_bytes)
  local stream = session:stream(vim.tbl_extend("force",
    options.complete.generation, { prompt = engine.tokenize(text) }))
  local window = api.nvim_get_current_win()
  local place_writer = writer.at(api.nvim_get_current_buf(), row, column)
  local begun = false
  running = ticker.start(stream, function(pieces)
    if not api.nvim_buf_is_valid(place_writer.buffer) then return stop() end
    begun = begun or without_blanks(pieces, blanks)
    write(place_writer, window, pieces)
  end, function(reason, failure)
    vim.on_key(nil, namespace)
    running = nil
    place_writer:close()
    if reason == "error" then
      vim.notify(tostring(failure), vim.log.levels.ERROR)
    end
  end)
  vim.on_key(function(key) if not no_keys[key] then stop() end end, namespace)
end

return complete
