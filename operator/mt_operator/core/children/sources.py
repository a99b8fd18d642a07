"""Files of parallel text as a spec lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def locations(sources: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return where the text of ``sources`` lies: one place each, two with format Parallel."""
    keys = ("uri", "targetUri")
    return tuple(source[key] for source in sources for key in keys if key in source)
