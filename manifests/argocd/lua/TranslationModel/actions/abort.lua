-- End the candidate: its traffic goes back to production.
local os = require("os")
local status = obj.status or {}
local candidate = status.candidate or {}
local target = candidate.revision or candidate.run
if target == nil then
  return obj
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["translation.kubeflow.org/abort"] = target .. "/" .. os.date("!%Y%m%dT%H%M%SZ")
return obj
