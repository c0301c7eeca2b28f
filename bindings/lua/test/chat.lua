-- A chat of two turns that gives back nothing by itself: what the garbage
-- collector does at the end must be enough.
local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/../?.lua;" .. package.path
local baleen = require("baleen")

local model = baleen.context({ threads = 2 }):load_model(assert(arg[1]), {
  progress = function() end,
})
local session = model:session({ seed = 1, progress = function() end })
local messages = {}
for _, question in ipairs({ "Who is the king?", "And who else?" }) do
  messages[#messages + 1] = { role = "user", content = question }
  local stream = session:stream({
    prompt = model:encode_chat(messages, { thinking = "off" }),
    temperature = 0.7,
    top_p = 0.9,
    max_tokens = 20,
  })
  io.write("> ", question, "\n")
  for piece in stream do io.write(piece.text) end
  io.write("\n")
  messages[#messages + 1] = stream:message()
end
session:fork():generate({ max_tokens = 3, on_piece = function() end })
model:session():load(session:save())
baleen.step_many({ { session = session }, { session = model:session(),
  input = { 0, 300 }, sampling = { edit = function() end } } })
pcall(model.session, model, { capacity = 2 ^ 60 })

-- Without threads: the library is unloaded under them when Lua ends.  Several,
-- since the last may still be seen on the stack that C has left.
if arg[2] == "forget" then
  local ffi = require("ffi")
  local options = ffi.new("baleen_context_options")
  options.struct_size = ffi.sizeof(options)
  options.thread_count = 1
  local out = ffi.new("baleen_context*[1]")
  for _ = 1, 8 do
    assert(baleen.C.baleen_context_create(options, out, nil) == 0)
  end
end
