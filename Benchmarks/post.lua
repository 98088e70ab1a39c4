-- wrk script: POSTs messages to the channels of $BENCH_CHANNELS (comma-separated), in turn.
local channels = {}
for id in string.gmatch(os.getenv("BENCH_CHANNELS"), "[^,]+") do channels[#channels + 1] = id end
local headers = {
  ["Authorization"] = os.getenv("BENCH_AUTHORIZATION"),
  ["Content-Type"] = "application/json",
}
local words = "what a night in the channel, tell the others to join the game before it is too late again. "
local body = '{"content":"' .. string.sub(string.rep(words, 4), 1, 200) .. '"}'
local position = 0
function request()
  position = position % #channels + 1
  return wrk.format("POST", "/api/v10/channels/" .. channels[position] .. "/messages", headers, body)
end
