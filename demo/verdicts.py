"""How the operator judged a candidate at each weight, as the model's status told it."""

from __future__ import annotations

from collections.abc import Mapping

from demo.kube import Kubectl, Object, Watch
from demo.story import candidate


class Verdicts:
    """Remembers the verdict on each (revision, weight), until closed."""

    def __init__(self, kube: Kubectl, model: str) -> None:
        """Begin to watch the model."""
        self.found: dict[tuple[str, int], str] = {}
        self._model = model
        self._last: Mapping[str, object] = {}
        self._watch = Watch(kube, "translationmodels", self._see)

    def close(self) -> None:
        """End the watch."""
        self._watch.close()

    def _see(self, _: float, __: str, model: Object) -> None:
        if model["metadata"]["name"] == self._model:
            before, self._last = self._last, candidate(model)
            self.found |= verdict(before, self._last)


def verdict(
    before: Mapping[str, object], after: Mapping[str, object]
) -> dict[tuple[str, int], str]:
    """Return the verdict that a candidate's change tells of, by revision and weight.

    What is told as a weight changes is about the weight that it had.
    """
    told = _told(after)
    if not told or told == _told(before) or before.get("revision") != after.get("revision"):
        return {}
    return {(str(after["revision"]), int(str(before.get("weight", 0)))): told}


def _told(trying: Mapping[str, object]) -> str:
    analysis = trying.get("analysis")
    if not isinstance(analysis, Mapping) or "verdict" not in analysis:
        return ""
    return f"{analysis['verdict']} ({analysis.get('requests', 0)} requests)"
