"""Does the evidence say stop, go, or wait? Asked at every look while a candidate has a weight.

      weight given ──▶ looks, one an interval counted ──▶ the step's time is over ──▶ next step
                          │ failureLimit failed in a row,        │ no data, too long:
                          │ or overwhelming                      ▼ Paused, rejected, or on
                          ▼                                   (onNoData)
                       rejected

A pod that is lost or restarts is a failed look, not missing data. What is stored changes with
transitions alone: a failed interval, a verdict that holds the step, the next weight.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from mt_contract.codec import format_duration, to_json
from mt_contract.resource import Analysis
from mt_operator.core.analysis.evidence import baseline_of, gather
from mt_operator.core.analysis.judge import Judgement, Verdict, acting, judge
from mt_operator.core.model.state import Analysed, Candidate, ModelStatus, Trial
from mt_operator.core.model.turn import Situation
from mt_operator.core.reasons import Reason

ALPHA = 0.01  # how many candidates within their bounds a rollout may roll back


@dataclass(frozen=True)
class Look:
    """What one look at the evidence comes to."""

    trial: Trial  # with what is to be stored of it
    judgement: Judgement | None = None  # None: nothing is judged
    failed: str = ""  # why the candidate is to be rolled back


@dataclass(frozen=True)
class Ending:
    """What follows from the evidence when a step's own time is over."""

    trial: Trial
    over: bool = True  # the next step may begin
    reason: Reason | None = None  # the candidate is rejected
    message: str = ""


def begin(s: Situation, status: ModelStatus, trial: Trial, last: bool) -> Trial:
    """Return the trial with a new window of evidence, as its weight is given.

    The last weight goes on with the evidence that it has: there is nothing to compare with any
    more. So does a weight that is given back: what was lost is not forgotten.
    """
    candidate, analysis = trial.candidate, trial.rollout.analysis
    if analysis is None:
        return trial
    before = candidate.analysis
    if before is not None and (last or candidate.weight == 0):
        return trial
    kept = before if before is not None and before.verdict == Verdict.PASSING else Analysed(s.now)
    fresh = replace(kept, since=s.now, failures=0, checked=None, baseline=None)
    return _with_baseline(s, status, trial.but(analysis=fresh), analysis)


def look(s: Situation, status: ModelStatus, trial: Trial) -> Look:
    """Judge what the candidate did since its weight was given, and count failed intervals."""
    analysis, stored = trial.rollout.analysis, trial.candidate.analysis
    if analysis is None or stored is None:
        return Look(trial)
    if stored.baseline is None and s.observed.readings:
        trial = _with_baseline(s, status, trial, analysis)
        stored = trial.candidate.analysis or stored
    judgement = _judged(s, status, trial, analysis, stored)
    why = _complaint(s, trial, judgement)
    due = s.now >= (stored.checked or stored.since) + analysis.interval
    if not why:
        good = replace(stored, failures=0, checked=s.now) if stored.failures and due else stored
        return Look(trial.but(analysis=good), judgement)
    failures = stored.failures + (1 if due else 0)
    numbers = _numbers(stored, judgement, Verdict.FAILING) if due else stored
    bad = replace(numbers, failures=failures, checked=s.now if due else stored.checked)
    failed = ""
    if judgement.overwhelming or failures >= analysis.failure_limit:
        bad = replace(_numbers(bad, judgement, Verdict.FAILING), failures=failures)
        row = f" ({failures} intervals in a row)" if failures > 1 else ""
        failed = f"{trial.build.revision} at {trial.asked_weight} %: {why}{row}"
    return Look(trial.but(analysis=bad), judgement, failed)


def end_of_step(
    s: Situation, status: ModelStatus, trial: Trial, judgement: Judgement | None, over: datetime
) -> Ending:
    """Return whether a step whose own time is ``over`` may end, going by the evidence."""
    analysis, stored = trial.rollout.analysis, trial.candidate.analysis
    if analysis is None or stored is None or judgement is None:
        return Ending(trial)
    verdict = judgement.verdict
    if trial.candidate.waived and verdict is not Verdict.FAILING:
        return Ending(trial)
    over = max(over, (trial.candidate.step_since or stored.since) + analysis.interval)
    if s.now < over or verdict is Verdict.FAILING or stored.failures:
        return Ending(trial, over=False)
    if verdict is Verdict.PASSING or _last_and_enough(status, trial, judgement, analysis):
        passed = _numbers(stored, judgement, Verdict.PASSING)
        return Ending(trial.but(analysis=passed))
    if verdict is Verdict.INCONCLUSIVE:
        return _unclear(s, trial, judgement, over)
    return _without_data(s, trial, judgement, over)


def lacks_data(candidate: Candidate) -> bool:
    """Return whether the candidate is held because too few requests reach it."""
    return candidate.analysis is not None and candidate.analysis.verdict == Verdict.NO_DATA


def next_look(candidate: Candidate, now: datetime) -> datetime | None:
    """Return when the evidence has to be looked at again, if it is."""
    analysis = candidate.rollout.analysis if candidate.rollout else None
    stored = candidate.analysis
    if analysis is None or stored is None:
        return None
    start = stored.checked or stored.since
    return start + ((now - start) // analysis.interval + 1) * analysis.interval


def _judged(
    s: Situation, status: ModelStatus, trial: Trial, analysis: Analysis, stored: Analysed
) -> Judgement:
    production = status.production.revision if status.production else None
    evidence = gather(stored.baseline, s.observed.readings, trial.build.revision, production)
    weights = sum(step.set_weight is not None for step in trial.rollout.steps)
    return judge(analysis, evidence, ALPHA, weights * acting(analysis))


def _complaint(s: Situation, trial: Trial, judgement: Judgement) -> str:
    """Return what makes this look a failed one, or nothing."""
    if judgement.verdict is Verdict.FAILING:
        return judgement.message
    if s.ready(trial.build):
        return ""
    told = "it is not ready, while it is to answer requests"
    waiting = s.waiting(trial.build)
    return f"{told}: {waiting}" if waiting else told


def _unclear(s: Situation, trial: Trial, judgement: Judgement, over: datetime) -> Ending:
    """Wait for what settles it: for progressDeadline at most."""
    limit = trial.rollout.progress_deadline
    if s.now < over + limit:
        return Ending(_noted(trial, judgement), over=False)
    told = (
        f"{trial.build.revision} at {trial.asked_weight} %: {judgement.message}; nothing "
        f"settled it within progressDeadline ({format_duration(limit)})"
    )
    return Ending(trial, False, Reason.PROGRESS_DEADLINE_EXCEEDED, told)


def _without_data(s: Situation, trial: Trial, judgement: Judgement, over: datetime) -> Ending:
    analysis = trial.rollout.analysis
    assert analysis is not None, "nothing is judged without an analysis"
    patience = analysis.interval * (analysis.failure_limit + 1)
    if s.now < over + patience:
        return Ending(trial, over=False)
    if analysis.on_no_data == "Pass":
        return Ending(trial)
    if analysis.on_no_data == "Fail":
        told = f"{trial.build.revision} at {trial.asked_weight} %: {judgement.message}"
        return Ending(trial, False, Reason.ANALYSIS_FAILED, f"{told} (onNoData: Fail)")
    return Ending(_noted(trial, judgement), over=False)


def _last_and_enough(
    status: ModelStatus, trial: Trial, judgement: Judgement, analysis: Analysis
) -> bool:
    """Return whether the last weight may do without the data that a verdict lacks.

    Production answers nothing any more, so that there is nothing to compare with; and what earlier
    weights have shown is not asked for again. A first deployment may have no users yet.
    """
    stored = trial.candidate.analysis
    if trial.candidate.step < len(trial.rollout.steps) - 1:
        return False
    if judgement.verdict is not Verdict.NO_DATA:
        return False
    shown = stored is not None and stored.verdict == Verdict.PASSING
    return status.production is None or shown or judgement.requests >= analysis.min_requests


def _noted(trial: Trial, judgement: Judgement) -> Trial:
    """Return the trial with the verdict that holds it, if that is another than before."""
    stored = trial.candidate.analysis
    if stored is None or stored.verdict == judgement.verdict:
        return trial
    return trial.but(analysis=_numbers(stored, judgement, judgement.verdict))


def _numbers(stored: Analysed, judgement: Judgement, verdict: Verdict) -> Analysed:
    metrics = tuple(
        {key: _shown(value) for key, value in to_json(metric).items() if value is not False}
        for metric in judgement.metrics
    )
    return replace(
        stored,
        verdict=verdict.value,
        message=judgement.message,
        requests=judgement.requests,
        metrics=metrics,
    )


def _shown(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value


def _with_baseline(s: Situation, status: ModelStatus, trial: Trial, analysis: Analysis) -> Trial:
    stored, readings = trial.candidate.analysis, s.observed.readings
    if stored is None or not readings:
        return trial
    production = [status.production.revision] if status.production else []
    baseline = baseline_of(readings[-1], [trial.build.revision, *production], analysis)
    time = baseline.time.replace(microsecond=0)
    return trial.but(analysis=replace(stored, baseline=replace(baseline, time=time)))
