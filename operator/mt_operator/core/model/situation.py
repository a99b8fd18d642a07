"""A snapshot as policies read it: the spec resolved, and what the traffic backend sees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mt_contract.codec import from_json
from mt_contract.defaults import ENGINE_KEYS, drop, resolve
from mt_contract.resource import History, Rollout, Step
from mt_operator.core.model.asked import by_name
from mt_operator.core.model.backends import BACKENDS
from mt_operator.core.model.mode import BLUE_GREEN
from mt_operator.core.model.outcome import Options
from mt_operator.core.model.state import Tree
from mt_operator.core.model.turn import Situation
from mt_operator.core.observed import ObservedModel
from mt_operator.core.plan import ImpossibleError


def situation(observed: ObservedModel) -> Situation:
    """Return the snapshot with its spec resolved; obstacles are found separately.

    Raises:
        DecodeError: the spec has a value that cannot be used; the message names the field.
        ImpossibleError: the status names a traffic backend that there is not.
    """
    backend = observed.status.get("trafficBackend") or "HTTPRoute"
    if backend not in BACKENDS:
        raise ImpossibleError(
            f"status.trafficBackend of {observed.meta.namespace}/{observed.meta.name} is "
            f"{backend!r}; this release knows {', '.join(BACKENDS)}. Nothing is touched: install "
            "the release that wrote it, or restore the status."
        )
    resolved = resolve(observed.spec, observed.settings.images)
    account = {"serviceAccountName": resolved["serviceAccountName"]}
    return Situation(
        observed=observed,
        now=observed.now.replace(microsecond=0),
        runs=by_name(observed.runs),
        rollout=_possible(from_json(Rollout, resolved["rollout"], "spec.rollout"), backend),
        options=Options(resolved["serving"] | account, written_options(observed.spec)),
        history=from_json(History, resolved["history"], "spec.history"),
        backend=backend,
        traffic=BACKENDS[backend].observe(observed),
    )


def _possible(rollout: Rollout, backend: str) -> Rollout:
    """Return the rollout with the steps that can be taken: all or nothing, without a split."""
    if backend != BLUE_GREEN:
        return rollout
    return replace(rollout, steps=(Step(set_weight=100),))


def written_options(spec: Tree) -> dict[str, Any]:
    """Return what the user wrote of all that is changed in place."""
    account = spec.get("serviceAccountName")
    written = drop(spec.get("serving") or {}, ENGINE_KEYS)
    return written | ({"serviceAccountName": account} if account else {})
