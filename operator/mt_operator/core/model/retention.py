"""Which finished runs may go? Only runs that the operator made; users' and Git's stay.

A run is a record: its folder, artifact included, is not touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from mt_contract import names
from mt_operator.core.children.training_run import ANNOTATION_SOURCE, ANNOTATION_SUPERSEDED
from mt_operator.core.model.obstacle import builds
from mt_operator.core.model.outcome import completed, outcome, succeeded
from mt_operator.core.model.state import ModelStatus
from mt_operator.core.model.turn import Situation
from mt_operator.core.observed import RunView
from mt_operator.core.plan import Ref
from mt_operator.core.run.origin import origins_of

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def expired_runs(s: Situation, status: ModelStatus) -> tuple[Ref, ...]:
    """Return the runs beyond ``history`` that nothing needs any more."""
    ours = [run for run in s.runs.values() if s.owns(run) and _over(run)]
    good = [run for run in ours if succeeded(run)]
    bad = [run for run in ours if not succeeded(run)]
    surplus = [*_beyond(good, s.history.succeeded), *_beyond(bad, s.history.failed)]
    needed = _needed(s, status)
    gone = {run.meta.name: run for run in surplus if run.meta.name not in needed}
    kept = (run for name, run in s.runs.items() if name not in gone)
    # The recipe of an artifact that is reused is known by the run that trained it.
    sources = {run.meta.annotations.get(ANNOTATION_SOURCE) for run in kept}
    return tuple(
        Ref(names.API_VERSION, names.RUN_KIND, name, run.meta.uid)
        for name, run in gone.items()
        if name not in sources and not run.meta.deleting
    )


def _over(run: RunView) -> bool:
    """Return whether the run has ended, or was given up."""
    return outcome(run).ended or ANNOTATION_SUPERSEDED in run.meta.annotations


def _beyond(runs: Iterable[RunView], limit: int) -> list[RunView]:
    newest = sorted(runs, key=lambda r: (completed(r) or _LONG_AGO, r.meta.name), reverse=True)
    return newest[limit:]


def _needed(s: Situation, status: ModelStatus) -> set[str | None]:
    asked, candidate = status.asked, status.candidate
    needed: set[str | None] = {build.run for build in builds(status)}
    needed |= {entry.build.run for entry in status.previous[: s.rollout.rollback_window]}
    needed |= {asked.run, asked.source} if asked else set()
    for run in s.runs.values():  # what a training begins from stays until it is over
        needed |= set() if outcome(run).ended else origins_of(run.status)
    return needed | ({candidate.run} if candidate else set())
