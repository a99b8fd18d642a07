"""An API server in memory, behind the same HTTP that a real one speaks, and the CLI on it."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from mt_cli.__main__ import execute
from mt_cli.connect import Connection
from mt_cli.kube import HttpKube
from mt_cli.output import Output
from mt_cli.session import Session

Tree = dict[str, Any]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GROUP = "/apis/translation.kubeflow.org/v1alpha1"
Handler = Callable[[httpx.Request], httpx.Response | None]


def merge(base: Tree, over: Tree) -> Tree:
    """Return what a JSON merge patch makes of ``base``."""
    result = deepcopy(base)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = value
    return result


@dataclass
class FakeCluster:
    """Objects by path; what has no path is answered 404, like a kind that is not installed."""

    objects: dict[str, Tree] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=lambda: {"translationmodels", "trainingruns", "events"})
    logs: dict[str, list[str]] = field(default_factory=dict)  # by path
    patches: list[tuple[str, Tree]] = field(default_factory=list)
    answers: list[Handler] = field(default_factory=list)  # that come before the store
    after_patch: Callable[[FakeCluster], None] = lambda cluster: None
    ticks: list[Callable[[FakeCluster], None]] = field(default_factory=list)  # one a sleep
    now: datetime = NOW

    def add(self, plural: str, *found: Tree, prefix: str = GROUP) -> None:
        """Store objects of a namespace."""
        self.kinds.add(plural)
        for item in found:
            place = f"{prefix}/namespaces/{item['metadata']['namespace']}/{plural}"
            self.objects[f"{place}/{item['metadata']['name']}"] = item

    def put(self, path: str, found: Tree) -> None:
        """Store an object at a path of its own."""
        self.objects[path] = found

    def handle(self, request: httpx.Request) -> httpx.Response:
        for answer in self.answers:
            said = answer(request)
            if said is not None:
                return said
        path = request.url.path
        if path in self.logs:
            return httpx.Response(200, text="\n".join(self.logs[path]))
        if request.method == "PATCH" and path in self.objects:
            return self._patched(path, json.loads(request.content))
        if path in self.objects:
            return httpx.Response(200, json=self.objects[path])
        plural = path.rsplit("/", 1)[-1]
        if plural in self.kinds:
            return httpx.Response(200, json={"items": list(self._items(path, request.url.params))})
        if path.split("/")[-2] in self.kinds:
            name = path.rsplit("/", 1)[-1]
            return refusal(404, f'{path.split("/")[-2]} "{name}" not found')
        return httpx.Response(404, text="404 page not found")

    def _patched(self, path: str, body: Tree) -> httpx.Response:
        self.patches.append((path, body))
        self.objects[path] = merge(self.objects[path], body)
        self.after_patch(self)
        return httpx.Response(200, json=self.objects[path])

    def _items(self, path: str, query: httpx.QueryParams) -> Iterator[Tree]:
        plural = path.rsplit("/", 1)[-1]
        within = path if "/namespaces/" in path else path.rsplit("/", 1)[0] + "/namespaces/"
        for place, found in self.objects.items():
            here = place.startswith(within) and place.split("/")[-2] == plural
            fields, labels = query.get("fieldSelector", ""), query.get("labelSelector", "")
            if here and selected(found, fields) and labelled(found, labels):
                yield found

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        if not self.ticks:
            raise KeyboardInterrupt  # whoever watches has seen enough
        self.ticks.pop(0)(self)


def refusal(status: int, message: str) -> httpx.Response:
    return httpx.Response(status, json={"kind": "Status", "message": message, "code": status})


def selected(found: Tree, selector: str) -> bool:
    for part in filter(None, selector.split(",")):
        path, _, wanted = part.partition("=")
        value: Any = found
        for key in path.split("."):
            value = (value or {}).get(key)
        if value != wanted:
            return False
    return True


def labelled(found: Tree, selector: str) -> bool:
    labels = found["metadata"].get("labels", {})
    pairs = (part.partition("=") for part in filter(None, selector.split(",")))
    return all(labels.get(key) == value for key, _, value in pairs)


@dataclass(frozen=True)
class Result:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def tree(self) -> Any:
        return json.loads(self.out)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def cli(
    cluster: FakeCluster,
    line: str,
    *,
    terminal: bool = False,
    endpoint: Callable[[httpx.Request], httpx.Response] | None = None,
) -> Result:
    """Run one command line, split as a shell would, in namespace team-a."""
    client = httpx.Client(
        base_url="https://cluster.test", transport=httpx.MockTransport(cluster.handle)
    )
    out, err = Terminal() if terminal else io.StringIO(), io.StringIO()
    argv = shlex.split(line)
    form = argv[argv.index("-o") + 1] if "-o" in argv else "table"
    namespace = argv[argv.index("-n") + 1] if "-n" in argv else None
    session = Session(
        connect=lambda: Connection(HttpKube(client), "team-a"),
        out=Output(form, out),
        namespace=namespace,
        all_namespaces="-A" in argv,
        now=lambda: cluster.now,
        sleep=cluster.sleep,
        transport=httpx.MockTransport(endpoint) if endpoint else None,
    )
    with redirect_stderr(err):
        try:
            code = execute(session, argv)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Result(code, out.getvalue(), err.getvalue())
