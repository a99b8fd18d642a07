-- Health of a TranslationModel, by the table in docs/states.md.
local health = {status = "Progressing", message = "The operator has not looked at this generation yet."}
local status = obj.status
if status == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end

local found = {}
for _, condition in ipairs(status.conditions or {}) do
  found[condition.type] = condition
end
local function is_true(type)
  return found[type] ~= nil and found[type].status == "True"
end

-- In this order; the first that holds is told.
local order = {
  {"Stalled", "Degraded"},
  {"Degraded", "Degraded"},
  {"Paused", "Suspended"},
  {"Reconciling", "Progressing"},
}
for _, rule in ipairs(order) do
  if is_true(rule[1]) then
    health.status = rule[2]
    health.message = found[rule[1]].reason .. ": " .. found[rule[1]].message
    return health
  end
end

if is_true("Ready") and is_true("UpToDate") then
  health.status = "Healthy"
  health.message = found["Ready"].message
  return health
end
local waiting = found["Ready"]
if is_true("Ready") then
  waiting = found["UpToDate"]
end
if waiting ~= nil then
  health.message = waiting.reason .. ": " .. waiting.message
end
return health
