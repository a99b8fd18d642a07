"""Which action is possible now, and on what: decided from status before anything is written.

The operator has the last word; what it would only ignore is refused here, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mt_cli.cluster import condition, holds, name_of, status_of
from mt_cli.errors import CliError, Code

Tree = Mapping[str, Any]
BEFORE_REVISION = ("Training", "Evaluating")
BEFORE_WEIGHT = ("Deploying", "ServingCheck")


_SUSPENDED = "spec.suspend is set: nothing goes on before it is set to false in the spec."


def suspended(model: Tree) -> bool:
    """Return whether nothing new may start, as its spec says."""
    return bool((model.get("spec") or {}).get("suspend"))


def refuse(message: str, code: Code = Code.NOT_NOW) -> CliError:
    """Return the error of an action that makes no sense now."""
    return CliError(message, code)


def promote(model: Tree, full: bool) -> str:
    """Return the target of ``promote``: the candidate that waits, or (``full``) any that serves.

    Raises:
        CliError: there is no candidate, or it does not wait for anybody.
    """
    candidate = _candidate(model, "promote")
    revision, stage = candidate.get("revision"), candidate.get("stage")
    name = name_of(model)
    if not revision or stage in BEFORE_REVISION:
        raise refuse(
            f"{_called(candidate)} is {str(stage).lower()}: it has to pass its gates before there "
            f"is anything to promote. `kubectl translation status {name} --watch` shows how far."
        )
    if stage == "RollingBack":
        raise refuse(f"{revision} is being rolled back: `kubectl translation retry {name}` later.")
    if stage in BEFORE_WEIGHT:
        told = "nothing gets weight before its serving check, which nobody can skip"
        raise refuse(f"{revision} is in stage {stage}: {told}. Try again in a moment.")
    if suspended(model):
        raise refuse(_SUSPENDED)
    if full:
        return f"full/{revision}"
    if not _waits(model, candidate):
        raise refuse(
            f"{revision} waits for nobody ({where(model)}): it goes on by itself. "
            f"`kubectl translation promote {name} --full` skips the steps that are left."
        )
    return str(revision)


def abort(model: Tree) -> str:
    """Return the candidate that ``abort`` ends.

    Raises:
        CliError: there is none, or it is on its way back already.
    """
    candidate = _candidate(model, "abort")
    if candidate.get("stage") == "RollingBack":
        raise refuse(f"{_called(candidate)} is being rolled back already: nothing is left to do.")
    return _called(candidate)


def pause(model: Tree) -> str:
    """Return the candidate that ``pause`` holds.

    Raises:
        CliError: there is none, it is rolled back, or it is held already.
    """
    candidate, name = _candidate(model, "pause"), name_of(model)
    if candidate.get("stage") == "RollingBack":
        raise refuse(f"{_called(candidate)} is being rolled back: that is not held up.")
    if candidate.get("paused"):
        told = f"{_called(candidate)} is paused already"
        raise refuse(f"{told}: `kubectl translation resume {name}` lets it go on.")
    return _called(candidate)


def resume(model: Tree) -> str:
    """Return the candidate that ``resume`` lets go on.

    Raises:
        CliError: there is none, or nothing holds it that ``resume`` could end.
    """
    candidate = _candidate(model, "resume")
    if candidate.get("paused"):
        return _called(candidate)
    told = f"nobody paused {_called(candidate)} ({where(model)})"
    if suspended(model):
        raise refuse(f"{told}; {_SUSPENDED}")
    if holds(model, "Paused"):
        why = condition(model, "Paused").get("message")
        raise refuse(f"{told}; what it waits for is something else: {why}")
    raise refuse(f"{told}: there is nothing to resume.")


def retry(model: Tree, wanted: str | None) -> str:
    """Return the rejected revision or run that is tried again: the named one, or the last.

    Raises:
        CliError: none was rejected, or not the named one.
    """
    name, rejected = name_of(model), _entries(model, "rejected")
    if not rejected:
        raise refuse(f"no candidate of {name} was rejected: there is nothing to retry.")
    entry = rejected[-1] if wanted is None else _named(rejected, wanted)
    if entry is None:
        known = ", ".join(_called(item) for item in reversed(rejected))
        raise refuse(f"{wanted} was not rejected. Rejected, newest first: {known}.", Code.NOT_FOUND)
    return _called(entry)


def rollback(model: Tree, wanted: str | None) -> str:
    """Return the earlier production revision that is returned to: the named one, or the newest.

    Raises:
        CliError: there is none, or not the named one, or it is in production.
    """
    name, previous = name_of(model), _entries(model, "previous")
    production = str((status_of(model).get("production") or {}).get("revision", ""))
    if wanted is not None and wanted == production:
        raise refuse(f"{wanted} is in production: there is nothing to roll back.")
    others = [entry for entry in previous if entry.get("revision") != production]
    if not others:
        raise refuse(
            f"{name} has no earlier production revision to go back to. "
            f"`kubectl translation abort {name}` ends a candidate."
        )
    held_against = {e.get("revision") for e in _entries(model, "rejected")}
    usable = [entry for entry in others if entry.get("revision") not in held_against]
    entry = next(iter(usable), None) if wanted is None else _named(others, wanted)
    if wanted is None and entry is None:
        told = f"every earlier production revision of {name} was rejected since"
        raise refuse(f"{told}: `kubectl translation retry {name} REVISION` forgets why.")
    if entry is not None and entry not in usable:
        told = f"{wanted} was rejected since it was in production"
        raise refuse(f"{told}: `kubectl translation retry {name} {wanted}` forgets why.")
    if entry is None:
        known = ", ".join(str(item.get("revision")) for item in others)
        told = f"{wanted} was never in production, or it is forgotten"
        raise refuse(f"{told}. Earlier revisions, newest first: {known}.", Code.NOT_FOUND)
    return str(entry["revision"])


def retrain(model: Tree) -> str:
    """Return what names a training that nobody but a person asks for: any word does.

    Raises:
        CliError: nothing new may start.
    """
    if suspended(model):
        raise refuse(_SUSPENDED)
    stalled = condition(model, "Stalled")
    if stalled.get("status") == "True" and stalled.get("reason") == "NotSupportedYet":
        raise refuse(f"nothing may start: {stalled.get('message')}")
    return "manual"


def model_of(run: Tree) -> str:
    """Return the model that rolls a run out, if it is blessed.

    Raises:
        CliError: there is none.
    """
    name, spec = name_of(run), run.get("spec") or {}
    model = str((spec.get("modelRef") or {}).get("name", ""))
    if model and spec.get("candidate"):
        return model
    told = f"{name} is an experiment (spec.candidate is not set): no model rolls it out"
    raise refuse(f"{told}. Write a TrainingRun with modelRef and candidate: true.")


def bless(model: Tree, run: Tree) -> str:
    """Return the run whose failed gates are overridden.

    Raises:
        CliError: the run has no verdict to override, or nothing may start.
    """
    name = name_of(run)
    if suspended(model):
        raise refuse(_SUSPENDED)
    if (status_of(model).get("production") or {}).get("run") == name:
        raise refuse(f"{name} is in production: there is nothing to override.")
    if holds(run, "Blessed"):
        raise refuse(f"{name} passed all its gates: there is nothing to override.")
    verdict = (status_of(run).get("evaluation") or {}).get("verdict")
    if verdict is None:
        failed = condition(run, "Failed")
        if failed.get("status") == "True":
            told = f"{name} failed before it had an evaluation: {failed.get('message')}"
            raise refuse(f"{told} A model that was never judged cannot be blessed.")
        raise refuse(f"{name} is not evaluated yet: wait for its gates, then decide.")
    return name


def _candidate(model: Tree, action: str) -> Tree:
    candidate: Tree = status_of(model).get("candidate") or {}
    if candidate:
        return candidate
    name = name_of(model)
    told = f"{name} has no candidate: there is nothing to {action}"
    if _entries(model, "rejected") and holds(model, "Degraded"):
        raise refuse(f"{told}. The last one was rejected; `kubectl translation retry {name}`?")
    raise refuse(f"{told}. A change of the spec, or `retrain {name}`, makes one.")


def _waits(model: Tree, candidate: Tree) -> bool:
    """Return whether the candidate waits for a person or for requests, or pauses."""
    steps: Sequence[Tree] = (candidate.get("rollout") or {}).get("steps") or ()
    step = int(candidate.get("step") or 0)
    pausing = candidate.get("stage") == "Canary" and step < len(steps) and "pause" in steps[step]
    no_data = (candidate.get("analysis") or {}).get("verdict") == "NoData"
    return bool(
        candidate.get("stage") == "AwaitingApproval"
        or pausing
        or no_data
        or candidate.get("paused")
    )


def where(model: Tree) -> str:
    """Return in words where the candidate is."""
    candidate = status_of(model).get("candidate") or {}
    stage = spaced(str(candidate.get("stage", "")))
    weight = candidate.get("weight") or 0
    return f"{stage}, {weight} % of the requests" if weight else stage


def spaced(word: str) -> str:
    """Return CamelCase as words: ``ServingCheck`` is ``serving check``."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in word).strip()


def _called(entry: Tree) -> str:
    return str(entry.get("revision") or entry.get("run") or "")


def _entries(model: Tree, key: str) -> list[Tree]:
    return list(status_of(model).get(key) or ())


def _named(entries: Sequence[Tree], wanted: str) -> Tree | None:
    """Return the newest entry of this revision or run."""
    found = [entry for entry in entries if wanted in (entry.get("revision"), entry.get("run"))]
    return found[-1] if found else None


OF_MODEL: Mapping[str, Callable[[Tree], str]] = {
    "abort": abort,
    "pause": pause,
    "resume": resume,
    "retrain": retrain,
}
"""Actions whose target the model alone names."""
