"""The train Job: the recipe, in the trainer's image, where the user wants it placed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_contract import names
from mt_contract.codec import to_json
from mt_contract.names import Stage
from mt_operator.core.children.pod import Task
from mt_operator.core.children.run_task import run_task, tracked
from mt_operator.core.children.sources import locations
from mt_operator.core.observed import Meta, ObservedRun
from mt_operator.core.run.inputs import Work

# Where a user names none: enough for the small model, on a small node.
RESOURCES: Mapping[str, Any] = {
    "requests": {"cpu": "500m", "memory": "2Gi"},
    "limits": {"memory": "8Gi"},
}


def train_task(observed: ObservedRun, work: Work) -> Task:
    """Return the train Job of the run."""
    data, inputs = work.recipe["data"], work.inputs
    sources = [*data["train"], *data.get("validation", ()), *inputs.test]
    origins = [each for each in (inputs.parent, inputs.previous) if each]
    attempt = observed.status["attempts"]["train"]
    # The test data is for the check that no sentence of it is trained on.
    env: dict[str, Any] = {"MT_RECIPE": work.recipe, "MT_TEST": inputs.test} | tracked(work)
    if inputs.parent:
        env["MT_PARENT"] = to_json(inputs.parent)
    if inputs.previous:
        env["MT_PREVIOUS"] = inputs.previous.uri
    return run_task(
        observed,
        work,
        Stage.TRAIN,
        attempt,
        image=work.recipe["training"]["image"],
        args=("train",),
        env=env | dict(_together(observed.meta, inputs.placement.nodes, attempt)),
        reads=(*locations(sources), *(each.uri for each in origins)),
        placement=inputs.placement,
    )


def _together(run: Meta, nodes: int, attempt: int) -> Mapping[str, str]:
    """Return where the pods of one training find each other; Kubernetes numbers them itself."""
    if nodes == 1:
        return {}
    job = names.job_name(run.name, run.uid, Stage.TRAIN, attempt)
    return {"MT_NODES": str(nodes), "MT_COORDINATOR": names.coordinator(job, run.namespace)}
