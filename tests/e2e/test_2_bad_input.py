"""Text that cannot be trained on, storage that cannot be written, a GPU that is not there."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from tests.e2e import toy
from tests.e2e.stage import Stage

from demo import story
from demo.install import put
from demo.kube import Object

WHOLE = toy.corpus()["toy/train.tsv"]
HALF = gzip.compress(WHOLE)[: len(gzip.compress(WHOLE)) // 2]
FILES: dict[str, bytes] = {
    "bad/empty.tsv": b"",
    "bad/binary.tsv": bytes(range(256)) * 400,
    "bad/half.tsv.gz": HALF,
}


def once(name: str, train: str, **changes: Any) -> dict[str, Any]:
    """A model whose failed Jobs are not tried again."""
    wanted = toy.model(name, train, **changes)
    wanted["spec"]["training"] |= {"backoffLimit": 0, "resources": {"limits": {"memory": "4Gi"}}}
    return wanted


CASES = {
    "missing": (once("missing", "bad/missing.tsv"), "DataInvalid", "missing.tsv"),
    "empty": (once("empty", "bad/empty.tsv"), "DataInvalid", "empty.tsv"),
    "binary": (once("binary", "bad/binary.tsv"), "DataInvalid", "binary.tsv"),
    "half": (once("half", "bad/half.tsv.gz"), "DataInvalid", "half.tsv.gz"),
    "locked": (
        once("locked", "toy/train.tsv", storage={"uri": "pvc://models/locked"}),
        "RunFailed",
        "locked",
    ),
}


@pytest.fixture(scope="module")
def models(second_stage: Stage) -> Stage:
    """All the bad models at once: their Jobs fail side by side."""
    put(second_stage.folders["corpora"], FILES)
    closed = second_stage.folders["models"] / "locked"
    closed.mkdir()
    closed.chmod(0o555)
    second_stage.kube.apply(*(wanted for wanted, _, _ in CASES.values()))
    return second_stage


@pytest.mark.parametrize("name", CASES)
def test_a_bad_input_is_explained_and_nothing_serves(models: Stage, name: str) -> None:
    _, reason, words = CASES[name]
    model = follow(models, name, lambda m: story.holds(m, "Degraded"), "to be refused")
    degraded = story.condition(model, "Degraded")
    assert degraded["reason"] == reason, degraded
    assert words in degraded["message"]
    assert not story.production(model)
    assert not models.kube.list("inferenceservices", f"translation.kubeflow.org/model={name}")


def test_a_training_that_asks_for_more_gpus_than_there_are_waits_and_says_so(
    second_stage: Stage,
) -> None:
    wanted = toy.model("greedy")
    wanted["spec"]["training"]["resources"]["limits"]["nvidia.com/gpu"] = 2
    second_stage.kube.apply(wanted)

    def told(model: Object) -> bool:
        entries = model.get("status", {}).get("conditions", [])
        return any("nvidia.com/gpu" in entry.get("message", "") for entry in entries)

    follow(second_stage, "greedy", told, "to say that no node has two GPUs")
    pods = second_stage.kube.list("pods", "translation.kubeflow.org/model=greedy")
    assert [pod["status"]["phase"] for pod in pods] == ["Pending"]
    second_stage.kube.delete("translationmodel", "greedy")


def follow(stage: Stage, name: str, test: Any, what: str) -> Object:
    return story.follow(stage.kube, name, test, f"{name} {what}", 600)
