-- Reads one turn of the model back: tokens in, thinking, answer and tool calls
-- out.
local ffi = require("ffi")
local callback = require("baleen.callback")
local library = require("baleen.library")
local C, check, setters = library.C, library.check, library.setters

local reply = {}
local Reply = {}
Reply.__index = Reply

reply.options = {
  thinking = setters.word("thinking", library.thinking),
  tools = setters.text("tools"),
  strict = setters.flag(C.BALEEN_REPLY_STRICT),
  no_implicit_end = setters.flag(C.BALEEN_REPLY_NO_IMPLICIT_END),
}

function reply.create(model_handle, options)
  local struct, kept = library.fill("baleen_reply_options", reply.options,
    options, "a reply")
  local out = ffi.new("baleen_reply*[1]")
  check(C.baleen_reply_create(model_handle, struct, out, library.failure))
  library.keep(kept)
  local piece = ffi.new("baleen_piece")
  piece.struct_size = ffi.sizeof("baleen_piece")
  return setmetatable({
    handle = ffi.gc(out[0], C.baleen_reply_release),
    piece = piece,
  }, Reply)
end

function Reply:release()
  library.release(self, C.baleen_reply_release)
end

-- Reads further tokens of the turn.
function Reply:add(tokens)
  local array, count = library.to_tokens(tokens)
  check(C.baleen_reply_add(library.alive(self, "reply"), array, count,
    library.failure))
end

-- The same for text with special tokens under their names.
function Reply:add_text(text)
  if type(text) ~= "string" then library.refuse("the text must be a string") end
  check(C.baleen_reply_add_text(library.alive(self, "reply"), text, #text,
    library.failure))
end

-- Says that the turn is over: what was held back becomes a piece.
function Reply:finish()
  check(C.baleen_reply_finish(library.alive(self, "reply"), library.failure))
end

-- The next piece, or nil if there is none yet.
function Reply:next()
  if C.baleen_reply_next(library.alive(self, "reply"), self.piece) == 0 then
    return nil
  end
  return callback.to_piece(self.piece)
end

-- for piece in reply:pieces() do ... end, as far as they have come.
function Reply:pieces()
  return self.next, self
end

local function text_or_nil(pointer, size)
  if pointer == nil then return nil end
  return size and ffi.string(pointer, size) or ffi.string(pointer)
end

-- The turn so far as a message, fit to be the next prompt's last.
function Reply:message()
  local message = ffi.new("baleen_message")
  check(C.baleen_reply_message(library.alive(self, "reply"), message,
    library.failure))
  return {
    role = ffi.string(message.role),
    content = text_or_nil(message.content, message.content_size),
    reasoning = text_or_nil(message.reasoning, message.reasoning_size),
    tool_calls = text_or_nil(message.tool_calls),
    tool_call_id = text_or_nil(message.tool_call_id),
    extra = text_or_nil(message.extra),
    tokens = library.from_tokens(message.tokens, tonumber(message.token_count)),
  }
end

return reply
