"""What people ask for by annotation: each token is handled once, and a stale one does nothing.

A token is ``<target>/<suffix>``; the suffix makes it new. It is echoed in status.handled, and the
condition ActionAccepted says what came of the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mt_contract.names import GROUP
from mt_operator.core.conditions import set_condition
from mt_operator.core.model import advice
from mt_operator.core.model.abort import abort, retry
from mt_operator.core.model.bless import bless
from mt_operator.core.model.hold import pause, resume
from mt_operator.core.model.promote import promote
from mt_operator.core.model.retrain import retrain
from mt_operator.core.model.turn import Situation, Turn
from mt_operator.core.model.way_back import go_back
from mt_operator.core.reasons import Reason

# What an action comes to: done, refused (why, and what to do), or None: it waits for its moment.
Answer = Turn | str | None
ACCEPTED = "ActionAccepted"
MAX_TOKEN = 512  # of a value of status.handled, by the CRD

ACTIONS: Mapping[str, Callable[[Situation, Turn, str], Answer]] = {
    advice.ABORT: abort,
    advice.ROLLBACK: go_back,
    advice.PAUSE: pause,
    advice.RESUME: resume,
    advice.PROMOTE: promote,
    advice.BLESS: bless,
    advice.RETRY: retry,
    advice.RETRAIN: retrain,
}


def act(s: Situation, turn: Turn) -> Turn:
    """Do what the annotations ask for, and note their tokens as handled."""
    for action, carry_out in ACTIONS.items():
        token = s.meta.annotations.get(f"{GROUP}/{action}", "")[:MAX_TOKEN]
        if not token or turn.status.handled.get(action) == token:
            continue
        answer = carry_out(s, turn, token)
        if answer is None:
            continue
        turn = _noted(s, turn, f"{action}={token}", answer)
        turn = turn.to(handled=dict(turn.status.handled) | {action: token})
    return turn


def _noted(s: Situation, turn: Turn, asked: str, answer: Turn | str) -> Turn:
    """Tell what came of a token."""
    refused = isinstance(answer, str)
    reason = Reason.ACTION_IGNORED if refused else Reason.ACTION_TAKEN
    told = f"{asked}: {answer}" if isinstance(answer, str) else f"{asked} is done."
    turn = turn if isinstance(answer, str) else answer
    conditions = set_condition(
        turn.status.conditions,
        ACCEPTED,
        not refused,
        reason,
        told if refused else f"{told} The other conditions say what comes of it.",
        s.meta.generation,
        s.now,
    )
    return turn.to(conditions=conditions).tell(reason, told, warning=refused)
