"""The children that the stored status implies: what to apply, and what to delete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from mt_contract import names
from mt_operator.core.children.inference_service import ACCOUNT
from mt_operator.core.children.probe_job import probe_job, probe_job_name
from mt_operator.core.children.training_run import (
    ANNOTATION_SUPERSEDED,
    reusing_run,
    superseded_run,
    training_run,
)
from mt_operator.core.model import routing
from mt_operator.core.model.asked import asked_digest
from mt_operator.core.model.candidate import BEFORE_REVISION
from mt_operator.core.model.hold import halted
from mt_operator.core.model.outcome import artifact, outcome
from mt_operator.core.model.state import ModelStatus, Stage, trial_of
from mt_operator.core.model.synthetic import traffic, traffic_name
from mt_operator.core.model.trigger import outstanding
from mt_operator.core.model.turn import Situation
from mt_operator.core.observed import JobState, JobView, RunView
from mt_operator.core.plan import Child, Ref

PROBE_KEPT = timedelta(days=1)  # a probe Job that ended, for people to look at
PROBE_SEED = 1


def to_apply(s: Situation, status: ModelStatus) -> tuple[Child, ...]:
    """Return what differs from the children that ``status`` implies."""
    served = routing.backend(s).children(s, status)
    return (*_runs(s, status), *served, *_probe(s, status), *traffic(s, status))


def to_delete(s: Situation, status: ModelStatus) -> tuple[Ref, ...]:
    """Return what is ours, but no longer implied by ``status``."""
    o, working = s.observed, (_probe_name(s, status), traffic_name(s, status))
    needed = set(routing.backend(s).needs(s, status))
    gone = [
        *((_ISVC, view.meta) for view in o.services.values()),
        *((_ROUTE, view.meta) for view in o.routes.values()),
        *((_FRONT, view.meta) for view in o.fronts.values()),
        *(
            (_JOB, view.meta)
            for name, view in o.jobs.items()
            if name not in working and _in_the_way(view)
        ),
    ]
    return tuple(
        Ref(*kind, meta.name, meta.uid)
        for kind, meta in gone
        if meta.owner == s.meta.uid and not meta.deleting and (kind[1], meta.name) not in needed
    )


_ISVC = ("serving.kserve.io/v1beta1", "InferenceService")
_ROUTE = ("gateway.networking.k8s.io/v1", "HTTPRoute")
_FRONT = ("v1", "Service")
_JOB = ("batch/v1", "Job")


def _in_the_way(job: JobView) -> bool:
    """Return whether a Job that nothing needs has to go: probes that ended are kept to be read."""
    ended = job.state not in (JobState.ACTIVE, JobState.SUSPENDED)
    return not ended or job.meta.labels.get(names.LABEL_STAGE) == names.Stage.TRAFFIC


def _probe(s: Situation, status: ModelStatus) -> Iterator[Child]:
    trial, name = trial_of(status.candidate), _probe_name(s, status)
    probe = trial.candidate.probe if trial else None
    if trial is None or probe is None or halted(s, trial.candidate):
        return
    if name is None or name in s.observed.jobs:
        return
    build = trial.build
    child = probe_job(
        s.meta,
        revision=build.revision,
        run=build.run,
        folder=build.folder,
        url=f"http://{routing.dark_host(s, build)}",
        image=build.engine["image"],
        requests=trial.rollout.serving_check.requests,
        seed=PROBE_SEED,
        attempt=probe.attempt,
        service_account=build.serving[ACCOUNT],
        pull_policy=s.observed.settings.image_pull_policy,
    )
    spec = dict(child.manifest["spec"]) | {
        "ttlSecondsAfterFinished": round(PROBE_KEPT.total_seconds())
    }
    yield replace(child, manifest=dict(child.manifest) | {"spec": spec})


def _probe_name(s: Situation, status: ModelStatus) -> str | None:
    candidate = status.candidate
    if candidate is None or candidate.stage is not Stage.SERVING_CHECK:
        return None
    if candidate.build is None or candidate.probe is None:
        return None
    return probe_job_name(s.meta, candidate.build.revision, candidate.probe.attempt)


def _runs(s: Situation, status: ModelStatus) -> Iterator[Child]:
    """Yield the run that is asked for, and what holds or resumes others."""
    if s.obstacle is not None:
        return
    yield from _asked_run(s, status)
    needed = _needed_runs(status)
    for run in s.runs.values():
        if not s.owns(run) or run.meta.deleting or outcome(run).ended:
            continue
        suspended, ours = bool(run.spec.get("suspend")), _superseded(run)
        if run.meta.name in needed and suspended and ours:
            yield superseded_run(s.meta.namespace, run.meta.name, superseded=False)
        elif run.meta.name not in needed and not suspended:
            yield superseded_run(s.meta.namespace, run.meta.name, superseded=True)


def _asked_run(s: Situation, status: ModelStatus) -> Iterator[Child]:
    asked, candidate = outstanding(status), status.candidate
    if asked is None or asked.cause is None or asked.run in s.runs:
        return
    if asked.digest != asked_digest(s.spec):
        return  # the spec has changed since; the next status says what it asks for
    if candidate is None or candidate.run != asked.run or candidate.stage not in BEFORE_REVISION:
        return
    if asked.source is None:
        yield training_run(s.meta, s.spec, asked.run, asked.cause.value)
    elif (source := s.runs.get(asked.source)) and (found := artifact(source)):
        yield reusing_run(s.meta, s.spec, asked.run, asked.cause.value, asked.source, found)


def _needed_runs(status: ModelStatus) -> set[str | None]:
    asked, candidate = outstanding(status), status.candidate
    needed: set[str | None] = {asked.run, asked.source} if asked else set()
    return needed | ({candidate.run} if candidate else set())


def _superseded(run: RunView) -> bool:
    return ANNOTATION_SUPERSEDED in run.meta.annotations
