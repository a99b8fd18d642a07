"""Requests to one API server, as the user whose kubeconfig it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from mt_cli.errors import ApiError, CliError, Code

Tree = Mapping[str, Any]
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Kube(Protocol):
    """What commands need of an API server; paths are absolute, query parameters keywords."""

    def get(self, path: str, **query: str) -> Tree:
        """Return an object or a list."""

    def patch(self, path: str, body: Tree, **query: str) -> Tree:
        """Merge ``body`` into an object and return it."""

    def apply(self, path: str, body: Tree, **query: str) -> Tree:
        """Apply an object (server-side) and return it."""

    def post(self, path: str, body: Tree, **query: str) -> Tree:
        """Create an object, or ask a question, and return the answer."""

    def lines(self, path: str, **query: str) -> Iterator[str]:
        """Yield lines of text as they come."""


@dataclass(frozen=True)
class HttpKube:
    """A Kube over HTTP; ``client`` has address and credentials."""

    client: httpx.Client

    def get(self, path: str, **query: str) -> Tree:
        """Return an object or a list."""
        return self._send("GET", path, query)

    def patch(self, path: str, body: Tree, **query: str) -> Tree:
        """Merge ``body`` into an object and return it."""
        return self._send("PATCH", path, query, body, MERGE)

    def apply(self, path: str, body: Tree, **query: str) -> Tree:
        """Apply an object (server-side) and return it."""
        return self._send("PATCH", path, query, body, APPLY)

    def post(self, path: str, body: Tree, **query: str) -> Tree:
        """Create an object, or ask a question, and return the answer."""
        return self._send("POST", path, query, body)

    def lines(self, path: str, **query: str) -> Iterator[str]:
        """Yield lines of text as they come, for as long as they come."""
        timeout = httpx.Timeout(30, read=None)
        try:
            with self.client.stream("GET", path, params=query, timeout=timeout) as answer:
                if answer.is_error:
                    answer.read()
                    raise refusal(answer)
                yield from answer.iter_lines()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Tree | None = None,
        content: str = "application/json",
    ) -> Tree:
        headers = {"Content-Type": content} if body is not None else {}
        try:
            answer = self.client.request(method, path, params=query, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if answer.is_error:
            raise refusal(answer)
        try:
            tree: Tree = answer.json()
        except ValueError as error:
            told = f"{self.client.base_url} answered {path} with no JSON: is it an API server?"
            raise CliError(told) from error
        return tree

    def _unreachable(self, error: httpx.HTTPError) -> CliError:
        where, why = self.client.base_url, str(error) or type(error).__name__
        return CliError(
            f"cannot reach the API server at {where}: {why}. Is the cluster up, and are --context "
            "and --kubeconfig the right ones?"
        )


def refusal(answer: httpx.Response) -> ApiError:
    """Return what an answer that is an error means, and what to do about it."""
    status = answer.status_code
    try:
        told = str(answer.json().get("message") or "")
    except (ValueError, AttributeError):
        told = ""
    told = (told or answer.text.strip() or answer.reason_phrase).rstrip(".")
    if status == httpx.codes.UNAUTHORIZED:
        hint = "Your credentials are not accepted: log in again, or choose another --context."
        return ApiError(status, hint, Code.FORBIDDEN)
    if status == httpx.codes.FORBIDDEN:
        hint = "`kubectl translation doctor` lists what you may do and who may give you more."
        return ApiError(status, f"{told}. {hint}", Code.FORBIDDEN)
    if status == httpx.codes.NOT_FOUND:
        return ApiError(status, f"{told}.", Code.NOT_FOUND)
    return ApiError(status, f"the API server refused it ({status}): {told}.")
