-- Which actions can do something now. An action names its target, so a stale click does nothing.
local status = obj.status or {}
local candidate = status.candidate
local suspended = obj.spec.suspend == true
local moving = candidate ~= nil and candidate.stage ~= "RollingBack"

local stages = {AwaitingApproval = true, Canary = true, Promoting = true}
local split = moving and not suspended and stages[candidate.stage] == true
local waits = split and (candidate.paused == true or candidate.stage == "AwaitingApproval"
  or (candidate.analysis or {}).verdict == "NoData")
if split and not waits then
  local step = ((candidate.rollout or {}).steps or {})[(candidate.step or 0) + 1]
  waits = step ~= nil and step.pause ~= nil
end

-- What the spec asks for, if its gates refused it; and what may serve again.
local asked = ((status.triggers or {}).asked or {}).run
local judged = {GateFailed = true, GateInconclusive = true}
local refused = false
local rejected = {}
for _, entry in ipairs(status.rejected or {}) do
  refused = refused or (entry.run == asked and judged[entry.reason] == true)
  rejected[entry.revision or entry.run] = true
end
local back = false
for _, entry in ipairs(status.previous or {}) do
  local serves = status.production ~= nil and status.production.revision == entry.revision
  local wanted = candidate ~= nil and candidate.revision == entry.revision
  back = back or not (rejected[entry.revision] or serves or wanted)
end

local function enabled(can)
  return {disabled = not can}
end

return {
  ["promote"] = enabled(waits),
  ["promote-full"] = enabled(split),
  ["abort"] = enabled(moving),
  ["pause"] = enabled(moving and not candidate.paused),
  ["resume"] = enabled(moving and candidate.paused == true),
  ["retry"] = enabled(next(rejected) ~= nil),
  ["bless"] = enabled(refused and not suspended),
  ["rollback"] = enabled(back),
  ["retrain"] = enabled(not suspended),
}
