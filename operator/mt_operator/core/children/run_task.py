"""What the Jobs of one run share: owner, folder, account, labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_contract import names
from mt_contract.names import Stage
from mt_contract.resource import Placement
from mt_operator.core.children.pod import SMALL, Task
from mt_operator.core.observed import ObservedRun
from mt_operator.core.run.inputs import Work


def tracked(work: Work) -> dict[str, Any]:
    """Return where else a Job tells of the run, as its environment says it; nothing if nowhere."""
    told = work.inputs.tracking
    if told is None:
        return {}
    server = {"trackingUri": told.tracking_uri, "experiment": told.experiment}
    return {"MT_TRACKING": server, "MT_TAGS": dict(told.tags)}


def run_task(
    observed: ObservedRun,
    work: Work,
    stage: Stage,
    attempt: int,
    *,
    image: str,
    args: tuple[str, ...],
    env: Mapping[str, Any] | None = None,
    reads: tuple[str, ...] = (),
    writes: bool = True,
    placement: Placement | None = None,
) -> Task:
    """Return a Job of this run.

    Args:
        observed: the run.
        work: what its Jobs are made from.
        stage: what the Job does.
        attempt: counts the Jobs of this stage, from 1.
        image: of its container.
        args: of its container.
        env: besides the run's name and folder; anything but a string is passed as JSON.
        reads: locations besides the run's folder.
        writes: whether it writes to the run's folder.
        placement: where and with what; not set: anywhere, small.
    """
    folder, model = work.inputs.folder, observed.spec.get("modelRef")
    return Task(
        owner=observed.meta,
        owner_kind=names.RUN_KIND,
        run=observed.meta.name,
        stage=stage,
        attempt=attempt,
        image=image,
        args=args,
        env={"MT_RUN": observed.meta.name, "MT_OUTPUT": folder} | dict(env or {}),
        service_account=work.inputs.service_account_name,
        pull_policy=observed.settings.image_pull_policy,
        writes=(folder,) if writes else (),
        reads=reads if writes else (folder, *reads),
        placement=placement or Placement(resources=SMALL),
        labels={"run": observed.meta.name} | ({"model": model["name"]} if model else {}),
    )
