"""The train Job: the recipe, in the trainer's image, where the user wants it placed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_contract.names import Stage
from mt_operator.core.children.pod import Task
from mt_operator.core.children.run_task import run_task
from mt_operator.core.observed import ObservedRun
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
    return run_task(
        observed,
        work,
        Stage.TRAIN,
        observed.status["attempts"]["train"],
        image=work.recipe["training"]["image"],
        args=("train",),
        # The test data is for the check that no sentence of it is trained on.
        env={"MT_RECIPE": work.recipe, "MT_TEST": inputs.test},
        reads=tuple(source["uri"] for source in sources),
        placement=inputs.placement,
    )
