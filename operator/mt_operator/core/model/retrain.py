"""A training by hand: the same recipe once more."""

from __future__ import annotations

from mt_operator.core.model.asked import asked_digest
from mt_operator.core.model.trigger import train_anew
from mt_operator.core.model.turn import Situation, Turn


def retrain(s: Situation, turn: Turn, token: str) -> Turn | str:
    """Ask for a new run of what the spec asks for; the token stands in its name."""
    if s.obstacle is not None:
        return f"not now: {s.obstacle.message} Then annotate again, with another suffix."
    return turn.to(asked=train_anew(s, turn.status, asked_digest(s.spec), token))
