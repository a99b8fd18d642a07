-- Health of a TrainingRun, by the table in docs/states.md.
local health = {status = "Progressing", message = "The operator has not looked at this generation yet."}
local status = obj.status
if status == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end

local found = {}
for _, condition in ipairs(status.conditions or {}) do
  found[condition.type] = condition
end
local function holds(type, value)
  return found[type] ~= nil and found[type].status == value
end
local function told(result, type)
  health.status = result
  health.message = found[type].reason .. ": " .. found[type].message
  return health
end

if holds("Stalled", "True") then
  return told("Degraded", "Stalled")
end
if holds("Succeeded", "True") then
  -- An experiment may fail its gates; a candidate that did will not be rolled out.
  if holds("Blessed", "False") and obj.spec.candidate then
    return told("Degraded", "Blessed")
  end
  return told("Healthy", "Blessed")
end
if holds("Reconciling", "True") then
  if found["Reconciling"].reason == "Suspended" then
    return told("Suspended", "Reconciling")
  end
  return told("Progressing", "Reconciling")
end
return health
