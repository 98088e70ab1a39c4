-- wrk script: reads the newest 50 messages of the channels of $BENCH_CHANNELS (comma-separated), in turn.
local channels = {}
for id in string.gmatch(os.getenv("BENCH_CHANNELS"), "[^,]+") do channels[#channels + 1] = id end
local headers = { ["Authorization"] = os.getenv("BENCH_AUTHORIZATION") }
local position = 0
function request()
  position = position % #channels + 1
  return wrk.format("GET", "/api/v10/channels/" .. channels[position] .. "/messages?limit=50", headers)
end
