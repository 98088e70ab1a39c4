-- wrk script: POSTs messages of $BENCH_LENGTH letters and digits, as chance has it, to the channels of $BENCH_CHANNELS
-- (comma-separated), in turn. Such text does not compress to nothing, as a repeated one would.
local channels = {}
for id in string.gmatch(os.getenv("BENCH_CHANNELS"), "[^,]+") do channels[#channels + 1] = id end
local headers = {
  ["Authorization"] = os.getenv("BENCH_AUTHORIZATION"),
  ["Content-Type"] = "application/json",
}
local length = tonumber(os.getenv("BENCH_LENGTH"))
local alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
-- Every message is a part of this text, from another place on.
local letters = {}
for place = 1, 1048576 do
  local letter = math.random(#alphabet)
  letters[place] = string.sub(alphabet, letter, letter)
end
local text = table.concat(letters)
local position = 0
function request()
  position = position % #channels + 1
  local begin = math.random(#text - length)
  local body = '{"content":"' .. string.sub(text, begin, begin + length - 1) .. '"}'
  return wrk.format("POST", "/api/v10/channels/" .. channels[position] .. "/messages", headers, body)
end
