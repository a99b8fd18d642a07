"""Does the evidence say stop, go, or wait? A verdict on each measure, and one on the candidate.

A test of alpha / tests stands behind each bound, so that a candidate within all of its bounds is
rolled back in at most alpha of all rollouts, however often it is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, inf, log

from mt_contract.resource import Analysis, Measure
from mt_operator.core.analysis.builtins import (
    BUILTINS,
    RESTARTS,
    Bound,
    Builtin,
    Finding,
    Pair,
    bounds_of,
    restarts,
    show_number,
)
from mt_operator.core.analysis.evidence import Evidence, answered

OVERWHELMING = 10.0  # so many times its line ends a rollout at once
LEANING = 3.0  # an e-value from which on a step does not go on, although nothing is proven
LARGEST = 1e6  # what evidence is cut off at: it is shown to people


class Verdict(StrEnum):
    """What follows for the candidate."""

    FAILING = "Failing"
    NO_DATA = "NoData"
    INCONCLUSIVE = "Inconclusive"
    PASSING = "Passing"


@dataclass(frozen=True)
class MetricVerdict:
    """One measure, judged."""

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
    requests: int  # of the candidate, since the baseline
    message: str = ""

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
        tests: over how many tests alpha is split: weight steps times acting measures.
    """
    pair, requests = _chosen(analysis, evidence)
    line = log(max(1, tests) / alpha)
    metrics = tuple(
        _judge(measure, evidence, pair, requests, analysis.min_requests, line)
        for measure in analysis.metrics
    )
    acting = [metric for metric in metrics if not metric.dry_run]
    verdict = _overall([metric.verdict for metric in acting])
    few = _too_few(requests, analysis.min_requests)
    if verdict is not Verdict.FAILING and few:
        verdict = Verdict.NO_DATA
    texts = [metric.message for metric in acting if metric.verdict is verdict]
    if verdict is Verdict.NO_DATA and few:
        texts = [few]
    return Judgement(verdict, metrics, requests, "; ".join(texts))


def acting(analysis: Analysis) -> int:
    """Return how many measures may roll back."""
    return sum(not measure.dry_run for measure in analysis.metrics)


def _overall(verdicts: Sequence[Verdict]) -> Verdict:
    return min(verdicts, key=list(Verdict).index, default=Verdict.PASSING)


def _chosen(analysis: Analysis, evidence: Evidence) -> tuple[Pair, int]:
    """Return what is compared: users' requests, or the operator's own where those are too few."""
    ours, theirs = evidence.candidate, evidence.production
    users = answered(ours.users.total)
    synthetic = answered(ours.synthetic.total)
    if analysis.synthetic_traffic and users < analysis.min_requests and synthetic > users:
        return Pair(ours.synthetic, theirs.synthetic if theirs else None), synthetic
    return Pair(ours.users, theirs.users if theirs else None), users


def _too_few(requests: int, least: int) -> str:
    if requests >= least:
        return ""
    return f"the candidate has answered {requests:,} requests, a verdict needs {least:,}"


def _judge(
    measure: Measure, evidence: Evidence, pair: Pair, requests: int, least: int, line: float
) -> MetricVerdict:
    bounds = bounds_of(
        {
            "max": _float(measure.max),
            "min": _float(measure.min),
            "maxRatio": _float(measure.max_ratio),
        }
    )
    line += log(len(bounds) or 1)
    if measure.query is not None:
        verdicts = [_query(measure, evidence, bound) for bound in bounds]
    elif measure.builtin == RESTARTS:
        verdicts = [_restarted(measure, evidence, bound) for bound in bounds]
    else:
        builtin = BUILTINS[measure.builtin or ""]
        verdicts = [_tested(measure, builtin, pair, b, requests, least, line) for b in bounds]
    return min(verdicts, key=lambda found: list(Verdict).index(found.verdict))


def _tested(
    measure: Measure,
    builtin: Builtin,
    pair: Pair,
    bound: Bound,
    requests: int,
    least: int,
    line: float,
) -> MetricVerdict:
    """Judge one bound of a sequentially tested measure."""
    found = builtin.find(pair, bound)
    told = _told(measure.builtin or "", builtin, found, bound)
    if bound.kind == "maxRatio" and pair.theirs is None:
        text = f"{told}: there is no production to compare with yet"
        return _verdict(measure, builtin, found, bound, Verdict.PASSING, line, text)
    few = _too_few(requests, least) or _too_few(found.samples, builtin.minimum)
    if requests >= least and found.evidence >= line:
        return _verdict(measure, builtin, found, bound, Verdict.FAILING, line, told)
    if few or found.value is None:
        text = f"{measure.builtin}: {few or 'nothing was measured'}"
        return _verdict(measure, builtin, found, bound, Verdict.NO_DATA, line, text)
    if bound.kind == "maxRatio" and found.reference is None:
        text = f"{told}: production has answered nothing to compare with"
        return _verdict(measure, builtin, found, bound, Verdict.NO_DATA, line, text)
    if found.evidence >= log(LEANING):
        text = f"{told}, as far as can be told: more requests will"
        return _verdict(measure, builtin, found, bound, Verdict.INCONCLUSIVE, line, text)
    told += ", which may well be chance" if found.beyond else ""
    return _verdict(measure, builtin, found, bound, Verdict.PASSING, line, told)


def _restarted(measure: Measure, evidence: Evidence, bound: Bound) -> MetricVerdict:
    found = restarts(evidence.candidate, evidence.production, bound)
    verdict = Verdict.FAILING if found.beyond else Verdict.PASSING
    if not evidence.read:
        verdict = Verdict.NO_DATA
    return _fact(measure, found, bound, verdict, found.evidence)


def _query(measure: Measure, evidence: Evidence, bound: Bound) -> MetricVerdict:
    """Judge the value of a named query as it is: failureLimit looks in a row roll back."""
    value, reference = evidence.queries.get(measure.query or "", (None, None))
    limit = bound.limit
    if bound.kind == "maxRatio":
        limit = bound.limit * reference if reference is not None else inf
    outside = value is not None and (value < limit if bound.kind == "min" else value > limit)
    found = Finding(value, reference, 0.0 if outside else -inf, 0, outside)
    verdict = Verdict.FAILING if outside else Verdict.PASSING
    missing = bound.kind == "maxRatio" and reference is None and evidence.production is not None
    if value is None or missing:
        verdict = Verdict.NO_DATA
    return _fact(measure, found, bound, verdict, found.evidence)


def _fact(
    measure: Measure, found: Finding, bound: Bound, verdict: Verdict, evidence: float
) -> MetricVerdict:
    """Return the verdict of what is judged without a test."""
    name = measure.builtin or f"query {measure.query}"
    value = None if found.value is None else show_number(found.value)
    reference = None if found.reference is None else show_number(found.reference)
    text = f"{name} {value or 'has no value'}"
    text += f", production {reference}" if reference is not None else ""
    text += f": {_rule(bound, 'more', 'less') if found.beyond else 'within ' + _asked(bound)}"
    return MetricVerdict(
        name=measure.name,
        verdict=verdict,
        value=value,
        reference=reference,
        bound=_asked(bound),
        evidence=_shown(evidence),
        requests=0,
        dry_run=measure.dry_run,
        message=text,
    )


def _verdict(
    measure: Measure,
    builtin: Builtin,
    found: Finding,
    bound: Bound,
    verdict: Verdict,
    line: float,
    message: str,
) -> MetricVerdict:
    return MetricVerdict(
        name=measure.name,
        verdict=verdict,
        value=None if found.value is None else builtin.show(found.value),
        reference=None if found.reference is None else builtin.show(found.reference),
        bound=_asked(bound),
        evidence=_shown(found.evidence - line),
        requests=found.samples,
        dry_run=measure.dry_run,
        message=message,
    )


def _told(name: str, builtin: Builtin, found: Finding, bound: Bound) -> str:
    """Return the numbers in words: "ErrorRate 5.1 % of 1,204 requests, production 2 %: …"."""
    if found.value is None:
        return f"{name} was not measured"
    text = f"{name} {builtin.show(found.value)} of {found.samples:,} {builtin.of}"
    if found.reference is not None:
        text += f", production {builtin.show(found.reference)}"
    return f"{text}: {_rule(bound, 'more', 'less') if found.beyond else 'within ' + _asked(bound)}"


def _rule(bound: Bound, more: str, less: str) -> str:
    if bound.kind == "maxRatio":
        return f"{more} than {bound.limit:g}x"
    return f"{less if bound.kind == 'min' else more} than {bound.kind} {bound.limit:g}"


def _asked(bound: Bound) -> str:
    return f"{bound.kind} {bound.limit:g}"


def _shown(evidence: float) -> float:
    """Return an e-value from its logarithm, cut off where nobody needs the digits."""
    return LARGEST if evidence > log(LARGEST) else float(f"{exp(max(evidence, -99)):.3g}")


def _float(value: object) -> float | None:
    return None if value is None else float(str(value))
