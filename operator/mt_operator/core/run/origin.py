"""What a training begins from: the weights that it starts with, the data that it is compared with.

Both are chosen once, when the run is resolved, and stored: whatever is promoted, blessed or trained
afterwards is another run's affair, and starts none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_contract.codec import to_json
from mt_contract.resource import RunSpec
from mt_operator.core.conditions import get_condition, read_conditions
from mt_operator.core.observed import ObservedRun, RunView
from mt_operator.core.reasons import Reason
from mt_operator.core.run.baseline import PRODUCTION, baseline_of
from mt_operator.core.run.inputs import Parent, Previous


def origin(observed: ObservedRun, spec: RunSpec) -> tuple[dict[str, Any], str]:
    """Return what is stored of it (``parent``, ``previous``), and what to say of it.

    Args:
        observed: the run that begins.
        spec: the run's, resolved.

    Raises:
        ImpossibleError: a status that names an artifact is none of ours.
    """
    found: dict[str, Any] = {}
    notes = []
    if (wanted := spec.training.warm_start_from) != "None":
        parent = _parent(observed, wanted)
        found |= {"parent": to_json(parent)} if parent else {}
        notes.append(_told(parent, wanted))
    if spec.data.checks.max_divergence is not None:
        previous = _previous(observed)
        found |= {"previous": to_json(previous)} if previous else {}
        notes += [] if previous else ["No earlier training: there is no data to diverge from."]
    return found, " ".join(notes)


def _parent(observed: ObservedRun, wanted: str) -> Parent | None:
    chosen = baseline_of(observed, wanted)
    return Parent(chosen.run, chosen.uri, chosen.digest) if chosen else None


def _told(parent: Parent | None, wanted: str) -> str:
    if parent is not None:
        return f"It starts from the weights of {parent.run}."
    missing = "There is no production yet" if wanted == PRODUCTION else "No run is blessed yet"
    return f"{missing}: it starts from fresh weights."


def _previous(observed: ObservedRun) -> Previous | None:
    """Return the training of the model that published an artifact last, whatever its gates said."""
    trained = [(when, run) for run in observed.runs if (when := _trained(run))]
    others = [(when, run) for when, run in trained if run.meta.uid != observed.meta.uid]
    if not others:
        return None
    _, newest = max(others, key=lambda found: (found[0], found[1].meta.name))
    return Previous(newest.meta.name, newest.status["inputs"]["folder"])


def _trained(run: RunView) -> str:
    """Return when the run's training ended well; empty if it did not, or none was its own."""
    folder = (run.status.get("inputs") or {}).get("folder")
    done = get_condition(read_conditions(run.status), "Trained")
    if done is None or (done.status, done.reason) != ("True", Reason.TRAINED) or not folder:
        return ""
    return str(done.last_transition_time or "")


def origins_of(status: Mapping[str, Any]) -> set[str]:
    """Return the runs that a run with this stored status begins from."""
    inputs = status.get("inputs") or {}
    return {str(inputs[key].get("run")) for key in ("parent", "previous") if inputs.get(key)}
