"""The parts of a cluster, from the API server up; each brings itself up on a running node."""

from __future__ import annotations

from collections.abc import Callable

from ..instance import Part
from . import apiserver, kserve, node
from .bringup import Bringup

PARTS: dict[Part, Callable[[Bringup], None]] = {
    Part.APISERVER: apiserver.start,
    Part.NODE: node.start,
    Part.KSERVE: kserve.start,
}

__all__ = ["PARTS", "Bringup"]
