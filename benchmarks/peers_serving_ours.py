"""This product as it serves, without HTTP: requests side by side, through batcher and engine.

``python -m benchmarks.peers_serving_ours MODEL TEXT PRECISION`` runs in the predictor's
environment, with the settings that the API has by default. What `mt_predictor.kserve_model` does
for a request is done here by ``Served``: prepare, translate in shared batches, finish.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks import peers_serving_laps
from mt_predictor import cpu, engine, settings
from mt_predictor.batching import Batcher, Limits, TranslationFailedError
from mt_predictor.engine import Engine, Hypothesis, Search
from mt_predictor.settings import EngineSettings
from mt_predictor.translator import Translator

BEAM = 4  # warmed up with


def load(model: Path, precision: str) -> Translator:
    """Return a translator that is warm."""
    wanted = EngineSettings("CTranslate2", precision, BEAM)
    translator = Translator(engine.load(model, None, wanted, cpu.available_threads()))
    translator.warm_up(BEAM)
    return translator


class Served:
    """A translator behind a batcher, as `mt_predictor.listen` wires them."""

    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self._workers = ThreadPoolExecutor(translator.engine.workers, "translate")
        self._helpers = ThreadPoolExecutor(2, "prepare")

    def batcher(self) -> Batcher:
        """Return a new one, for the loop that it is used in."""
        return Batcher(self._translator.engine.run, limits(self._translator.engine), self._workers)

    async def request(self, batcher: Batcher, texts: Sequence[str], search: Search) -> list[str]:
        """Return the translations of one request's texts.

        Raises:
            TranslationFailedError: of one of them.
        """
        loop = asyncio.get_running_loop()
        with batcher.admitted() as ticket:
            ready = await loop.run_in_executor(
                self._helpers, lambda: [self._translator.prepare(text) for text in texts]
            )
            sources = [(source, search) for one in ready for source in one.sources]
            found = map(_translated, await batcher.translate(ticket, sources) if sources else [])
            return [
                self._translator.finish(one, [next(found) for _ in one.sources]).text
                for one in ready
            ]

    async def all(
        self, texts: Sequence[str], clients: int, together: int, search: Search
    ) -> list[str]:
        """Return all translations, asked for by ``clients`` that send ``together`` at a time."""
        batcher = self.batcher()
        answers: dict[int, list[str]] = {}
        begins = iter(range(0, len(texts), together))

        async def client(begins: Iterator[int]) -> None:
            for begin in begins:  # shared by all clients
                some = texts[begin : begin + together]
                answers[begin] = await self.request(batcher, some, search)

        await asyncio.gather(*(client(begins) for _ in range(clients)))
        return [text for begin in sorted(answers) for text in answers[begin]]


def limits(loaded: Engine) -> Limits:
    """Return the bounds of queue and batches that the API has by default."""
    serving = settings.serving_settings({})
    return Limits(
        workers=loaded.workers,
        max_tokens=max(serving.max_batch_tokens, loaded.manifest.max_tokens),
        max_delay=serving.max_batch_delay / timedelta(seconds=1),
        max_queue=serving.max_queue,
    )


def _translated(found: Hypothesis | TranslationFailedError) -> Hypothesis:
    if isinstance(found, TranslationFailedError):
        raise found
    return found


def main(model: Path, text: Path, precision: str) -> None:
    """Translate when told to."""
    served = Served(load(model, precision))

    def one_pass(texts: Sequence[str], setting: Mapping[str, Any], beam: int) -> Sequence[str]:
        return asyncio.run(
            served.all(texts, setting["clients"], setting["texts a request"], Search(beam))
        )

    peers_serving_laps.run(text, one_pass)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
