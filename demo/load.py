"""An open-loop load: translation requests at a constant rate, one JSON line for each answer.

Open loop: a request leaves when its time has come, however long the earlier ones take, so a slow
or dead endpoint cannot hide behind a waiting client. It runs as a process of its own
(``python -m demo.load``) until it gets SIGTERM; what is under way then is waited for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import httpx

REVISION_HEADER = "x-translation-revision"
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Target:
    """Where the requests go."""

    url: str  # of the gateway, http://address[:port]
    host: str  # the model's host name, which the gateway routes by
    model: str

    @property
    def predict_url(self) -> str:
        """Return the V1 predict address."""
        return f"{self.url}/v1/models/{self.model}:predict"


@dataclass(frozen=True)
class Sample:
    """One request and what became of it."""

    sent: float  # seconds since the epoch
    latency: float  # seconds
    status: int  # HTTP status; 0 where no answer came
    revision: str  # that answered, "" where the answer does not say
    error: str = ""
    empty: bool = False  # an answer without a word in it


async def ask(client: httpx.AsyncClient, target: Target, sentence: str) -> Sample:
    """Send one sentence and return what came of it; nothing is retried."""
    sent, begun = time.time(), time.monotonic()
    status, revision, error, empty = 0, "", "", False
    try:
        answer = await client.post(
            target.predict_url, headers={"host": target.host}, json={"instances": [sentence]}
        )
        status, revision = answer.status_code, answer.headers.get(REVISION_HEADER, "")
        if status != httpx.codes.OK:
            error = answer.text[:200]
        else:
            empty = not str(answer.json()["predictions"][0]["translation"]).strip()
    except (httpx.HTTPError, ValueError) as failure:
        status, error = 0, f"{type(failure).__name__}: {failure}"
    except (LookupError, TypeError):
        status, error = 0, f"an answer without a translation: {answer.text[:200]}"
    return Sample(sent, round(time.monotonic() - begun, 4), status, revision, error, empty)


async def run(
    target: Target,
    sentences: Sequence[str],
    rate: float,
    out: TextIO,
    stop: asyncio.Event,
    max_requests: int,
) -> int:
    """Send ``rate`` requests a second until ``stop`` or ``max_requests``; return how many."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_SECONDS, limits=limits) as client,
        asyncio.TaskGroup() as group,
    ):

        async def one(sentence: str) -> None:
            sample = await ask(client, target, sentence)
            out.write(json.dumps(asdict(sample)) + "\n")
            out.flush()

        begun = time.monotonic()
        for count in range(max_requests):
            with suppress(TimeoutError):
                await asyncio.wait_for(
                    stop.wait(), max(0.0, begun + count / rate - time.monotonic())
                )
            if stop.is_set():
                return count
            group.create_task(one(sentences[count % len(sentences)]))
    return max_requests


async def _main(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    lines = arguments.sentences.read_text(encoding="utf-8").splitlines()
    target = Target(arguments.url, arguments.host, arguments.model)
    with arguments.out.open("a", encoding="utf-8") as out:
        await run(
            target,
            [line.split("\t")[0] for line in lines],
            arguments.rate,
            out,
            stop,
            arguments.max_requests,
        )


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    result = argparse.ArgumentParser(prog="python -m demo.load", description=__doc__)
    result.add_argument("--url", required=True, help="of the gateway")
    result.add_argument("--host", required=True, help="of the model")
    result.add_argument("--model", required=True)
    result.add_argument("--rate", type=float, default=20.0, help="requests a second")
    result.add_argument(
        "--max-requests", type=int, default=40_000, help="stop by itself after so many"
    )
    result.add_argument(
        "--sentences", type=Path, required=True, help="TSV; the first column is sent, in turn"
    )
    result.add_argument("--out", type=Path, required=True, help="file of JSON lines, appended to")
    return result


if __name__ == "__main__":
    asyncio.run(_main(parser().parse_args()))
