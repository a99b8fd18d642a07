"""Importing: one Job that makes an artifact of a model that was trained elsewhere."""

from __future__ import annotations

from mt_contract.report import TrainResult
from mt_operator.core.children.import_job import import_task
from mt_operator.core.observed import ObservedRun
from mt_operator.core.reasons import Reason
from mt_operator.core.run.evaluating import begin_evaluation
from mt_operator.core.run.inputs import work_of
from mt_operator.core.run.lost import result_of
from mt_operator.core.run.stage import RunStage, stage_of
from mt_operator.core.run.step import Step, conditions_of, mark
from mt_operator.core.run.training import published, unpublished

IMPORTED = "A model made elsewhere was imported; nothing was trained."


def import_model(observed: ObservedRun) -> Step | None:
    """Make sure that there is an import Job, and take over its artifact.

    DataValid is not said of it: nobody knows the text that it was trained on.
    """
    if stage_of(observed.status) is not RunStage.IMPORTING:
        return None
    work = work_of(observed.status)
    outcome = result_of(observed, work, import_task(observed, work), TrainResult, Reason.IMPORTING)
    if not isinstance(outcome, TrainResult):
        return unpublished(observed, outcome)
    if (artifact := published(work, outcome)) is None:
        return unpublished(observed, outcome)
    conditions = conditions_of(observed)
    conditions = mark(observed, conditions, "Trained", True, Reason.IMPORTED, IMPORTED)
    return begin_evaluation(observed, work.raw_inputs, conditions, {"artifact": artifact})
