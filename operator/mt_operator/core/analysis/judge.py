"""Does the evidence say stop, go, or wait? A verdict on each measure, and one on the candidate.

    evidence against "within the bound", an e-value, where the value itself is beyond it:

        under 1/3, or of few hits      1/3 and more        over its line      10 times its line
      ──────────────────────────────┼────────────────────┼──────────────────┼──────────────────▶
           Passing: it is chance        Inconclusive          Failing         ends the rollout

The line is tests / alpha, so a candidate within all of its bounds is rolled back in at most alpha
of all rollouts, however often it is looked at (docs/adr/0006).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import exp, inf, log

from mt_contract.resource import Analysis, Measure
from mt_operator.core.analysis.builtins import BUILTINS, RESTARTS, Builtin, number, restarts
from mt_operator.core.analysis.evidence import Evidence, answered
from mt_operator.core.analysis.finding import Bound, Finding, Pair, bounds_of

OVERWHELMING = 10.0  # so many times its line ends a rollout at once
# A value beyond its bound passes as chance where evidence is three to one for the bound, or of
# fewer hits: the first errors of a rollout are somebody's.
CHANCE, LEAST_HITS = 1 / 3, 3
LARGEST = 1e6  # what evidence is cut off at: it is shown to people


class Verdict(StrEnum):
    """What follows for the candidate, the worst first."""

    FAILING = "Failing"
    NO_DATA = "NoData"
    INCONCLUSIVE = "Inconclusive"
    PASSING = "Passing"


@dataclass(frozen=True)
class MetricVerdict:
    """One measure, judged; its worst bound, if it has more than one."""

    name: str
    verdict: Verdict
    value: str | None  # the candidate's, as shown to people
    reference: str | None  # production's over the same window
    bound: str  # as users write it: "maxRatio 1.5"
    # Evidence by its line: from 1 on an interval is failed, from OVERWHELMING on the rollout ends.
    evidence: float
    requests: int  # what was measured of: requests, or texts
    dry_run: bool
    message: str


@dataclass(frozen=True)
class Judgement:
    """What a look says of the candidate."""

    verdict: Verdict
    metrics: tuple[MetricVerdict, ...]
    requests: int  # that the candidate answered since the baseline
    message: str = ""  # of the measures that the verdict comes from

    @property
    def overwhelming(self) -> bool:
        """Return whether this look alone ends the rollout, whatever failureLimit says."""
        return any(
            m.verdict is Verdict.FAILING and not m.dry_run and m.evidence >= OVERWHELMING
            for m in self.metrics
        )


def judge(analysis: Analysis, evidence: Evidence, alpha: float, tests: int) -> Judgement:
    """Return what the evidence says of the candidate.

    Args:
        analysis: as resolved when the rollout began.
        evidence: of the window since the weight was given.
        alpha: how often a candidate within its bounds may be rolled back, per rollout.
        tests: over how many tests alpha is split: weight steps times ``acting`` measures.
    """
    line = log(max(1, tests) / alpha)
    if analysis.synthetic_traffic:
        line += log(2)  # either kind of requests may be what is judged
    metrics = tuple(_judge(measure, analysis, evidence, line) for measure in analysis.metrics)
    requests = _requests(_chosen(analysis, evidence, 0))
    acting = [metric for metric in metrics if not metric.dry_run]
    verdict = min((m.verdict for m in acting), key=_rank, default=Verdict.PASSING)
    told = "; ".join(metric.message for metric in acting if metric.verdict is verdict)
    few = _few("requests", requests, analysis.min_requests)
    if few and verdict is not Verdict.FAILING:
        verdict, told = Verdict.NO_DATA, few
    return Judgement(verdict, metrics, requests, told)


def acting(analysis: Analysis) -> int:
    """Return how many measures are tested and may roll back: what alpha is split over."""
    return sum(m.builtin in BUILTINS and not m.dry_run for m in analysis.metrics)


def _judge(measure: Measure, analysis: Analysis, evidence: Evidence, line: float) -> MetricVerdict:
    bounds = bounds_of(measure)
    verdicts = [_bounded(measure, b, analysis, evidence, line + log(len(bounds))) for b in bounds]
    if not verdicts:
        raise ValueError(f"measure {measure.name!r} has no bound: set min, max or maxRatio")
    return min(verdicts, key=lambda found: (_rank(found.verdict), -found.evidence))


def _bounded(
    measure: Measure, bound: Bound, analysis: Analysis, evidence: Evidence, line: float
) -> MetricVerdict:
    if measure.query is not None:
        return _asked(measure, bound, evidence)
    if measure.builtin == RESTARTS:
        return _restarted(measure, bound, evidence)
    builtin = BUILTINS[measure.builtin or ""]
    pair = _chosen(analysis, evidence, builtin.minimum)
    found = builtin.find(pair.compared() if bound.kind == "maxRatio" else pair, bound)
    least = analysis.min_requests
    verdict, told = _tested(builtin, bound, pair, found, line, least)
    return MetricVerdict(
        name=measure.name,
        verdict=verdict,
        value=_text(builtin.show, found.value),
        reference=_text(builtin.show, found.reference),
        bound=str(bound),
        evidence=_shown(found.evidence - line),
        requests=found.samples,
        dry_run=measure.dry_run,
        message=f"{measure.builtin} {told}",
    )


def _tested(
    builtin: Builtin, bound: Bound, pair: Pair, found: Finding, line: float, least: int
) -> tuple[Verdict, str]:
    """Return the verdict on one bound of a tested measure, and its numbers in words."""
    told = _told(builtin, bound, found)
    compared = bound.kind == "maxRatio"
    if compared and pair.theirs is None:
        return Verdict.PASSING, f"{told}: there is no production yet to compare with"
    missing = _few("requests", _requests(pair), least)
    if not missing and found.evidence >= line:
        return Verdict.FAILING, f"{told}: {_beyond(bound)}"
    missing = missing or _few(builtin.of, found.samples, builtin.minimum)
    if missing or found.value is None:
        return Verdict.NO_DATA, f"cannot be judged: {missing or 'nothing was measured'}"
    if compared and found.reference is None:
        return Verdict.NO_DATA, f"{told}: production answered nothing to compare with"
    if not found.beyond(bound):
        return Verdict.PASSING, f"{told}: within {bound}"
    if found.evidence > log(CHANCE) and found.hits >= LEAST_HITS:
        return Verdict.INCONCLUSIVE, f"{told}: {_beyond(bound)} so far, which more traffic settles"
    return Verdict.PASSING, f"{told}: {_beyond(bound)}, which {builtin.excuse}"


def _restarted(measure: Measure, bound: Bound, evidence: Evidence) -> MetricVerdict:
    found = restarts(evidence.candidate, evidence.production, bound)
    verdict = Verdict.FAILING if found.beyond(bound) else Verdict.PASSING
    if not evidence.read:
        verdict = Verdict.NO_DATA
    return _fact(measure, bound, found, verdict)


def _asked(measure: Measure, bound: Bound, evidence: Evidence) -> MetricVerdict:
    """Judge the value of a named query as it is: failureLimit looks in a row roll back."""
    value, reference = evidence.queries.get(measure.query or "", (None, None))
    found = Finding(value, reference, 0.0)
    compared = bound.kind == "maxRatio" and evidence.production is not None
    if value is None or (compared and reference is None):
        return _fact(measure, bound, Finding(value, reference, -inf), Verdict.NO_DATA)
    if found.beyond(bound):
        return _fact(measure, bound, found, Verdict.FAILING)
    return _fact(measure, bound, Finding(value, reference, -inf), Verdict.PASSING)


def _fact(measure: Measure, bound: Bound, found: Finding, verdict: Verdict) -> MetricVerdict:
    """Return the verdict on what is judged without a test."""
    told = measure.builtin or f"query {measure.query}"
    told += " has no value" if found.value is None else f" {number(found.value)}"
    if found.reference is not None:
        told += f", production {number(found.reference)}"
    if verdict is Verdict.NO_DATA:
        told += ": it cannot be judged"
    else:
        told += f": {_beyond(bound)}" if verdict is Verdict.FAILING else f": within {bound}"
    return MetricVerdict(
        name=measure.name,
        verdict=verdict,
        value=_text(number, found.value),
        reference=_text(number, found.reference),
        bound=str(bound),
        evidence=_shown(found.evidence),
        requests=0,
        dry_run=measure.dry_run,
        message=told,
    )


def _chosen(analysis: Analysis, evidence: Evidence, least: int) -> Pair:
    """Return what is compared: users' requests, or the operator's own where those are too few."""
    ours, theirs = evidence.candidate, evidence.production
    users = Pair(ours.users, theirs.users if theirs else None)
    if analysis.synthetic_traffic is None:
        return users
    own = Pair(ours.synthetic, theirs.synthetic if theirs else None)
    few = _requests(users) < max(least, analysis.min_requests)
    return own if few and _requests(own) > _requests(users) else users


def _requests(pair: Pair) -> int:
    return answered(pair.ours.total)


def _few(what: str, found: int, least: int) -> str:
    if found >= least:
        return ""
    return f"the candidate has answered {found:,} {what}, a verdict needs {least:,}"


def _told(builtin: Builtin, bound: Bound, found: Finding) -> str:
    """Return the numbers: "5.1 % of 1,204 requests, production 2.0 %"."""
    value = _text(builtin.show, found.value) or "not measured"
    text = f"{value} of {found.samples:,} {builtin.of}"
    if found.reference is None:
        return text
    return f"{text}, production {builtin.show(found.reference)}"


def _beyond(bound: Bound) -> str:
    if bound.kind == "maxRatio":
        return f"more than {bound.limit:g}x"
    return f"{'less' if bound.kind == 'min' else 'more'} than {bound}"


def _text(show: Callable[[float], str], value: float | None) -> str | None:
    return None if value is None else show(value)


def _shown(evidence: float) -> float:
    """Return an e-value from its logarithm, cut off where nobody needs the digits."""
    return LARGEST if evidence > log(LARGEST) else float(f"{exp(evidence):.3g}")


def _rank(verdict: Verdict) -> int:
    return list(Verdict).index(verdict)
