"""What people ask for by annotation: each token is handled once, and a stale one does nothing."""

from __future__ import annotations

from dataclasses import replace

from mt_contract.names import GROUP
from mt_operator.core.model.outcome import Progress, outcome
from mt_operator.core.model.rollback import reject
from mt_operator.core.model.state import ModelStatus, Stage
from mt_operator.core.model.trigger import ask_again
from mt_operator.core.model.turn import Situation, Turn
from mt_operator.core.reasons import Reason

ABORT, RETRY = "abort", "retry"


def act(s: Situation, turn: Turn) -> Turn:
    """Do what the annotations ask for, and note their tokens as handled."""
    for action, carry_out in ((ABORT, _abort), (RETRY, _retry)):
        token = s.meta.annotations.get(f"{GROUP}/{action}", "")
        if not token or turn.status.handled.get(action) == token:
            continue
        done = carry_out(s, turn, token)
        if done is None:
            told = f"{action}={token} names nothing that it could be done to; nothing happens."
            done = turn.tell("ActionIgnored", told, warning=True)
        turn = done.to(handled=dict(done.status.handled) | {action: token})
    return turn


def _abort(s: Situation, turn: Turn, token: str) -> Turn | None:
    candidate, target = turn.status.candidate, token.partition("/")[0]
    if candidate is None or candidate.stage is Stage.ROLLING_BACK:
        return None
    if target not in (candidate.run, candidate.build.revision if candidate.build else ""):
        return None
    return reject(s, turn, Reason.ABORTED, f"{target} was aborted by annotation.")


def _retry(s: Situation, turn: Turn, token: str) -> Turn | None:
    status, target = turn.status, token.partition("/")[0]
    kept = tuple(e for e in status.rejected if target not in (e.run, e.revision))
    if not target or kept == status.rejected or _still_rolling_back(status):
        return None
    runs = {e.run for e in status.rejected if target in (e.run, e.revision)}
    turn = turn.to(rejected=kept).tell("Retrying", f"{target} is tried again, as asked for.")
    asked = status.asked
    if asked is None or asked.run not in runs:
        return turn
    run = s.runs.get(asked.run)
    if run is not None and outcome(run).progress is not Progress.REJECTED:
        # It goes on where it was, but as a new request: it may be older than production.
        return turn.to(asked=replace(asked, since=max(asked.since, s.now)))
    return turn.to(asked=ask_again(s, asked, token))


def _still_rolling_back(status: ModelStatus) -> bool:
    candidate = status.candidate
    return candidate is not None and candidate.stage is Stage.ROLLING_BACK
