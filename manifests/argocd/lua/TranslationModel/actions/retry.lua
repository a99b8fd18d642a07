-- Try again what was rejected last.
local os = require("os")
local status = obj.status or {}
local rejected = status.rejected or {}
local last = rejected[#rejected] or {}
local target = last.run or last.revision
if target == nil then
  return obj
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["translation.kubeflow.org/retry"] = target .. "/" .. os.date("!%Y%m%dT%H%M%SZ")
return obj
