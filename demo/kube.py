"""kubectl, as the demo and the end-to-end tests use it: what they do can be typed by anyone."""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

T = TypeVar("T")
Object = dict[str, Any]


class KubeError(RuntimeError):
    """A kubectl command failed, or what was waited for did not come; the message says which."""


@dataclass(frozen=True)
class Kubectl:
    """A kubectl that points at one cluster, and at one namespace of it."""

    program: str
    kubeconfig: str | None = None  # None: the user's own, with its current context
    namespace: str | None = None  # None: the context's

    def within(self, namespace: str) -> Kubectl:
        """Return the same cluster, another namespace."""
        return replace(self, namespace=namespace)

    def command(self, *arguments: str) -> list[str]:
        """Return the whole command line."""
        where = ["--kubeconfig", self.kubeconfig] if self.kubeconfig else []
        if self.namespace:
            where += ["--namespace", self.namespace]
        return [self.program, *where, *arguments]

    def run(self, *arguments: str, stdin: str | bytes | None = None, timeout: float = 120) -> str:
        """Run kubectl and return what it printed.

        Raises:
            KubeError: it failed, or took longer than ``timeout`` seconds.
        """
        shown = f"kubectl {shlex.join(arguments)}"
        data = stdin.encode() if isinstance(stdin, str) else stdin
        try:
            done = subprocess.run(
                self.command(*arguments),
                input=data,
                capture_output=True,
                check=False,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise KubeError(f"{shown}: no answer within {timeout:.0f} s") from error
        if done.returncode:
            raise KubeError(f"{shown}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace")

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Apply objects, server side."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        arguments = ("--server-side", "--force-conflicts", "--field-manager", "demo")
        self.run("apply", *arguments, "-f", "-", stdin=json.dumps(items))

    def get(self, kind: str, name: str) -> Object | None:
        """Return an object, or None where there is none."""
        text = self.run("get", kind, name, "--output", "json", "--ignore-not-found")
        return dict(json.loads(text)) if text.strip() else None

    def list(self, kind: str, selector: str = "") -> Sequence[Object]:
        """Return the objects of a kind that a label selector matches."""
        text = self.run("get", kind, "--output", "json", "--selector", selector)
        return list(json.loads(text)["items"])

    def patch(self, kind: str, name: str, change: Mapping[str, Any]) -> None:
        """Merge ``change`` into an object."""
        self.run("patch", kind, name, "--type", "merge", "--patch", json.dumps(change))

    def delete(self, kind: str, name: str, timeout: float = 120) -> None:
        """Delete an object, if it is there, and wait until it is gone."""
        self.run("delete", kind, name, "--ignore-not-found", timeout=timeout)


def wait(what: str, look: Callable[[], T | None], timeout: float, interval: float = 1.0) -> T:
    """Return what ``look`` returns once that is something, asking again and again.

    Commands that fail meanwhile are asked again as well: an API server may restart.

    Raises:
        KubeError: nothing came within ``timeout`` seconds; the message says for ``what``.
    """
    deadline, failure = time.monotonic() + timeout, ""
    while time.monotonic() < deadline:
        try:
            found = look()
            failure = ""
        except KubeError as error:
            found, failure = None, f" ({error})"
        if found:
            return found
        time.sleep(interval)
    raise KubeError(f"waited {timeout:.0f} s for {what}{failure}")


class Watch:
    """Follows all objects of a kind in a thread, by ``kubectl get --watch``, until closed."""

    def __init__(self, kube: Kubectl, kind: str, see: Callable[[float, str, Object], None]) -> None:
        """Call ``see(seconds since the epoch, type, object)`` for every event."""
        self._command = kube.command(
            "get", kind, "--watch", "--output-watch-events", "--output", "json"
        )
        self._see = see
        self._closed = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._follow, name=f"watch {kind}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the watch and its process."""
        self._closed.set()
        if self._process:
            self._process.terminate()
        self._thread.join(timeout=10)

    def _follow(self) -> None:
        while not self._closed.is_set():  # a watch ends now and then by itself
            with subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ) as self._process:
                if self._closed.is_set():
                    self._process.terminate()
                self._read(self._process)
            self._closed.wait(0.5)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:  # one event a line
            try:
                event = json.loads(line)
            except ValueError:  # cut off, as it ended
                return
            self._see(time.time(), event["type"], event["object"])
