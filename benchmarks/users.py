"""Simulated users of a model: requests, errors, empty texts and latencies, counted pod by pod.

The same users meet every rule; how much of their traffic the candidate gets is the rule's choice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from math import ceil, erf, exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from mt_operator.core.observed import Counters, PodReading, Reading

TICK = 30.0  # seconds
ERRORS, EMPTY = 0.02, 0.001  # production's shares
PODS = 4  # of production
SECONDS = (0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0)
MEDIAN, SIGMA = 0.05, 0.6  # of a request's duration, lognormal: P99 about 0.2 s
OURS, THEIRS = "r-candidate", "r-production"


@dataclass(frozen=True)
class Scenario:
    """What befalls users and pods."""

    name: str
    rates: tuple[float, ...]  # requests a second, to all of the model
    outages: float = 0.0  # share of ticks in which both revisions answer 8 times the errors
    swings: float = 0.0  # of the traffic, lognormal
    drift: float = 0.0  # of the error rate of both, lognormal AR(1), 0.8 from tick to tick
    own: float = 0.0  # the same of each pod on its own
    clump: float = 1.0  # errors that come together, on average (geometric)
    replaced: float = 0.0  # chance that a pod is replaced in a tick; nobody asks why
    unread: float = 0.0  # chance that a pod cannot be read
    forgotten: float = 0.0  # chance that the operator starts anew and has no earlier reading


SCENARIOS = (
    Scenario("iid", (20, 100, 500)),
    Scenario("bursts", (20, 100, 500), outages=0.05, swings=0.5),
    Scenario("autocorrelation", (20, 100, 500), drift=0.6, own=0.15, clump=2.0),
    Scenario("pod churn", (20, 100, 500), replaced=0.05, unread=0.1, forgotten=0.03),
    Scenario("low traffic", (0.05, 0.5, 2)),
)


@dataclass
class _Pod:
    uid: str
    log_rate: float = 0.0
    counted: NDArray[np.int64] = field(default_factory=lambda: np.zeros(4 + len(SECONDS), np.int64))


@dataclass(frozen=True)
class Tick:
    """What one revision answered within a tick."""

    requests: int
    errors: int


class Users:
    """Users of one rollout, with the candidate's share of errors."""

    def __init__(self, scenario: Scenario, rate: float, errors: float, seed: list[int]) -> None:
        self.scenario, self.rate = scenario, rate
        self.errors = {OURS: errors, THEIRS: ERRORS}
        self.chance = np.random.default_rng(seed)
        self.pods: dict[str, list[_Pod]] = {OURS: [], THEIRS: []}
        self.exposed = 0  # requests that the candidate answered
        self._made = 0
        self._drift = self.chance.normal() * scenario.drift

    def tick(self, weight: int, detail: bool = True) -> dict[str, Tick]:
        """Let users send what they do in a tick, of which the candidate gets ``weight`` percent."""
        scenario, chance = self.scenario, self.chance
        self._drift = 0.8 * self._drift + 0.6 * chance.normal() * scenario.drift
        factor = exp(self._drift - scenario.drift**2 / 2)
        if scenario.outages:
            worse = chance.random() < scenario.outages
            factor *= (8.0 if worse else 1.0) / (1 + 7 * scenario.outages)
        swing = exp(chance.normal() * scenario.swings - scenario.swings**2 / 2)
        found = {}
        for revision, share in ((OURS, weight / 100), (THEIRS, 1 - weight / 100)):
            pods = self._scaled(revision, share)
            mean = self.rate * TICK * swing * share / len(pods)
            found[revision] = self._answered(pods, mean, self.errors[revision] * factor, detail)
        self.exposed += found[OURS].requests
        return found

    def reading(self, now: datetime) -> Reading:
        """Return what can be read of all pods."""
        pods = {
            revision: tuple(self._read(pod) for pod in pods) for revision, pods in self.pods.items()
        }
        return Reading(now, pods)

    def _scaled(self, revision: str, share: float) -> list[_Pod]:
        pods, wanted = self.pods[revision], PODS if revision == THEIRS else ceil(PODS * share)
        while len(pods) < max(1, wanted):
            pods.append(self._pod())
        for number in range(len(pods)):
            if self.scenario.replaced and self.chance.random() < self.scenario.replaced:
                pods[number] = self._pod()
        return pods

    def _pod(self) -> _Pod:
        self._made += 1
        return _Pod(f"pod-{self._made}", self.chance.normal() * self.scenario.own)

    def _answered(self, pods: list[_Pod], mean: float, rate: float, detail: bool) -> Tick:
        own, requests, errors = self.scenario.own, 0, 0
        for pod in pods:
            pod.log_rate = 0.8 * pod.log_rate + 0.6 * self.chance.normal() * own
            sent = int(self.chance.poisson(mean))
            bad = self._errors(sent, min(0.9, rate * exp(pod.log_rate - own**2 / 2)))
            requests, errors = requests + sent, errors + bad
            if detail:
                self._count(pod, sent - bad, bad)
        return Tick(requests, errors)

    def _errors(self, sent: int, rate: float) -> int:
        clump = self.scenario.clump
        if clump == 1:
            return int(self.chance.binomial(sent, rate))
        clumps = int(self.chance.poisson(sent * rate / clump))
        more = int(self.chance.negative_binomial(clumps, 1 / clump)) if clumps else 0
        return min(sent, clumps + more)

    def _count(self, pod: _Pod, good: int, bad: int) -> None:
        pod.counted[0] += good
        pod.counted[1] += bad
        pod.counted[2] += self.chance.binomial(good, EMPTY)
        pod.counted[3:] += self.chance.multinomial(good, _DURATIONS)

    def _read(self, pod: _Pod) -> PodReading:
        if self.scenario.unread and self.chance.random() < self.scenario.unread:
            return PodReading(pod.uid, "")
        good, bad, empty = (int(n) for n in pod.counted[:3])
        taken = dict(zip(_LABELS, pod.counted[3:].cumsum().tolist(), strict=True))
        counted = Counters({"200": good, "500": bad}, taken, instances=good, empty=empty)
        return PodReading(pod.uid, "1", users=counted)


def _below(seconds: float) -> float:
    return 0.5 * (1 + erf(log(seconds / MEDIAN) / SIGMA / sqrt(2)))


_LABELS = (*(f"{bound:g}" for bound in SECONDS), "+Inf")
_DURATIONS = np.diff([0.0, *(_below(bound) for bound in SECONDS), 1.0])
