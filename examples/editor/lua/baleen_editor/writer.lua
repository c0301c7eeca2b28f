-- Puts text at a place in a buffer that moves along with it and with what the
-- user changes elsewhere.
local writer = {}
local Writer = {}
Writer.__index = Writer

local api = vim.api
local namespace = api.nvim_create_namespace("baleen")

-- A writer at `row` and `column`, counted from 0, in bytes.
function writer.at(buffer, row, column)
  return setmetatable({
    buffer = buffer,
    mark = api.nvim_buf_set_extmark(buffer, namespace, row, column, {}),
  }, Writer)
end

function Writer:position()
  return unpack(api.nvim_buf_get_extmark_by_id(self.buffer, namespace,
    self.mark, {}))
end

-- Adds text behind what is there; `highlight` is the name of a group or nil.
function Writer:add(text, highlight)
  local row, column = self:position()
  api.nvim_buf_set_text(self.buffer, row, column, row, column,
    vim.split(text, "\n", { plain = true }))
  if highlight then
    local end_row, end_column = self:position()
    api.nvim_buf_set_extmark(self.buffer, namespace, row, column, {
      end_row = end_row,
      end_col = end_column,
      hl_group = highlight,
    })
  end
end

-- Forgets the place; the text stays.
function Writer:close()
  if api.nvim_buf_is_valid(self.buffer) then
    api.nvim_buf_del_extmark(self.buffer, namespace, self.mark)
  end
end

return writer
