"""Scripted predictors: they count the requests that a scripted gateway would send them.

Each pod has a loopback address of its own, and shows its counters on the port where the operator
reads them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from tests.operator.shell.exporter import Exporter, listening, showing

from mt_contract import names


@dataclass(frozen=True)
class Behaviour:
    """How predictors of one training answer."""

    errors: float = 0.0  # share of the requests
    empty: float = 0.0  # share of the texts


GOOD = Behaviour()


@dataclass
class Predictors:
    """All predictor pods of a namespace, and their users."""

    requests: int = 0  # that users send at every step of the world; 0: nobody asks
    behaviour: dict[int, Behaviour] = field(default_factory=dict)  # by seed of the training
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)
    _pods: dict[str, tuple[str, Exporter, Behaviour]] = field(default_factory=dict)

    async def address(self, pod: str, revision: str, seed: int) -> str:
        """Return where a pod listens; it begins to if it does not yet."""
        if pod not in self._pods:
            number = len(self._pods) + 1
            ip = f"127.{64 + os.getpid() % 128}.{os.getpid() // 128 % 256}.{number}"
            exporter = Exporter(revision, started=1_700_000_000.0 + number)
            how = self.behaviour.get(seed, GOOD)
            self._pods[pod] = (ip, exporter, how)
            server = listening(showing(exporter), ip, port=names.METRICS_PORT)
            await self._open.enter_async_context(server)
        return self._pods[pod][0]

    def serve(self, weights: Mapping[str, int]) -> None:
        """Have users send requests, split by the weights of predictors' Services."""
        whole = sum(weights.values())
        for service, weight in weights.items():
            name = service.removesuffix("-predictor")
            theirs = [each for pod, each in self._pods.items() if pod.startswith(f"{name}-")]
            for _, exporter, how in theirs:
                count = self.requests * weight // whole // len(theirs)
                failed = round(count * how.errors)
                exporter.answer(failed, code="500")
                exporter.answer(count - failed, empty=round((count - failed) * how.empty))

    async def close(self) -> None:
        """Stop listening."""
        async with asyncio.timeout(30):
            await self._open.aclose()
