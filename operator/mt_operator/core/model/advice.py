"""What a message tells people to do next: the command, and the annotation behind it."""

from __future__ import annotations

from mt_contract.names import GROUP
from mt_operator.core.model.state import ModelStatus
from mt_operator.core.observed import Meta

PROMOTE, ABORT, RETRY, ROLLBACK = "promote", "abort", "retry", "rollback"
RETRAIN, BLESS, PAUSE, RESUME = "retrain", "bless", "pause", "resume"
FULL = "full"  # before a target of promote: all steps at once
_NAMED = frozenset({RETRY, ROLLBACK, BLESS})  # the command needs the target, too


def how_to(meta: Meta, action: str, target: str) -> str:
    """Return how ``action`` is asked for, to be read after "to go on" and the like."""
    command = f"kubectl translation {action} {meta.name}"
    if action in _NAMED:
        command += f" {target}"
    elif target.startswith(f"{FULL}/"):
        command += f" --{FULL}"
    return f"`{command}`, or annotate the model with {GROUP}/{action}={target}/<any new suffix>"


def no_such_candidate(meta: Meta, status: ModelStatus, target: str) -> str:
    """Return what to say of a token whose ``target`` is not the candidate; it does nothing."""
    candidate, production = status.candidate, status.production
    told = f"{target} is not the candidate; nothing happens."
    if any(target in (entry.run, entry.revision) for entry in status.rejected):
        return f"{target} was rejected. To try it again: {how_to(meta, RETRY, target)}."
    if candidate is not None:
        return f"{told} The candidate is {candidate.name}: name that."
    if production is None:
        return f"{told} There is none now. Wait for one."
    if target not in (production.run, production.revision):
        return f"{told} There is none now. {production.revision} is in production: wait for one."
    told = f"{target} is in production already. Nothing is to do."
    if not status.previous:
        return told
    earlier = status.previous[0].revision
    return f"{told} The way back to {earlier}: {how_to(meta, ROLLBACK, earlier)}."
