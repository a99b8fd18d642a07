from __future__ import annotations

from typing import Any

import pytest

from demo import story
from demo.kube import KubeError


def model(generation: int = 2, conditions: tuple[str, ...] = (), **status: Any) -> dict[str, Any]:
    """A TranslationModel; a condition is written ``Type=Status@observedGeneration``."""
    parsed = []
    for text in conditions:
        kind, _, rest = text.partition("=")
        value, _, observed = rest.partition("@")
        parsed.append(
            {
                "type": kind,
                "status": value,
                "reason": "GateFailed",
                "message": "chrF 7.1 is below 20",
                "observedGeneration": int(observed),
            }
        )
    return {
        "metadata": {"name": "pt-en", "generation": generation},
        "status": {"conditions": parsed, **status},
    }


def run(**progress: Any) -> dict[str, Any]:
    return {"metadata": {"name": "pt-en-1"}, "status": {"progress": progress}}


PROGRESS = {
    "step": 60,
    "totalSteps": 120,
    "epoch": 3,
    "progressPercentage": 50,
    "estimatedRemainingSeconds": 31,
    "metrics": [{"name": "loss", "value": "3.2"}, {"name": "validationLoss", "value": "3.5"}],
}


@pytest.mark.parametrize(
    ("found", "newest", "expected"),
    [
        pytest.param(model(), None, "waiting for the operator", id="nothing yet"),
        pytest.param(
            model(candidate={"stage": "Training", "run": "pt-en-1"}),
            run(**PROGRESS),
            "pt-en-1: training 50 %, step 60 of 120, epoch 3, loss 3.2, "
            "validation 3.5, about 31 s left",
            id="training",
        ),
        pytest.param(
            model(candidate={"stage": "Training", "run": "pt-en-1"}),
            run(),
            "pt-en-1: training",
            id="training that has not begun to count",
        ),
        pytest.param(
            model(candidate={"stage": "Evaluating", "run": "pt-en-1"}),
            run(**PROGRESS),
            "pt-en-1: evaluating",
            id="evaluating",
        ),
        pytest.param(
            model(candidate={"stage": "ServingCheck", "revision": "r-2"}),
            run(),
            "r-2: serving check",
            id="serving check",
        ),
        pytest.param(
            model(candidate={"stage": "Canary", "revision": "r-2", "weight": 10}),
            run(),
            "canary: 10 % of the traffic to r-2",
            id="canary",
        ),
        pytest.param(
            model(conditions=("Stalled=True@2",)), None, "chrF 7.1 is below 20", id="stalled"
        ),
    ],
)
def test_describe(found: dict[str, Any], newest: dict[str, Any] | None, expected: str) -> None:
    assert story.describe(found, newest) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(model(conditions=("UpToDate=True@2",)), True, id="true of this generation"),
        pytest.param(model(conditions=("UpToDate=True@1",)), False, id="true of an older one"),
        pytest.param(model(conditions=("UpToDate=False@2",)), False, id="false"),
        pytest.param(model(), False, id="absent"),
    ],
)
def test_holds(found: dict[str, Any], expected: bool) -> None:
    assert story.holds(found, "UpToDate") is expected


NEW = {"run": "b", "revision": "r-2"}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(model(conditions=("UpToDate=True@2",), production=NEW), True, id="promoted"),
        pytest.param(
            model(conditions=("UpToDate=True@2",), production=NEW | {"run": "a"}),
            False,
            id="still the old run",
        ),
        pytest.param(model(conditions=("UpToDate=False@2",), production=NEW), False, id="not done"),
        pytest.param(
            model(conditions=("Degraded=True@1",), production=NEW),
            False,
            id="degraded by an older generation",
        ),
    ],
)
def test_settled_on_new(found: dict[str, Any], expected: bool) -> None:
    assert story.settled_on_new("a")(found) is expected


@pytest.mark.parametrize("kind", ["Degraded", "Stalled"])
def test_a_candidate_that_was_to_be_promoted_and_was_not_breaks_a_promise(kind: str) -> None:
    with pytest.raises(
        story.BrokenPromiseError, match=f"is {kind}: GateFailed: chrF 7.1 is below 20"
    ):
        story.settled_on_new("a")(model(conditions=(f"{kind}=True@2",)))


def test_a_candidate_is_rejected_once_status_names_it() -> None:
    assert not story.rejected(model(conditions=("Degraded=True@2",)))
    assert story.rejected(model(conditions=("Degraded=True@2",), rejected=[{"run": "c"}]))


class Runs:
    """Stands in for kubectl: three runs, listed in any order."""

    def list(self, kind: str, selector: str) -> list[dict[str, Any]]:
        assert (kind, selector) == ("trainingruns", "translation.kubeflow.org/model=pt-en")
        scores = {"a": "30.1", "b": "35.2", "c": "7.1"}
        return [
            {
                "metadata": {"name": name, "creationTimestamp": f"2026-01-01T00:00:0{i}Z"},
                "status": {"evaluation": {"scores": {"chrF": scores[name]}}},
            }
            for i, name in reversed(list(enumerate("abc")))
        ]


def test_candidates_are_told_oldest_first_with_their_fate() -> None:
    found = model(
        production=NEW,
        previous=[{"run": "a", "revision": "r-1"}],
        rejected=[{"run": "c", "reason": "GateFailed"}],
    )
    told = story.candidates(Runs(), found, {"b": "12 epochs"})  # type: ignore[arg-type]
    assert [(c.run, c.fate, c.scores["chrF"]) for c in told] == [
        ("a", "was in production", "30.1"),
        ("b", "in production", "35.2"),
        ("c", "rejected: GateFailed", "7.1"),
    ]
    assert told[1].recipe == "12 epochs"


class Told:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.lines: list[str] = []

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def progress(self, text: str) -> None:
        self.lines.append(text)


class Scripted:
    """Stands in for kubectl: shows one state of the model after the other."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self._states = list(states)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        assert (kind, name) == ("translationmodels", "pt-en")
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]

    def list(self, kind: str, selector: str) -> list[dict[str, Any]]:
        metadata = {"name": "pt-en-1", "creationTimestamp": "2026-01-01T00:00:00Z"}
        return [run(**PROGRESS) | {"metadata": metadata}]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.kube.time.sleep", lambda seconds: None)


@pytest.mark.usefixtures("quick")
def test_follow_tells_stages_and_progress_until_the_end() -> None:
    done = model(production=NEW)
    script = Scripted(
        model(candidate={"stage": "Training", "run": "pt-en-1"}),
        model(candidate={"stage": "Canary", "revision": "r-2", "weight": 50}),
        done,
    )
    told = Told()
    kube: Any = script
    assert (
        story.follow(kube, "pt-en", lambda m: bool(story.production(m)), "the end", 60, told)
        == done
    )
    assert told.stages == ["pt-en-1: training", "canary: 50 % of the traffic to r-2"]
    assert told.lines[0].startswith("pt-en-1: training 50 %")


@pytest.mark.usefixtures("quick")
def test_follow_that_waits_in_vain_says_what_it_saw_last() -> None:
    kube: Any = Scripted(model(candidate={"stage": "Evaluating", "run": "pt-en-1"}))
    with pytest.raises(KubeError, match="for the end; last: pt-en-1: evaluating"):
        story.follow(kube, "pt-en", lambda _: False, "the end", 0.05)
