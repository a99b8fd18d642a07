"""The probe Job: held-out sentences through a revision at weight 0, compared with evaluation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mt_contract.names import Stage
from mt_contract.resource import Placement
from mt_operator.core.children.pod import SMALL, job
from mt_operator.core.children.revision_task import revision_job_name, revision_task
from mt_operator.core.observed import Meta
from mt_operator.core.plan import Child

PLACEMENT = Placement(resources=SMALL, backoff_limit=2)


def probe_job_name(model: Meta, revision: str, attempt: int) -> str:
    """Return the name of the probe Job of ``revision``."""
    return revision_job_name(model, revision, Stage.PROBE, attempt)


def probe_job(
    model: Meta,
    *,
    revision: str,
    run: str,
    folder: str,
    url: str,
    image: str,
    requests: int,
    seed: int,
    attempt: int,
    service_account: str,
    pull_policy: str,
    deadline: timedelta = timedelta(minutes=10),
) -> Child:
    """Return the Job that probes ``revision``.

    Args:
        model: the TranslationModel, which owns the Job.
        revision: what is probed.
        run: name of the run whose artifact the revision serves.
        folder: URI of that run's folder; its ``evaluation/translations.jsonl`` is replayed.
        url: base URL of the revision inside the cluster.
        image: the revision's predictor image, which holds the program.
        requests: how many sentences are sent.
        seed: of the choice of sentences.
        attempt: counts the probes of this revision, from 1.
        service_account: in whose name the Job runs.
        pull_policy: of the image.
        deadline: how long the Job may be active, waiting for a node included.
    """
    return job(
        revision_task(
            model,
            Stage.PROBE,
            attempt,
            revision=revision,
            run=run,
            folder=folder,
            image=image,
            env={"MT_URL": url, "MT_REQUESTS": str(requests), "MT_SEED": str(seed)},
            service_account=service_account,
            pull_policy=pull_policy,
            placement=replace(PLACEMENT, active_deadline=deadline),
        )
    )
