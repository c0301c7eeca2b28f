-- A chat in a split: a prompt buffer, where the answer grows above the line
-- that the next question is typed in.  CTRL-C stops an answer; a question asked
-- meanwhile waits for its end.
local engine = require("baleen_editor.engine")
local ticker = require("baleen_editor.ticker")
local writer = require("baleen_editor.writer")

local chat = {}

local api = vim.api
local prompt_sign = "> "

-- The chat of this editor; nil without one.
local current

local function is_open(state)
  return state and api.nvim_buf_is_valid(state.buffer)
end

local ask_next

-- Ends the answer being written and goes on with the question that waits.
local function on_end(state, reason, failure)
  state.job = nil
  if reason == "error" then
    table.remove(state.messages) -- The question; it may be asked again.
    state.writer:add(tostring(failure), "ErrorMsg")
  else
    table.insert(state.messages, state.stream:message())
    if reason ~= "end" then
      state.writer:add(" [" .. reason .. "]", "Comment")
    end
  end
  state.writer:close()
  ask_next(state)
end

local function write(state, pieces)
  for _, piece in ipairs(pieces) do
    if state.channel and piece.channel ~= state.channel then
      state.writer:add("\n")
    end
    state.channel = piece.channel
    state.writer:add(piece.text, piece.channel == "thinking" and "Comment")
  end
end

-- Begins the answer to the first question that waits.
ask_next = function(state)
  if state.job or #state.waiting == 0 then return end
  local question = table.remove(state.waiting, 1)
  table.insert(state.messages, { role = "user", content = question.text })
  local settings = state.options.chat
  state.writer, state.channel = question.writer, nil
  state.stream = state.session:stream(vim.tbl_extend("force",
    settings.generation, {
      prompt = state.model:encode_chat(state.messages, {
        thinking = settings.thinking,
      }),
    }))
  state.job = ticker.start(state.stream, function(pieces)
    write(state, pieces)
  end, function(...) on_end(state, ...) end)
end

-- A question that is already in the buffer: its answer goes above the last
-- line, which is the prompt.
local function ask(state, text)
  local last = api.nvim_buf_line_count(state.buffer) - 1
  api.nvim_buf_set_lines(state.buffer, last, last, false, { "", "" })
  table.insert(state.waiting, {
    text = text,
    writer = writer.at(state.buffer, last, 0),
  })
  ask_next(state)
end

local function stop(state)
  state.waiting = {}
  if state.job then ticker.cancel(state.job) end
end

local function close(state)
  state.waiting = {}
  if state.job then
    local job = state.job
    state.job = nil
    job.on_end = function() end
    ticker.cancel(job)
  end
  state.session:release()
  if current == state then current = nil end
end

local function make(options)
  local state = { options = options, messages = {}, waiting = {} }
  state.model = engine.model(options)
  state.session = state.model:session(options.session)
  state.buffer = api.nvim_create_buf(false, true)
  local buffer = state.buffer
  api.nvim_buf_set_option(buffer, "buftype", "prompt")
  api.nvim_buf_set_option(buffer, "filetype", "baleen")
  api.nvim_buf_set_option(buffer, "undolevels", -1)
  api.nvim_buf_set_name(buffer, "baleen://chat")
  vim.fn.prompt_setprompt(buffer, prompt_sign)
  vim.fn.prompt_setcallback(buffer, function(text)
    if text:find("%S") then ask(state, text) end
  end)
  vim.fn.prompt_setinterrupt(buffer, function() stop(state) end)
  vim.keymap.set("n", "<C-c>", function() stop(state) end, { buffer = buffer })
  api.nvim_create_autocmd("BufUnload", {
    buffer = buffer,
    callback = function() close(state) end,
  })
  return state
end

-- Shows the chat; a question is asked as if it had been typed there.
function chat.open(options, question)
  if not is_open(current) then current = make(options) end
  local window = vim.fn.bufwinid(current.buffer)
  if window >= 0 then
    api.nvim_set_current_win(window)
  else
    vim.cmd(options.chat.split)
    api.nvim_win_set_buf(0, current.buffer)
    vim.wo.wrap, vim.wo.linebreak = true, true
  end
  if question and question ~= "" then
    local last = api.nvim_buf_line_count(current.buffer) - 1
    api.nvim_buf_set_lines(current.buffer, last, last, false,
      { prompt_sign .. question })
    ask(current, question)
  end
  vim.cmd("startinsert!")
end

return chat
