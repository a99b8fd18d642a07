-- Go back to what was in production before and was not rejected since.
local os = require("os")
local status = obj.status or {}
local rejected = {}
for _, entry in ipairs(status.rejected or {}) do
  rejected[entry.revision or entry.run] = true
end
local target = nil
for _, entry in ipairs(status.previous or {}) do
  local serves = status.production ~= nil and status.production.revision == entry.revision
  local wanted = status.candidate ~= nil and status.candidate.revision == entry.revision
  if target == nil and not (rejected[entry.revision] or serves or wanted) then
    target = entry.revision
  end
end
if target == nil then
  return obj
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["translation.kubeflow.org/rollback"] = target .. "/" .. os.date("!%Y%m%dT%H%M%SZ")
return obj
