-- The user's functions that the library calls: progress, pieces, logits.
--
-- LuaJIT has room for some hundred C callbacks and never frees one by itself,
-- so there is one of each kind for ever, and it finds the user's function in
-- what the call that is now inside was given.  An error must not unwind
-- through C: it ends the call, and is raised again behind it.
local ffi = require("ffi")
local library = require("baleen.library")

local callback = {}

-- The handlers of the innermost call; nil outside of any.
local current

-- The user's function's first result, or nil after an error, which is kept.
local function ask(user_function, ...)
  local handlers = current
  if handlers.failed then return false end
  local fine, result = pcall(user_function, ...)
  -- An inner call that was left by an error has not put this back.
  current = handlers
  if fine then return result end
  handlers.failed, handlers.failure = true, result
  if handlers.session then
    library.C.baleen_session_cancel(handlers.session)
  end
  return false
end

-- Makes a callback when it is first needed.
local function once(kind, lua_function)
  local made
  return function()
    made = made or ffi.cast(kind, lua_function)
    return made
  end
end

-- progress(done, total); false cancels.
callback.progress = once("baleen_progress_fn", function(_, done, total)
  local go_on = ask(current.progress, tonumber(done), tonumber(total))
  return go_on == false and 1 or 0
end)

-- on_piece(piece); false stops.
callback.piece = once("baleen_piece_fn", function(_, piece)
  local go_on = ask(current.on_piece, callback.to_piece(piece))
  return go_on == false and 1 or 0
end)

-- edit(logits, count) changes a C array of floats, counted from 0.  Where there
-- are several, `edit` is a list, and C was given a place in it.
callback.edit = once("baleen_logits_fn", function(place, logits, count)
  local edit = current.edit
  if type(edit) == "table" then
    edit = edit[tonumber(ffi.cast("uintptr_t", place))]
  end
  ask(edit, logits, tonumber(count))
end)

-- What the library lends, as a table to keep.  Calls are counted from 1.
function callback.to_piece(piece)
  local result = {
    channel = library.channel.by_value[piece.channel],
    text = ffi.string(piece.text, piece.text_size),
  }
  if piece.channel == library.C.BALEEN_CHANNEL_TOOL_CALL then
    result.call_index = piece.call_index + 1
    if piece.call_id ~= nil then result.call_id = ffi.string(piece.call_id) end
    if piece.tool ~= nil then result.tool = ffi.string(piece.tool) end
  end
  return result
end

-- call(handlers, f, ...) is f(...), in which the callbacks above reach
-- `handlers`: progress, on_piece, edit, and the session to stop on an error.
-- Only one that a callback may come back from must not be compiled.
function callback.call(handlers, c_function, ...)
  local outer = current
  current, handlers.failed = handlers, nil
  local status = c_function(...)
  current = outer
  if handlers.failed then error(handlers.failure, 0) end
  return status
end
jit.off(callback.call)

return callback
