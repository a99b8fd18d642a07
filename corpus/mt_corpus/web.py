"""Files behind HTTP. One stream, resumed by byte range."""

from __future__ import annotations

from functools import cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from mt_contract.errors import ConfigurationError, ProgramError
from mt_corpus.purpose import TEXT, Purpose
from mt_corpus.steady import Opened, Place, Stamp, skip

if TYPE_CHECKING:
    import aiohttp
    from fsspec.implementations.http import HTTPFileSystem

_CONNECT, _READ = 10.0, 60.0  # seconds
_AS_WRITTEN = "%:/?#[]@!$&'()*+,;=~"  # signed URLs are valid in exactly the form they came in
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_WEB_ADVICE = (
    "this server wants credentials: give a URL that needs none (a signed one), a netrc file "
    "through NETRC, or copy the file to a bucket or a claim"
)


class _DowngradeError(OSError):
    """A server that was asked over TLS sends us on to a place without."""


def place(uri: str, purpose: Purpose = TEXT) -> Place:
    """Return the file behind an HTTP URL.

    Raises:
        ConfigurationError: the URL names no host.
    """
    try:
        named = urlsplit(uri).hostname
    except ValueError:
        named = None
    if not named:
        raise ConfigurationError(f"{purpose.field}: {uri} is no URL: write https://<host>/<path>")
    return behind(uri, quote(uri, safe=_AS_WRITTEN), {}, _WEB_ADVICE, purpose)


def behind(uri: str, url: str, headers: dict[str, str], advice: str, purpose: Purpose) -> Place:
    """Return the file behind ``url``.

    Args:
        uri: names it in messages.
        url: as it is sent.
        headers: sent with it; authorization not to other hosts.
        advice: what to do where it is forbidden.
        purpose: what it is read for.
    """
    import aiohttp

    return Place(
        uri=uri,
        stamp=partial(_stamp, url, headers),
        open=partial(_open, url, headers),
        failures=(OSError, aiohttp.ClientError, ValueError),
        explain=partial(_explained, uri.partition("?")[0], advice, purpose),
        seekable=False,
    )


@cache
def connected() -> HTTPFileSystem:
    """Return this process's way to the web."""
    import aiohttp
    from fsspec.implementations.http import HTTPFileSystem

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_downgrade)
    return HTTPFileSystem(
        client_kwargs={
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_READ),
            "trace_configs": [trace],
            "trust_env": True,  # proxies, netrc
            "auto_decompress": False,  # what is packed is unpacked here, told by content
            "headers": {"Accept-Encoding": "identity"},
        },
        encoded=True,
        skip_instance_cache=True,
    )


async def _refuse_downgrade(_session: Any, _context: Any, told: Any) -> None:
    target = str(told.response.headers.get("Location", ""))
    if told.url.scheme == "https" and target.lower().startswith("http://"):
        raise _DowngradeError(f"it redirects to {target.partition('?')[0]}, without TLS")


def _stamp(url: str, headers: dict[str, str]) -> Stamp:
    try:
        found = connected().info(url, headers=headers)
    except FileNotFoundError as error:  # says the library of every failure
        raise error.__cause__ or error from error
    version = found.get("ETag") or found.get("Last-Modified") or ""
    return Stamp(found["size"], str(version))


def _open(url: str, headers: dict[str, str], position: int) -> Opened:
    wanted = {"Range": f"bytes={position}-"} if position else {}
    # A size, any, keeps it from being asked for once more.
    stream = connected().open(url, block_size=0, size=1, headers=headers | wanted)
    if position and stream.r.status != HTTPStatus.PARTIAL_CONTENT:
        skip(stream, position)
    return stream  # type: ignore[no-any-return]


def _explained(uri: str, advice: str, purpose: Purpose, error: Exception) -> ProgramError | None:
    import aiohttp

    unreadable = aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError
    if isinstance(error, FileNotFoundError):
        return purpose.missing(f"{uri} does not exist: {purpose.remedy}")
    if isinstance(error, aiohttp.TooManyRedirects):
        return purpose.missing(f"{uri} redirects in a circle: name the file itself")
    if isinstance(error, aiohttp.ClientResponseError):
        return _answered(uri, advice, purpose, error)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return ConfigurationError(
            f"{uri}: the server's certificate is not trusted ({error}): name the authority's in "
            "SSL_CERT_FILE"
        )
    if isinstance(error, _DowngradeError | ValueError | unreadable):
        return ConfigurationError(f"{uri} cannot be read: {error}; name a place that can")
    return None


def _answered(
    uri: str, advice: str, purpose: Purpose, error: aiohttp.ClientResponseError
) -> ProgramError | None:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.status in _PASSING:
        return None
    if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return purpose.missing(f"{uri} does not exist ({error.status}): {purpose.remedy}")
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return ConfigurationError(f"{uri} may not be read ({error.status}): {advice}")
    return purpose.missing(f"{uri} is refused by the server ({error.status} {error.message})")
