-- For wrk: sends GET /user/{name} with random names out of 100,000, and prints a line of figures at the end.
function init()
  math.randomseed(os.time())
end

function request()
  return "GET /user/" .. math.random(100000, 199999) .. " HTTP/1.1\r\nHost: bench\r\n\r\n"
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("figures %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.timeout + errors.status))
end
