"""Requests to addresses that may answer anything: bounded in time and size, never redirected."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ipaddress import ip_address

import aiohttp

from mt_operator.core.observed import Tree

POD_SECONDS = 2.0
MAX_BYTES = 1 << 20
_HEADERS = {"Accept-Encoding": "identity"}  # what is unpacked has another size than what is sent


class FetchError(Exception):
    """Nothing usable came back; the message says why."""


class SilentError(FetchError):
    """Nobody answered in time."""


def session() -> aiohttp.ClientSession:
    """Return a session without proxies, cookies and unpacking; whoever asks for it closes it."""
    return aiohttp.ClientSession(
        trust_env=False, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    )


async def fetch(
    session: aiohttp.ClientSession,
    url: str,
    seconds: float,
    *,
    form: Mapping[str, str] | None = None,
    max_bytes: int = MAX_BYTES,
) -> bytes:
    """Return what ``url`` answers to a GET, or to a POST of ``form``.

    Raises:
        SilentError: nobody answers within ``seconds``.
        FetchError: there is nobody, another status than 200, or too long an answer.
    """
    method = "GET" if form is None else "POST"
    try:
        async with (
            asyncio.timeout(seconds),
            session.request(
                method, url, data=form, headers=_HEADERS, allow_redirects=False
            ) as answer,
        ):
            data = await _bounded(answer.content, max_bytes)
    except TimeoutError as error:
        raise SilentError(f"no answer within {seconds:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise FetchError(str(error) or type(error).__name__) from error
    if answer.status != 200:
        raise FetchError(f"status {answer.status}: {data[:300].decode(errors='replace')}")
    return data


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


async def _bounded(stream: aiohttp.StreamReader, max_bytes: int) -> bytes:
    """Return all of ``stream``.

    Raises:
        FetchError: it is longer than allowed.
    """
    data = bytearray()
    async for chunk in stream.iter_any():
        data += chunk
        if len(data) > max_bytes:
            raise FetchError(f"the answer is longer than {max_bytes} bytes")
    return bytes(data)
