-- A turn of the model, generated step by step: for programs that have something
-- else to do between tokens.
--
--   local stream = session:stream({ prompt = tokens, max_tokens = 200 })
--   for piece in stream do io.write(piece.text) end
--   print(stream.finish)
--
-- or from a timer, stream:step() until stream.finish is set.  A step reads a
-- slice of the prompt or writes a token, and nothing waits for another thread.
local ffi = require("ffi")
local library = require("baleen.library")
local reply = require("baleen.reply")
local C = library.C

local stream = {}
local Stream = {}
Stream.__index = Stream

local default_slice = 32

stream.options = {
  prompt = true, -- Tokens that the session is to hold first.
  slice = true, -- How many of them one step reads.
  max_tokens = true,
  stops = true, -- Texts that end the answer; not part of it.
  reply = true, -- A fresh reply that reads along.
}

-- As baleen_session_generate sees it: a prompt that leaves thinking open ends
-- with the tag that opens it.
local function thinking_of(session, prompt)
  local tokens = prompt or session:tokens()
  local open = C.baleen_model_find_token(session.model_handle, "<think>")
  return open >= 0 and tokens[#tokens] == open and "on" or "off"
end

function stream.create(session, options, reply_options, sampling)
  if reply_options.thinking == nil then
    reply_options.thinking = thinking_of(session, options.prompt)
  end
  local self = setmetatable({
    session = session,
    read = 0, -- Tokens of the prompt, of prompt_size.
    prompt_size = 0,
    slice = options.slice or default_slice,
    max_tokens = options.max_tokens or 0, -- 0: until the end.
    stops = options.stops or {},
    sampling = sampling,
    reply = options.reply or reply.create(session.model_handle, reply_options),
    written = 0, -- Tokens of the turn.
    held = "", -- What may be the beginning of a stop text.
    waiting = {}, -- Pieces that the iterator has not given out.
    finish = nil, -- Why it is over: "end", "limit", "stop", "full",
    -- "tool_call", "cancelled".
  }, Stream)
  if options.prompt then
    self.prompt, self.prompt_size = library.to_tokens(options.prompt)
    -- At least the last token is asked for again, for its logits.
    local held = math.min(session:common(options.prompt), self.prompt_size - 1)
    self.read = math.max(held, 0)
  end
  return self
end

-- ---- Stop texts -------------------------------------------------------------

-- How much of the end of `text` a stop text may begin with.
local function beginning(text, stops)
  local longest = 0
  for _, stop in ipairs(stops) do
    for size = math.min(#stop - 1, #text), longest + 1, -1 do
      if text:sub(-size) == stop:sub(1, size) then
        longest = size
        break
      end
    end
  end
  return longest
end

local function add_answer(pieces, text)
  if text ~= "" then
    pieces[#pieces + 1] = { channel = "answer", text = text }
  end
end

-- Takes a further part of the answer; true if a stop text is complete.
function Stream:filter(text, pieces)
  text = self.held .. text
  local first
  for _, stop in ipairs(self.stops) do
    local at = stop ~= "" and text:find(stop, 1, true)
    if at and (first == nil or at < first) then first = at end
  end
  if first then
    self.held = ""
    add_answer(pieces, text:sub(1, first - 1))
    return true
  end
  local held = beginning(text, self.stops)
  self.held = held > 0 and text:sub(-held) or ""
  add_answer(pieces, text:sub(1, #text - held))
  return false
end

-- What was held back is part of the answer after all.
function Stream:flush(pieces)
  add_answer(pieces, self.held)
  self.held = ""
end

-- ---- Steps ------------------------------------------------------------------

-- Moves what the reply has to `pieces`.
function Stream:drain(pieces)
  for piece in self.reply:pieces() do
    if piece.channel ~= "answer" then
      self:flush(pieces)
      pieces[#pieces + 1] = piece
      if piece.channel == "tool_call" then self.called_tools = true end
    elseif self:filter(piece.text, pieces) then
      self.finish = "stop"
      return
    end
  end
end

-- Says that the turn was cut off, for `reason`.
function Stream:cut(reason, pieces)
  self.reply:finish()
  self:drain(pieces)
  self:flush(pieces)
  self.finish = self.finish or reason
end

-- Reads the next slice of the prompt.  Setting all of it so far, rather than
-- appending the slice, reuses what any session holds, and may be repeated
-- after an error.
function Stream:read_prompt()
  local last = math.min(self.read + self.slice, self.prompt_size)
  self.session:set_tokens(self.prompt, last)
  self.read = last
end

function Stream:write(pieces)
  local limit = self.max_tokens > 0 and self.max_tokens or math.huge
  local room = limit - self.written
  local fine, tokens =
    pcall(self.session.step, self.session, self.sampling, room)
  if not fine then
    if library.is_error(tokens) and tokens.code == "session_full" then
      return self:cut("full", pieces)
    end
    error(tokens, 0)
  end
  for _, token in ipairs(tokens) do
    self.written = self.written + 1
    self.reply:add({ token })
    if C.baleen_model_is_end(self.session.model_handle, token) == 1 then
      self.reply:finish()
      self:drain(pieces)
      self:flush(pieces)
      self.finish = self.finish or self.called_tools and "tool_call" or "end"
      return
    end
  end
  self:drain(pieces)
  if self.finish == nil and self.written >= limit then
    self:cut("limit", pieces)
  end
end

-- Does one step and returns the pieces that came of it, often none.  After an
-- error the same step may be tried again.
function Stream:step()
  local pieces = {}
  if self.finish then return pieces end
  if self.read < self.prompt_size then
    self:read_prompt()
  else
    self:write(pieces)
  end
  return pieces
end

-- Ends the turn where it is, from between two steps; returns what was held
-- back.
function Stream:cancel()
  local pieces = {}
  if self.finish == nil then self:cut("cancelled", pieces) end
  return pieces
end

-- for piece in stream do ... end
function Stream:__call()
  while #self.waiting == 0 and self.finish == nil do
    self.waiting = self:step()
  end
  return table.remove(self.waiting, 1)
end

-- The turn so far as a message, fit to be the next prompt's last.
function Stream:message()
  return self.reply:message()
end

return stream
