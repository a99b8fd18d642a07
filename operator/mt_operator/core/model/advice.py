"""What a message tells people to do next: the command, and the annotation behind it."""

from __future__ import annotations

from mt_contract.names import GROUP
from mt_operator.core.observed import Meta

PROMOTE, ABORT, RETRY, ROLLBACK = "promote", "abort", "retry", "rollback"
RETRAIN, BLESS, PAUSE, RESUME = "retrain", "bless", "pause", "resume"
_NAMED = frozenset({RETRY, ROLLBACK, BLESS})  # the command needs the target, too


def how_to(meta: Meta, action: str, target: str) -> str:
    """Return how ``action`` is asked for, to be read after "to go on" and the like."""
    command = f"kubectl translation {action} {meta.name}"
    if action in _NAMED:
        command += f" {target}"
    return f"`{command}`, or annotate the model with {GROUP}/{action}={target}/<any new suffix>"
