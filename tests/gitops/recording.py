"""A small world that keeps every object that was ever seen in it, as the API server holds it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from tests.operator.knative_world import KnativeWorld
from tests.operator.model_builders import MODEL, NAMESPACE, SPEC, UID, WEIGHTS, World

from mt_contract import names
from mt_contract.defaults import merge
from mt_operator.core.plan import Plan

Object = Mapping[str, Any]


@dataclass
class Recorded(World):
    """A small world that keeps every object as it was after each look at it."""

    models: list[Object] = field(default_factory=list)
    moments: list[Recorded] = field(default_factory=list)  # itself, after each write of its status
    made_runs: list[Object] = field(default_factory=list)
    keeping: bool = True

    def look(self) -> Plan:
        """Let the operator look once, and keep what there is before and after."""
        self._keep(self.models, self.model())
        plan = super().look()
        self._keep(self.models, self.model())
        if plan.status is not None and self.keeping:
            self.moments.append(deepcopy(replace(self, models=[], moments=[], keeping=False)))
        return plan

    def live(self) -> bool:
        """Let the cluster go on a little, and keep what the runs have come to."""
        for thing in self.runs.values():
            self._keep(self.made_runs, run_object(thing))
        changed = super().live()
        for thing in self.runs.values():
            self._keep(self.made_runs, run_object(thing))
        return changed

    def model(self) -> Object:
        """Return the model as the API server holds it."""
        metadata = {
            "name": MODEL,
            "namespace": NAMESPACE,
            "uid": UID,
            "generation": self.generation,
        }
        annotations = {"annotations": dict(self.annotations)} if self.annotations else {}
        return {
            "apiVersion": names.API_VERSION,
            "kind": names.MODEL_KIND,
            "metadata": metadata | annotations,
            "spec": deepcopy(self.spec),
            "status": deepcopy(self.status) or {"observedGeneration": -1},
        }

    @staticmethod
    def _keep(kept: list[Object], found: Object) -> None:
        if not kept or kept[-1] != found:
            kept.append(found)


def run_object(thing: Any) -> Object:
    """Return a run as the API server holds it."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.RUN_KIND,
        "metadata": dict(thing.manifest["metadata"]) | {"generation": thing.generation},
        "spec": deepcopy(thing.manifest["spec"]),
        "status": deepcopy(dict(thing.status)) or {"observedGeneration": -1},
    }


def begun(**changes: Any) -> Recorded:
    """Return a world in which nothing has happened yet."""
    return Recorded(spec=merge(SPEC, {"rollout": {"steps": WEIGHTS}} | changes))


def in_production(**changes: Any) -> Recorded:
    """Return a world whose first revision serves."""
    world = begun(**changes)
    world.run_until("UpToDate")
    return world


@dataclass
class RecordedKnative(Recorded, KnativeWorld):
    """The same on a cluster with Knative."""
