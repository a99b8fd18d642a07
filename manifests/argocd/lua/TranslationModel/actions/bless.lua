-- Override the gates that refused what the spec asks for; it is kept on record.
local os = require("os")
local status = obj.status or {}
local asked = ((status.triggers or {}).asked or {}).run
local judged = {GateFailed = true, GateInconclusive = true}
local target = nil
for _, entry in ipairs(status.rejected or {}) do
  if entry.run == asked and judged[entry.reason] then
    target = entry.run
  end
end
if target == nil then
  return obj
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["translation.kubeflow.org/bless"] = target .. "/" .. os.date("!%Y%m%dT%H%M%SZ")
return obj
