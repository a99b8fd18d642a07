"""What the Jobs of one revision share: a predictor's image, the run's folder, owner and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_contract import names
from mt_contract.names import Stage
from mt_contract.resource import Placement
from mt_operator.core.children.pod import Task
from mt_operator.core.observed import Meta


def revision_job_name(model: Meta, revision: str, stage: Stage, attempt: int) -> str:
    """Return the name of a Job of ``revision``."""
    service = names.inference_service_name(model.name, revision)
    return names.job_name(service, model.uid, stage, attempt)


def revision_task(
    model: Meta,
    stage: Stage,
    attempt: int,
    *,
    revision: str,
    run: str,
    folder: str,
    image: str,
    env: Mapping[str, Any],
    service_account: str,
    pull_policy: str,
    placement: Placement,
) -> Task:
    """Return a Job of a revision; the program's subcommand is named like the stage.

    Args:
        model: the TranslationModel, which owns the Job.
        stage: what the Job does.
        attempt: counts the Jobs of this stage, from 1.
        revision: whose Job it is.
        run: name of the run whose artifact the revision serves.
        folder: URI of that run's folder, which is read.
        image: a predictor image, which holds the program.
        env: besides the model's name and the folder; anything but a string is passed as JSON.
        service_account: in whose name the Job runs.
        pull_policy: of the image.
        placement: where and with what.
    """
    return Task(
        owner=model,
        owner_kind=names.MODEL_KIND,
        run=names.inference_service_name(model.name, revision),
        stage=stage,
        attempt=attempt,
        image=image,
        args=(stage.value,),
        env={"MT_OUTPUT": folder, "MT_MODEL": model.name} | dict(env),
        service_account=service_account,
        pull_policy=pull_policy,
        reads=(folder,),
        placement=placement,
        labels={"model": model.name, "run": run, "revision": revision},
    )
