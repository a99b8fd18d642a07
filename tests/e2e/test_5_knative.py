"""KServe's Knative mode: one InferenceService, real percentages, a way back that loses nothing.

One model is tried with one candidate after another, while users ask it; they differ in serving,
so nothing is trained in between.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from tests.e2e import toy
from tests.e2e.conftest import NAME, make_stage
from tests.e2e.stage import Stage, kill_operator
from tests.e2e.subject import History, Load, Subject, bad, rejection

from demo import cluster, faults, judge, story
from demo.cluster import Place
from demo.kube import Object, Watch, wait
from demo.load import Sample
from localcluster.instance import Addition
from localcluster.progress import Progress

MODEL = "kn"
SERVICE = f"{MODEL}-mt"
RATE = 20.0  # requests a second
WARM, AFTER = 60, 60  # requests before a candidate comes, and after it has gone
SETTLE = 3.0  # seconds between what a status says and what Knative's gateway does
STEPS = [
    {"setWeight": 20},
    {"pause": {"duration": "20s"}},
    {"setWeight": 50},
    {"pause": {"duration": "20s"}},
    {"setWeight": 100},
]
HELD = [{"setWeight": 50}, {"pause": {}}, {"setWeight": 100}]
MEASURES = [
    {"name": "errors", "builtin": "ErrorRate", "max": "0.01"},
    {"name": "empty", "builtin": "EmptyFraction", "max": "0.01"},
    {"name": "latency", "builtin": "LatencyP99", "max": "0.75"},
    {"name": "restarts", "builtin": "Restarts", "max": "0"},
]
ANALYSIS = {"interval": "5s", "minRequests": 20, "failureLimit": 2, "metrics": MEASURES}
# What each fault is rejected for, and a word of the message. MT_EVERY_FAULT plays them all.
FAULTS = {
    "errors": ("AnalysisFailed", "ErrorRate"),
    "empty": ("AnalysisFailed", "EmptyFraction"),
    "slow": ("AnalysisFailed", "LatencyP99"),
    "crash": ("AnalysisFailed", ""),
    "unready": ("ServingCheckFailed", "maxLoad"),
}
PLAYED = tuple(FAULTS) if os.environ.get("MT_EVERY_FAULT") else ("errors",)


class Percentages:
    """Records what the InferenceService was told: whose template, and which percentage."""

    def __init__(self, stage: Stage) -> None:
        self.told: list[tuple[str, int]] = []
        self._watch = Watch(stage.kube, "inferenceservices", self._see)

    def _see(self, _: float, __: str, service: Object) -> None:
        labels = service["metadata"]["labels"]
        percent = service["spec"]["predictor"].get("canaryTrafficPercent")
        now = (labels["translation.kubeflow.org/revision"], percent)
        if self.told[-1:] != [now]:
            self.told.append(now)

    def close(self) -> None:
        self._watch.close()


@dataclass(frozen=True)
class Trial:
    """What came of a candidate."""

    before: str  # the revision in production
    after: Object  # the model, when it was over
    told: tuple[tuple[str, int], ...]
    samples: tuple[Sample, ...]
    weights: dict[int, tuple[float, float]]  # since when, and until when, a weight was in a status

    def share(self, revision: str, weight: int) -> tuple[int, int]:
        """Return how many requests a revision answered of all while it had ``weight``."""
        begun, ended = self.weights[weight]
        while_so = [s for s in self.samples if begun + SETTLE <= s.sent <= ended - 0.5]
        return sum(s.revision == revision for s in while_so), len(while_so)

    @property
    def lost(self) -> list[Sample]:
        return [sample for sample in self.samples if judge.lost(sample)]


@pytest.fixture(scope="module")
def subject(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A model that Knative serves."""
    additions = frozenset({Addition.PROMETHEUS, Addition.KNATIVE})
    cluster.local(NAME, Progress(), audit=True, additions=additions)
    faults.provide(place, Progress())
    stage = make_stage(place, "e2e-knative", tmp_path_factory.mktemp("knative"), MODEL)
    history = History(stage)
    found = Subject(stage, MODEL, history, tmp_path_factory.mktemp("load"))
    manifest = toy.model(MODEL, rollout={"steps": STEPS, "servingCheck": {"maxLoad": "3m"}})
    manifest["spec"]["serving"]["deploymentMode"] = "Knative"
    try:
        found.deploy(manifest)
        yield found
    finally:
        found.close()
        history.close()
        stage.close()


def weights_of(subject: Subject, known: int) -> dict[int, tuple[float, float]]:
    """Return from when to when the status gave a candidate each weight."""
    found: dict[int, tuple[float, float]] = {}
    states = subject.states[known:]
    for seen, following in zip(states, [*states[1:], None], strict=True):
        weight = story.candidate(seen.model).get("weight", 0)
        ended = following.time if following else seen.time
        found[weight] = (found.get(weight, (seen.time, 0))[0], ended)
    return found


def enough(load: Load, more: int) -> None:
    """Wait for so many more answers."""
    seen = len(load.samples)
    wait("users to be answered", lambda: len(load.samples) >= seen + more, 300)


def play(subject: Subject, change: dict[str, Any], until: Any) -> Trial:
    """Ask for another revision while users ask the model, until that is over."""
    before, known = story.production(subject.model)["revision"], len(subject.states)
    load, percentages = subject.start_load(RATE), Percentages(subject.stage)
    try:
        enough(load, WARM)
        subject.ask_for(**change)
        after = until(subject)
        enough(load, AFTER)
        wait("the way back to end", lambda: at_home(subject), 300)
    finally:
        samples = tuple(load.stop())
        percentages.close()
    weights = weights_of(subject, known)
    return Trial(before, after, tuple(percentages.told), samples, weights)


def at_home(subject: Subject) -> bool:
    """Return whether the InferenceService leads to production alone."""
    service = subject.stage.kube.get("inferenceservice", SERVICE)
    assert service
    revision = service["metadata"]["labels"]["translation.kubeflow.org/revision"]
    percent = service["spec"]["predictor"]["canaryTrafficPercent"]
    return (revision, percent) == (story.production(subject.model)["revision"], 100)


def promoted(subject: Subject) -> Object:
    return subject.until_promoted(str(story.production(subject.model)["run"]))


def rejected(subject: Subject) -> Object:
    count = len(subject.model["status"].get("rejected") or [])
    return subject.until_rejected(count + 1)


def aborted_at_50(subject: Subject) -> Object:
    """Stop the candidate while it has half of the requests."""
    model = subject.until_stage("Canary", 50)
    time.sleep(2 * SETTLE)
    subject.annotate("abort", f"{story.candidate(model)['revision']}/now")
    return rejected(subject)


def aborted_and_killed(subject: Subject) -> Object:
    """Stop the candidate, and kill the operator as soon as it has begun to take it back."""
    count = len(subject.model["status"].get("rejected") or [])
    model = subject.until_stage("Canary", 50)
    time.sleep(SETTLE)
    subject.annotate("abort", f"{story.candidate(model)['revision']}/killed")
    subject.until("a way back", lambda m: len(m["status"].get("rejected") or []) > count)
    assert kill_operator(subject.stage.place) == 1
    return subject.until_rejected(count + 1)


@pytest.fixture(scope="module")
def good(subject: Subject) -> Trial:
    return play(subject, {"serving": {"beamSize": 2}}, promoted)


@pytest.fixture(scope="module")
def stopped(good: Trial, subject: Subject) -> Trial:
    change = {"serving": {"beamSize": 3}, "rollout": {"steps": HELD}}
    return play(subject, change, aborted_at_50)


@pytest.fixture(scope="module")
def failing(stopped: Trial, subject: Subject) -> Mapping[str, Trial]:
    return {kind: play(subject, faulty(kind), rejected) for kind in PLAYED}


def faulty(kind: str) -> dict[str, Any]:
    """Return the change that asks for a predictor with a fault."""
    check = {"maxLoad": "40s" if kind == "unready" else "3m"}
    return {
        "serving": {"beamSize": 2, "image": faults.image(kind)},
        "rollout": {"steps": HELD, "servingCheck": check, "analysis": ANALYSIS},
    }


@pytest.fixture(scope="module")
def interrupted(failing: Mapping[str, Trial], subject: Subject) -> Trial:
    change = {
        "serving": {"beamSize": 4, "image": None},
        "rollout": {"steps": HELD, "servingCheck": {"maxLoad": "3m"}, "analysis": None},
    }
    return play(subject, change, aborted_and_killed)


def test_first_revision_is_served_by_knative(subject: Subject) -> None:
    status = subject.model["status"]
    assert status["trafficBackend"] == "KServeKnative"
    assert status["url"].startswith(f"http://{SERVICE}-predictor.e2e-knative.")
    conditions = {c["type"]: c for c in status["conditions"]}
    assert "canaryTrafficPercent" in conditions["TrafficSplitting"]["message"]
    assert subject.stage.kube.get("httproute", f"{MODEL}-split") is None
    # It was dark until it was production; that it is not any more has made no second revision.
    revisions = subject.stage.kube.list("revisions.serving.knative.dev")
    assert len(revisions) == 1


def test_good_revision_is_promoted_by_percentages_alone(good: Trial) -> None:
    new = story.production(good.after)["revision"]
    assert list(good.told) == [
        (good.before, 100),
        (new, 0),
        (new, 20),
        (new, 50),
        (new, 100),
    ]
    assert good.lost == []
    for weight in (20, 50):
        answered, of = good.share(new, weight)
        assert of > 100
        assert abs(answered / of - weight / 100) < 0.15, f"{answered} of {of} at {weight} %"


def test_stopped_canary_goes_in_two_phases_and_nobody_notices(stopped: Trial) -> None:
    revision = rejection(stopped.after)["revision"]
    assert rejection(stopped.after)["reason"] == "Aborted"
    assert list(stopped.told) == [
        (stopped.before, 100),
        (revision, 0),
        (revision, 50),
        (revision, 0),
        (stopped.before, 0),
        (stopped.before, 100),
    ]
    assert stopped.lost == []
    answered, of = stopped.share(revision, 50)
    assert abs(answered / of - 0.5) < 0.2
    ended = stopped.weights[50][1]
    late = [s for s in stopped.samples if s.sent > ended + SETTLE and s.revision == revision]
    assert late == [], "the canary answered after it was taken back"


@pytest.mark.parametrize("kind", PLAYED)
def test_canary_that_misbehaves_is_found_and_taken_back(
    failing: Mapping[str, Trial], kind: str
) -> None:
    trial, (reason, word) = failing[kind], FAULTS[kind]
    entry = rejection(trial.after)
    assert entry["reason"] == reason, entry
    assert word in entry["message"], entry
    assert trial.told[-2:] == ((trial.before, 0), (trial.before, 100))
    assert story.production(trial.after)["revision"] == trial.before


@pytest.mark.parametrize("kind", PLAYED)
def test_users_of_a_canary_that_misbehaves_lose_less_than_its_share(
    failing: Mapping[str, Trial], kind: str
) -> None:
    trial = failing[kind]
    given = trial.weights.get(50)
    exposed = [s for s in trial.samples if given and s.sent >= given[0]]
    hurt = [sample for sample in trial.samples if bad(sample)]
    assert len(hurt) <= len(exposed) / 2
    assert {id(s) for s in hurt} <= {id(s) for s in exposed}


def test_operator_killed_on_the_way_back_goes_on_where_it_was(interrupted: Trial) -> None:
    revision, old = rejection(interrupted.after)["revision"], interrupted.before
    assert interrupted.told[-3:] == ((revision, 0), (old, 0), (old, 100))
    assert interrupted.lost == []
    assert story.production(interrupted.after)["revision"] == old
