"""Ending a candidate by hand, and trying again what was rejected."""

from __future__ import annotations

from dataclasses import replace

from mt_operator.core.model.advice import no_such_candidate
from mt_operator.core.model.outcome import Progress, outcome
from mt_operator.core.model.rollback import reject
from mt_operator.core.model.state import Stage
from mt_operator.core.model.trigger import ask_again, next_request
from mt_operator.core.model.turn import Situation, Turn
from mt_operator.core.reasons import Reason


def abort(s: Situation, turn: Turn, token: str) -> Turn | str:
    """End the candidate; its traffic goes back to production."""
    candidate, target = turn.status.candidate, token.partition("/")[0]
    if candidate is None or not candidate.goes_by(target):
        return no_such_candidate(s.meta, turn.status, target)
    if candidate.stage is Stage.ROLLING_BACK:
        return f"{target} is rejected already, and its traffic goes back. Nothing is to do."
    return reject(s, turn, Reason.ABORTED, f"{target} was aborted by annotation")


def retry(s: Situation, turn: Turn, token: str) -> Turn | str | None:
    """Forget why a run or revision was rejected; try it again if it is what the spec asks for."""
    status, target = turn.status, token.partition("/")[0]
    runs = {e.run for e in status.rejected if target in (e.run, e.revision)}
    if not runs:
        known = ", ".join(entry.revision or entry.run for entry in status.rejected) or "none"
        return f"{target} is not in status.rejected, which names: {known}. Name one of these."
    if status.candidate is not None and status.candidate.stage is Stage.ROLLING_BACK:
        return None  # its traffic is on the way back: a moment later
    kept = tuple(e for e in status.rejected if target not in (e.run, e.revision))
    turn, asked = turn.to(rejected=kept), status.asked
    if asked is None or asked.run not in runs:
        told = f"{target} may be tried again: as soon as the spec asks for it, or at once if a "
        return turn.tell(Reason.ACTION_TAKEN, f"{told}person made it and asked for nothing since.")
    run = s.runs.get(asked.run)
    if run is not None and outcome(run).progress is not Progress.REJECTED:
        # It goes on where it was, but as a new request: it may be older than production.
        return turn.to(asked=replace(asked, since=next_request(s, status)))
    return turn.to(asked=ask_again(s, asked, token))
