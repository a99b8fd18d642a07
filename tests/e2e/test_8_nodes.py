"""Two pods train one model, and one of them is lost in the middle: nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e import toy
from tests.e2e.stage import Stage

from demo.kube import Object, wait
from mt_contract import artifact

PATIENCE = 900.0  # seconds; nothing is judged by it
RUN = "pair"
OF_RUN = f"translation.kubeflow.org/run={RUN}"
OF_TRAINING = f"{OF_RUN},translation.kubeflow.org/stage=train"
INDEX = "batch.kubernetes.io/job-completion-index"


def run() -> dict[str, Any]:
    """A run without a model, on two nodes, long enough to be caught in the middle."""
    spec = toy.model(RUN)["spec"]
    del spec["rollout"], spec["serving"]["resources"]  # a run serves nothing
    spec["training"] |= {
        "nodes": 2,
        "optimizer": {"learningRate": "0.005", "warmupSteps": 100, "batchTokens": 1024},
        "budget": {"maxEpochs": 10},  # each ends with a checkpoint
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "3Gi"}},
    }
    return {
        "apiVersion": "translation.kubeflow.org/v1alpha1",
        "kind": "TrainingRun",
        "metadata": {"name": RUN},
        "spec": spec,
    }


def test_a_training_on_two_nodes_outlives_one_of_them(second_stage: Stage) -> None:
    kube = second_stage.kube
    kube.apply(run())
    first = wait("both pods", lambda: both(kube.list("pods", OF_TRAINING)), PATIENCE)
    folder = second_stage.folders["models"] / RUN
    wait("a checkpoint in mid-training", lambda: under_way(folder), PATIENCE, interval=0.2)
    kube.run("delete", "pod", first["1"], "--force", "--grace-period=0")

    over = wait("the run to succeed", lambda: succeeded(kube.get("trainingrun", RUN)), PATIENCE)
    (model,) = folder.glob("*/model")
    artifact.verify(model, over["status"]["artifact"]["digest"])
    assert not list(folder.glob("*/.model*"))
    lines = (model.parent / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(steps)  # what the lost attempt said beyond its checkpoint is gone
    assert second_stage.witness.stages(RUN) == {(RUN, "train"): 1, (RUN, "evaluate"): 1}
    wait("its Service to go", lambda: not kube.list("services", OF_RUN), 120)
    running = [
        p for p in kube.list("pods", OF_RUN) if p["status"]["phase"] in ("Pending", "Running")
    ]
    assert not running


def both(pods: list[Object]) -> dict[str, str] | None:
    """Return the pods' names by index, once two of them run."""
    names = {
        pod["metadata"]["annotations"][INDEX]: pod["metadata"]["name"]
        for pod in pods
        if pod["status"]["phase"] == "Running"
    }
    return names if len(names) == 2 else None


def under_way(folder: Path) -> bool:
    """Return whether there is a checkpoint of a later step than none."""
    return any(int(path.stem.split("-")[1]) > 0 for path in folder.glob("*/checkpoints/step-*"))


def succeeded(run: Object | None) -> Object | None:
    """Return the run once it is over, and has succeeded.

    Raises:
        AssertionError: it has failed.
    """
    conditions = {c["type"]: c for c in (run or {}).get("status", {}).get("conditions", ())}
    assert conditions.get("Failed", {}).get("status") != "True", conditions["Failed"]
    return run if conditions.get("Succeeded", {}).get("status") == "True" else None
