"""Canaries that misbehave towards users: each is found while it has traffic, and taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from scipy.stats import binom
from tests.e2e.subject import (
    Seen,
    Subject,
    bad,
    largest,
    moment,
    rejection,
)

from demo import faults, judge, story
from demo.kube import Object, wait
from demo.load import Sample
from demo.traffic import Weights

ALPHA = 1e-4  # of the bound on what users lose: chance alone passes it once in ten thousand times
PAUSE_SECONDS = 300
RATE = 20.0  # requests a second, of each model
WARM = 100  # requests before a candidate comes
AFTER = 100  # requests after it has gone
SLOW_SECONDS = 0.75  # of those that the slow one answered, all take longer
MEASURES = [
    {"name": "errors", "builtin": "ErrorRate", "max": "0.01"},
    {"name": "latency", "builtin": "LatencyP99", "maxRatio": "1.5"},
    {"name": "empty", "builtin": "EmptyFraction", "maxRatio": "2"},
    {"name": "restarts", "builtin": "Restarts", "max": "0"},
]
# For the slow one: on a machine that is busy, production may take as long, now and then.
LIMIT = {"name": "limit", "builtin": "LatencyP99", "max": f"{SLOW_SECONDS}"}
ANALYSIS = {"interval": "5s", "minRequests": 20, "failureLimit": 2, "metrics": MEASURES}


@dataclass(frozen=True)
class Fault:
    """What a candidate does wrong, and how it is to end."""

    image: str
    reason: str
    words: str  # of the message
    first: int  # weight, and the one that it must not exceed
    rest: tuple[int, ...] = (60,)
    max_load: str = "5m"
    measures: tuple[Mapping[str, str], ...] = tuple(MEASURES)

    @property
    def rollout(self) -> Object:
        """Return the policy by which it is tried."""
        pause = {"pause": {"duration": f"{PAUSE_SECONDS}s"}}
        weights = [step for w in (self.first, *self.rest) for step in ({"setWeight": w}, pause)]
        return {
            "steps": [*weights, {"setWeight": 100}],
            "scaleDownDelay": "5s",
            "servingCheck": {"maxLoad": self.max_load},
            "analysis": ANALYSIS | {"metrics": list(self.measures)},
        }


ERRORS = Fault("errors", "AnalysisFailed", "ErrorRate", 30)
EMPTY = Fault("empty", "AnalysisFailed", "EmptyFraction", 20)
SLOW = Fault("slow", "AnalysisFailed", "LatencyP99", 20, measures=(*MEASURES, LIMIT))
CRASH = Fault("crash", "AnalysisFailed", "", 50, ())
UNREADY = Fault("unready", "ServingCheckFailed", "maxLoad", 20, max_load="20s")
# One after the other on each model, the models side by side.
PLAYED = {"alpha": (ERRORS, CRASH), "beta": (EMPTY, UNREADY), "gamma": (SLOW,)}
FAULTS = [fault for played in PLAYED.values() for fault in played]
BY_ANALYSIS = [fault for fault in FAULTS if fault.reason == "AnalysisFailed"]


@dataclass(frozen=True)
class Trial:
    """What came of a fault."""

    before: Mapping[str, Any]  # what was in production
    after: Object  # the model, when it was over
    states: tuple[Seen, ...]
    changes: tuple[Weights, ...]
    samples: tuple[Sample, ...]

    @property
    def revision(self) -> str:
        return str(rejection(self.after)["revision"])

    @property
    def exposed(self) -> list[Sample]:
        """Return what users got while the candidate had a weight, and until it was gone."""
        given = [c.time for c in self.changes if self.revision in c.by_revision]
        taken = [c.time for c in self.changes if given and c.time > given[-1]]
        until = taken[0] + judge.SETTLE if taken else float("inf")
        return [s for s in self.samples if given and given[0] <= s.sent <= until]


def play(subject: Subject, fault: Fault) -> Trial:
    """Ask for a revision with the fault while users ask the model, until it is rejected."""
    model = subject.model
    known, count = len(subject.states), len(model["status"].get("rejected") or [])
    load, timeline = subject.start_load(RATE), subject.weights()
    wait("users to be answered", lambda: len(load.samples) >= WARM, 300)
    subject.ask_for(serving={"image": faults.image(fault.image)}, rollout=fault.rollout)
    after = subject.until_rejected(count + 1)
    seen = len(load.samples)
    wait("users after it", lambda: len(load.samples) >= seen + AFTER, 300)
    samples = tuple(load.stop())
    timeline.close()
    states = tuple(subject.states[known:])
    return Trial(story.production(model), after, states, tuple(timeline.changes), samples)


def play_all(subject: Subject, faults_: tuple[Fault, ...]) -> dict[str, Trial]:
    return {fault.image: play(subject, fault) for fault in faults_}


@pytest.fixture(scope="module")
def trials(subjects: Mapping[str, Subject]) -> Iterator[Callable[[Fault], Trial]]:
    """All faults at once; each test waits for its own."""
    with ThreadPoolExecutor(len(PLAYED)) as pool:
        played: dict[str, Future[dict[str, Trial]]] = {
            fault.image: future
            for name, faults_ in PLAYED.items()
            for future in [pool.submit(play_all, subjects[name], faults_)]
            for fault in faults_
        }
        yield lambda fault: played[fault.image].result()[fault.image]


def named(cases: list[Fault]) -> Any:
    return pytest.mark.parametrize("fault", [pytest.param(f, id=f.image) for f in cases])


@named(FAULTS)
def test_it_is_rejected_with_the_numbers(trials: Callable[[Fault], Trial], fault: Fault) -> None:
    entry = rejection(trials(fault).after)
    assert entry["reason"] == fault.reason, entry
    assert fault.words in entry["message"], entry
    assert any(character.isdigit() for character in entry["message"])
    degraded = story.condition(trials(fault).after, "Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", fault.reason)


@named(FAULTS)
def test_production_stays_and_is_ready_all_the_time(
    trials: Callable[[Fault], Trial], fault: Fault
) -> None:
    trial = trials(fault)
    assert story.production(trial.after)["revision"] == trial.before["revision"]
    for seen in trial.states:
        assert story.production(seen.model)["revision"] == trial.before["revision"]
        assert story.condition(seen.model, "Ready")["status"] == "True"


@named(BY_ANALYSIS)
def test_it_never_gets_more_than_its_first_weight(
    trials: Callable[[Fault], Trial], fault: Fault
) -> None:
    assert largest(trials(fault).changes, trials(fault).revision) == fault.first


@named(BY_ANALYSIS)
def test_it_is_found_within_its_step(trials: Callable[[Fault], Trial], fault: Fault) -> None:
    """By the times of the status: given a weight, found at fault before the step was over."""
    trial = trials(fault)
    judged = [a for s in trial.states if (a := story.candidate(s.model).get("analysis"))]
    assert judged, "its evidence never stood in status"
    found = moment(rejection(trial.after)["time"]) - moment(judged[0]["since"])
    assert found < PAUSE_SECONDS
    assert max(int(a.get("failures", 0)) for a in judged) <= ANALYSIS["failureLimit"]


@named(BY_ANALYSIS)
def test_users_lose_no_more_than_its_share(trials: Callable[[Fault], Trial], fault: Fault) -> None:
    exposed = trials(fault).exposed
    slow = [s for s in exposed if s.revision == trials(fault).revision]
    lost = [s for s in exposed if bad(s)] if fault is not SLOW else slow
    assert lost, "nobody met the fault: the test shows nothing"
    assert fault is not SLOW or min(s.latency for s in slow) > SLOW_SECONDS
    assert len(lost) <= binom.isf(ALPHA, len(exposed), fault.first / 100)


@named(FAULTS)
def test_production_loses_nothing(trials: Callable[[Fault], Trial], fault: Fault) -> None:
    """Whoever got no translation was sent to the candidate, while it had a weight."""
    trial = trials(fault)
    exposed = {id(sample) for sample in trial.exposed}
    others = [s for s in trial.samples if bad(s) and id(s) not in exposed]
    assert others == []
    blamed = [s for s in trial.samples if bad(s) and s.revision == trial.before["revision"]]
    assert blamed == []


def test_a_pod_that_never_gets_ready_gets_no_user(trials: Callable[[Fault], Trial]) -> None:
    trial = trials(UNREADY)
    assert largest(trial.changes, trial.revision) == 0
    assert {s.revision for s in trial.samples} == {trial.before["revision"]}
