"""What a candidate is compared with: chosen once, when its evaluation begins, and stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_contract.codec import DecodeError, from_json
from mt_operator.core.conditions import is_true, read_conditions
from mt_operator.core.observed import ObservedRun, RunView
from mt_operator.core.plan import ImpossibleError
from mt_operator.core.run.inputs import Baseline

Tree = Mapping[str, Any]
PRODUCTION, LATEST_BLESSED = "Production", "LatestBlessed"


def baseline_of(observed: ObservedRun, wanted: str) -> Baseline | None:
    """Return the baseline of an evaluation that begins now, or None: there is none.

    Args:
        observed: the run.
        wanted: Production; LatestBlessed: the run of the same model whose gates all passed last,
            deployed or not; or None.

    Raises:
        ImpossibleError: the status that names it is none of ours.
    """
    if wanted == PRODUCTION:
        return _production(observed)
    return _latest_blessed(observed) if wanted == LATEST_BLESSED else None


def _production(observed: ObservedRun) -> Baseline | None:
    production = (observed.model.status if observed.model else {}).get("production")
    if not production:
        return None
    where = "status.production of the model"
    return _decoded(
        production.get("run"), production.get("artifact"), production.get("engine"), where
    )


def _latest_blessed(observed: ObservedRun) -> Baseline | None:
    blessed = [run for run in observed.runs if run.meta.uid != observed.meta.uid and _blessed(run)]
    if not blessed:
        return None
    newest = max(blessed, key=lambda run: (str(run.status.get("completionTime")), run.meta.name))
    engine = (newest.status.get("inputs") or {}).get("engine")
    where = f"status of run {newest.meta.name}"
    return _decoded(newest.meta.name, newest.status.get("artifact"), engine, where)


def _blessed(run: RunView) -> bool:
    conditions = read_conditions(run.status)
    return is_true(conditions, "Blessed") and is_true(conditions, "Succeeded")


def _decoded(run: Any, artifact: Tree | None, engine: Any, where: str) -> Baseline:
    try:
        return from_json(Baseline, {**(artifact or {}), "run": run, "engine": engine}, where)
    except DecodeError as error:
        raise ImpossibleError(str(error)) from error
