"""The children that the stored status implies: what to apply, and what to delete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from mt_contract import names
from mt_contract.codec import parse_duration
from mt_operator.core.children.http_route import TIMEOUT, http_route, route_change
from mt_operator.core.children.inference_service import (
    ACCOUNT,
    inference_service,
    service_change,
)
from mt_operator.core.children.probe_job import probe_job, probe_job_name
from mt_operator.core.children.training_run import (
    ANNOTATION_SUPERSEDED,
    importing_run,
    superseded_run,
    training_run,
)
from mt_operator.core.model import routing
from mt_operator.core.model.asked import asked_digest
from mt_operator.core.model.candidate import BEFORE_REVISION
from mt_operator.core.model.obstacle import builds
from mt_operator.core.model.outcome import artifact, outcome
from mt_operator.core.model.state import ModelStatus, Stage, trial_of
from mt_operator.core.model.trigger import outstanding
from mt_operator.core.model.turn import Situation, backend_name, service_name
from mt_operator.core.observed import JobState, RunView
from mt_operator.core.plan import Child, Ref

PROBE_KEPT = timedelta(days=1)  # a probe Job that ended, for people to look at
PROBE_SEED = 1


def to_apply(s: Situation, status: ModelStatus) -> tuple[Child, ...]:
    """Return what differs from the children that ``status`` implies."""
    return (*_runs(s, status), *_services(s, status), *_probe(s, status), *_route(s, status))


def to_delete(s: Situation, status: ModelStatus) -> tuple[Ref, ...]:
    """Return what is ours, but no longer implied by ``status``."""
    o, needed = s.observed, {service_name(s.meta, build) for build in builds(status)}
    probe = _probe_name(s, status)
    gone = [
        *((_ISVC, view.meta) for name, view in o.services.items() if name not in needed),
        *((_ROUTE, view.meta) for view in o.routes.values() if not routing.weights(s, status)),
        *(
            (_JOB, view.meta)
            for name, view in o.jobs.items()
            if name != probe and view.state in (JobState.ACTIVE, JobState.SUSPENDED)
        ),
    ]
    return tuple(
        Ref(*kind, meta.name, meta.uid)
        for kind, meta in gone
        if meta.owner == s.meta.uid and not meta.deleting
    )


_ISVC = ("serving.kserve.io/v1beta1", "InferenceService")
_ROUTE = ("gateway.networking.k8s.io/v1", "HTTPRoute")
_JOB = ("batch/v1", "Job")


def _services(s: Situation, status: ModelStatus) -> Iterator[Child]:
    if not s.observed.cluster.kserve:
        return
    candidate, production = status.candidate, status.production
    wanted = [(production, 0)] if production else []
    if candidate and candidate.build:
        wanted.append((candidate.build, candidate.replicas))
    for build, replicas in wanted:
        view = s.observed.services.get(service_name(s.meta, build))
        if view is not None and view.meta.owner != s.meta.uid:
            continue
        desired = inference_service(s.meta, build, replicas, s.observed.settings)
        change = service_change(desired, view)
        if change is not None:
            yield change


def _route(s: Situation, status: ModelStatus) -> Iterator[Child]:
    where, weights = routing.endpoint(s), routing.weights(s, status)
    view = s.observed.routes.get(names.route_name(s.meta.name))
    if not weights or not isinstance(where, routing.Endpoint) or not s.observed.cluster.gateway_api:
        return
    if view is not None and view.meta.owner != s.meta.uid:
        return
    build = builds(status)[0]
    timeout = build.serving.get("timeout")
    limit = parse_duration(timeout) if timeout else TIMEOUT
    change = route_change(http_route(s.meta, where.gateway, where.host, weights, limit), view)
    if change is not None:
        yield change


def _probe(s: Situation, status: ModelStatus) -> Iterator[Child]:
    trial, name = trial_of(status.candidate), _probe_name(s, status)
    probe = trial.candidate.probe if trial else None
    if trial is None or probe is None or s.obstacle is not None:
        return
    if name is None or name in s.observed.jobs:
        return
    build = trial.build
    child = probe_job(
        s.meta,
        revision=build.revision,
        run=build.run,
        folder=build.folder,
        url=f"http://{backend_name(s.meta, build)}.{s.meta.namespace}.svc.cluster.local",
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
        yield importing_run(s.meta, s.spec, asked.run, asked.cause.value, asked.source, found)


def _needed_runs(status: ModelStatus) -> set[str | None]:
    asked, candidate = outstanding(status), status.candidate
    needed: set[str | None] = {asked.run, asked.source} if asked else set()
    return needed | ({candidate.run} if candidate else set())


def _superseded(run: RunView) -> bool:
    return ANNOTATION_SUPERSEDED in run.meta.annotations
