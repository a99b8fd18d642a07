"""Another release of the operator: other defaults, and pods that its code describes otherwise."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from mt_contract import defaults
from mt_operator.__main__ import main
from mt_operator.core.children import inference_service, pod

CHANGED: Mapping[str, Mapping[str, Any]] = {
    "TRAINING": {"seed": 7, "precision": "Float32", "preset": "Base"},
    "DATA": {"validation": [], "format": "TSV"},
    "EVALUATION": {"confidence": "0.99"},
    "ENGINE": {"beamSize": 2, "precision": "Float32"},
    "SERVING": {"maxQueue": 64, "resources": {"requests": {"cpu": "1"}}},
    "ROLLOUT": {"scaleDownDelay": "5m", "steps": [{"setWeight": 100}]},
    "PLACEMENT": {"backoffLimit": 1},
}


def change() -> None:
    """Change the defaults, and what is made of them."""
    for name, values in CHANGED.items():
        setattr(defaults, name, defaults.merge(getattr(defaults, name), values))
    container = inference_service._container
    inference_service._container = lambda *given: {**container(*given), "tty": True}
    pod.USER = 65533


if __name__ == "__main__":
    change()
    sys.exit(main())
