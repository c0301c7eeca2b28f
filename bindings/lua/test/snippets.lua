-- Takes the Lua out of a page of Markdown, to run what a reader would type.
local snippets = {}

-- All ```lua blocks of `path` as one chunk, from `heading` to the next of its
-- kind, or of the whole page.  Paths of models become `model`.
function snippets.read(path, heading, model)
  local file = assert(io.open(path, "rb"))
  local kept, inside, within = {}, false, heading == nil
  for line in file:lines() do
    if inside then
      if line:find("^```") then inside = false else kept[#kept + 1] = line end
    elseif heading and line:find("^## ") then
      within = line == "## " .. heading
    elseif within and line == "```lua" then
      inside = true
    end
  end
  file:close()
  assert(#kept > 0, path .. " has no Lua " .. (heading or ""))
  local text = table.concat(kept, "\n")
  local quoted = ("%q"):format(model)
  return (text:gsub('"/models/[^"]*"', function() return quoted end))
end

return snippets
