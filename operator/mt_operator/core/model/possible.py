"""Can this snapshot exist? If not, nothing is decided from it: the operator never guesses."""

from __future__ import annotations

from mt_operator.core.model.candidate import BEFORE_REVISION
from mt_operator.core.model.obstacle import builds
from mt_operator.core.model.outcome import Progress, outcome
from mt_operator.core.model.rollback import UNDER_WAY
from mt_operator.core.model.routing import our_route
from mt_operator.core.model.state import Candidate, ModelStatus
from mt_operator.core.model.turn import Situation, backend_name
from mt_operator.core.observed import RunView
from mt_operator.core.plan import ImpossibleError


def check_possible(s: Situation, status: ModelStatus) -> None:
    """Look for what no decision of ours can have led to.

    Raises:
        ImpossibleError: it was found; the message says what to do.
    """
    candidate = status.candidate
    problem = _of_candidate(s, status, candidate) if candidate else None
    problem = _of_children(s, status) or problem
    revisions = [build.revision for build in builds(status)]
    if len(set(revisions)) < len(revisions):
        problem = f"the revisions {', '.join(revisions)} are not all different"
    if problem:
        raise ImpossibleError(
            f"status of {s.meta.namespace}/{s.meta.name}: {problem}. Somebody else wrote to it; "
            "nothing is touched. Restore it, or remove status.candidate to go on from production."
        )


def _of_children(s: Situation, status: ModelStatus) -> str | None:
    """Return what exists that nothing in the status speaks of: it may be what serves."""
    owned = [view for view in s.observed.services.values() if view.meta.owner == s.meta.uid]
    route, known = our_route(s), {backend_name(s.meta, build) for build in builds(status)}
    if status.asked is None and (owned or route):
        return "it is empty, but there are InferenceServices or an HTTPRoute of this model"
    if status.production is not None or route is None:
        return None
    stray = sorted(name for name, weight in route.weights.items() if weight and name not in known)
    return f"it does not know {', '.join(stray)}, which has traffic" if stray else None


def _of_candidate(s: Situation, status: ModelStatus, c: Candidate) -> str | None:
    if c.stage not in BEFORE_REVISION and (c.build is None or c.rollout is None):
        return f"the candidate is in stage {c.stage} without a revision"
    if c.rollout is not None and not 0 <= c.step < len(c.rollout.steps):
        return f"the candidate is at step {c.step} of {len(c.rollout.steps)}"
    if not 0 <= c.weight <= 100:
        return f"the candidate has weight {c.weight}"
    if c.weight == 0:
        return None
    if c.stage not in UNDER_WAY:
        return f"the candidate has weight {c.weight} in stage {c.stage}"
    if status.production is None and c.weight != 100:
        return f"the candidate has weight {c.weight} with nothing beside it"
    run = s.runs.get(c.run)
    if run is not None and _same_run(run, c) and not (_blessed(run) or c.override):
        return f"the candidate has weight {c.weight}, but {c.run} was not blessed"
    return None


def _same_run(run: RunView, c: Candidate) -> bool:
    """Return whether the candidate came of this run; another one may have got its name since."""
    folder = (run.status.get("inputs") or {}).get("folder")
    return c.build is not None and c.build.folder == folder


def _blessed(run: RunView) -> bool:
    return outcome(run).progress is Progress.BLESSED
