"""Every default of both resources, and the function that fills them in; they stand nowhere else.

A default is resolved once, when a run or a revision begins, and stored with it. A later release may
change these values and starts nothing by it: ``unchanged`` in recipe.py compares what users wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Tree = Mapping[str, Any]

PRESETS: Mapping[str, Tree] = {
    "Tutorial": {"layers": 4, "modelDimension": 128, "feedForwardDimension": 512, "heads": 8},
    "Base": {"layers": 6, "modelDimension": 512, "feedForwardDimension": 2048, "heads": 8},
    "Big": {"layers": 6, "modelDimension": 1024, "feedForwardDimension": 4096, "heads": 16},
}
DATA: Tree = {
    "format": "Auto",
    "fields": {"source": "source", "target": "target"},
    "validation": [],
    "checks": {
        "minPairs": 1000,
        "maxEmptyFraction": "0.01",
        "maxDuplicateFraction": "0.2",
        "maxLengthRatio": "9",
        "maxCopyFraction": "0.1",
        "maxTestOverlap": "0",
    },
}
TRAINING: Tree = {
    "preset": "Tutorial",
    "architecture": {"dropout": "0.1", "maxTokens": 128},
    "vocabulary": {"algorithm": "Unigram", "size": 8000, "shared": True},
    "optimizer": {
        "learningRate": "0.001",
        "warmupSteps": 4000,
        "labelSmoothing": "0.1",
        "batchTokens": 4096,
        "gradientClip": "1.0",
    },
    "budget": {"maxEpochs": 20, "maxSteps": 100_000, "maxDuration": "12h"},
    "precision": "Auto",
    "warmStartFrom": "None",
    "seed": 42,
}
PLACEMENT: Tree = {"nodes": 1, "backoffLimit": 3}
EVALUATION: Tree = {"baseline": "Production", "confidence": "0.95"}
GATE: Tree = {"minExamples": 1}  # of each; resource.Gate fills it in
ENGINE: Tree = {"engine": "CTranslate2", "precision": "Int8", "beamSize": 4}
TENSORFLOW: Tree = {"precision": "Float32"}  # instead, and all that it has
SERVING: Tree = {
    "maxBatchTokens": 4096,
    "maxBatchDelay": "5ms",
    "maxQueue": 512,
    "replicas": {"min": 1, "max": 1, "metric": "cpu", "target": 80},
    "deploymentMode": "Auto",
    "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
}
REQUEST_LOG: Tree = {"mode": "All", "sample": "1"}  # where serving.requestLog is written at all
ROLLOUT: Tree = {
    "gateway": "default",
    "scaleDownDelay": "2m",
    "steps": [
        {"setWeight": 10},
        {"pause": {"duration": "5m"}},
        {"setWeight": 50},
        {"pause": {"duration": "5m"}},
        {"setWeight": 100},
    ],
    "approval": "Automatic",
    "servingCheck": {"requests": 50, "minAgreement": "0.98", "maxLoad": "5m"},
    "progressDeadline": "30m",
    "rollbackWindow": 3,
}
ANALYSIS: Tree = {  # where rollout.analysis is written at all
    "interval": "30s",
    "minRequests": 50,
    "onNoData": "Pause",
    "failureLimit": 2,
    "provider": "Pods",
    "metrics": [
        {"name": "errors", "builtin": "ErrorRate", "maxRatio": "1.5"},
        {"name": "latency", "builtin": "LatencyP99", "maxRatio": "1.5"},
        {"name": "empty", "builtin": "EmptyFraction", "maxRatio": "2"},
        {"name": "restarts", "builtin": "Restarts", "max": "0"},
    ],
}
HISTORY: Tree = {"succeeded": 5, "failed": 3}
SERVICE_ACCOUNT = "default"

# Which keys of spec.training and spec.serving belong to which view.
PLACEMENT_KEYS = frozenset(
    {
        "nodes",
        "resources",
        "nodeSelector",
        "tolerations",
        "priorityClassName",
        "queueName",
        "backoffLimit",
        "activeDeadline",
        "env",
        "envFrom",
    }
)
ENGINE_KEYS = frozenset({"engine", "precision", "beamSize", "image"})


@dataclass(frozen=True)
class Images:
    """The images that an operator's settings name as defaults."""

    trainer: str
    predictor: str
    predictor_tensorflow: str = ""  # the predictor with TensorFlow beside CTranslate2; "": none

    def serving(self, engine: str) -> str:
        """Return the image that serves with an engine; "" where none is named."""
        return self.predictor_tensorflow if engine == "TensorFlow" else self.predictor


def merge(base: Tree, over: Tree) -> dict[str, Any]:
    """Return a copy of ``base`` with ``over`` laid upon it: objects merge, all else is replaced."""
    result = {}
    for key in {**base, **over}:
        below, value = base.get(key), over.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = merge(below, value)
        else:
            result[key] = _copy(value if key in over else below)
    return result


def _copy(value: Any) -> Any:
    """Return a copy of a JSON value, faster than what can copy anything."""
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def pick(tree: Tree, keys: frozenset[str]) -> dict[str, Any]:
    """Return the part of ``tree`` with these keys."""
    return {key: value for key, value in tree.items() if key in keys}


def drop(tree: Tree, keys: frozenset[str]) -> dict[str, Any]:
    """Return ``tree`` without these keys."""
    return {key: value for key, value in tree.items() if key not in keys}


def resolve_training(raw: Tree, image: str) -> dict[str, Any]:
    """Return the recipe part of ``spec.training`` with preset and defaults filled in."""
    written = drop(raw, PLACEMENT_KEYS)
    preset = PRESETS[str(written.get("preset", TRAINING["preset"]))]
    return merge(merge(TRAINING, {"architecture": preset, "image": image}), written)


def resolve_engine(raw: Tree, images: Images) -> dict[str, Any]:
    """Return the part of ``spec.serving`` that changes translations, with ``Auto`` decided."""
    written = {key: value for key, value in pick(raw, ENGINE_KEYS).items() if value != "Auto"}
    name = str(written.get("engine", ENGINE["engine"]))
    own = TENSORFLOW if name == "TensorFlow" else {}
    return merge(merge(merge(ENGINE, own), {"image": images.serving(name)}), written)


def resolve_serving(raw: Tree) -> dict[str, Any]:
    """Return the rest of ``spec.serving`` with defaults; without ``requestLog`` there is none."""
    serving = merge(SERVING, drop(raw, ENGINE_KEYS))
    if serving.get("requestLog") is not None:
        serving["requestLog"] = merge(REQUEST_LOG, serving["requestLog"])
    return serving


def resolve_rollout(raw: Tree) -> dict[str, Any]:
    """Return ``spec.rollout`` with defaults; without ``analysis`` there is none."""
    rollout = merge(ROLLOUT, raw)
    if rollout.get("analysis") is not None:
        rollout["analysis"] = merge(ANALYSIS, rollout["analysis"])
    return rollout


def resolve(spec: Tree, images: Images) -> dict[str, Any]:
    """Return a spec in the shape that the views of resource.py decode.

    ``training`` comes apart into recipe and placement, ``serving`` into engine and options.

    Args:
        spec: of a model, or of a run laid upon its model's.
        images: what stands for an image that is not named.
    """
    training, serving = spec.get("training", {}), spec.get("serving", {})
    return dict(spec) | {
        "data": merge(DATA, spec.get("data", {})),
        "training": resolve_training(training, images.trainer),
        "placement": merge(PLACEMENT, pick(training, PLACEMENT_KEYS)),
        "evaluation": merge(EVALUATION, spec.get("evaluation", {})),
        "engine": resolve_engine(serving, images),
        "serving": resolve_serving(serving),
        "rollout": resolve_rollout(spec.get("rollout", {})),
        "history": merge(HISTORY, spec.get("history", {})),
        "serviceAccountName": spec.get("serviceAccountName", SERVICE_ACCOUNT),
    }
