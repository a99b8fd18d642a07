"""Does a run have to start, and why?

Only what a user wrote can answer: as long as the digest of it is the one that was answered last,
nothing starts, whatever a new release would make of it. When it differs, the runs are asked: one
that answers it all is used again (a Git revert, a default written out); one that only its engine
or its judgement sets apart lends its artifact; otherwise a training starts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from mt_contract.names import run_name
from mt_operator.core.children.training_run import ANNOTATION_SOURCE
from mt_operator.core.model.asked import answers, asked_digest, same_engine, same_recipe
from mt_operator.core.model.outcome import Progress, artifact, completed, outcome
from mt_operator.core.model.state import Asked, Cause, ModelStatus
from mt_operator.core.model.turn import Situation, Turn
from mt_operator.core.observed import RunView


def trigger(s: Situation, turn: Turn) -> Turn:
    """Note what the spec asks for, and by which run it is answered."""
    digest, asked = asked_digest(s.spec), turn.status.asked
    if s.obstacle is not None:
        return turn
    if asked is not None and asked.digest == digest and not _lost(s, turn.status):
        return turn
    return turn.to(asked=_ask(s, turn.status, digest))


def outstanding(status: ModelStatus) -> Asked | None:
    """Return what is asked for, unless it is in production, overtaken, or rejected."""
    asked, production = status.asked, status.production
    if asked is None or status.rejection(asked.run) is not None:
        return None
    if production and (production.run == asked.run or production.requested > asked.since):
        return None
    return asked


def _lost(s: Situation, status: ModelStatus) -> bool:
    """Return whether somebody deleted the run that was to answer, and it cannot be made again."""
    asked, candidate = outstanding(status), status.candidate
    if asked is None or asked.run in s.runs:
        return False
    if candidate is not None and candidate.run == asked.run and candidate.build is not None:
        return False  # all that its rollout needs is stored
    return asked.cause is None or (asked.source is not None and asked.source not in s.runs)


def _ask(s: Situation, status: ModelStatus, digest: str) -> Asked:
    images, since = s.observed.settings.images, next_request(s, status)
    eligible = [run for run in s.runs.values() if s.owns(run) or run.spec.get("candidate")]
    usable = [run for run in eligible if not run.meta.deleting]
    complete = [run for run in usable if answers(s.spec, run, s.runs, images)]
    if complete:
        return Asked(digest, _best(s, status, complete).meta.name, since)
    related = [run for run in usable if same_recipe(s.spec, run, s.runs, images)]
    lenders = [run for run in related if _lends(run)]
    if lenders:
        lender = _best(s, status, lenders)
        engine = any(same_engine(s.spec, run, images) for run in related)
        cause = Cause.EVALUATION if engine else Cause.SERVING
        source = lender.meta.annotations.get(ANNOTATION_SOURCE, lender.meta.name)
        return Asked(digest, _name(s, digest, cause), since, cause, source)
    return Asked(digest, _name(s, digest, Cause.SPEC), since, Cause.SPEC)


def next_request(s: Situation, status: ModelStatus) -> datetime:
    """Return now, but always later than what was asked for before: the later request wins."""
    before = [build.requested for build in (status.production, status.candidate) if build]
    before += [status.asked.since] if status.asked else []
    return max([s.now, *(time + timedelta(seconds=1) for time in before)])


def _best(s: Situation, status: ModelStatus, runs: list[RunView]) -> RunView:
    """Return the run in production, else a blessed one, one at work, any; the newest of these."""

    def rank(run: RunView) -> tuple[bool, bool, bool, datetime, str]:
        result, name = outcome(run), run.meta.name
        open_ = status.rejection(name) is None
        return (
            status.production is not None and status.production.run == name,
            open_ and result.progress is Progress.BLESSED,
            open_ and not result.ended,
            completed(run) or s.now,
            name,
        )

    return max(runs, key=rank)


def _lends(run: RunView) -> bool:
    """Return whether ``run`` has an artifact to lend, or may still come to one."""
    return artifact(run) is not None or not outcome(run).ended


def _name(s: Situation, digest: str, cause: Cause, token: str = "") -> str:
    return run_name(s.meta.name, s.meta.uid, digest, cause.value, token)


def train_anew(s: Situation, status: ModelStatus, digest: str, token: str) -> Asked:
    """Return a request for a training of what is asked for already: its token names the run."""
    name = _name(s, digest, Cause.MANUAL, token)
    return Asked(digest, name, next_request(s, status), Cause.MANUAL, token=token)


def ask_again(s: Situation, asked: Asked, token: str) -> Asked:
    """Return the same request with a run of its own: what a retry of a failed run is."""
    cause = asked.cause or Cause.SPEC
    return Asked(
        asked.digest, _name(s, asked.digest, cause, token), s.now, cause, asked.source, token
    )
