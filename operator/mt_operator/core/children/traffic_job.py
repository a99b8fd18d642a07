"""The traffic Job: held-out sentences to candidate and production alike, where users are few.

It goes on until it is deleted; what its requests meet, the predictors count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mt_contract.names import Stage
from mt_contract.resource import Placement
from mt_operator.core.children.pod import job
from mt_operator.core.children.revision_task import revision_job_name, revision_task
from mt_operator.core.observed import Meta
from mt_operator.core.plan import Child

# It waits most of the time; the limit is for a test set of a million sentences.
RESOURCES: Mapping[str, Any] = {
    "requests": {"cpu": "50m", "memory": "128Mi"},
    "limits": {"memory": "1Gi"},
}
PLACEMENT = Placement(resources=RESOURCES, backoff_limit=6)


def traffic_job_name(model: Meta, revision: str) -> str:
    """Return the name of the Job that sends synthetic traffic while ``revision`` is judged."""
    return revision_job_name(model, revision, Stage.TRAFFIC, 1)


def traffic_job(
    model: Meta,
    *,
    revision: str,
    run: str,
    folder: str,
    urls: Sequence[str],
    image: str,
    rate: int,
    service_account: str,
    pull_policy: str,
) -> Child:
    """Return the Job that sends synthetic traffic while ``revision`` is judged.

    Args:
        model: the TranslationModel, which owns the Job.
        revision: the candidate.
        run: name of the run whose artifact it serves.
        folder: URI of that run's folder; its ``evaluation/translations.jsonl`` is replayed.
        urls: base URLs, inside the cluster, of what gets the traffic: candidate and production.
        image: a predictor image, which holds the program.
        rate: requests a second, to each of them.
        service_account: in whose name the Job runs.
        pull_policy: of the image.
    """
    return job(
        revision_task(
            model,
            Stage.TRAFFIC,
            1,
            revision=revision,
            run=run,
            folder=folder,
            image=image,
            env={"MT_URLS": list(urls), "MT_RATE": str(rate)},
            service_account=service_account,
            pull_policy=pull_policy,
            placement=PLACEMENT,
        )
    )
