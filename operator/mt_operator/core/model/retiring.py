"""What lost its traffic stays up for a while, for an instant way back; then it goes."""

from __future__ import annotations

from mt_operator.core.model import routing
from mt_operator.core.model.state import Retiring
from mt_operator.core.model.turn import Situation, Turn, backend_name


def let_go(s: Situation, turn: Turn) -> Turn:
    """Forget what has been without traffic for long enough, as far as the gateway confirms it.

    What retires only now may have weight in the very route that this decision applies.
    """
    stored = {entry["revision"] for entry in s.observed.status.get("retiring") or ()}
    kept = tuple(
        entry
        for entry in turn.status.retiring
        if s.now < entry.until or entry.build.revision not in stored or _has_traffic(s, entry)
    )
    return turn if kept == turn.status.retiring else turn.to(retiring=kept)


def _has_traffic(s: Situation, entry: Retiring) -> bool:
    route = routing.our_route(s)
    if route is None or s.service(entry.build) is None:
        return False
    name = backend_name(s.meta, entry.build)
    if route.weights.get(name, 0) > 0:
        return True
    return name in route.weights and not route.in_force
