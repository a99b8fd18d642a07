-- A run that is over can neither be stopped nor go on.
local over = false
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if (condition.type == "Succeeded" or condition.type == "Failed") and condition.status == "True" then
    over = true
  end
end
local suspended = obj.spec.suspend == true

return {
  ["suspend"] = {disabled = over or suspended},
  ["resume"] = {disabled = over or not suspended},
}
