-- The model of this editor, loaded when it is first needed.
local engine = {}

local model

-- Beside this plug-in in the project's tree; elsewhere on package.path.
local function require_binding()
  local fine, binding = pcall(require, "baleen")
  if fine then return binding end
  local here = debug.getinfo(1, "S").source:match("^@(.*)/lua/baleen_editor/")
  local folder = here and here .. "/../../bindings/lua"
  if not folder or vim.fn.filereadable(folder .. "/baleen.lua") == 0 then
    error(binding, 0)
  end
  package.path = folder .. "/?.lua;" .. package.path
  return require("baleen")
end

local function show_progress(done, total)
  local percent = total > 0 and math.floor(100 * done / total) or 100
  vim.api.nvim_echo({ { "baleen: loading " .. percent .. " %" } }, false, {})
  vim.cmd("redraw")
end

-- Loads it, or raises why not.
function engine.model(options)
  if model then return model end
  if options.library then vim.env.BALEEN_LIBRARY = options.library end
  local path = options.model or vim.env.BALEEN_MODEL
  if not path then
    error("baleen: no model; name its folder in setup or in $BALEEN_MODEL", 0)
  end
  local context = require_binding().context({ threads = options.threads })
  model = context:load_model(vim.fn.expand(path), { progress = show_progress })
  vim.api.nvim_echo({ { "" } }, false, {})
  return model
end

-- The tokens of plain text from its beginning on.
function engine.tokenize(text)
  local tokens = model:tokenize(text)
  local begin = tonumber(model:metadata("bos_token_id") or "")
  if begin then table.insert(tokens, 1, begin) end
  return tokens
end

return engine
