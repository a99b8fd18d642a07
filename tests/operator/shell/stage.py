"""One test's stage: a namespace with its world, operators that can be killed, and what is asked."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from tests.operator.shell.cluster import ACCOUNT, ROOT, SYSTEM, Kube
from tests.operator.shell.world import AWAY, KINDS, World

from mt_contract import names
from mt_operator.shell.api import Object

SETTINGS: Mapping[str, Any] = {
    "images": {"trainer": "localhost/trainer:1", "predictor": "localhost/predictor:1"},
    "gateways": {"default": {"name": "gateway", "namespace": "gateways"}},
}
WRITING = frozenset({"create", "update", "patch", "delete", "deletecollection"})
STEPS = [
    {"setWeight": 10},
    {"pause": {"duration": "1s"}},
    {"setWeight": 50},
    {"pause": {"duration": "1s"}},
    {"setWeight": 100},
]


def model(namespace: str, name: str = "pt-en", seed: int = 1, **spec: Any) -> Object:
    """Return a TranslationModel whose rollout takes a few seconds."""
    training = {"seed": seed} | spec.pop("training", {})
    gates = [
        {"name": "quality", "metric": "chrF", "min": "40"},
        {"name": "no-regression", "metric": "chrF", "minDelta": "-0.5"},
    ]
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.MODEL_KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "sourceLanguage": "pt",
            "targetLanguage": "en",
            "storage": {"uri": "pvc://models/pt-en"},
            "data": {
                "train": [{"uri": "pvc://corpora/train.tsv"}],
                "test": [{"uri": "pvc://corpora/test.tsv"}],
            },
            "training": training,
            "evaluation": {"gates": gates},
            "rollout": {"steps": STEPS, "scaleDownDelay": "1s"},
        }
        | spec,
    }


class Operator:
    """One process of the operator, with the rights that it is shipped with."""

    def __init__(self, kubeconfig: Path, folder: Path, port: int, identity: str) -> None:
        self._environment = os.environ | {
            "KUBECONFIG": str(kubeconfig),
            "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'crds'}:{Path(__file__).parent}",
            "POD_NAME": identity,
            "POD_NAMESPACE": SYSTEM,
        }
        self._settings = folder / f"{identity}.yaml"
        self.log = folder / f"{identity}.log"
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        settings: Mapping[str, Any] = SETTINGS,
        module: str = "mt_operator",
        namespaces: Sequence[str] = (),
    ) -> None:
        """Start it; ``module`` may be another release."""
        self._settings.write_text(yaml.safe_dump(dict(settings)))
        options = ["--settings", str(self._settings), "--port", str(self.port)]
        options += ["--lease-seconds", "3", "--host", "127.0.0.1"]
        options += ["--namespaces", *namespaces] if namespaces else []
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *options],
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """Kill it as the kernel would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Stop it in order and return its exit code."""
        return self._end(signal.SIGTERM)

    async def ended(self) -> int:
        """Wait until it ends by itself, and return its exit code."""
        assert self._process is not None
        process, self._process = self._process, None
        return await asyncio.to_thread(process.wait, 60)

    async def metrics(self) -> dict[str, float]:
        """Return what it counts; nothing while it does not answer."""
        try:
            text = await asyncio.to_thread(self._read)
        except OSError:
            return {}
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    async def looked(self, kind: str, count: int) -> None:
        """Wait until it leads, has looked so many times at objects of a kind, and has none left."""
        name = f'mt_operator_reconcile_seconds_count{{kind="{kind}"}}'

        async def done() -> bool:
            found = await self.metrics()
            return found.get(name, 0) >= count and not found["mt_operator_queue_length"]

        await until(done, 60)

    def _read(self) -> str:
        url = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(how)
        code = self._process.wait(timeout=20)
        self._process = None
        return code


@dataclass
class Stage:
    """A namespace, its world, and the audit log of the API server."""

    kube: Kube
    namespace: str
    world: World
    kubeconfig: Path  # the operator's
    folder: Path
    audit: Path
    cluster: Callable[..., str]  # runs a command of the local cluster
    port: int
    operators: list[Operator] = field(default_factory=list)
    offset: int = 0

    def operator(self, identity: str = "mt-operator-0", kubeconfig: Path | None = None) -> Operator:
        """Return an operator that is not started yet."""
        port = self.port + len(self.operators)
        made = Operator(kubeconfig or self.kubeconfig, self.folder, port, identity)
        self.operators.append(made)
        return made

    async def model(self, name: str = "pt-en") -> Object:
        found = await self.kube.get(names.MODEL_KIND, self.namespace, name)
        assert found is not None, f"there is no model {name}"
        return found

    async def change(self, name: str = "pt-en", **spec: Any) -> None:
        """Change a model as a user would."""
        await self.kube.merge(names.MODEL_KIND, self.namespace, name, {"spec": spec})

    async def until(
        self, holds: Callable[[Object], bool], name: str = "pt-en", seconds: float = 90
    ) -> Object:
        """Wait until something holds of a model, and return it."""

        async def reached() -> bool:
            with contextlib.suppress(*AWAY):
                return holds(await self.model(name))
            return False

        try:
            await until(reached, seconds)
        except TimeoutError:
            raise AssertionError(await self.report(name)) from None
        return await self.model(name)

    async def report(self, name: str) -> str:
        """Return all that helps to understand why nothing moves."""
        runs = await self.kube.list(names.RUN_KIND, self.namespace) or []
        parts = [json.dumps((await self.model(name)).get("status"), indent=1)]
        parts += [f"{r['metadata']['name']}: {json.dumps(r.get('status'))}" for r in runs]
        parts += [operator.log.read_text()[-6000:] for operator in self.operators]
        return "\n\n".join(parts)

    async def all(self, kind: str) -> list[Object]:
        return await self.kube.list(kind, self.namespace) or []

    async def settled(self) -> None:
        """Wait until every model has no InferenceService left but that of its production."""

        async def removed() -> bool:
            services, models = await self.all("InferenceService"), await self.all(names.MODEL_KIND)
            return len(services) <= len(models)

        await until(removed, 30)

    async def gone(self, *kinds: str) -> None:
        """Wait until there is no object of these kinds."""

        async def nothing() -> bool:
            return not [each for kind in kinds for each in await self.all(kind)]

        await until(nothing, 30)

    async def clear(self) -> None:
        """Remove everything from the namespace."""
        for kind in KINDS:
            for each in await self.all(kind):
                await self.kube.remove(kind, self.namespace, each["metadata"]["name"])

    def mark(self) -> None:
        """Count writes from now on."""
        self.offset = self.audit.stat().st_size

    def writes(self) -> Counter[str]:
        """Return the operator's writes that changed this namespace since the mark."""
        return Counter(f"{verb} {what}" for verb, what, _ in self.audited())

    def created(self, resource: str) -> Counter[str]:
        """Return how often objects of a kind were created since the mark, by name."""
        return Counter(
            n for verb, what, n in self.audited() if (verb, what) == ("create", resource)
        )

    def audited(self) -> Iterator[tuple[str, str, str]]:
        """Yield the operator's writes since the mark: verb, resource, name."""
        with self.audit.open() as log:
            log.seek(self.offset)
            for line in log:
                event = json.loads(line)
                ref = event.get("objectRef") or {}
                mine = event["user"].get("username") == ACCOUNT and event["verb"] in WRITING
                if not mine or ref.get("namespace") != self.namespace:
                    continue
                if event["responseStatus"]["code"] < 300 and event["stage"] == "ResponseComplete":
                    part = f"/{ref['subresource']}" if "subresource" in ref else ""
                    yield event["verb"], ref["resource"] + part, ref.get("name", "")


async def until(reached: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Ask again and again until it is so.

    Raises:
        TimeoutError: it does not come to be.
    """
    async with asyncio.timeout(seconds):
        for _ in itertools.count():
            if await reached():
                return
            await asyncio.sleep(0.1)


def condition(found: Object, kind: str) -> Mapping[str, str]:
    """Return a condition; empty where there is none."""
    conditions = found.get("status", {}).get("conditions") or []
    return next((entry for entry in conditions if entry["type"] == kind), {})


def holds(found: Object, kind: str) -> bool:
    """Return whether a condition is True of what is asked for now."""
    entry = condition(found, kind)
    current = entry.get("observedGeneration") == found["metadata"]["generation"]
    return entry.get("status") == "True" and bool(current)


def up_to_date(found: Object) -> bool:
    """Return whether what is asked for is in production, and nothing is left to do."""
    status = found.get("status", {})
    return holds(found, "UpToDate") and holds(found, "Ready") and not status.get("retiring")


def rejected(found: Object) -> bool:
    """Return whether what is asked for was tried and turned down."""
    status = found.get("status", {})
    over = not status.get("candidate") and not status.get("retiring")
    return holds(found, "Degraded") and over
