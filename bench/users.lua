-- For wrk: creates users with new names and reads random ones out of 100,000. Arguments: how many of a hundred requests create, and the
-- prefix of new names. Prints a line of figures at the end, with the number of creates sent.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  math.randomseed(os.time())
  share, prefix, creates = tonumber(args[1]), args[2], 0
end

function request()
  if math.random(100) > share then
    return "GET /user/" .. math.random(100000, 199999) .. " HTTP/1.1\r\nHost: bench\r\n\r\n"
  end
  creates = creates + 1
  local name = prefix .. creates
  local body = '{"fullname":"User Number ' .. name .. '","password":"password of ' .. name .. '"}'
  return "PUT /user/" .. name .. " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency)
  local errors, sent = summary.errors, 0
  for _, thread in ipairs(threads) do
    sent = sent + thread:get("creates")
  end
  io.write(string.format("figures %d %d %d %d %d %d\n", summary.requests - errors.status, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.timeout + errors.status, sent))
end
