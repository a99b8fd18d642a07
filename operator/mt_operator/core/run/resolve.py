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
from mt_contract.defaults import ENGINE_KEYS, PRESETS, TENSORFLOW, drop, merge, pick, resolve
from mt_contract.resource import Engine, RunSpec
from mt_operator.core.children.train_job import RESOURCES
from mt_operator.core.children.training_run import ANNOTATION_CAUSE, ANNOTATION_DIGEST
from mt_operator.core.observed import ModelView, ObservedRun
from mt_operator.core.reasons import Reason
from mt_operator.core.run.evaluating import begin_judgement
from mt_operator.core.run.jobs import is_suspended
from mt_operator.core.run.origin import origin
from mt_operator.core.run.stage import RunStage, stage_of
from mt_operator.core.run.step import SOON, Step, conditions_of, going, mark, stuck
from mt_operator.core.run.tracking import tracking
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
    *(
        f"data.{part}[].{key}"
        for part in ("train", "validation", "test")
        for key in ("uri", "targetUri")
    ),
    "import.uri",
)
_SCHEMES = ("pvc", "s3", "gs", "hf", "https", "http")
_NO_MODELS = ("hf://datasets/", "hf://spaces/")  # what else the Hub has


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
    reused = _reused(observed)
    spec = _decode(resolved)
    _check(observed, spec, resolved)
    known, cause = _recipe(resolved, reused is not None), _cause(observed)
    fields = {"cause": cause, "recipe": known, "startTime": format_time(observed.now)}
    inputs = _inputs(observed, written, resolved)
    if told := tracking(observed, spec, known["digest"], cause):
        inputs["tracking"] = told
    if reused is not None:
        return _judge(observed, spec, fields | {"artifact": reused}, inputs)
    if spec.import_ is not None:
        inputs["importer"] = spec.training.image
        fields |= {"inputs": inputs, "attempts": {"import": 1, "evaluate": 0}}
        named = spec.import_.uri.partition("?")[0]  # without what a signed URL can be read by
        message = f"{named} is imported; nothing is trained."
        return going(observed, Reason.IMPORTING, message, fields=fields, requeue_after=SOON)
    begins, note = origin(observed, spec)
    fields |= {"inputs": inputs | begins, "attempts": {"train": 1, "evaluate": 0}}
    message = f"Everything that training needs is known. {note}".strip()
    return going(observed, Reason.TRAINING, message, fields=fields, requeue_after=SOON)


def _judge(
    observed: ObservedRun, spec: RunSpec, fields: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Step:
    message = "An artifact that exists already is judged; nothing is trained."
    conditions = mark(observed, conditions_of(observed), "Trained", True, Reason.REUSED, message)
    begun = dict(fields) | {"attempts": {"train": 0, "evaluate": 0}}
    return begin_judgement(observed, inputs, spec.evaluation, conditions, begun)


def _resolved(observed: ObservedRun) -> tuple[Tree, dict[str, Any]]:
    """Return the whole spec, as written by the user and with defaults.

    Raises:
        RefusedError: the model is missing, or the spec asks for what is not supported.
    """
    written = _written(observed)
    message = unsupported_message(written)
    if message is not None:
        raise RefusedError(Reason.NOT_SUPPORTED_YET, message)
    preset = (written.get("training") or {}).get("preset", "Tutorial")
    if preset not in PRESETS:
        text = f"spec.training.preset: {preset!r} is none of {', '.join(PRESETS)}."
        raise RefusedError(Reason.SPEC_INVALID, text)
    resolved = resolve(written, observed.settings.images)
    if "import" in written:  # nothing is trained on
        resolved["data"] = {"train": []} | resolved["data"]
    return written, resolved


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
    trains = spec.import_ is None
    if (trains and not spec.data.train) or not spec.data.test or not spec.evaluation.gates:
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
    in_a_column = spec.data.fields.slice is not None
    for gate in spec.evaluation.gates:
        if gate.slice is not None and gate.slice not in slices and not in_a_column:
            text = f"spec.evaluation.gates: gate {gate.name} names slice {gate.slice}"
            text += ", which no entry of spec.data.test has."
            raise RefusedError(Reason.SPEC_INVALID, text)
    _check_engine(spec.engine)
    for where, image in (("training", spec.training.image), ("serving", spec.engine.image)):
        if not observed.settings.allows(image):
            text = f"spec.{where}.image: {image} is not among the images that the platform allows."
            raise RefusedError(Reason.IMAGE_NOT_ALLOWED, text)


def _check_engine(engine: Engine) -> None:
    only = TENSORFLOW["precision"]
    if engine.engine == "TensorFlow" and engine.precision != only:
        text = f"spec.serving.precision: the TensorFlow engine computes in {only} alone: write "
        text += f"{only} or Auto, or another engine."
        raise RefusedError(Reason.SPEC_INVALID, text)
    if not engine.image:
        text = f"spec.serving.engine: the operator's settings name no image with {engine.engine}: "
        text += "ask whoever runs it for images.predictorTensorflow, or write CTranslate2."
        raise RefusedError(Reason.IMAGE_NOT_ALLOWED, text)


def _bad_locations(resolved: Tree) -> Iterator[str]:
    for path in _LOCATIONS:
        for where, uri in values_at(resolved, path):
            scheme = str(uri).partition("://")[0]
            if scheme not in _SCHEMES:
                yield f"spec.{where}: {uri!r} begins with none of {', '.join(_SCHEMES)}."
            elif scheme == "pvc":
                yield from _bad_path(where, str(uri))
            elif path == "import.uri" and str(uri).startswith(_NO_MODELS):
                named = "hf://<owner>/<name>[@<revision>][/<folder>]"
                yield f"spec.{where}: {uri} is no model's: a model of the Hub is {named}."


def _bad_path(where: str, uri: str) -> Iterator[str]:
    try:
        names.claim_path(uri)
    except ValueError as error:
        yield f"spec.{where}: {error}"


def _reused(observed: ObservedRun) -> dict[str, str] | None:
    """Return the artifact that the model's own run judges anew, as it was when it was evaluated."""
    if "import" not in observed.spec or not _is_models_own(observed):
        return None
    digest = observed.meta.annotations.get(ANNOTATION_DIGEST, "")
    if not DIGEST.fullmatch(digest):
        text = f"annotation {ANNOTATION_DIGEST} must hold the artifact's digest: delete the run"
        raise RefusedError(Reason.SPEC_INVALID, f"{text}, so that the operator makes it again.")
    return {"uri": observed.spec["import"]["uri"], "digest": digest}


def _recipe(resolved: Tree, reused: bool) -> dict[str, Any]:
    """Return ``status.recipe``; a run that does not train has no training that it could tell."""
    known = recipe.written(resolved)
    if "import" in resolved:
        known = drop(known, frozenset({"training"}))
    if "import" in resolved and not reused:
        data = pick(known["data"], frozenset({"format", "fields"}))  # how test files are read
        known |= {"import": resolved["import"], "data": data}
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
