"""Users of a small world: they send requests as the weights have it, and predictors count them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mt_operator.core.observed import Counters, PodReading, Reading

SHARP = ("0.1", "0.2", "0.5", "1", "+Inf")


@dataclass
class Users:
    """What users send, and what becomes of it; a test turns the knobs."""

    rate: int = 0  # requests a minute, to all of the model
    errors: float = 0.0  # the share that the candidate answers 500
    restarts: int = 0  # of the candidate's pod
    away: bool = False  # nothing can be read
    value: float | None = None  # of every named query, for the candidate
    sent: dict[str, float] = field(default_factory=dict)  # requests by revision
    failed: dict[str, float] = field(default_factory=dict)
    since: datetime | None = None

    def readings(
        self, now: datetime, weights: Mapping[str, int], candidate: str | None
    ) -> tuple[Reading, ...]:
        """Let users send what they do until now, and read what was counted."""
        minutes = (now - self.since) / timedelta(minutes=1) if self.since else 0.0
        self.since = now
        for revision, weight in weights.items():
            requests = self.rate * minutes * weight / 100
            self.sent[revision] = self.sent.get(revision, 0) + requests
            bad = requests * self.errors if revision == candidate else 0.0
            self.failed[revision] = self.failed.get(revision, 0) + bad
        if self.away:
            return ()
        revisions = {*self.sent, *([candidate] if candidate else [])}
        pods = {revision: (self._pod(revision, candidate),) for revision in revisions}
        value = {} if self.value is None else {"asked": {candidate or "": self.value}}
        return (Reading(now, pods, value),)

    def _pod(self, revision: str, candidate: str | None) -> PodReading:
        bad = int(self.failed.get(revision, 0))
        good = int(self.sent.get(revision, 0)) - bad
        restarts = self.restarts if revision == candidate else 0
        counted = Counters(
            codes={"200": good, "500": bad},
            seconds=dict.fromkeys(SHARP, good),
            instances=good,
            source_tokens=good * 10,
            target_tokens=good * 11,
        )
        return PodReading(f"{revision}-pod", f"{revision}-{restarts}", restarts, counted)
