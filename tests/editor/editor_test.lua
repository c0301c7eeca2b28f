-- The plug-in in a headless Neovim, driven by another: what is in the buffers,
-- and how soon a key is taken in while the model writes.
--
-- Neovim 0.7 passes a script no arguments, so they come as variables:
-- BALEEN_SOURCE, BALEEN_POCKET and BALEEN_LIBRARY.
local source, pocket = vim.env.BALEEN_SOURCE, vim.env.BALEEN_POCKET
package.path = source .. "/tests/editor/?.lua;"
  .. source .. "/bindings/lua/test/?.lua;"
  .. source .. "/bindings/lua/?.lua;" .. package.path
local check = require("check")
local child = require("child")
local snippets = require("snippets")

-- Greedy, so that the text is known.
local function settings(more, is_endless)
  return {
    plugin = source .. "/examples/editor",
    is_endless = is_endless,
    setup = vim.tbl_deep_extend("force", {
      model = pocket,
      threads = 1,
      session = { seed = 1 },
      complete = { generation = { greedy = true, max_tokens = 40 } },
      chat = { generation = { greedy = true, max_tokens = 40 } },
    }, more or {}),
  }
end

local function with_editor(more, body, is_endless)
  local editor = child.start(settings(more, is_endless))
  local fine, failure = pcall(body, editor)
  editor:stop()
  if not fine then error(failure, 0) end
end

-- An editor whose model never ends by itself.
local function with_endless(body)
  with_editor(nil, body, true)
end

-- What the binding writes of the same.
local model = require("baleen").context({ threads = 1 }):load_model(pocket)
local function expected(tokens, limit)
  local parts = {}
  for piece in model:session({ seed = 1 }):stream({
    prompt = tokens, greedy = true, max_tokens = limit,
  }) do parts[#parts + 1] = piece.text end
  return table.concat(parts)
end
local function plain(text)
  local tokens = model:tokenize(text)
  table.insert(tokens, 1, tonumber(model:metadata("bos_token_id")))
  return tokens
end

local function idle(editor)
  editor:wait("the model to end", function() return editor:status() == "" end)
end

check.case("complete at the cursor, between what is there", function()
  with_editor(nil, function(editor)
    local before = "It is a truth universally"
    editor:type("i" .. before .. " END<Esc>")
    editor:type("3hi<C-b>")
    idle(editor)
    local written = expected(plain(before), 40)
    check.is_true(#written > 40)
    editor:wait("all of the text", function()
      return editor:text() == before .. written .. " END"
    end)
    local column = editor:request("nvim_win_get_cursor", 0)[2]
    check.equal(column, #before + #written, "the cursor is behind the text")
    editor:type("<Esc>u")
    editor:wait("the undo", function()
      return editor:text() == before .. " END"
    end)
  end)
end)

-- One round may be spoiled by what else the machine does; a loop that stalls
-- spoils all of them.
local function check_latency(editor, keys)
  local worst
  for _ = 1, 3 do
    local found = editor:latencies(keys, 15)
    table.sort(found)
    worst = found[#found]
    print(("   a key: %.1f ms, the slowest of %d: %.1f ms"):format(
      found[math.ceil(#found / 2)], #found, worst))
    if worst <= 50 then return end
  end
  error("a key took " .. worst .. " ms", 0)
end

check.case("typing goes on while the chat writes", function()
  with_endless(function(editor)
    editor:lua("_G.file = vim.api.nvim_get_current_win()")
    editor:request("nvim_command", "BaleenChat Tell me about the sea.")
    editor:lua("_G.chat = vim.api.nvim_get_current_buf()")
    editor:type("<Esc>")
    editor:lua("vim.api.nvim_set_current_win(_G.file)")
    editor:type("i")
    local function written()
      return editor:lua([[return #table.concat(
        vim.api.nvim_buf_get_lines(_G.chat, 0, -1, false), "\n")]])
    end
    local before = written()
    check_latency(editor, "The quick brown fox jumps over it.")
    check.is_true(editor:text():find("^The quick brown fox jumps over it%."),
      "typed: " .. editor:text())
    check.is_true(editor:status() ~= "", "the chat has ended by itself")
    check.is_true(written() > before + 50, "the chat did not go on")
    -- In the prompt of the chat itself, too.
    editor:lua("vim.api.nvim_set_current_win(vim.fn.bufwinid(_G.chat))")
    editor:type("<C-\\><C-n>GA")
    check_latency(editor, "and the whale")
    check.is_true(editor:text():find("> and the whale", 1, true),
      "typed: " .. editor:text())
    editor:type("<C-c>")
    idle(editor)
    check.is_true(editor:text():find("[cancelled]", 1, true))
  end)
end)

check.case("typing goes on while a long text is read", function()
  with_endless(function(editor)
    editor:lua("_G.file = vim.api.nvim_get_current_win()")
    local question = ("Whales and the sea. "):rep(400)
    editor:lua([[require("baleen_editor").chat(...)]], question)
    editor:type("<Esc>")
    editor:lua("vim.api.nvim_set_current_win(_G.file)")
    editor:type("i")
    check.is_true(editor:status():find("read %d+ of %d+"), editor:status())
    check_latency(editor, "While it reads")
  end)
end)

check.case("a key cancels a completion, and is typed", function()
  with_endless(function(editor)
    editor:type("iCall me<C-b>")
    editor:wait("some text", function() return #editor:text() > 60 end)
    check.is_true(editor:latencies("#", 0)[1] <= 1000)
    check.equal(editor:status(), "")
    local text = editor:text()
    check.is_true(text:find("^Call me.+#$"), "the text is: " .. text)
    vim.loop.sleep(60)
    check.equal(editor:text(), text, "it goes on writing")
    editor:type("<BS><C-b>")
    editor:wait("more text", function() return #editor:text() > #text + 20 end)
    editor:request("nvim_command", "BaleenStop")
    check.equal(editor:status(), "")
  end)
end)

local function chat_prompt(messages)
  return model:encode_chat(messages, { thinking = "off" })
end

check.case("a chat of two questions, the second asked too early", function()
  with_editor(nil, function(editor)
    editor:request("nvim_command", "BaleenChat")
    editor:type("Who is the king?<CR>And who else?<CR>")
    local messages = { { role = "user", content = "Who is the king?" } }
    local answers = {}
    local session = model:session({ seed = 1 })
    for turn = 1, 2 do
      local stream = session:stream({
        prompt = chat_prompt(messages), greedy = true, max_tokens = 40,
      })
      local parts = {}
      for piece in stream do parts[#parts + 1] = piece.text end
      answers[turn] = table.concat(parts)
      if stream.finish ~= "end" then
        answers[turn] = answers[turn] .. " [" .. stream.finish .. "]"
      end
      messages[#messages + 1] = stream:message()
      messages[#messages + 1] = { role = "user", content = "And who else?" }
    end
    local all = vim.trim(table.concat({
      "> Who is the king?", answers[1], "", "> And who else?", answers[2], "",
      "> ",
    }, "\n"))
    editor:wait("this chat: " .. all, function()
      return vim.trim(editor:text()) == all
    end)
  end)
end)

check.case("closing the chat while it writes", function()
  with_endless(function(editor)
    editor:request("nvim_command", "BaleenChat Tell me about the sea.")
    editor:wait("some text", function() return #editor:text() > 60 end)
    editor:type("<C-\\><C-n>")
    editor:request("nvim_command", "bwipeout!")
    check.equal(editor:status(), "")
    editor:request("nvim_command", "BaleenChat Once more.")
    editor:wait("some text", function() return #editor:text() > 60 end)
  end)
end)

check.case("what goes wrong is said", function()
  with_editor({ model = "/no/such/model" }, function(editor)
    -- To a program that drives the editor, a message of an error is one.
    local fine, failure =
      pcall(editor.request, editor, "nvim_command", "BaleenComplete")
    check.is_true(not fine and failure:find("/no/such/model", 1, true),
      tostring(failure))
    check.equal(editor:text(), "")
  end)
end)

check.case("docs/embedding.md", function()
  local text = snippets.read(source .. "/docs/embedding.md", "Neovim", pocket)
  text = text:gsub('"[^"]*/examples/editor"', function()
    return ("%q"):format(source .. "/examples/editor")
  end)
  with_editor(nil, function(editor)
    editor:lua(text)
    editor:type("iCall me<C-x><C-b>")
    editor:wait("some text", function() return #editor:text() > 30 end)
  end)
end)

vim.cmd(check.finish() and "qall!" or "cquit")
