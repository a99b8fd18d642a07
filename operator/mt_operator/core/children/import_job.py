"""The import Job: in the trainer's image, makes an artifact of a model that was made elsewhere."""

from __future__ import annotations

from mt_contract.names import Stage
from mt_contract.resource import Placement
from mt_operator.core.children.pod import Task
from mt_operator.core.children.run_task import run_task, tracked
from mt_operator.core.children.train_job import RESOURCES
from mt_operator.core.observed import ObservedRun
from mt_operator.core.run.inputs import Work


def import_task(observed: ObservedRun, work: Work) -> Task:
    """Return the import Job of the run. It needs no GPU: of the placement, credentials count."""
    recipe, asked = work.recipe, work.inputs.placement
    return run_task(
        observed,
        work,
        Stage.IMPORT,
        observed.status["attempts"]["import"],
        image=work.inputs.importer,
        args=("import",),
        env={
            "MT_IMPORT": recipe["import"],
            "MT_LANGUAGES": f"{recipe['sourceLanguage']}-{recipe['targetLanguage']}",
        }
        | tracked(work),
        reads=(recipe["import"]["uri"],),
        placement=Placement(
            resources=RESOURCES,
            backoff_limit=asked.backoff_limit,
            env=asked.env,
            env_from=asked.env_from,
        ),
    )
