-- Several sessions in one pass over the weights.
local ffi = require("ffi")
local callback = require("baleen.callback")
local library = require("baleen.library")
local session = require("baleen.session")
local C, check = library.C, library.check

local steps = {}

-- What a step may hold; the sampling is a table of options of its own.
local names = {
  session = true, input = true, sampling = true, limit = true, scored = true,
}

-- Fills one baleen_step; returns what it points to.
local function fill(struct, step, place, edits)
  for name in pairs(step) do
    if not names[name] then
      library.refuse("a step has no field %q", tostring(name))
    end
  end
  if type(step.session) ~= "table" then
    library.refuse("a step needs a session")
  end
  local limit = step.limit or 1
  local kept = { tokens = ffi.new("baleen_token[?]", math.max(limit, 1)) }
  kept.input, struct.input_count = library.to_tokens(step.input or {})
  kept.sampling, kept.options = session.fill_sampling(step.sampling)
  if step.sampling and step.sampling.edit then
    edits[place] = step.sampling.edit
    kept.sampling.edit_user_data =
      ffi.cast("void*", ffi.cast("uintptr_t", place))
  end
  if step.scored then
    kept.scores = ffi.new("baleen_token_score[?]", math.max(limit, 1))
    struct.scores = kept.scores
  end
  struct.session = library.alive(step.session, "session")
  struct.input, struct.tokens = kept.input, kept.tokens
  struct.sampling, struct.capacity = kept.sampling, limit
  return kept
end

local function read(struct, kept)
  local count = tonumber(struct.count)
  local result = {
    input_done = tonumber(struct.input_done),
    tokens = library.from_tokens(kept.tokens, count),
  }
  if kept.scores then
    result.scores = {}
    for i = 1, count do
      result.scores[i] = session.read_score(kept.scores[i - 1])
    end
  end
  if struct.status < 0 then result.failure = library.code(struct.status) end
  return result
end

-- Steps the sessions of a list of {session =, input =, sampling =, limit =,
-- scored =}, and returns as many tables with `input_done`, `tokens`, `scores`
-- and `failure`, the word of what went wrong with this session alone.  The
-- sessions' progress is not told meanwhile.
function steps.step_many(list)
  local structs = ffi.new("baleen_step[?]", math.max(#list, 1))
  local kept, edits = {}, {}
  for i, step in ipairs(list) do
    kept[i] = fill(structs[i - 1], step, i, edits)
  end
  local outer = {} -- A callback of one session's call may step others.
  for i, step in ipairs(list) do
    outer[i], step.session.inside = step.session.inside, true
  end
  local fine, status = pcall(callback.call,
    { edit = edits, progress = function() end }, C.baleen_session_step_many,
    structs, #list, library.failure)
  for i = #list, 1, -1 do list[i].session.inside = outer[i] end
  if not fine then error(status, 0) end
  check(status)
  local results = {}
  for i = 1, #list do results[i] = read(structs[i - 1], kept[i]) end
  library.keep(kept)
  return results
end

return steps
