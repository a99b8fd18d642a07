"""What has to hold at every look of a small world, whatever happens to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.operator.model_builders import MODEL, World

from mt_contract import names
from mt_contract.codec import from_json
from mt_contract.report import ProbeResult
from mt_contract.resource import Analysis
from mt_operator.core.analysis.evidence import decode_baseline, gather
from mt_operator.core.analysis.judge import Judgement, Verdict, acting, judge
from mt_operator.core.model.decide import decide_model
from mt_operator.core.model.outcome import Progress, outcome
from mt_operator.core.model.rollout import TRANSITIONS
from mt_operator.core.model.state import Stage
from mt_operator.core.observed import Reading, RunView
from mt_operator.core.plan import Plan

# A condition that is not well says what to do, or what comes next.
ASKING = {
    ("Ready", "False"),
    ("Ready", "Unknown"),
    ("UpToDate", "False"),
    ("Reconciling", "True"),
    ("Stalled", "True"),
    ("Degraded", "True"),
    ("Paused", "True"),
    ("ActionAccepted", "False"),
}
ADVICE = re.compile(
    r"kubectl |annotate|Next: |tells how far|Nothing is to do|[Ll]ook at|Set |Write |Use |[Nn]ame |"
    r"[Uu]nset |Correct |Change |Restore|[Ii]nstall|[Rr]emove|[Cc]reate|back to production|"
    r"on its way|[Ww]ait"
)
SAYING = ("Reconciling", "Stalled", "Paused")


@dataclass
class Witness:
    """It remembers what it has seen of a world, and looks through its eyes."""

    world: World
    checked: set[str] = field(default_factory=set)  # revisions that passed a serving check
    blessed: set[str] = field(default_factory=set)  # runs, by their gates

    def look(self) -> Plan:
        """Let the operator look once, and check what was written against what was seen."""
        self.note()
        world = self.world
        before, readings = world.status, self._readings()
        ready = {name for name, thing in world.services.items() if thing.ready}
        plan = world.look()
        assert plan.requeue_after is None or plan.requeue_after.total_seconds() > 0
        for child in plan.apply:
            if child.key[0] == "HTTPRoute":
                self._right_weights(child.manifest, ready)
        self._allowed_step(before.get("candidate") or {})
        self._right_promotion(before, readings)
        self._says_something()
        return plan

    def does_nothing(self, action: str, target: str) -> None:
        """Check that a token which names nothing changes nothing but what is said of it."""
        o = self.world.observe()
        self.world.ask(action, target)
        asked = replace(o, meta=replace(o.meta, annotations=self.world.annotations))
        plans = decide_model(o), decide_model(asked)
        found = [_without_answers(plan.status or o.status) for plan in plans]
        assert found[0] == found[1], f"{action}={target} changed something"
        assert (plans[0].apply, plans[0].delete) == (plans[1].apply, plans[1].delete)
        self.look()
        assert self.world.status["handled"][action].startswith(target)

    def note(self) -> None:
        """Remember what was blessed and checked: it may be deleted before the next look."""
        for name, run in self.world.runs.items():
            view = RunView(run.meta(), run.manifest["spec"], run.status)
            if outcome(view).progress is Progress.BLESSED:
                self.blessed.add(name)
        for job in self.world.jobs.values():
            said = job.message
            if isinstance(said, ProbeResult) and (said.failures, said.agreement) == (0, "1"):
                self.checked.add(job.meta().labels[names.LABEL_REVISION])

    def _readings(self) -> tuple[Reading, ...]:
        world = self.world
        return world.users.readings(world.now, world.weights(), world.candidate.get("revision"))

    def _judged(self, status: Mapping[str, Any], readings: tuple[Reading, ...]) -> Judgement | None:
        """Return what the readings say of the candidate in ``status``, if it is judged."""
        candidate, production = status["candidate"], status.get("production") or {}
        tree, stored = candidate["rollout"].get("analysis"), candidate.get("analysis")
        if not tree or not stored:
            return None
        baseline = decode_baseline(stored["baseline"]) if "baseline" in stored else None
        analysis = from_json(Analysis, tree)
        weights = sum("setWeight" in step for step in candidate["rollout"]["steps"])
        serving = production.get("revision")
        evidence = gather(baseline, readings, candidate["revision"], serving)
        return judge(analysis, evidence, 0.01, weights * acting(analysis))

    def _right_weights(self, manifest: Any, ready: set[str]) -> None:
        weights = {
            ref["name"].removesuffix("-predictor"): ref["weight"]
            for ref in manifest["spec"]["rules"][0]["backendRefs"]
        }
        assert sum(weights.values()) == 100
        assert sum(weight > 0 for weight in weights.values()) <= 2, "two candidates"
        serving = self.world.production.get("revision")
        for name, weight in weights.items():
            revision = name.removeprefix(f"{MODEL}-")
            if weight and revision != serving:
                assert revision in self.checked, "weight without a serving check"
                assert name in ready, "weight without readiness"

    def _allowed_step(self, before: Mapping[str, Any]) -> None:
        after = self.world.candidate
        a, b = before.get("stage"), after.get("stage")
        same = before.get("run") == after.get("run") and not after.get("back")
        if a and a != b and (same or not after):
            assert (b and Stage(b)) in TRANSITIONS[Stage(a)], f"{a} led to {b}"

    def _right_promotion(self, before: Mapping[str, Any], readings: tuple[Reading, ...]) -> None:
        """Check that what took all traffic was not failing, nor unjudged unless told so."""
        candidate = before.get("candidate") or {}
        revision = candidate.get("revision")
        serving = (before.get("production") or {}).get("revision")
        if revision in (None, serving) or self.world.production.get("revision") != revision:
            return
        judged = self._judged(before, readings)
        if judged is None:
            return
        assert judged.verdict is not Verdict.FAILING, judged.message
        handled = before.get("handled") or {}
        just_now = handled.get("promote") != self.world.status.get("handled", {}).get("promote")
        told = candidate.get("waived") or just_now
        shown = candidate["analysis"].get("verdict") == "Passing" or serving is None
        rule = candidate["rollout"]["analysis"]
        if judged.verdict is Verdict.NO_DATA and not (told or shown):
            enough = judged.requests >= rule["minRequests"]
            assert enough or rule["onNoData"] == "Pass", "promoted without data"

    def _says_something(self) -> None:
        world = self.world
        if world.status.get("observedGeneration") != world.generation:
            return
        said = [type for type in SAYING if world.condition(type) == "True"]
        assert said or world.condition("UpToDate") == "True", "neither done nor a reason"
        for condition in world.status["conditions"]:
            if (condition["type"], condition["status"]) in ASKING:
                assert ADVICE.search(condition["message"]), f"no way on: {condition['message']}"


def _without_answers(status: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in status.items() if key not in ("handled", "conditions")}
    conditions = [c for c in status.get("conditions", ()) if c["type"] != "ActionAccepted"]
    return kept | {"conditions": conditions}
