"""What the gateway was told: the weights of an HTTPRoute over time, and the phases they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from demo.judge import Phase
from demo.kube import Kubectl, Object, Watch


@dataclass(frozen=True)
class Weights:
    """The weights that a route had from a moment on; revisions without weight are left out."""

    time: float  # seconds since the epoch
    by_revision: Mapping[str, int]


def weights_of(route: Object, model: str) -> dict[str, int]:
    """Return the weight of each revision that an HTTPRoute of ours sends requests to."""
    found = {}
    for rule in route["spec"].get("rules", []):
        for backend in rule.get("backendRefs", []):
            revision = backend["name"].removeprefix(f"{model}-").removesuffix("-predictor")
            if backend.get("weight", 1):
                found[revision] = int(backend.get("weight", 1))
    return found


class Timeline:
    """Records each change of a model's weights as it happens."""

    def __init__(self, kube: Kubectl, model: str) -> None:
        """Begin to watch the model's route."""
        self.changes: list[Weights] = []
        self._model = model
        self._watch = Watch(kube, "httproutes", self._see)

    def close(self) -> None:
        """End the watch."""
        self._watch.close()

    def _see(self, time: float, kind: str, route: Object) -> None:
        if kind == "DELETED" or route["metadata"]["name"] != f"{self._model}-split":
            return
        weights = weights_of(route, self._model)
        if not self.changes or self.changes[-1].by_revision != weights:
            self.changes.append(Weights(time, weights))


def phases(changes: Sequence[Weights], start: float, end: float) -> list[Phase]:
    """Return one phase for each stretch with the same weights between two moments.

    A phase is named after the revision that came last: in a rollout, the candidate.
    """
    ends = [change.time for change in changes[1:]] + [end]
    newest, known = "", set[str]()
    result = []
    for change, until in zip(changes, ends, strict=True):
        came = [revision for revision in change.by_revision if revision not in known]
        newest = came[-1] if came else newest
        known |= set(change.by_revision)
        weight = change.by_revision.get(newest, 0)
        is_step = len(known) > 1 and weight > 0
        name = f"{newest} at {weight} %"
        begun = max(change.time, start)
        if begun < min(until, end):
            result.append(Phase(name, begun, min(until, end), newest, weight, is_step))
    return result
