"""Trials of ``serving-poison``: a poison and its neighbours, sent in the same moment.

Several trials are under way at a time, so that poison and neighbours meet in batches. In the
predictor's environment; each line of JSON is an order, answered by one:

    python -m benchmarks.peers_poison PORT TEXTS   # JSON: [[text, its translation offline], …]
    {"trials": 1000, "benign": 250, "seed": 1}
"""

from __future__ import annotations

import asyncio
import collections
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from random import Random

import uvloop

from benchmarks.load_client import Pool, question, translation
from benchmarks.peers_http_model import NAME
from benchmarks.poison import BENIGN, KINDS, request

NEIGHBOURS, LANES = 2, 6  # requests beside each poison; trials at a time
GIVEN_UP, ANSWERED_WITHIN = -1, 120.0  # instead of a status; seconds
Texts = Sequence[tuple[str, str]]


@dataclass
class Tally:
    """What became of the trials of a kind."""

    trials: int = 0
    statuses: dict[str, int] = field(default_factory=dict)  # of poisons
    neighbours: int = 0
    errors: list[int] = field(default_factory=list)  # statuses of neighbours, other than 200
    flips: int = 0  # neighbours whose translation is not the one offline
    wrong: list[str] = field(default_factory=list)  # those that got another text's


class Trials:
    """Trials against one server."""

    def __init__(self, port: int, texts: Texts, model: str = NAME) -> None:
        """Take good texts and their translations offline, and the model's name."""
        self._pool, self._texts, self._model = Pool(port), texts, model
        self._sources = [text for text, _ in texts]
        self._under_way: collections.Counter[int] = collections.Counter()
        self.tallies: dict[str, Tally] = collections.defaultdict(Tally)

    async def run(self, kinds: Sequence[str], seed: int) -> None:
        """Do a trial of each of ``kinds``, some at a time."""
        waiting = list(enumerate(kinds))[::-1]

        async def lane() -> None:
            while waiting:
                number, kind = waiting.pop()
                await self._trial(kind, Random(f"{seed} {number}"))

        await asyncio.gather(*(lane() for _ in range(LANES)))

    def close(self) -> None:
        """Hang up."""
        self._pool.close()

    async def _trial(self, kind: str, chance: Random) -> None:
        tally = self.tallies[kind]
        tally.trials += 1
        poison = self._poison(tally, request(kind, chance, self._sources, self._model))
        numbers = chance.choices(range(len(self._texts)), k=NEIGHBOURS)
        asked = [poison, *(self._neighbour(tally, number) for number in numbers)]
        chance.shuffle(asked)  # it comes first, last, or between
        await asyncio.gather(*asked)

    async def _poison(self, tally: Tally, poison: bytes) -> None:
        status, _ = await self._answer(poison)
        tally.statuses[str(status)] = tally.statuses.get(str(status), 0) + 1

    async def _neighbour(self, tally: Tally, number: int) -> None:
        text, wanted = self._texts[number]
        self._under_way[number] += 1
        beside = set(self._under_way)
        status, body = await self._answer(question("v1", text, self._model))
        beside |= set(self._under_way)
        self._under_way -= collections.Counter([number])
        tally.neighbours += 1
        if status != 200:
            tally.errors.append(status)
        elif (found := translation("v1", body)) != wanted:
            tally.flips += 1
            others = [self._texts[other][1] for other in beside - {number}]
            if is_of_another(found, wanted, others):
                tally.wrong.append(text)

    async def _answer(self, sent: bytes) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                answer = await self._pool.ask(sent)
        except TimeoutError:
            return GIVEN_UP, b""
        return answer.status, answer.body


def is_of_another(found: str, own: str, others: Sequence[str]) -> bool:
    """Return whether a translation is rather one of the ``others`` than a flip of its ``own``."""

    def likeness(other: str) -> float:
        return SequenceMatcher(None, found, other, autojunk=False).ratio()

    nearest = max(map(likeness, others), default=0.0)
    return found in others or (likeness(own) < 0.5 and nearest > likeness(own))


def kinds(count: int, chance: Random) -> list[str]:
    """Return the kinds of ``count`` trials, each as often as any other, shuffled."""
    found = [list(KINDS)[number % len(KINDS)] for number in range(count)]
    chance.shuffle(found)
    return found


async def _serve(port: int, texts: Texts) -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        trials, seed = Trials(port, texts), order["seed"]
        # Apart, or the benign would stand beside poison as well.
        await trials.run([BENIGN] * order["benign"], seed)
        await trials.run(kinds(order["trials"], Random(seed)), seed)
        trials.close()
        told = {kind: asdict(tally) for kind, tally in trials.tallies.items()}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    known = [(text, wanted) for text, wanted in json.loads(Path(sys.argv[2]).read_bytes())]
    uvloop.run(_serve(int(sys.argv[1]), known))
