"""What candidate and production have counted since a weight was given, from baseline and readings.

      a weight is given          readings, of which only the last is sure to be there
            │                        │         │         │
            ▼                        ▼         ▼         ▼
        baseline ────────────────── look ──── look ──── now      window = now - baseline, by pod

The baseline is stored with the status, so a new process of the operator judges as the old one did.
A pod that is gone counts with the last reading of it; a new process counts from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mt_contract.codec import format_time, from_json, to_json
from mt_contract.resource import Analysis
from mt_operator.core.observed import Counters, PodReading, Reading, Tree

LENGTH_RATIO = "lengthRatio"  # the predictor's feature of that name


@dataclass(frozen=True)
class Baseline:
    """What every predictor process had counted when the weight was given."""

    time: datetime
    pods: Mapping[str, tuple[PodReading, ...]] = field(default_factory=dict)  # by revision


@dataclass(frozen=True)
class Sample:
    """Counts of one kind of requests of one revision: of users, or the operator's own."""

    total: Counters = field(default_factory=Counters)
    # The same by look and by pod, as far as readings are at hand: what clumping is measured by.
    looks: tuple[Mapping[str, Counters], ...] = ()


@dataclass(frozen=True)
class Window:
    """What one revision counted since the baseline."""

    users: Sample = Sample()
    synthetic: Sample = Sample()
    restarts: int = 0  # of containers, and processes that were replaced
    pods: int = 0  # read just now


@dataclass(frozen=True)
class Evidence:
    """All that a judgement depends on."""

    candidate: Window
    production: Window | None = None  # None: there is none yet
    # By name of the query: the candidate's value, and production's.
    queries: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    read: bool = True  # whether there is a reading at all


def baseline_of(reading: Reading, revisions: Iterable[str], analysis: Analysis) -> Baseline:
    """Return the baseline of a window that begins with ``reading``.

    Args:
        reading: the newest one.
        revisions: the candidate's, and production's if there is one.
        analysis: whose measures are to be judged; nothing else is kept.
    """
    pods = {
        revision: tuple(_needed(pod, analysis) for pod in reading.pods.get(revision, ()))
        for revision in revisions
    }
    return Baseline(reading.time, pods)


def encode_baseline(baseline: Baseline) -> dict[str, Any]:
    """Return the baseline as it is stored in the status, without zeros."""
    pods = {
        revision: [_dense(to_json(pod)) for pod in found]
        for revision, found in baseline.pods.items()
    }
    return {"time": format_time(baseline.time), "pods": pods}


def decode_baseline(tree: Tree, path: str = "status.candidate.analysis.baseline") -> Baseline:
    """Return a stored baseline.

    Raises:
        DecodeError: somebody else wrote to it; the message names the field.
    """
    return from_json(Baseline, tree, path)


def gather(
    baseline: Baseline | None, readings: Sequence[Reading], candidate: str, production: str | None
) -> Evidence:
    """Return what was counted since the baseline.

    Args:
        baseline: as stored; None: the earliest reading at hand stands for it.
        readings: oldest first; the last is judged.
        candidate: its revision.
        production: its revision, None in a first deployment.
    """
    if not readings:
        return Evidence(Window(), Window() if production else None, read=False)
    start = baseline or Baseline(readings[0].time, readings[0].pods)
    later = [reading for reading in readings[:-1] if reading.time > start.time] + [readings[-1]]
    queries = {
        name: (values.get(candidate), values.get(production) if production else None)
        for name, values in readings[-1].queries.items()
    }
    ours = _window(start.pods.get(candidate, ()), [r.pods.get(candidate, ()) for r in later])
    if production is None:
        return Evidence(ours, None, queries)
    theirs = _window(start.pods.get(production, ()), [r.pods.get(production, ()) for r in later])
    return Evidence(ours, theirs, queries)


def answered(counters: Counters) -> int:
    """Return how many requests were answered: not those shed on purpose, nor given up."""
    return sum(n for code, n in counters.codes.items() if code not in ("499", "503"))


def minus(now: Counters, before: Counters) -> Counters:
    """Return what was counted since ``before``, never below 0."""
    return Counters(
        codes=_grown(now.codes, before.codes),
        seconds=_grown(now.seconds, before.seconds),
        instances=max(0, now.instances - before.instances),
        empty=max(0, now.empty - before.empty),
        copies=max(0, now.copies - before.copies),
        source_tokens=max(0, now.source_tokens - before.source_tokens),
        target_tokens=max(0, now.target_tokens - before.target_tokens),
        features={
            name: _grown(counts, before.features.get(name, {}))
            for name, counts in now.features.items()
        },
    )


def total(parts: Sequence[Counters]) -> Counters:
    """Return the counts of all."""
    names = {name for part in parts for name in part.features}
    return Counters(
        codes=_summed(part.codes for part in parts),
        seconds=_summed(part.seconds for part in parts),
        instances=sum(part.instances for part in parts),
        empty=sum(part.empty for part in parts),
        copies=sum(part.copies for part in parts),
        source_tokens=sum(part.source_tokens for part in parts),
        target_tokens=sum(part.target_tokens for part in parts),
        features={
            name: _summed(part.features.get(name, {}) for part in parts) for name in sorted(names)
        },
    )


@dataclass
class _Pod:
    """One pod on its way through the window."""

    before: int = 0  # its containers' restarts at the baseline
    restarts: int = 0
    changes: int = 0  # processes that took the place of one that was read
    # What was read of it last; None: its counts may be older than the window, and begin with the
    # first reading of it.
    last: PodReading | None = None

    def read(self, pod: PodReading) -> tuple[Counters, Counters] | None:
        """Return what users' and synthetic requests grew by, if it can be told."""
        self.restarts = max(self.restarts, pod.restarts)
        if not pod.process:  # its counters could not be read: they stay what they were
            return None
        last, self.last = self.last, pod
        if last is None:
            return None
        if last.process != pod.process:
            self.changes += bool(last.process)
            last = PodReading(pod.uid, "")
        return minus(pod.users, last.users), minus(pod.synthetic, last.synthetic)


def _window(start: Sequence[PodReading], readings: Sequence[Sequence[PodReading]]) -> Window:
    """Return the window of one revision: each process from where it was, or from 0."""
    pods = {
        pod.uid: _Pod(pod.restarts, pod.restarts, last=pod if pod.process else None)
        for pod in start
    }
    users: list[dict[str, Counters]] = []
    synthetic: list[dict[str, Counters]] = []
    for seen in readings:
        users.append({})
        synthetic.append({})
        for pod in seen:
            new = _Pod(last=PodReading(pod.uid, ""))
            grown = pods.setdefault(pod.uid, new).read(pod)
            if grown is not None:
                users[-1][pod.uid], synthetic[-1][pod.uid] = grown
    return Window(
        users=sample(users),
        synthetic=sample(synthetic),
        restarts=sum(max(pod.restarts - pod.before, pod.changes) for pod in pods.values()),
        pods=len(readings[-1]) if readings else 0,
    )


def sample(looks: Iterable[Mapping[str, Counters]]) -> Sample:
    """Return the sample of some looks."""
    looks = tuple(looks)
    return Sample(total([counters for look in looks for counters in look.values()]), looks)


def _needed(pod: PodReading, analysis: Analysis) -> PodReading:
    """Return the reading with what the measures need alone."""
    builtins = {measure.builtin for measure in analysis.metrics}
    synthetic = _kept(pod.synthetic, builtins) if analysis.synthetic_traffic else Counters()
    return PodReading(pod.uid, pod.process, pod.restarts, _kept(pod.users, builtins), synthetic)


def _kept(counters: Counters, builtins: set[str | None]) -> Counters:
    texts = bool(builtins & {"EmptyFraction", "CopyFraction", "LengthRatio"})
    lengths = "LengthRatio" in builtins
    ratios = {LENGTH_RATIO: counters.features.get(LENGTH_RATIO, {})} if lengths else {}
    return Counters(
        codes=counters.codes,  # minRequests counts them
        seconds=counters.seconds if "LatencyP99" in builtins else {},
        instances=counters.instances if texts else 0,
        empty=counters.empty if texts else 0,
        copies=counters.copies if texts else 0,
        source_tokens=counters.source_tokens if lengths else 0,
        target_tokens=counters.target_tokens if lengths else 0,
        features=ratios,
    )


def _dense(value: Any) -> Any:
    """Return JSON without zeros and empty objects, which decoding fills in again."""
    if not isinstance(value, Mapping):
        return value
    dense = {key: _dense(item) for key, item in value.items()}
    return {key: item for key, item in dense.items() if item not in (0, {})}


def _grown(now: Mapping[str, int], before: Mapping[str, int]) -> Mapping[str, int]:
    if not before:
        return now
    return {key: max(0, count - before.get(key, 0)) for key, count in now.items()}


def _summed(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in parts:
        for key, count in part.items():
            found[key] = found.get(key, 0) + count
    return found
