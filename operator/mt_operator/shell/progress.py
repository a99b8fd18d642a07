"""How far a trainer is: read from the metrics port of pods under our own Jobs, and of no others."""

from __future__ import annotations

import json

import aiohttp

from mt_contract import names
from mt_operator.core.observed import Tree
from mt_operator.shell import fetch
from mt_operator.shell.fetch import FetchError, address_of


async def read_progress(session: aiohttp.ClientSession, pod: Tree) -> Tree | None:
    """Return what the pod answers under ``/progress``, or None where there is nothing to be had.

    The program in the pod may be anybody's: the answer is bounded in time and size, redirects are
    not followed, and the decision checks what it says.
    """
    address = address_of(pod)
    if address is None:
        return None
    url = f"http://{address}:{names.METRICS_PORT}/progress"
    try:
        return _decoded(await fetch.fetch(session, url, fetch.POD_SECONDS))
    except FetchError:
        return None


def _decoded(data: bytes) -> Tree | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
