"""Resolving: what was asked for, made complete from model and defaults; refused by name if not.

It happens once. What comes of it is stored, and neither a later release, other settings nor a
change of the model touches it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mt_contract import names, recipe
from mt_contract.codec import DecodeError, format_time, from_json
from mt_contract.defaults import ENGINE_KEYS, PRESETS, drop, merge, pick, resolve
from mt_contract.resource import RunSpec
from mt_operator.core.children.train_job import RESOURCES
from mt_operator.core.children.training_run import ANNOTATION_CAUSE, ANNOTATION_DIGEST
from mt_operator.core.observed import ModelView, ObservedRun
from mt_operator.core.reasons import Reason
from mt_operator.core.run.evaluating import begin_judgement
from mt_operator.core.run.jobs import is_suspended
from mt_operator.core.run.stage import RunStage, stage_of
from mt_operator.core.run.step import SOON, Step, conditions_of, going, mark, stuck
from mt_operator.core.supported import unsupported_message, values_at

Tree = Mapping[str, Any]
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
CAUSES = frozenset(
    ("Spec", "Serving", "Evaluation", "Schedule", "DataChange", "Drift", "Quality", "Manual")
)
# What a run that is not complete in itself takes from its model.
_TAKEN = frozenset(
    (
        "sourceLanguage",
        "targetLanguage",
        "serviceAccountName",
        "storage",
        "data",
        "training",
        "evaluation",
        "tracking",
    )
)
_LOCATIONS = (
    "storage.uri",
    "data.train[].uri",
    "data.validation[].uri",
    "data.test[].uri",
    "import.uri",
)


class RefusedError(Exception):
    """Why a run cannot begin, for its Stalled condition."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def resolve_run(observed: ObservedRun) -> Step | None:
    """Make sure that everything the Jobs need is known, allowed, and stored."""
    if stage_of(observed.status) is not RunStage.RESOLVING:
        return None
    if is_suspended(observed):
        message = "suspend is set on the run or its model: nothing starts. Unset it to begin."
        return going(observed, Reason.SUSPENDED, message)
    try:
        return _begin(observed)
    except RefusedError as refusal:
        return stuck(observed, refusal.reason, refusal.message)


def _begin(observed: ObservedRun) -> Step:
    written, resolved = _resolved(observed)
    importing = _imported(observed)
    spec = _decode(resolved)
    _check(observed, spec, resolved)
    fields = {
        "cause": _cause(observed),
        "recipe": _recipe(resolved, importing is not None),
        "startTime": format_time(observed.now),
    }
    inputs = _inputs(observed, written, resolved)
    if importing is not None:
        attempts = {"train": 0, "evaluate": 0}
        message = "An artifact that exists already is judged; nothing is trained."
        conditions = mark(
            observed, conditions_of(observed), "Trained", True, Reason.IMPORTED, message
        )
        taken = fields | {"artifact": importing, "attempts": attempts}
        return begin_judgement(observed, inputs, spec.evaluation, conditions, taken)
    fields |= {"inputs": inputs, "attempts": {"train": 1, "evaluate": 0}}
    message = "Everything that training needs is known."
    return going(observed, Reason.TRAINING, message, fields=fields, requeue_after=SOON)


def _resolved(observed: ObservedRun) -> tuple[Tree, dict[str, Any]]:
    """Return the whole spec, as written by the user and with defaults.

    Raises:
        RefusedError: the model is missing, or the spec asks for what is not supported.
    """
    written = _written(observed)
    own = "import" if _is_models_own(observed) else ""  # a user's import is refused
    message = unsupported_message(drop(written, frozenset({own})))
    if message is not None:
        raise RefusedError(Reason.NOT_SUPPORTED_YET, message)
    preset = (written.get("training") or {}).get("preset", "Tutorial")
    if preset not in PRESETS:
        text = f"spec.training.preset: {preset!r} is none of {', '.join(PRESETS)}."
        raise RefusedError(Reason.SPEC_INVALID, text)
    return written, resolve(written, observed.settings.images)


def _written(observed: ObservedRun) -> Tree:
    reference, model = observed.spec.get("modelRef"), observed.model
    if reference and model is None:
        text = f"spec.modelRef: there is no TranslationModel {reference['name']}: create it."
        raise RefusedError(Reason.MODEL_NOT_FOUND, text)
    if model is None or _is_models_own(observed):
        return observed.spec
    return merge(_from_model(model), observed.spec)


def _from_model(model: ModelView) -> dict[str, Any]:
    engine = pick(model.spec.get("serving") or {}, ENGINE_KEYS)
    return pick(model.spec, _TAKEN) | ({"serving": engine} if engine else {})


def _is_models_own(observed: ObservedRun) -> bool:
    model = observed.model
    return model is not None and observed.meta.owner == model.meta.uid


def _decode(resolved: Tree) -> RunSpec:
    model = resolved.get("modelRef")
    try:
        spec = from_json(RunSpec, {**resolved, "model": model["name"] if model else None})
    except DecodeError as error:
        incomplete = str(error).endswith("is required")
        hint = "; set it here, or name a model that has it in spec.modelRef" if incomplete else ""
        reason = Reason.SPEC_INCOMPLETE if incomplete else Reason.SPEC_INVALID
        raise RefusedError(reason, f"spec.{_as_written(str(error))}{hint}.") from error
    if not spec.data.train or not spec.data.test or not spec.evaluation.gates:
        text = "spec.data.train, spec.data.test and spec.evaluation.gates must not be empty."
        raise RefusedError(Reason.SPEC_INCOMPLETE, text)
    return spec


def _as_written(path: str) -> str:
    """Return the path of a resolved field as users write it."""
    for resolved, written in (("placement.", "training."), ("engine.", "serving.")):
        if path.startswith(resolved):
            return written + path.removeprefix(resolved)
    return path


def _check(observed: ObservedRun, spec: RunSpec, resolved: Tree) -> None:
    """Raise a RefusedError for a value that has the right shape and still cannot be used."""
    for problem in _bad_locations(resolved):
        raise RefusedError(Reason.SPEC_INVALID, problem)
    slices = {source.slice for source in spec.data.test}
    for gate in spec.evaluation.gates:
        if gate.slice is not None and gate.slice not in slices:
            text = f"spec.evaluation.gates: gate {gate.name} names slice {gate.slice}"
            text += ", which no entry of spec.data.test has."
            raise RefusedError(Reason.SPEC_INVALID, text)
    for where, image in (("training", spec.training.image), ("serving", spec.engine.image)):
        if not observed.settings.allows(image):
            text = f"spec.{where}.image: {image} is not among the images that the platform allows."
            raise RefusedError(Reason.IMAGE_NOT_ALLOWED, text)


def _bad_locations(resolved: Tree) -> Iterator[str]:
    for path in _LOCATIONS:
        for where, uri in values_at(resolved, path):
            try:
                names.local_path(uri)
            except ValueError as error:
                yield f"spec.{where}: {error}"


def _imported(observed: ObservedRun) -> dict[str, str] | None:
    """Return the artifact that the model imports, as its digest was when it was evaluated."""
    if "import" not in observed.spec:
        return None
    digest = observed.meta.annotations.get(ANNOTATION_DIGEST, "")
    if not DIGEST.fullmatch(digest):
        text = f"annotation {ANNOTATION_DIGEST} must hold the artifact's digest: delete the run"
        raise RefusedError(Reason.SPEC_INVALID, f"{text}, so that the operator makes it again.")
    return {"uri": observed.spec["import"]["uri"], "digest": digest}


def _recipe(resolved: Tree, importing: bool) -> dict[str, Any]:
    """Return ``status.recipe``; an imported artifact has no training that this run could tell."""
    whole = recipe.written(resolved)
    known = drop(whole, frozenset({"training"})) if importing else whole
    return {"digest": recipe.recipe_digest(known)} | known


def _inputs(observed: ObservedRun, written: Tree, resolved: Tree) -> dict[str, Any]:
    """Return ``status.inputs``, in the words of the spec: models compare theirs with them."""
    storage = resolved["storage"]["uri"]
    placement = resolved["placement"]
    return {
        "written": recipe.written(written),
        "folder": names.run_folder(storage, observed.meta.name, observed.meta.uid),
        "storage": storage,
        "test": resolved["data"]["test"],
        "evaluation": resolved["evaluation"],
        "engine": resolved["engine"],
        "serviceAccountName": resolved["serviceAccountName"],
        "placement": placement | {"resources": placement.get("resources") or RESOURCES},
    }


def _cause(observed: ObservedRun) -> str:
    """Return why the run was started; what a user's own run claims of it counts for nothing."""
    cause = observed.meta.annotations.get(ANNOTATION_CAUSE, "")
    return cause if _is_models_own(observed) and cause in CAUSES else "Manual"
