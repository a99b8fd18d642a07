"""Kubernetes objects decoded into the plain values that decisions read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mt_contract import report
from mt_contract.codec import parse_time
from mt_contract.report import Failure, Message
from mt_operator.core.children.pod import CONTAINER
from mt_operator.core.observed import (
    FrontView,
    JobState,
    JobView,
    Meta,
    RouteView,
    ServiceView,
    Tree,
)
from mt_operator.shell.nodes import by_index, first_cause, nodes_of

# A container that waits for one of these is on its way.
_USUAL = frozenset({"ContainerCreating", "PodInitializing", ""})
_AT_WORK = ("Running", "Succeeded")
OOM_KILLED = "OOMKilled"
_EPOCH = datetime.fromtimestamp(0, UTC)


def owner_of(found: Tree) -> str | None:
    """Return the UID of an object's controlling owner."""
    references = found["metadata"].get("ownerReferences") or ()
    return next((str(r["uid"]) for r in references if r.get("controller")), None)


def meta_of(found: Tree) -> Meta:
    """Return an object's metadata."""
    meta = found["metadata"]
    return Meta(
        name=meta["name"],
        namespace=meta["namespace"],
        uid=meta["uid"],
        generation=meta.get("generation", 1),
        created=time_of(meta.get("creationTimestamp")),
        deleting="deletionTimestamp" in meta,
        labels=meta.get("labels") or {},
        annotations=meta.get("annotations") or {},
        owner=owner_of(found),
    )


def time_of(text: str | None) -> datetime | None:
    """Return a time of the API server."""
    return parse_time(text) if text else None


def job_view(found: Tree, pods: Iterable[Tree], progress: Tree | None = None) -> JobView:
    """Return a Job with what its pods tell.

    Args:
        found: the Job.
        pods: the Job's own pods, of one index or of several that work together.
        progress: what its running trainer answered.
    """
    status = found.get("status") or {}
    state, end = _job_state(found)
    pods_of = by_index(oldest_first(pods))
    newest = [mine[-1] for mine in pods_of.values()]
    ended = _end_of_job(state, pods_of)
    failure = f"{end.get('reason', '')}: {end.get('message', '')}"
    waiting = _waiting(newest) if state is JobState.ACTIVE else ""
    return JobView(
        meta=meta_of(found),
        state=state,
        message=_message(ended),
        failure=failure if state is JobState.FAILED else "",
        exit_code=ended.get("exitCode"),
        oom_killed=ended.get("reason") == OOM_KILLED,
        waiting=waiting,
        running=_running(newest, nodes_of(found)),
        progress=progress,
        started=time_of(status.get("startTime")),
        finished=time_of(status.get("completionTime") or end.get("lastTransitionTime")),
    )


def _end_of_job(state: JobState, pods_of: Mapping[int, Sequence[Tree]]) -> dict[str, Any]:
    """Return the state of the ended container that tells how the Job is, or ended."""
    done = [pod for pod in pods_of.get(0, ()) if _phase(pod) == "Succeeded"]
    if state is JobState.COMPLETE or (done and state is not JobState.FAILED):
        return _ended(done)  # the first of several publishes, and says so
    ends = [_ended(pods) for pods in pods_of.values()]
    if len(ends) < 2:
        return ends[0] if ends else {}
    killed = [end for end in ends if end.get("reason") == OOM_KILLED]
    return first_cause(killed or ends)


def _running(newest: Sequence[Tree], nodes: int) -> bool:
    """Return whether all that work together do, the first of them at least still."""
    phases = [_phase(pod) for pod in newest]
    return phases[:1] == ["Running"] and len(phases) >= nodes and {*phases} <= {*_AT_WORK}


def _waiting(newest: Sequence[Tree]) -> str:
    """Return why a pod of a Job does not run: one that failed counts where it is the only one."""
    waits = newest if len(newest) == 1 else [pod for pod in newest if _phase(pod) != "Failed"]
    return next((text for pod in waits if (text := waiting_of(pod))), "")


def service_view(found: Tree, pods: Sequence[Tree]) -> ServiceView:
    """Return an InferenceService with what the pods of its predictor tell.

    Its observedGeneration means nothing (it stays 1 after updates), so conditions are taken as they
    are; whether its pods are those of its template, the annotation on it says.
    """
    conditions = (found.get("status") or {}).get("conditions") or ()
    by_type = {condition["type"]: condition for condition in conditions}
    ready = by_type.get("Ready") or {}
    false = next((c for c in conditions if c.get("status") == "False"), ready)
    cause = ready if ready.get("message") else false
    there = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    waiting = [waiting_of(pod) for pod in oldest_first(there) if not is_ready(pod)]
    return ServiceView(
        meta=meta_of(found),
        ready=ready.get("status") == "True",
        predictor=(found.get("spec") or {}).get("predictor") or {},
        reason=cause.get("reason") or "",
        message=cause.get("message") or "",
        ready_replicas=sum(map(is_ready, there)),
        waiting=next((text for text in reversed(waiting) if text), ""),
        failed=ready.get("status") == "False",
        url=(found.get("status") or {}).get("url") or "",
    )


def front_view(found: Tree) -> FrontView:
    """Return our Service, and which pods it leads to."""
    return FrontView(meta_of(found), (found.get("spec") or {}).get("selector") or {})


def route_view(found: Tree) -> RouteView:
    """Return an HTTPRoute and whether its Gateways do what it says now."""
    meta = meta_of(found)
    spec = found.get("spec") or {}
    parents = (found.get("status") or {}).get("parents") or ()
    asked: Sequence[Tree] = spec.get("parentRefs") or ({},)
    problems = [_problem(parent, parents, meta) for parent in asked]
    refs = [ref for rule in (spec.get("rules") or ())[:1] for ref in rule.get("backendRefs") or ()]
    return RouteView(
        meta=meta,
        weights={ref["name"]: ref.get("weight", 1) for ref in refs},
        in_force=not any(problems),
        message="; ".join(filter(None, problems)),
        since=_status_written(found),
    )


def waiting_of(pod: Tree) -> str:
    """Return why a pod does not run or does not get ready, in words; empty where all is well."""
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return words_of(condition)
    for container in _containers(pod):
        crashed = container.get("lastState", {}).get("terminated") or {}
        failure = _message(container.get("state", {}).get("terminated") or crashed)
        if isinstance(failure, Failure):
            return f"{failure.reason}: {failure.message}"
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason", "") not in _USUAL:
            return words_of(waiting)
        if crashed:
            return f"Crashed: exit code {crashed.get('exitCode')}, {crashed.get('reason', '')}"
    return words_of(status) if _phase(pod) == "Failed" else ""


def _job_state(found: Tree) -> tuple[JobState, Tree]:
    for condition in (found.get("status") or {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return JobState(condition["type"]), condition
    suspended = (found.get("spec") or {}).get("suspend")
    return (JobState.SUSPENDED if suspended else JobState.ACTIVE), {}


def _ended(pods: Iterable[Tree]) -> dict[str, Any]:
    """Return the state of the program that ended last."""
    states = (container.get("state") or {} for pod in pods for container in _ours(pod))
    ended = [state["terminated"] for state in states if state.get("terminated")]
    return max(ended, key=lambda end: time_of(end.get("finishedAt")) or _EPOCH, default={})


def _message(ended: Tree) -> Message | None:
    try:
        return report.decode(ended.get("message") or "")
    except report.ReportError:
        return None


def _problem(parent: Tree, statuses: Iterable[Tree], meta: Meta) -> str:
    """Return why a parent does not do what the route says; empty if it does."""
    gateway = f"Gateway {parent.get('namespace', meta.namespace)}/{parent.get('name')}"
    answers = [status for status in statuses if _same_parent(parent, status, meta.namespace)]
    if not answers:
        return f"{gateway} has not answered"
    conditions = {c["type"]: c for c in answers[0].get("conditions") or ()}
    for kind in ("Accepted", "ResolvedRefs"):
        condition = conditions.get(kind) or {}
        if condition.get("observedGeneration") != meta.generation:
            return f"{gateway} has not seen generation {meta.generation}"
        if condition.get("status") != "True":
            return f"{gateway}: {words_of(condition)}"
    return ""


def _same_parent(parent: Tree, status: Tree, namespace: str) -> bool:
    other = status.get("parentRef") or {}
    return _place(parent, namespace) == _place(other, namespace)


def _place(parent: Tree, namespace: str) -> tuple[str, str, str]:
    return (
        parent.get("name") or "",
        parent.get("namespace") or namespace,
        parent.get("sectionName") or "",
    )


def _status_written(found: Tree) -> datetime | None:
    """Return when somebody last wrote the status: the conditions' own times stand still."""
    managers = found["metadata"].get("managedFields") or ()
    times = [time_of(m.get("time")) for m in managers if m.get("subresource") == "status"]
    return max((moment for moment in times if moment), default=None)


def is_ready(pod: Tree) -> bool:
    """Return whether users' requests may reach a pod."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _ours(pod: Tree) -> Sequence[Mapping[str, Any]]:
    """Return a Job's own container; a sidecar that somebody put beside it ends after it."""
    every = _containers(pod)
    return [one for one in every if one.get("name") == CONTAINER] or every  # of older releases


def _containers(pod: Tree) -> Sequence[Mapping[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _phase(pod: Tree) -> str:
    return str((pod.get("status") or {}).get("phase") or "")


def oldest_first(pods: Iterable[Tree]) -> list[Tree]:
    """Return pods in the order in which they were made."""
    return sorted(pods, key=_created)


def _created(pod: Tree) -> tuple[str, str]:
    return pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]


def words_of(cause: Tree) -> str:
    """Return reason and message of a condition, or of what waits or ended."""
    parts = (cause.get("reason") or "", cause.get("message") or "")
    return ": ".join(part for part in parts if part)
