-- What the tests of the Lua binding share: cases that are run one after the
-- other, and comparisons that say both values.
local check = { failures = 0, count = 0 }

local function show(value)
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

function check.equal(found, expected, what)
  if same(found, expected) then return end
  if type(found) == "table" and type(expected) == "table" then
    found, expected = table.concat(found, " "), table.concat(expected, " ")
  end
  error(("%s: found %s, expected %s"):format(what or "values differ",
    show(found), show(expected)), 2)
end

function check.is_true(value, what)
  if not value then error(what or "expected it to be true", 2) end
end

-- f(...) must fail with this code, and its message must hold `text`.
function check.fails(code, text, f, ...)
  local fine, failure = pcall(f, ...)
  if fine then error("expected the error " .. code, 2) end
  if type(failure) ~= "table" then error(failure, 2) end
  check.equal(failure.code, code, "code of: " .. tostring(failure))
  if not failure.message:find(text, 1, true) then
    error(("%q does not mention %q"):format(failure.message, text), 2)
  end
end

-- Runs a case, and goes on with the next whatever becomes of it.
function check.case(name, body)
  local fine, failure = xpcall(body, function(message)
    return debug.traceback(tostring(message), 2)
  end)
  check.count = check.count + 1
  if fine then
    print("ok " .. name)
  else
    check.failures = check.failures + 1
    print("FAILED " .. name .. "\n" .. failure)
  end
end

-- Says how it went; true if all is well.
function check.finish()
  print(("%d of %d cases failed"):format(check.failures, check.count))
  return check.failures == 0 and check.count > 0
end

-- Ends the script as ctest wants it.  Objects are given back first, so that
-- leaks are real.
function check.report()
  local fine = check.finish()
  collectgarbage()
  collectgarbage()
  os.exit(fine and 0 or 1, true)
end

return check
