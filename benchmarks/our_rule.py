"""A rollout as this operator decides it: real steps, looks and judgement, on simulated users."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.users import OURS, PODS, THEIRS, TICK, Users
from mt_contract.codec import from_json
from mt_contract.defaults import Images, resolve
from mt_contract.names import inference_service_name
from mt_contract.resource import ArtifactRef, History, Rollout
from mt_operator.core.model import routing
from mt_operator.core.model.outcome import Options
from mt_operator.core.model.rollout import advance
from mt_operator.core.model.state import Candidate, ModelStatus, Revision, Stage, trial_of
from mt_operator.core.model.steps import enter_step
from mt_operator.core.model.traffic import Serving, Traffic
from mt_operator.core.model.turn import Situation, Turn
from mt_operator.core.observed import Meta, ObservedModel, Reading, ServiceView
from mt_operator.settings import Settings

START = datetime(2026, 11, 21, tzinfo=UTC)
KEPT = 12  # readings that the operator has at hand; only the last is sure to be there
SPEC: dict[str, Any] = {
    "sourceLanguage": "pt",
    "targetLanguage": "en",
    "storage": {"uri": "pvc://models/pt-en"},
    "data": {"train": [{"uri": "pvc://c/train.tsv"}], "test": [{"uri": "pvc://c/test.tsv"}]},
    "evaluation": {"gates": [{"name": "quality", "metric": "chrF", "min": "40"}]},
    "rollout": {"analysis": {}},  # all as by default
}


@dataclass(frozen=True)
class Outcome:
    """How a rollout ended."""

    ending: str  # promoted | rolled back | held
    exposed: int  # requests that the candidate answered until then
    ticks: int
    least: int  # requests that the candidate answered at the weight at which these were fewest
    why: str = ""


def roll_out(users: Users, ticks: int) -> Outcome:
    """Roll out with all defaults, looking once a tick, which is the default interval."""
    s = _situation()
    status = _begun(s)
    readings: tuple[Reading, ...] = ()
    asked: dict[int, int] = {}
    for number in range(ticks):
        candidate = status.candidate
        if candidate is None:
            return Outcome("promoted", users.exposed, number, min(asked.values()))
        if candidate.stage is Stage.ROLLING_BACK:
            why = status.rejected[-1].message
            return Outcome("rolled back", users.exposed, number, min(asked.values()), why)
        found = users.tick(candidate.weight)
        asked[candidate.weight] = asked.get(candidate.weight, 0) + found[OURS].requests
        if users.scenario.forgotten and users.chance.random() < users.scenario.forgotten:
            readings = ()
        now = START + timedelta(seconds=TICK * (number + 1))
        readings = (*readings[1 - KEPT :], users.reading(now))
        status = _settled(s, status, now, readings)
    return Outcome("held", users.exposed, ticks, min(asked.values()))


def _settled(
    s: Situation, status: ModelStatus, now: datetime, readings: tuple[Reading, ...]
) -> ModelStatus:
    """Let the operator decide until it has nothing more to do."""
    while status.candidate is not None and status.candidate.stage is not Stage.ROLLING_BACK:
        stage = {"candidate": {"stage": status.candidate.stage.value}}
        seen = replace(s.observed, now=now, readings=readings, status=stage)
        here = replace(s, now=now, observed=seen)
        weights = {k: n for k, n in routing.weights(here, status).items() if n > 0}
        here = replace(here, traffic=replace(s.traffic, weights=weights))
        after = advance(here, Turn(status)).status
        if after == status:
            break
        status = after
    return status


def _situation() -> Situation:
    images = Images("registry/trainer:1", "registry/predictor:1")
    resolved = resolve(SPEC, images)
    meta = Meta("pt-en", "team-a", "uid")
    pods = {revision: Serving(True, PODS) for revision in (OURS, THEIRS)}
    names = [inference_service_name(meta.name, revision) for revision in (OURS, THEIRS)]
    services = {n: ServiceView(Meta(n, "team-a", n, owner=meta.uid), True, {}) for n in names}
    return Situation(
        observed=ObservedModel(START, meta, SPEC, {}, Settings(images), services=services),
        now=START,
        runs={},
        rollout=from_json(Rollout, resolved["rollout"], "spec.rollout"),
        options=Options(resolved["serving"], {}),
        history=from_json(History, resolved["history"], "spec.history"),
        backend="HTTPRoute",
        traffic=Traffic(pods, settled=True, led=True),
    )


def _begun(s: Situation) -> ModelStatus:
    """Return the status with the first weight given, at a reading of nothing."""
    builds = {
        name: Revision(
            revision=name,
            run=name,
            requested=START,
            artifact=ArtifactRef("pvc://models/a", "sha256:0"),
            folder="pvc://models",
            engine={},
            serving={"replicas": {"min": 1, "max": PODS}},
            written={},
        )
        for name in (OURS, THEIRS)
    }
    candidate = Candidate(OURS, START, Stage.SERVING_CHECK, START, builds[OURS], s.rollout)
    status = ModelStatus(production=builds[THEIRS], candidate=candidate)
    trial = trial_of(candidate)
    assert trial is not None, "a candidate with a build is a trial"
    seen = replace(s.observed, readings=(Reading(START, {OURS: (), THEIRS: ()}),))
    return enter_step(replace(s, observed=seen), Turn(status), trial, 0).status
