"""The parts of a cluster, from the API server up, and what it may have besides.

Each brings itself up on a running node.
"""

from __future__ import annotations

from collections.abc import Callable

from ..instance import Addition, Part
from . import apiserver, knative, kserve, node, prometheus
from .bringup import Bringup

PARTS: dict[Part, Callable[[Bringup], None]] = {
    Part.APISERVER: apiserver.start,
    Part.NODE: node.start,
    Part.KSERVE: kserve.start,
}
ADDITIONS: dict[Addition, Callable[[Bringup], None]] = {
    Addition.KNATIVE: knative.start,
    Addition.PROMETHEUS: prometheus.start,
}

__all__ = ["ADDITIONS", "PARTS", "Bringup"]
