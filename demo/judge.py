"""Judges what the load saw: requests lost in each phase, and whether the share fits the weight."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import binom, binomtest

from demo.load import Sample

ALPHA = 1e-4  # of the exact binomial test: one honest split in ten thousand is called wrong
MIN_REQUESTS = 1000  # of a canary step
# The gateway learns of a new weight a moment after the route was written, so the share is judged
# from SETTLE seconds after the write until MARGIN seconds before the next one. Both are fixed
# beforehand; losses count at every moment.
SETTLE, MARGIN = 3.0, 0.5


@dataclass(frozen=True)
class Phase:
    """A stretch of time with one weight in force."""

    name: str
    start: float  # seconds since the epoch, when the weight was written
    end: float
    revision: str  # whose weight it is
    weight: int  # in percent
    is_step: bool = False  # a canary step, which needs MIN_REQUESTS


@dataclass(frozen=True)
class Finding:
    """What the load saw in one phase."""

    phase: Phase
    requests: int
    lost: int
    judged: int  # requests that the share is taken of
    hits: int  # those of them that the phase's revision answered
    unnamed: int  # answers that do not say which revision gave them
    empty: int  # of the judged ones: translations without a word
    p_value: float  # two-sided, exact; 1.0 where nothing was judged
    p50: float  # seconds
    p99: float

    @property
    def share(self) -> float:
        """Return the observed share of the revision, in percent."""
        return 100.0 * self.hits / self.judged if self.judged else 0.0

    @property
    def problems(self) -> tuple[str, ...]:
        """Return every broken promise of this phase, in words."""
        name, found = self.phase.name, []
        if self.lost:
            found.append(f"{name}: {self.lost} of {self.requests} requests were lost")
        if self.p_value < ALPHA:
            found.append(
                f"{name}: {self.phase.revision} answered {self.share:.1f} % of {self.judged} "
                f"requests at weight {self.phase.weight} (p = {self.p_value:.2g}, below {ALPHA:g})"
            )
        if self.empty > binom.isf(ALPHA, self.judged, self.phase.weight / 100):
            found.append(
                f"{name}: {self.empty} of {self.judged} translations were empty, which is more "
                f"than {self.phase.revision} was to answer"
            )
        if self.unnamed:
            found.append(f"{name}: {self.unnamed} answers do not name their revision")
        if self.phase.is_step and self.judged < MIN_REQUESTS:
            found.append(
                f"{name}: only {self.judged} requests in the step; {MIN_REQUESTS} were promised"
            )
        return tuple(found)


def read(path: Path) -> list[Sample]:
    """Return the samples of a load's file; a last line that is still being written is left out."""
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    return [Sample(**json.loads(line)) for line in whole.splitlines()]


def lost(sample: Sample) -> bool:
    """Return whether a request was lost: anything but a 200 with a translation."""
    return sample.status != 200


def judge(phase: Phase, samples: Iterable[Sample]) -> Finding:
    """Return what was seen in ``phase``: losses in all of it, the share where it has settled."""
    inside = [s for s in samples if phase.start <= s.sent < phase.end]
    answered = [s for s in inside if not lost(s)]
    judged = [s for s in answered if phase.start + SETTLE <= s.sent < phase.end - MARGIN]
    hits = sum(s.revision == phase.revision for s in judged)
    latencies = sorted(s.latency for s in answered)
    return Finding(
        phase=phase,
        requests=len(inside),
        lost=len(inside) - len(answered),
        judged=len(judged),
        hits=hits,
        unnamed=sum(not s.revision for s in answered),
        empty=sum(s.empty for s in judged),
        p_value=float(binomtest(hits, len(judged), phase.weight / 100).pvalue) if judged else 1.0,
        p50=quantile(latencies, 0.5),
        p99=quantile(latencies, 0.99),
    )


def quantile(ordered: Sequence[float], q: float) -> float:
    """Return the ``q`` quantile of sorted values (0.0 of none), as the nearest of them."""
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0
