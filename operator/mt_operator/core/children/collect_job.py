"""The collect Job: reads a result that a Job left in the run's folder, and says it again."""

from __future__ import annotations

from mt_contract.names import Stage
from mt_operator.core.children.pod import Task
from mt_operator.core.children.run_task import run_task
from mt_operator.core.observed import ObservedRun
from mt_operator.core.run.inputs import Work

# The stage whose result is collected, and the argument that says so.
COLLECTS = {Stage.COLLECT_TRAIN: Stage.TRAIN, Stage.COLLECT_EVALUATE: Stage.EVALUATE}


def collect_task(observed: ObservedRun, work: Work, stage: Stage, attempt: int) -> Task:
    """Return the collect Job of ``stage`` (COLLECT_TRAIN or COLLECT_EVALUATE)."""
    return run_task(
        observed,
        work,
        stage,
        attempt,
        image=work.inputs.engine.image,
        args=("collect", str(COLLECTS[stage])),
        writes=False,
    )
