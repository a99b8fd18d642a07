"""How far a trainer is: read from the metrics port of pods under our own Jobs, and of no others."""

from __future__ import annotations

import asyncio
import json
from ipaddress import ip_address

import aiohttp

from mt_contract import names
from mt_operator.core.observed import Tree

SECONDS = 2.0
MAX_BYTES = 1 << 20


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
        async with (
            asyncio.timeout(SECONDS),
            session.get(url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                return None
            return _decoded(await _bounded(answer.content))
    except (TimeoutError, aiohttp.ClientError, OSError):
        return None


def address_of(pod: Tree) -> str | None:
    """Return the pod's own address as it stands in a URL; None while it has none, or the host's."""
    status = pod.get("status") or {}
    if status.get("phase") != "Running" or (pod.get("spec") or {}).get("hostNetwork"):
        return None
    try:
        address = ip_address(status.get("podIP") or "")
    except ValueError:
        return None
    return f"[{address}]" if address.version == 6 else str(address)


async def _bounded(stream: aiohttp.StreamReader) -> bytes:
    """Return all of ``stream``, or nothing where it is longer than allowed."""
    data = b""
    async for chunk in stream.iter_any():
        data += chunk
        if len(data) > MAX_BYTES:
            return b""
    return data


def _decoded(data: bytes) -> Tree | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
