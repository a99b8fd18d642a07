"""Observe, decide, apply: one key at a time in each of a few workers, for as long as this leads."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from mt_contract import names
from mt_operator.core.model.decide import decide_model
from mt_operator.core.observed import ObservedModel, ObservedRun
from mt_operator.core.plan import ImpossibleError, Plan
from mt_operator.core.reasons import Reason
from mt_operator.core.run.decide import decide_run
from mt_operator.shell.alerts import Alerts, alerts_of
from mt_operator.shell.apply import Outcome, Refusal, carry_out, stands, tell
from mt_operator.shell.errors import ApiError, NotLeadingError, Retry, UnavailableError
from mt_operator.shell.leader import Leader
from mt_operator.shell.metrics import Metrics
from mt_operator.shell.observe import Observed, Snapshot, World
from mt_operator.shell.observe_model import observe_model
from mt_operator.shell.observe_run import observe_run
from mt_operator.shell.queue import Key, Queue

log = logging.getLogger(__name__)
# Looks at everything, should a wake-up ever be lost.
RESYNC, ON_ITS_WAY = timedelta(minutes=30), timedelta(seconds=30)


class RefusedPlanError(Exception):
    """A part of the plan cannot be done before something changes."""


@dataclass(frozen=True)
class Loop:
    """What all workers share."""

    world: World
    queue: Queue
    leader: Leader
    metrics: Metrics
    alerts: Alerts
    clock: Callable[[], float] = field(default=time.monotonic)
    # Looks that ended without an answer: their status may have been written all the same.
    unsure: dict[Key, tuple[Snapshot, Plan]] = field(default_factory=dict)

    async def work(self) -> None:
        """Look at one key after the other, until cancelled."""
        while True:
            await self.leader.wait()
            key = await self.queue.take()
            began = self.clock()
            await self._look(key)
            self.metrics.seconds.labels(key.kind).observe(self.clock() - began)

    async def _look(self, key: Key) -> None:
        """Look at ``key`` once; whatever goes wrong decides when the next look is."""
        try:
            after = await self.reconcile(key)
        except ApiError as error:
            self._again(key, error, error.retry_after, hard=error.retry is Retry.LATER)
        except (NotLeadingError, RefusedPlanError) as error:
            self._again(key, error)
        except Exception as error:
            log.exception("%s: the look failed", key)
            self._again(key, error)
        else:
            if after is None:
                self.queue.forget(key)
            else:
                self.queue.done(key, after.total_seconds())

    def _again(self, key: Key, error: Exception, at_least: float = 0.0, hard: bool = False) -> None:
        seconds = self.queue.failed(key, at_least, hard)
        self.metrics.errors.labels(key.kind, type(error).__name__).inc()
        log.warning("%s: %s (again in %.1f s)", key, error, seconds)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Do for one object what has to be done; return when to look again, None if it is gone.

        Raises:
            ApiError: the API server could not do its part.
            RefusedPlanError: it refused; the object says so.
        """
        observe = observe_run if key.kind == names.RUN_KIND else observe_model
        snapshot: Snapshot | None = await observe(self.world, key.namespace, key.name)
        before = self.unsure.pop(key, None)
        if snapshot is None:
            self.metrics.gauges.forget(key)
            if key.kind == names.MODEL_KIND:
                self.world.readings.forget(key.namespace, key.name)
            return None
        if before is not None and stands(snapshot, before[1]):
            await tell(self.world.api, *before)
            self._wrote(key, *before)
        plan, refused = decided(snapshot.observed, key)
        try:
            outcome = await carry_out(self.world.api, snapshot, plan, refused)
        except UnavailableError:
            self.unsure[key] = (snapshot, plan)
            raise
        if outcome.wrote_status:
            self._wrote(key, snapshot, plan)
        else:
            self.metrics.looked(key, snapshot.observed, plan, wrote=False)
        if outcome.refused:
            raise RefusedPlanError("; ".join(refusal.message for refusal in outcome.refused))
        return next_look(snapshot.observed, plan, outcome)

    def _wrote(self, key: Key, snapshot: Snapshot, plan: Plan) -> None:
        """Tell of a status that was written; a run's end is told to receivers by its model."""
        log.info("%s: %s", key, summary(snapshot.observed, plan))
        self.metrics.looked(key, snapshot.observed, plan, wrote=True)
        if isinstance(snapshot.observed, ObservedModel):
            version = str(snapshot.raw["metadata"]["resourceVersion"])
            told = alerts_of(snapshot.observed, version, plan, self.world.settings.cluster)
            for alert, receivers in told:
                self.alerts.announce(alert, receivers)


def decided(observed: Observed, key: Key) -> tuple[Plan, tuple[Refusal, ...]]:
    """Return the decision; where there can be none, an empty plan and why."""
    try:
        if isinstance(observed, ObservedRun):
            return decide_run(observed), ()
        return decide_model(observed), ()
    except ImpossibleError as error:
        message = f"{error}. Nothing is touched: restore the status, or create the object anew."
        return Plan(), (Refusal(Reason.IMPOSSIBLE, message),)
    except Exception as error:
        log.exception("%s: no decision", key)
        message = (
            f"The operator failed on this object ({type(error).__name__}: {error}): see its log."
        )
        return Plan(), (Refusal(Reason.INTERNAL_ERROR, message),)


def next_look(observed: Observed, plan: Plan, outcome: Outcome) -> timedelta:
    """Return when to look again if nothing wakes the key before."""
    if outcome.wrote_status:
        return timedelta()  # children follow from the status that was just stored
    limit = ON_ITS_WAY if on_its_way(observed) else RESYNC
    return min(limit, plan.requeue_after or limit)


def on_its_way(observed: Observed) -> bool:
    """Return whether the object waits for something to happen in the cluster."""
    conditions = observed.status.get("conditions") or ()
    return any(c.get("type") == "Reconciling" and c.get("status") == "True" for c in conditions)


def summary(observed: Observed, plan: Plan) -> str:
    """Return what a status write was about, for the log."""
    if plan.events:
        return "; ".join(f"{event.reason}: {event.message}" for event in plan.events)
    conditions = (plan.status or observed.status).get("conditions") or ()
    told = next((c for c in conditions if c.get("type") in ("Stalled", "Reconciling")), None)
    return f"{told['reason']}: {told['message']}" if told else "status written"


async def supervise(loop: Loop, workers: int) -> None:
    """Run so many workers until cancelled."""
    async with asyncio.TaskGroup() as group:
        for number in range(workers):
            group.create_task(loop.work(), name=f"worker {number}")
