"""A good candidate is promoted by what it shows, with users and without; then nothing is written.

Writes are counted at the API server, by its audit log.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.stage import Stage
from tests.e2e.subject import Load, Seen, Subject, bad, quiet

from demo import story
from demo.kube import Object, wait
from localcluster import audit
from localcluster.audit import Write

OPERATOR = "system:serviceaccount:translation-system:mt-operator"
# Of a rollout of three weights, from its artifact until what it replaced is gone: the model's
# status, what serves, its route, the serving check. Events tell of each transition besides.
WRITES, EVENTS = 15, 8
TRAFFIC_WRITES = 2  # its Job comes and goes
QUIET_SECONDS = float(os.environ.get("MT_QUIET_SECONDS", "60"))
RATE = 20.0  # requests a second
PAUSE = {"pause": {"duration": "15s"}}
STEPS = [{"setWeight": 20}, PAUSE, {"setWeight": 50}, PAUSE, {"setWeight": 100}]
MEASURES = [
    {"name": "errors", "builtin": "ErrorRate", "max": "0.01"},
    {"name": "empty", "builtin": "EmptyFraction", "maxRatio": "2"},
    {"name": "copies", "builtin": "CopyFraction", "maxRatio": "2"},
    {"name": "restarts", "builtin": "Restarts", "max": "0"},
]
ANALYSIS: Mapping[str, Any] = {"interval": "5s", "minRequests": 30, "metrics": MEASURES}
# A query that the platform named; its bound is never kept, which a trial run only tells of.
ANSWERS = {"name": "answers", "query": "answers", "max": "0", "dryRun": True}


@dataclass(frozen=True)
class Promotion:
    """What came of a good candidate."""

    before: Object
    after: Object
    states: tuple[Seen, ...]
    writes: tuple[Write, ...]
    load: Load | None

    @property
    def rollout(self) -> tuple[list[Write], list[Write]]:
        """Return the writes since there was a revision to roll out, and the Events."""
        tried = (story.candidate(state.model) for state in self.states)
        since = datetime.fromisoformat(next(c["stageSince"] for c in tried if c.get("revision")))
        later = [w for w in self.writes if w.at >= since and not w.kind.startswith("trainingruns")]
        events = [w for w in later if w.kind.startswith("events")]
        return [w for w in later if w not in events], events

    @property
    def held(self) -> int:
        """Return the writes that a slow machine costs: what came late, and what was lost by it."""
        tried = [story.candidate(state.model) for state in self.states]
        told = [_waits(candidate) for candidate in tried if candidate.get("revision")]
        lost = max((candidate.get("interruptions", 0) for candidate in tried), default=0)
        return sum(old != new for old, new in pairwise(told)) + 2 * int(lost)

    @property
    def judged(self) -> list[Mapping[str, Any]]:
        """Return what the statuses said of its evidence, in order."""
        return [a for s in self.states if (a := story.candidate(s.model).get("analysis"))]


def _waits(candidate: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what a status says of a gateway, requests or pods that are waited for."""
    evidence = candidate.get("analysis") or {}
    lacking = evidence.get("verdict") in ("NoData", "Inconclusive")
    return (
        bool(candidate.get("unforced")),
        candidate.get("interruptions") or 0,
        evidence.get("failures") or 0,
        lacking,
    )


def promote(stage: Stage, subject: Subject, analysis: Mapping[str, Any], rate: float) -> Promotion:
    """Ask for another beam size, and wait until the old revision is gone."""
    before, known, begun = subject.model, len(subject.states), datetime.now(UTC)
    load = subject.start_load(rate) if rate else None
    beam = int(story.production(before)["engine"]["beamSize"]) + 1
    rollout = {"steps": STEPS, "scaleDownDelay": "5s", "analysis": analysis}
    subject.ask_for(serving={"beamSize": beam}, rollout=rollout)
    old = story.production(before)
    after = subject.until_promoted(str(old["run"]))
    gone = subject.until_gone(str(old["revision"]))
    assert gone
    if load:
        load.stop()
    written = tuple(w for w in writes(stage, begun) if w.name.startswith(subject.name))
    return Promotion(before, after, tuple(subject.states[known:]), written, load)


def writes(stage: Stage, since: datetime) -> list[Write]:
    """Return what the operator wrote, its lease aside."""
    instance = stage.place.instance
    assert instance
    found = audit.writes(Path(instance.logs) / "audit.log", since)
    return [w for w in found if w.user == OPERATOR and not w.kind.startswith("leases")]


@pytest.fixture(scope="module")
def with_users(rollouts: Stage, subjects: Mapping[str, Subject]) -> Promotion:
    return promote(rollouts, subjects["delta"], ANALYSIS | {"provider": "Pods"}, RATE)


@pytest.fixture(scope="module")
def without_users(
    rollouts: Stage, subjects: Mapping[str, Subject], with_users: Promotion
) -> Promotion:
    """After the other one, on the same model: only the operator's own requests come."""
    assert with_users.after
    analysis = ANALYSIS | {
        "provider": "Prometheus",
        "syntheticTraffic": {"requestsPerSecond": 10},
        "metrics": [*MEASURES, ANSWERS],
    }
    return promote(rollouts, subjects["delta"], analysis, 0)


@pytest.fixture(params=["with_users", "without_users"])
def promotion(request: pytest.FixtureRequest) -> Promotion:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Promotion)
    return found


def test_it_is_promoted_and_nothing_was_rejected(promotion: Promotion) -> None:
    assert story.production(promotion.after)["run"] != story.production(promotion.before)["run"]
    rejected = promotion.before["status"].get("rejected")
    assert promotion.after["status"].get("rejected") == rejected


def test_each_weight_was_judged_passing_by_numbers(promotion: Promotion) -> None:
    passed = [a for a in promotion.judged if a.get("verdict") == "Passing"]
    assert passed
    assert all(int(a["requests"]) >= ANALYSIS["minRequests"] for a in passed)
    names = {str(metric["name"]) for a in passed for metric in a["metrics"]}
    assert names >= {"errors", "empty", "copies", "restarts"}


def test_no_user_is_lost(with_users: Promotion) -> None:
    assert with_users.load
    samples = with_users.load.samples
    assert len(samples) > 100
    assert [s for s in samples if bad(s)] == []
    assert {s.revision for s in samples} == {
        str(story.production(m)["revision"]) for m in (with_users.before, with_users.after)
    }


def test_a_dry_run_is_told_and_does_nothing(without_users: Promotion) -> None:
    found = [m for a in without_users.judged for m in a.get("metrics", []) if m.get("dryRun")]
    assert {m["name"] for m in found} == {"answers"}


def test_users_metrics_know_nothing_of_synthetic_traffic(
    rollouts: Stage, without_users: Promotion
) -> None:
    production = story.production(without_users.after)
    pods = rollouts.kube.list("pods", f"translation.kubeflow.org/revision={production['revision']}")
    (predictor,) = [p for p in pods if "-predictor-" in p["metadata"]["name"]]
    page = rollouts.kube.run(
        *("exec", predictor["metadata"]["name"], "--", "python", "-c"),
        "import urllib.request as u; print(u.urlopen('http://localhost:9090/metrics').read().decode())",
    )
    lines = [line for line in page.splitlines() if line.startswith("translation_")]
    users = sum(value(line) for line in lines if line.startswith("translation_requests_total"))
    own = sum(value(line) for line in lines if line.startswith("translation_synthetic_requests"))
    assert users == 0
    assert own >= ANALYSIS["minRequests"]


def value(line: str) -> float:
    return float(line.rpartition(" ")[2])


def test_synthetic_traffic_ends_with_the_rollout(rollouts: Stage, without_users: Promotion) -> None:
    assert without_users.after
    selector = "translation.kubeflow.org/model=delta,translation.kubeflow.org/stage=traffic"
    wait("the traffic to end", lambda: not rollouts.kube.list("jobs,pods", selector), 120)


def test_a_rollout_of_three_weights_is_few_writes(with_users: Promotion) -> None:
    found, events = with_users.rollout
    assert len(found) > len(STEPS), "too few were seen: is the audit log that of the cluster?"
    assert len(found) <= WRITES + with_users.held, audit.table(found)
    assert len(events) <= EVENTS + with_users.held, audit.table(events)


def test_synthetic_traffic_is_two_writes_more(without_users: Promotion) -> None:
    found, events = without_users.rollout
    limit = WRITES + TRAFFIC_WRITES + without_users.held
    assert len(found) <= limit, audit.table(found)
    assert len(events) <= EVENTS + without_users.held, audit.table(events)


def test_nothing_is_written_while_nothing_happens(
    rollouts: Stage, without_users: Promotion
) -> None:
    assert without_users.after
    wait("the namespace to be quiet", lambda: settled(rollouts), 300)
    begun, _ = quiet(QUIET_SECONDS)
    found = writes(rollouts, datetime.fromtimestamp(begun, UTC))
    assert found == [], audit.table(found)


def settled(stage: Stage) -> bool:
    """Return whether no model of any namespace is on its way, and nothing retires."""
    begun, _ = quiet(10)
    return not writes(stage, datetime.fromtimestamp(begun, UTC))
