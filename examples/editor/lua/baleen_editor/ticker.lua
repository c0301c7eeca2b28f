-- Gives the idle moments of the editor's loop to what is being written.
--
-- A tick lasts a few milliseconds and then leaves the loop to keys and the
-- screen, which it takes in before the next timer.  Of a prompt, slices are
-- read that take about as long, however fast the model is: they grow and
-- shrink.  One step of a stream cannot be cut, so a key waits at most for a
-- tick and a step: about 15 ms with the pocket model.
local ticker = {}

local tick_milliseconds = 8
local rest_milliseconds = 2
local largest_slice = 512

local loop = vim.loop
local timer
local jobs = {} -- In the order of their turns.

local function elapsed(since)
  return (loop.hrtime() - since) / 1e6
end

local function remove(job)
  for i, other in ipairs(jobs) do
    if other == job then table.remove(jobs, i) end
  end
end

-- Ends a job: on_end(reason) or on_end("error", failure).
local function finish(job, reason, failure)
  remove(job)
  job.done = true
  job.on_end(reason, failure)
end

local function fit_slice(stream, milliseconds)
  if milliseconds > tick_milliseconds then
    stream.slice = math.max(math.floor(stream.slice / 2), 1)
  elseif milliseconds < tick_milliseconds / 4 then
    stream.slice = math.min(stream.slice * 2, largest_slice)
  end
end

-- One step of a job.
local function advance(job)
  local stream = job.stream
  local reading = stream.read < stream.prompt_size
  local begin = loop.hrtime()
  local fine, pieces = pcall(stream.step, stream)
  if reading then fit_slice(stream, elapsed(begin)) end
  if fine then fine, pieces = pcall(job.on_pieces, pieces) end
  if job.done then return end -- By what on_pieces did.
  if not fine then return finish(job, "error", pieces) end
  if stream.finish then finish(job, stream.finish) end
end

local tick

local function rest()
  timer = timer or loop.new_timer()
  timer:start(rest_milliseconds, 0, vim.schedule_wrap(tick))
end

tick = function()
  local begin = loop.hrtime()
  while #jobs > 0 and elapsed(begin) < tick_milliseconds do
    local job = table.remove(jobs, 1)
    jobs[#jobs + 1] = job
    advance(job)
  end
  if #jobs > 0 then rest() end
end

-- Advances a stream until it is over.  on_pieces(pieces) may change buffers;
-- on_end(reason, failure) is called once.
function ticker.start(stream, on_pieces, on_end)
  local job = {
    stream = stream,
    on_pieces = on_pieces,
    on_end = on_end,
    begin = loop.hrtime(),
  }
  stream.slice = 8 -- Until it is known how fast the model is.
  jobs[#jobs + 1] = job
  if #jobs == 1 then rest() end
  return job
end

-- Ends a job between two steps; what was held back is not written.
function ticker.cancel(job)
  if job.done then return end
  job.stream:cancel()
  finish(job, "cancelled")
end

function ticker.stop()
  while #jobs > 0 do ticker.cancel(jobs[1]) end
  if timer then timer:stop() end
end

function ticker.status()
  local job = jobs[1]
  if not job then return "" end
  local stream = job.stream
  if stream.read < stream.prompt_size then
    return ("baleen: read %d of %d"):format(stream.read, stream.prompt_size)
  end
  return ("baleen: %d tokens, %.0f/s"):format(stream.written,
    1000 * stream.written / elapsed(job.begin))
end

return ticker
