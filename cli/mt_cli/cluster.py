"""The objects that commands read and annotate: models, their runs, their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mt_cli.errors import ApiError, CliError, Code
from mt_cli.kube import Kube
from mt_contract import names

Tree = Mapping[str, Any]
API = f"/apis/{names.API_VERSION}"
KINDS = {names.MODEL_PLURAL: names.MODEL_KIND, names.RUN_PLURAL: names.RUN_KIND}


@dataclass(frozen=True)
class Cluster:
    """One namespace of a cluster, or (namespace None) all of them."""

    kube: Kube
    namespace: str | None

    def model(self, name: str) -> Tree:
        """Return a TranslationModel."""
        return self._object(names.MODEL_PLURAL, name)

    def run(self, name: str) -> Tree:
        """Return a TrainingRun."""
        return self._object(names.RUN_PLURAL, name)

    def find_run(self, name: str) -> Tree | None:
        """Return a TrainingRun, or None where there is none (any more)."""
        try:
            return self.run(name)
        except ApiError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise

    def models(self) -> list[Tree]:
        """Return the TranslationModels, by namespace and name."""
        return sorted(self._list(names.MODEL_PLURAL), key=_place)

    def runs(self, model: str) -> list[Tree]:
        """Return the runs of a model, the newest first."""
        found = self._list(names.RUN_PLURAL, fieldSelector=f"spec.modelRef.name={model}")
        return sorted(found, key=created, reverse=True)

    def events(self, subject: Tree) -> list[Tree]:
        """Return the events about an object, the oldest first."""
        meta = subject["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/events"
        found = self.kube.get(path, fieldSelector=f"involvedObject.uid={meta['uid']}")
        return sorted(found.get("items") or (), key=event_time)

    def annotate(self, model: Tree, annotation: str, value: str) -> Tree:
        """Set one annotation of a model and return the model."""
        meta = model["metadata"]
        path = f"{API}/namespaces/{meta['namespace']}/{names.MODEL_PLURAL}/{meta['name']}"
        body = {"metadata": {"annotations": {annotation: value}}}
        return self.kube.patch(path, body, fieldManager="kubectl-translation")

    def _object(self, plural: str, name: str) -> Tree:
        if self.namespace is None:
            told = f"{name} may be in any namespace: say which by -n, not -A."
            raise CliError(told, Code.USAGE)
        try:
            return self.kube.get(f"{API}/namespaces/{self.namespace}/{plural}/{name}")
        except ApiError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            raise self._missing(plural, name, str(error)) from error

    def _missing(self, plural: str, name: str, told: str) -> CliError:
        if "page not found" in told:
            return _no_api(plural)
        look = "list -A" if plural == names.MODEL_PLURAL else "runs MODEL"
        return ApiError(
            404,
            f"there is no {KINDS[plural]} {name} in namespace {self.namespace}: "
            f"`kubectl translation {look}` shows what there is.",
            Code.NOT_FOUND,
        )

    def _list(self, plural: str, **query: str) -> Sequence[Tree]:
        where = f"/namespaces/{self.namespace}" if self.namespace else ""
        try:
            items: Sequence[Tree] = self.kube.get(f"{API}{where}/{plural}", **query)["items"]
        except ApiError as error:
            if error.code is Code.NOT_FOUND:
                raise _no_api(plural) from error
            raise
        return items


def _no_api(plural: str) -> CliError:
    return CliError(
        f"this cluster does not know {KINDS[plural]}s: install the operator "
        "(`kubectl apply -k manifests/overlays/standalone`), or choose another --context."
    )


def name_of(found: Tree) -> str:
    """Return an object's name."""
    return str(found["metadata"]["name"])


def status_of(found: Tree) -> Tree:
    """Return an object's status, empty where the operator has not written one."""
    status: Tree = found.get("status") or {}
    return status


def condition(found: Tree, kind: str) -> Tree:
    """Return a condition of an object; empty where it has none of this type."""
    conditions: Sequence[Tree] = status_of(found).get("conditions") or ()
    return next((entry for entry in conditions if entry.get("type") == kind), {})


def holds(found: Tree, kind: str) -> bool:
    """Return whether a condition is True."""
    return condition(found, kind).get("status") == "True"


def created(found: Tree) -> tuple[str, str]:
    """Return what sorts objects by age, the oldest first."""
    return str(found["metadata"].get("creationTimestamp", "")), name_of(found)


def _place(found: Tree) -> tuple[str, str]:
    return str(found["metadata"].get("namespace", "")), name_of(found)


def event_time(event: Tree) -> str:
    """Return when an event happened last."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next((time for time in times if time), ""))
