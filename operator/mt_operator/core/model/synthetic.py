"""Synthetic traffic: a Job that sends held-out sentences while a candidate is analysed."""

from __future__ import annotations

from collections.abc import Iterator

from mt_operator.core.children.inference_service import ACCOUNT
from mt_operator.core.children.traffic_job import traffic_job, traffic_job_name
from mt_operator.core.model import routing
from mt_operator.core.model.rollback import UNDER_WAY
from mt_operator.core.model.state import ModelStatus, Trial, trial_of
from mt_operator.core.model.turn import Situation
from mt_operator.core.plan import Child


def traffic(s: Situation, status: ModelStatus) -> Iterator[Child]:
    """Yield the traffic Job that ``status`` implies, if it is not there."""
    trial, name = _judged(status), traffic_name(s, status)
    if trial is None or name is None or name in s.observed.jobs:
        return
    analysis, build, production = trial.rollout.analysis, trial.build, status.production
    sent = analysis.synthetic_traffic if analysis else None
    if sent is None:
        return
    served = [build, production] if production else [build]
    yield traffic_job(
        s.meta,
        revision=build.revision,
        run=build.run,
        folder=build.folder,
        urls=[f"http://{routing.dark_host(s, each)}" for each in served],
        image=build.engine["image"],
        rate=sent.requests_per_second,
        service_account=build.serving[ACCOUNT],
        pull_policy=s.observed.settings.image_pull_policy,
    )


def traffic_name(s: Situation, status: ModelStatus) -> str | None:
    """Return the name of the traffic Job that ``status`` implies, or None."""
    trial = _judged(status)
    return traffic_job_name(s.meta, trial.build.revision) if trial else None


def _judged(status: ModelStatus) -> Trial | None:
    """Return the candidate while its traffic is analysed and may be synthetic."""
    trial = trial_of(status.candidate)
    if trial is None or trial.candidate.stage not in UNDER_WAY:
        return None
    analysis = trial.rollout.analysis
    if trial.candidate.analysis is None or analysis is None or not analysis.synthetic_traffic:
        return None
    return trial
