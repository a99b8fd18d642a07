"""Rollouts as others decide them, with the settings that they recommend, on simulated users.

All are given the same knowledge of what is good: at most 1.5 times production's error rate. Those
that compare with a fixed threshold get the one that this is, of an error rate that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt

from benchmarks.our_rule import Outcome
from benchmarks.users import ERRORS, OURS, THEIRS, Tick, Users

RATIO = 1.5
THRESHOLD = RATIO * ERRORS


class _Course:
    """What a rollout has come to so far."""

    def __init__(self, users: Users) -> None:
        self.users, self.ticks, self.asked = users, 0, dict[int, int]()

    def tick(self, weight: int) -> Mapping[str, Tick]:
        self.ticks += 1
        found = self.users.tick(weight, detail=False)
        self.asked[weight] = self.asked.get(weight, 0) + found[OURS].requests
        return found

    def end(self, ending: str) -> Outcome:
        return Outcome(ending, self.users.exposed, self.ticks, min(self.asked.values()))


def flagger(users: Users, ticks: int) -> Outcome:
    """Flagger: interval 1m, threshold 5, stepWeight 10, maxWeight 50 (its tutorials' settings).

    As in its scheduler: each interval the success rate of the last minute is checked; a check that
    fails, also for lack of traffic, halts the advance and counts; five of them roll back.
    """
    course, weight, failed = _Course(users), 10, 0
    while course.ticks + 2 <= ticks:
        minute = [course.tick(weight)[OURS] for _ in range(2)]
        requests = sum(tick.requests for tick in minute)
        bad = sum(tick.errors for tick in minute)
        if not requests or bad / requests > THRESHOLD:
            failed += 1
            if failed >= 5:
                return course.end("rolled back")
        elif weight == 50:
            return course.end("promoted")
        else:
            weight += 10
    return course.end("held")


def argo_rollouts(users: Users, ticks: int) -> Outcome:
    """Argo Rollouts: background analysis as documented, interval 5m, failureLimit 3.

    Steps 20, 40, 60, 80 % of 10 minutes each; a measurement fails that is above the threshold, or
    that no request was made for; more than three of them abort.
    """
    course, failed = _Course(users), 0
    for weight in (20, 40, 60, 80):
        for _ in range(2):
            span = [course.tick(weight)[OURS] for _ in range(10)]
            requests = sum(tick.requests for tick in span)
            bad = sum(tick.errors for tick in span)
            failed += not requests or bad / requests > THRESHOLD
            if failed > 3:
                return course.end("rolled back")
            if course.ticks + 10 > ticks:
                return course.end("held")
    return course.end("promoted")


def peeked_z_test(users: Users, ticks: int) -> Outcome:
    """A one-sided z-test at 5 %, looked at every 30 s from 50 requests on, over our own steps."""
    course = _Course(users)
    for weight in (10, 50):
        ours, theirs = Tick(0, 0), Tick(0, 0)
        for _ in range(min(10, ticks)):
            found = course.tick(weight)
            ours = Tick(ours.requests + found[OURS].requests, ours.errors + found[OURS].errors)
            theirs = Tick(
                theirs.requests + found[THEIRS].requests, theirs.errors + found[THEIRS].errors
            )
            if ours.requests >= 50 and _z(ours, theirs) > 1.645:
                return course.end("rolled back")
    return course.end("promoted")


def _z(ours: Tick, theirs: Tick) -> float:
    """Return by how many standard errors our rate is above RATIO times theirs."""
    if not theirs.requests:
        return 0.0
    p, q = ours.errors / ours.requests, theirs.errors / theirs.requests
    variance = p * (1 - p) / ours.requests + RATIO**2 * q * (1 - q) / theirs.requests
    return (p - RATIO * q) / sqrt(variance) if variance > 0 else 0.0


RULES: Mapping[str, Callable[[Users, int], Outcome]] = {
    "Flagger": flagger,
    "Argo Rollouts": argo_rollouts,
    "peeked z-test": peeked_z_test,
}
