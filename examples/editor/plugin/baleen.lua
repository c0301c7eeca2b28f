-- The commands and mappings of the plug-in; what they do is loaded when one is
-- first used.
if vim.g.loaded_baleen then return end
vim.g.loaded_baleen = true

local function command(name, method, options)
  vim.api.nvim_create_user_command(name, function(call)
    require("baleen_editor")[method](call.args)
  end, options)
end

command("BaleenComplete", "complete", { desc = "Go on at the cursor" })
command("BaleenChat", "chat", {
  nargs = "?",
  desc = "Open the chat, and ask what is given",
})
command("BaleenStop", "stop", { desc = "Stop all that is written" })

local mapping = '<Cmd>lua require("baleen_editor").complete()<CR>'
vim.keymap.set({ "n", "i" }, "<Plug>(baleen-complete)", mapping)
