"""The story's steps: follow what becomes of a TranslationModel, and say what happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from demo.kube import Kubectl, KubeError, Object, wait
from mt_contract import names


class Telling(Protocol):
    """Who is told what happens; the same is told again and again."""

    def stage(self, text: str) -> None:
        """The candidate is in this stage, or there is none."""

    def progress(self, text: str) -> None:
        """This is what goes on just now."""


class BrokenPromiseError(AssertionError):
    """A promise of the product was broken; the message says which."""


@dataclass(frozen=True)
class Candidate:
    """What became of a training run."""

    run: str
    recipe: str  # in words
    scores: Mapping[str, str]
    fate: str
    revision: str


def condition(found: Object, kind: str) -> Mapping[str, Any]:
    """Return a condition of an object's status; empty where it has none of that type."""
    conditions = found.get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == kind), {})


def holds(found: Object, kind: str) -> bool:
    """Return whether a condition is True, and about what the object asks for now."""
    entry = condition(found, kind)
    generation = found["metadata"].get("generation")
    return entry.get("status") == "True" and entry.get("observedGeneration") == generation


def production(model: Object) -> Mapping[str, Any]:
    """Return what serves."""
    return dict(model.get("status", {}).get("production") or {})


def candidate(model: Object) -> Mapping[str, Any]:
    """Return what is being tried."""
    return dict(model.get("status", {}).get("candidate") or {})


def headline(model: Object) -> str:
    """Return which stage a model's candidate is in; empty where there is none."""
    trying = candidate(model)
    stage = str(trying.get("stage", ""))
    if stage == "Canary":
        return f"canary: {trying.get('weight', 0)} % of the traffic to {trying.get('revision')}"
    return f"{trying.get('revision') or trying.get('run')}: {_spaced(stage)}" if stage else ""


def describe(model: Object, run: Object | None) -> str:
    """Return in one line what happens to a model just now."""
    trying = candidate(model)
    if run and trying.get("stage") == "Training" and trying.get("run") == run["metadata"]["name"]:
        return f"{run['metadata']['name']}: {_progress(run)}"
    stalled = condition(model, "Stalled")
    return headline(model) or str(stalled.get("message") or "waiting for the operator")


def _spaced(stage: str) -> str:
    return "".join(f" {c.lower()}" if c.isupper() else c for c in stage).strip()


def _progress(run: Object) -> str:
    progress = run.get("status", {}).get("progress") or {}
    if not progress.get("step"):
        return "training"
    values = {entry["name"]: entry["value"] for entry in progress.get("metrics", [])}
    parts = [f"step {progress['step']} of {progress.get('totalSteps', '?')}"]
    parts += [f"epoch {progress['epoch']}"] if progress.get("epoch") else []
    parts += [f"loss {values['loss']}"] if "loss" in values else []
    parts += [f"validation {values['validationLoss']}"] if "validationLoss" in values else []
    remaining = progress.get("estimatedRemainingSeconds")
    parts += [f"about {remaining} s left"] if remaining is not None else []
    return f"training {progress.get('progressPercentage', 0)} %, " + ", ".join(parts)


def newest_run(kube: Kubectl, model: str) -> Object | None:
    """Return the model's run that was made last."""
    selector = f"{names.LABEL_MODEL}={model}"
    runs = sorted(kube.list("trainingruns", selector), key=_created)
    return runs[-1] if runs else None


def _created(found: Object) -> tuple[str, str]:
    return found["metadata"]["creationTimestamp"], found["metadata"]["name"]


def follow(
    kube: Kubectl,
    name: str,
    until: Callable[[Object], bool],
    what: str,
    timeout: float,
    tell: Telling | None = None,
) -> Object:
    """Return the model once ``until`` holds for it; tell what happens meanwhile.

    Raises:
        KubeError: it did not within ``timeout`` seconds; the message holds the last state.
    """
    last = ""

    def look() -> Object | None:
        nonlocal last
        model = kube.get("translationmodels", name)
        if model is None or until(model):
            return model
        last = describe(model, newest_run(kube, name))
        if tell:
            tell.stage(headline(model))
            tell.progress(last)
        return None

    try:
        return wait(what, look, timeout)
    except KubeError as error:
        raise KubeError(f"{error}; last: {last}") from error


def settled_on_new(before: str) -> Callable[[Object], bool]:
    """Return a test: another run than ``before`` is in production and the model is up to date."""

    def test(model: Object) -> bool:
        _refuse_failure(model)
        run = production(model).get("run")
        return bool(run) and run != before and holds(model, "UpToDate")

    return test


def _refuse_failure(model: Object) -> None:
    for kind in ("Degraded", "Stalled"):
        if holds(model, kind):
            entry = condition(model, kind)
            raise BrokenPromiseError(
                f"the model is {kind}: {entry.get('reason')}: {entry.get('message')}"
            )


def rejected(model: Object) -> bool:
    """Return whether what the current generation asked for was rejected."""
    return holds(model, "Degraded") and bool(model["status"].get("rejected"))


def candidates(kube: Kubectl, model: Object, recipes: Mapping[str, str]) -> list[Candidate]:
    """Return every run of a model, oldest first, and what became of it.

    Args:
        kube: the cluster and the namespace.
        model: the TranslationModel.
        recipes: in words, by run.
    """
    selector = f"{names.LABEL_MODEL}={model['metadata']['name']}"
    runs = sorted(kube.list("trainingruns", selector), key=_created)
    return [_candidate(model, run, recipes) for run in runs]


def _candidate(model: Object, run: Object, recipes: Mapping[str, str]) -> Candidate:
    name = run["metadata"]["name"]
    status = model.get("status", {})
    fate, revision = "", ""
    if production(model).get("run") == name:
        fate, revision = "in production", str(production(model).get("revision", ""))
    for entry in status.get("previous", []):
        if entry.get("run") == name:
            fate, revision = "was in production", str(entry.get("revision", ""))
    for entry in status.get("rejected", []):
        if entry.get("run") == name:
            fate = f"rejected: {entry.get('reason')}"
    scores = run.get("status", {}).get("evaluation", {}).get("scores", {})
    return Candidate(name, recipes.get(name, ""), scores, fate or "unknown", revision)


def serving_objects(kube: Kubectl, name: str, revision: str) -> list[str]:
    """Return the names of a revision's InferenceService and pods that are still there."""
    selector = (
        f"{names.LABEL_MODEL}={name},{names.LABEL_REVISION}={revision},"
        "app.kubernetes.io/component=predictor"
    )
    return [
        f"{kind}/{found['metadata']['name']}"
        for kind in ("inferenceservices", "pods")
        for found in kube.list(kind, selector)
    ]
