-- The load of measure.py: one create_pairing a request, as JSON or as SOAP, each for a card of its own.
local token, seed, target = os.getenv("TOKEN"), tonumber(os.getenv("SEED")), os.getenv("TARGET")
local is_soap = os.getenv("BODY") == "soap"
local json = '{"process_immediately":true,"smartcard_set":[{"smartcard_ca_id":"%s"}],"stb_set":[{"stb_ca_id":"%s"}]}'
local soap = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
  .. '<p:CreatePairing xmlns:p="http://www.conax.com/cas/xsd/pairing/v1"><p:CreatePairingRequest>'
  .. '<p:CaClientIds><p:CaClientId>%s</p:CaClientId></p:CaClientIds>'
  .. '<p:PairingModuleIds><p:PairingModuleId>%s</p:PairingModuleId></p:PairingModuleIds>'
  .. '</p:CreatePairingRequest></p:CreatePairing></s:Body></s:Envelope>'
local headers = is_soap and { ["Content-Type"] = "text/xml; charset=utf-8", ["SOAPAction"] = '""' }
  or { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. token }
local number = seed * 1000000

function request()
  number = number + 1
  local card = string.format("%011d", number)
  return wrk.format("POST", target, headers, string.format(is_soap and soap or json, card, card))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %.1f %.3f %.3f %d\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
