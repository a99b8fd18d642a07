"""A small client of the API server: reads, applies and waits, as administrator."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from .errors import ClusterError

PORT = 6443
ANSWER_SECONDS = 30.0
POLL_SECONDS = 0.1
FIELD_MANAGER = "localcluster"


class Api:
    """Talks to one API server. Every call is one connection: nothing to keep alive or to mend."""

    def __init__(self, kubeconfig: Path, address: IPv4Address) -> None:
        self._address = str(address)
        self._context = _context(json.loads(kubeconfig.read_text()))

    def request(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        """Return the status and the decoded answer (None where it is not JSON).

        Raises:
            OSError: the server does not answer.
        """
        connection = http.client.HTTPSConnection(
            self._address, PORT, timeout=ANSWER_SECONDS, context=self._context
        )
        try:
            payload = None if body is None else json.dumps(body).encode()
            connection.request(method, path, payload, {"Content-Type": content_type})
            answer = connection.getresponse()
            content = answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"half an answer: {error!r}") from error
        finally:
            connection.close()
        try:
            return answer.status, json.loads(content)
        except ValueError:
            return answer.status, None

    def get(self, path: str) -> Any | None:
        """Return an object, or None where there is none yet.

        Raises:
            ClusterError: the server refuses.
            OSError: it does not answer.
        """
        status, answer = self.request("GET", path)
        if status == http.client.NOT_FOUND:
            return None
        return _accepted("reading", path, status, answer)

    def apply(self, path: str, document: dict[str, Any]) -> Any:
        """Create or change an object by server-side apply; ours wins over other writers' fields."""
        status, answer = self.request(
            "PATCH",
            f"{path}?fieldManager={FIELD_MANAGER}&force=true",
            document,
            "application/apply-patch+yaml",
        )
        return _accepted("applying", path, status, answer)

    def merge(self, path: str, patch: dict[str, Any]) -> Any:
        """Change some fields of an object that is there."""
        status, answer = self.request("PATCH", path, patch, "application/merge-patch+json")
        return _accepted("changing", path, status, answer)

    def create(self, path: str, document: dict[str, Any], *, dry_run: bool = False) -> Any:
        """Create an object; with `dry_run` ask only whether the server would."""
        query = "?dryRun=All" if dry_run else ""
        status, answer = self.request("POST", path + query, document)
        return _accepted("creating in", path, status, answer)

    def delete(self, path: str) -> None:
        """Delete an object, if it is there."""
        status, answer = self.request("DELETE", path)
        if status != http.client.NOT_FOUND:
            _accepted("deleting", path, status, answer)

    def ready(self) -> bool:
        """Tell whether the server says that it can serve."""
        try:
            return self.request("GET", "/readyz")[0] == http.client.OK
        except OSError:
            return False


def _accepted(doing: str, path: str, status: int, answer: Any) -> Any:
    if status >= http.client.BAD_REQUEST:
        message = answer.get("message") if isinstance(answer, dict) else answer
        raise ClusterError(f"{doing} {path}: the API server answered {status}: {message}")
    return answer


def _context(kubeconfig: dict[str, Any]) -> ssl.SSLContext:
    cluster = kubeconfig["clusters"][0]["cluster"]
    user = kubeconfig["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    # The standard library loads a client's certificate and key from a file only.
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(base64.b64decode(user["client-certificate-data"]))
        pem.write(base64.b64decode(user["client-key-data"]))
        pem.flush()
        context.load_cert_chain(pem.name)
    return context


def wait_until(
    holds: Callable[[], bool],
    *,
    what: str,
    seconds: float,
    log: Path,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Poll until something holds.

    Args:
        holds: tells whether it does; a server that does not answer counts as no.
        what: what is waited for, for the error message ("the node is Ready").
        seconds: how long to wait.
        log: the file that shows why it might not happen.
        check: raises where waiting is in vain.

    Raises:
        ClusterError: it did not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not _holds(holds):
        check()
        if time.monotonic() > deadline:
            raise ClusterError(f"waited {seconds:.0f} s in vain until {what}; see {log}")
        time.sleep(POLL_SECONDS)


def _holds(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except OSError:
        return False


def answers(url: str) -> bool:
    """Tell whether a URL answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == http.client.OK)
    except (urllib.error.URLError, http.client.HTTPException):
        return False


def condition(document: Any, name: str) -> dict[str, Any]:
    """Return a condition of an object's status; empty where it has none of this type."""
    conditions: list[dict[str, Any]] = ((document or {}).get("status") or {}).get(
        "conditions"
    ) or []
    return next((entry for entry in conditions if entry["type"] == name), {})
