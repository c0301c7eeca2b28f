-- The scenarios that every binding runs against the pocket model, in Lua.
--
--   BALEEN_LIBRARY=libbaleen.so luajit scenarios_test.lua MODEL_FOLDER
--
-- "Two sessions in two threads" is here two sessions interleaved by steps: a
-- Lua state has one thread.
local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/../?.lua;" .. here .. "/?.lua;" .. package.path
local baleen = require("baleen")
local check = require("check")

local pocket = assert(arg[1], "usage: scenarios_test.lua MODEL_FOLDER")
local context = baleen.context({ threads = 2 })
local model = context:load_model(pocket)

local warm = { temperature = 0.7, top_p = 0.9 }

local function prompt_of(text, options)
  return model:encode_chat({ { role = "user", content = text } },
    options or { thinking = "off" })
end

local function with(options, more)
  local all = {}
  for key, value in pairs(options) do all[key] = value end
  for key, value in pairs(more) do all[key] = value end
  return all
end

-- The text that a fresh session with this seed writes, and the session.
local function write(seed, prompt, options)
  local session = model:session({ seed = seed })
  local stream = session:stream(with(options, { prompt = prompt }))
  local parts = {}
  for piece in stream do parts[#parts + 1] = piece.text end
  return table.concat(parts), session, stream
end

local sea = prompt_of("Tell me about the sea and the whale.")

check.case("load with progress", function()
  local seen = {}
  local loaded = context:load_model(pocket, {
    progress = function(done, total) seen[#seen + 1] = done / total end,
  })
  check.is_true(#seen > 0, "progress was never told")
  check.equal(seen[#seen], 1, "the last progress")
  check.equal(loaded:info().architecture, "deepseek_v4")
  check.equal(loaded:info().vocabulary_size, 2048)
  check.equal(loaded:metadata("hidden_size"), "256")
  check.equal(loaded:metadata("no such key"), nil)
  loaded:release()
  check.fails("cancelled", "", context.load_model, context, pocket,
    { progress = function() return false end })
  local fine, failure = pcall(context.load_model, context, pocket,
    { progress = function() error("of the host's own") end })
  check.is_true(not fine and tostring(failure):find("of the host's own"),
    "an error inside a callback must come out: " .. tostring(failure))
end)

check.case("what there is", function()
  check.is_true(baleen.version():find("^%d+%.%d+%.%d+"))
  check.is_true(baleen.has_feature("backend.cpu"))
  check.is_true(not baleen.has_feature("no.such.feature"))
  local devices = context:devices()
  check.equal(devices[1].backend, "cpu")
  check.equal(devices[1].index, 0)
end)

check.case("tokens and text", function()
  local text = "Call me Ishmael. Größe, 鯨."
  check.equal(model:detokenize(model:tokenize(text)), text)
  check.equal(model:tokenize(""), {})
  check.equal(model:detokenize({}), "")
  local special = model:tokenize("<think>", { special = true })
  check.equal(special, { model:find_token("<think>") })
  check.is_true(#model:tokenize("<think>") > 1, "text is no special token")
  check.equal(model:find_token("<no such token>"), nil)
  check.is_true(not model:is_end(special[1]))
end)

check.case("chat streaming, and the next turn keeps the work", function()
  local messages = { { role = "user", content = "Who is the king?" } }
  local options = { thinking = "off" }
  -- So small a model does not end each turn within 150 tokens; one of 20 must.
  local session, stream, text
  for seed = 1, 20 do
    text, session, stream = write(seed, model:encode_chat(messages, options),
      with(warm, { max_tokens = 150 }))
    if stream.finish == "end" then break end
  end
  check.equal(stream.finish, "end")
  check.is_true(#text > 10, "the answer is too short: " .. text)
  local answer = stream:message()
  check.equal(answer.role, "assistant")
  check.equal(answer.content, text)
  messages[2] = answer
  messages[3] = { role = "user", content = "And who else?" }
  local next_prompt = model:encode_chat(messages, options)
  local held = session:tokens()
  check.equal({ unpack(next_prompt, 1, #held) }, held, "the prompt's beginning")
  local reused = session:set_tokens(next_prompt)
  -- All but the token that ended the turn, which nobody has computed.
  check.is_true(reused >= #held - 1, "only " .. reused .. " tokens were kept")
end)

check.case("generate, in one call", function()
  local session = model:session({ seed = 3 })
  session:append(sea)
  local heard = {}
  local finish = session:generate(with(warm, {
    max_tokens = 40,
    on_piece = function(piece) heard[#heard + 1] = piece.text end,
  }))
  local text, _, stream = write(3, sea, with(warm, { max_tokens = 40 }))
  check.equal(table.concat(heard), text, "generate and a stream")
  check.equal(finish, stream.finish)
  check.equal(session:generate({
    on_piece = function() return false end,
  }), "callback")
  local fine, failure = pcall(session.generate, session, {
    on_piece = function() error("of the host's own") end,
  })
  check.is_true(not fine and tostring(failure):find("of the host's own"))
end)

check.case("stop texts, in generate and in a stream", function()
  local whole = write(5, sea, with(warm, { max_tokens = 60 }))
  local stop = whole:sub(31, 38)
  local expected = whole:sub(1, whole:find(stop, 1, true) - 1)
  local stops = { "never in the text", stop, stop .. " and more" }
  local text, _, stream =
    write(5, sea, with(warm, { max_tokens = 60, stops = stops }))
  check.equal(text, expected)
  check.equal(stream.finish, "stop")
  local session = model:session({ seed = 5 })
  session:append(sea)
  local heard = {}
  local finish = session:generate(with(warm, {
    max_tokens = 60,
    stops = stops,
    on_piece = function(piece) heard[#heard + 1] = piece.text end,
  }))
  check.equal(finish, "stop")
  check.equal(table.concat(heard), expected)
end)

check.case("a session that is full", function()
  local session = model:session({ capacity = #sea + 3 })
  local stream = session:stream({ prompt = sea })
  for _ in stream do end
  check.equal(stream.finish, "full")
  check.equal(#session:tokens(), #sea + 3)
end)

check.case("thinking comes on its own channel", function()
  local prompt = prompt_of("Tell me about the sea.", { thinking = "on" })
  local session = model:session({ seed = 2 })
  local stream = session:stream(with(warm, { prompt = prompt, max_tokens = 5 }))
  for piece in stream do check.equal(piece.channel, "thinking") end
  check.is_true(#stream:message().reasoning > 0)
end)

local tools = [==[[{"type": "function", "function": {"name": "get_weather",
  "description": "The weather of a city", "parameters": {"type": "object",
  "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]]==]
local calls = [==[[{"id": "call_1", "type": "function", "function": {
  "name": "get_weather", "arguments": "{\"city\": \"Nantucket\"}"}}]]==]

-- A function that makes a session choose exactly these tokens.
local function dictate(tokens)
  local at = 0
  return function(logits, count)
    at = at + 1
    for token = 0, count - 1 do logits[token] = -1e9 end
    logits[tokens[at]] = 0
  end
end

-- The pocket model was never taught to call tools, so its choices are dictated;
-- all else is what a program does with one that was.
check.case("tool call round trip", function()
  local options = { tools = tools, thinking = "off" }
  local messages = { { role = "user", content = "How is the weather?" } }
  local prompt = model:encode_chat(messages, options)
  check.is_true(#prompt > #model:encode_chat(messages, { thinking = "off" }),
    "the tools are not in the prompt")
  messages[2] = { role = "assistant", content = "", tool_calls = calls }
  local spoken = model:encode_chat(messages, options)
  local turn = { unpack(spoken, #prompt + 1) }

  local session = model:session()
  local stream = session:stream({
    prompt = prompt, tools = tools, edit = dictate(turn),
  })
  local arguments, named = "", nil
  for piece in stream do
    if piece.channel == "tool_call" then
      check.equal(piece.call_index, 1)
      named = named or piece.tool
      arguments = arguments .. piece.text
    end
  end
  check.equal(stream.finish, "tool_call")
  check.equal(named, "get_weather")
  check.equal(arguments:gsub("%s", ""), '{"city":"Nantucket"}')

  local answer = stream:message()
  check.is_true(answer.tool_calls:find("get_weather", 1, true))
  local id = answer.tool_calls:match('"id"%s*:%s*"([^"]*)"')
  check.is_true(id ~= nil and #id > 0, "the call has no id")
  messages[2] = answer
  messages[3] = { role = "tool", tool_call_id = id, content = "Fog" }
  local next_prompt = model:encode_chat(messages, options)
  check.is_true(#next_prompt > #spoken)
  local held = session:tokens()
  check.equal({ unpack(next_prompt, 1, #held) }, held)
  session:set_tokens(next_prompt)

  -- The same through generate and a reply of one's own.
  local again = model:session()
  again:append(prompt)
  local reply = model:reply({ tools = tools, thinking = "off" })
  check.equal(again:generate({ reply = reply, edit = dictate(turn) }),
    "tool_call")
  local function without_id(text)
    return (text:gsub('"id"%s*:%s*"[^"]*"', ""))
  end
  check.equal(without_id(reply:message().tool_calls),
    without_id(answer.tool_calls))
end)

check.case("a reply to text from elsewhere", function()
  local reply = model:reply({ thinking = "on" })
  reply:add_text("It is a whale.</think>A wh")
  reply:add_text("ale.")
  reply:finish()
  local heard = { thinking = "", answer = "" }
  for piece in reply:pieces() do
    heard[piece.channel] = heard[piece.channel] .. piece.text
  end
  check.equal(heard, { thinking = "It is a whale.", answer = "A whale." })
  check.equal(reply:message().reasoning, "It is a whale.")
end)

local function long_prompt(count)
  local words = {}
  for i = 1, count do words[i] = "whale " end
  local tokens = model:tokenize(table.concat(words))
  check.is_true(#tokens >= count)
  return tokens
end

check.case("cancel", function()
  local tokens = long_prompt(400)
  local session
  session = model:session({
    prefill_chunk = 64,
    progress = function(done) if done >= 128 then session:cancel() end end,
  })
  check.fails("cancelled", "", session.append, session, tokens)
  local held = #session:tokens()
  check.is_true(held >= 64 and held < #tokens, held .. " tokens were read")
  check.equal(session:tokens(), { unpack(tokens, 1, held) })

  -- Inside the callback the session may not be given back.
  local refused
  local other
  other = model:session({
    progress = function()
      refused = select(2, pcall(other.release, other))
      return false
    end,
  })
  check.fails("cancelled", "", other.append, other, tokens)
  check.equal(refused.code, "invalid_argument")

  -- Between two steps of a stream.
  local stream = model:session():stream({ prompt = sea })
  while stream.written < 4 do stream:step() end
  stream:cancel()
  check.equal(stream.finish, "cancelled")
  check.equal(stream:step(), {})
  check.equal(stream:message().role, "assistant")
end)

check.case("error text", function()
  check.fails("not_found", "/no/such/model", context.load_model, context,
    "/no/such/model")
  check.fails("invalid_argument", "temprature", model.session, model,
    { temprature = 1 })
  check.fails("invalid_argument", "must be one of: fast reference",
    model.session, model, { mode = "quick" })
  check.fails("invalid_argument", "zero byte", model.metadata, model, "a\0b")
  check.fails("invalid_argument", "", model.encode_chat, model,
    { { role = "wizard", content = "Hello" } })
  check.fails("not_found", "", model:session().logits, model:session())
  check.fails("unsupported", "", context.load_backend, context,
    os.getenv("BALEEN_LIBRARY"))
  local _, failure = pcall(context.load_model, context, "/no/such/model")
  check.is_true(baleen.is_error(failure))
  check.equal(failure.status, tonumber(baleen.C.BALEEN_NOT_FOUND))
  check.equal(tostring(failure),
    "baleen: " .. failure.message .. " (not_found)")
  local shut = model:session()
  shut:release()
  shut:release()
  check.fails("invalid_argument", "released", shut.tokens, shut)
end)

check.case("fork", function()
  local text, session = write(7, sea, with(warm, { max_tokens = 20 }))
  local branch = session:fork()
  check.equal(branch:tokens(), session:tokens())
  local function go_on(from)
    local parts = {}
    for piece in from:stream(with(warm, { max_tokens = 20 })) do
      parts[#parts + 1] = piece.text
    end
    return table.concat(parts)
  end
  local rest = go_on(session)
  session:release()
  check.equal(go_on(branch), rest, "the fork")
  check.equal(text .. rest, (write(7, sea, with(warm, { max_tokens = 40 }))))
end)

check.case("save and load", function()
  local _, session = write(9, sea, with(warm, { max_tokens = 10 }))
  local bytes = session:save()
  local path = os.tmpname()
  session:save_file(path)
  local expected = session:step(warm)
  local from_bytes, from_file = model:session(), model:session()
  from_bytes:load(bytes)
  from_file:load_file(path)
  os.remove(path)
  check.equal(from_bytes:step(warm), expected)
  check.equal(from_file:step(warm), expected)
  local bad = bytes:sub(1, 200) .. string.char((bytes:byte(201) + 1) % 256)
    .. bytes:sub(202)
  check.fails("corrupt", "", from_bytes.load, from_bytes, bad)
  check.equal(from_bytes:tokens(), session:tokens())
  check.fails("not_found", path, from_file.load_file, from_file, path)
end)

check.case("what the next token may be", function()
  local session = model:session({ seed = 4 })
  session:append(sea)
  local logits, count = session:logits()
  check.equal(count, model:info().vocabulary_size)
  local best = session:top_tokens(5)
  check.equal(#best, 5)
  check.is_true(best[1].logit >= best[2].logit)
  check.equal(logits[best[1].token], best[1].logit)
  local greedy = session:sample({ greedy = true })
  check.equal(greedy, best[1].token)
  check.equal(session:sample({ biases = { [best[3].token] = 1000 } }),
    best[3].token)
  check.equal(session:step({ greedy = true }, 1), { greedy })
  session:truncate(#sea)
  local scores = session:append_scored({ greedy })
  check.equal(scores[1].token, greedy)
  check.is_true(math.abs(scores[1].logit - best[1].logit) < 1e-6)
end)

check.case("release in odd order", function()
  local own = baleen.context({ threads = 1 })
  local loaded = own:load_model(pocket)
  own:release()
  local session = loaded:session({ seed = 3 })
  local reply = loaded:reply()
  loaded:release()
  collectgarbage()
  local stream = session:stream(with(warm, { prompt = sea, max_tokens = 10 }))
  local parts = {}
  for piece in stream do parts[#parts + 1] = piece.text end
  check.equal(table.concat(parts),
    (write(3, sea, with(warm, { max_tokens = 10 }))))
  session:release()
  reply:add_text("Still here.")
  check.equal(reply:next().text, "Still here.")
  reply:release()
end)

check.case("nothing is released but garbage", function()
  for _ = 1, 20 do
    local session = model:session()
    session:append(sea)
    session:stream({ max_tokens = 2 }):step()
  end
  collectgarbage()
  check.equal(#model:session():tokens(), 0)
end)

check.case("two sessions, interleaved by steps", function()
  local options = with(warm, { max_tokens = 30 })
  local king = prompt_of("Who is the king of Israel?")
  local alone = { (write(11, sea, options)), (write(12, king, options)) }
  local streams = {
    model:session({ seed = 11 }):stream(with(options, { prompt = sea })),
    model:session({ seed = 12 }):stream(with(options, {
      prompt = king, slice = 3,
    })),
  }
  local together = { "", "" }
  while not (streams[1].finish and streams[2].finish) do
    for i, stream in ipairs(streams) do
      for _, piece in ipairs(stream:step()) do
        together[i] = together[i] .. piece.text
      end
    end
  end
  check.equal(together, alone)
end)

check.case("several sessions in one pass", function()
  local greedy = { greedy = true }
  local king = prompt_of("Who is the king of Israel?")
  local function alone(prompt)
    local session = model:session({ private = true })
    session:append(prompt)
    local tokens = {}
    while #tokens < 8 do tokens[#tokens + 1] = session:step(greedy, 1)[1] end
    return tokens
  end
  local steps = {
    { session = model:session({ private = true }), input = sea,
      sampling = greedy, scored = true },
    { session = model:session({ private = true }), input = king,
      sampling = greedy },
  }
  local together = { {}, {} }
  while #together[1] < 8 or #together[2] < 8 do
    for i, result in ipairs(baleen.step_many(steps)) do
      check.equal(result.failure, nil)
      check.equal(#(result.scores or {}), i == 1 and #result.tokens or 0)
      for _, token in ipairs(result.tokens) do
        table.insert(together[i], token)
      end
      local rest = steps[i].input
      steps[i].input = { unpack(rest, result.input_done + 1) }
    end
  end
  for i, prompt in ipairs({ sea, king }) do
    check.equal({ unpack(together[i], 1, 8) }, alone(prompt))
  end
  check.equal(baleen.step_many({}), {})
end)

check.case("each of several has its own fate", function()
  local full = model:session({ capacity = 2 })
  full:append({ 0, 300 })
  local fine = model:session({ progress = function() end })
  local results = baleen.step_many({
    { session = full }, { session = fine, input = sea, limit = 0 },
  })
  check.equal(results[1].failure, "session_full")
  check.equal(results[2].failure, nil)
  check.equal(results[2].input_done, #sea)
  check.equal(results[2].tokens, {})

  -- Each sampling has its own editor; an error in one comes out.
  local function only(token)
    return { greedy = true, edit = function(logits, count)
      for i = 0, count - 1 do logits[i] = i == token and 1 or -1e9 end
    end }
  end
  local other = fine:fork()
  results = baleen.step_many({
    { session = fine, sampling = only(500) },
    { session = other, sampling = only(501) },
  })
  check.equal(results[1].tokens, { 500 })
  check.equal(results[2].tokens, { 501 })
  local fails = { edit = function() error("no grammar") end }
  local failed, failure = pcall(baleen.step_many,
    { { session = fine, sampling = fails } })
  check.is_true(not failed and tostring(failure):find("no grammar"))
  check.fails("invalid_argument", "inside", baleen.step_many, { {
    session = fine,
    sampling = { edit = function() fine:release() end },
  } })
  -- The same one twice, and one that is inside a call already.
  results = baleen.step_many({ { session = fine }, { session = fine } })
  check.equal(results[1].failure, nil)
  check.equal(results[2].failure, "busy")
  local inner, inside
  other:step({ edit = function()
    inner = baleen.step_many({ { session = other }, { session = fine } })
    inside = other.inside
  end })
  check.equal(inner[1].failure, "busy")
  check.equal(inner[2].failure, nil)
  check.equal(inside, true)
  check.equal(fine.inside, nil)
  check.fails("invalid_argument", "no field", baleen.step_many,
    { { session = fine, tokens = {} } })
  check.fails("invalid_argument", "session", baleen.step_many, { {} })
  check.is_true(#fine:step() > 0)
end)

check.case("counters", function()
  local session = model:session({ private = true })
  session:append(sea)
  session:append({ 300 })
  local total, last = session:counters()
  check.equal(total.positions, #sea + 1)
  check.equal(last.positions, 1)
  check.is_true(total.operations.experts > last.operations.experts)
  check.is_true(last.weight_bytes.head > 0)
end)

check.case("prefixes are shared", function()
  local first = model:session()
  local long = {}
  for i = 1, 300 do long[i] = 300 + i end
  first:append(long)
  local second = model:session()
  local reused = second:set_tokens(long)
  check.is_true(reused > 128)
  check.equal(second:stats().reused_tokens, reused)
  check.equal(model:session({ private = true }):set_tokens(long), 0)
end)

check.case("memory plan", function()
  local plan = context:plan(pocket, nil, { capacity = 4096 })
  check.is_true(plan.weights_mapped > 11e6, "the weights are not counted")
  check.is_true(plan.session_host > 0)
  check.is_true(plan.weights_by_part.experts > 0)
  check.equal(model:plan({ capacity = 4096 }).session_host, plan.session_host)
  check.is_true(model:plan({ capacity = 8192 }).session_host >
    plan.session_host, "a longer session takes no more")
end)

check.case("same seed, same text", function()
  local options = with(warm, { max_tokens = 30 })
  local first, session = write(21, sea, options)
  check.equal((write(21, sea, options)), first)
  check.is_true((write(22, sea, options)) ~= first, "another seed, same text")
  check.equal(session:stats().seed, 21ULL)
  check.equal(session:stats().generated_tokens, 30)
  local fresh = model:session()
  fresh:append(sea)
  local tokens = fresh:step(warm)
  local again = model:session({ seed = fresh:stats().seed })
  again:append(sea)
  check.equal(again:step(warm), tokens, "the seed of 64 bits")
end)

check.report()
