-- Let the candidate pass the pause or the approval that it waits for.
local os = require("os")
local status = obj.status or {}
local candidate = status.candidate or {}
local target = candidate.revision or candidate.run
if target == nil then
  return obj
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["translation.kubeflow.org/promote"] = target .. "/" .. os.date("!%Y%m%dT%H%M%SZ")
return obj
