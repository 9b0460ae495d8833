-- LuaSec's https module: a connection for each request.
local https, ltn12 = require "ssl.https", require "ltn12"

local url = table.remove(arg, 1)
for _, name in ipairs(arg) do
  local file = assert(io.open(name, "rb"))
  local body = file:read "a"
  file:close()
  local _, status = https.request {
    url = url, method = "POST", source = ltn12.source.string(body),
    headers = {["Authorization"] = "Bearer " .. os.getenv "API_KEY",
      ["Content-Type"] = "application/json", ["Content-Length"] = #body},
    sink = function(piece) if piece then io.write(piece) io.flush() end return 1 end,
    cafile = os.getenv "SSL_CERT_FILE", verify = "peer", protocol = "any",
  }
  print("\nHTTP " .. status)
end
