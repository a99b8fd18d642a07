"""The KServe model: requests in either protocol, through the batcher, to answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Any

from kserve import InferRequest, InferResponse, Model

from mt_predictor.admission import QueueFullError
from mt_predictor.asking import SYNTHETIC_HEADER
from mt_predictor.batching import Batcher, Ticket, TranslationFailedError
from mt_predictor.engine import Hypothesis, Search, UnsupportedSearchError
from mt_predictor.http_errors import EngineFailed, Overloaded, RequestRefused
from mt_predictor.metrics import CLIENT_GONE, Metrics
from mt_predictor.parameters import Parameters
from mt_predictor.protocol import (
    Answer,
    Asked,
    Instance,
    Refusal,
    parse_json,
    parse_v1,
    some,
    v1_answer,
)
from mt_predictor.protocol_v2 import INPUTS, OUTPUTS, parse_v2, tensors, v2_answer
from mt_predictor.translator import Prepared, TextRefusedError, TextTooLongError, Translator

MAX_ATTENTION = 2048  # source tokens of a request; of each there are up to maxTokens numbers
_MUCH_ATTENTION = Refusal(
    f"return_attention is for at most {MAX_ATTENTION:,} tokens of a request: send fewer texts, or "
    "go without",
    too_large=True,
)


def is_synthetic(headers: Mapping[str, str] | None) -> bool:
    """Return whether a request is the operator's own, not a user's."""
    return (headers or {}).get(SYNTHETIC_HEADER, "").lower() == "true"


@dataclass(frozen=True)
class _Ready:
    """A text that the engine can be given."""

    instance: Instance
    prepared: Prepared


class TranslationModel(Model):  # type: ignore[misc]  # the SDK ships no types
    """Translates; ready from the start, as its translator is warm when it is made."""

    def __init__(
        self,
        name: str,
        translator: Translator,
        batcher: Batcher,
        executor: Executor,
        metrics: Metrics,
        beam_size: int,
        platform: str = "",
    ) -> None:
        super().__init__(name)
        self.platform, self.version = platform, metrics.revision
        self._translator = translator
        self._batcher = batcher
        self._executor = executor
        self._metrics = metrics
        self._default = Parameters(Search(beam_size))
        self.ready = True

    def validate(self, payload: Any) -> Any:
        """Leave it to ``predict``, whose messages say what to send."""
        return payload

    def get_input_types(self) -> list[dict[str, Any]]:
        """Return the V2 input tensors."""
        return tensors(INPUTS)

    def get_output_types(self) -> list[dict[str, Any]]:
        """Return the V2 output tensors, also those that are there where they are asked for."""
        return tensors(OUTPUTS)

    async def predict(
        self, payload: Any, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any] | InferResponse:
        """Answer a V1 document (or its bytes) or a V2 request.

        Raises:
            RequestRefused: the request makes no sense, is too large, or the queue is full.
        """
        user = not is_synthetic(headers)
        if not isinstance(payload, InferRequest):
            document = parse_json(payload) if isinstance(payload, bytes) else payload
            return v1_answer(await self._answers(parse_v1(document, self._default), user))
        # The guard counts what comes over HTTP.
        with self._counted(user) if payload.from_grpc else nullcontext():
            answers = await self._answers(parse_v2(payload, self._default), user)
            return v2_answer(payload, answers, self.version)

    async def explain(self, payload: Any, headers: Mapping[str, str] | None = None) -> Any:
        """Refuse it.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("there is no explainer here: :predict translates")

    @contextmanager
    def _counted(self, user: bool) -> Iterator[None]:
        """Count a request by the HTTP status that it would be answered with."""
        begun, code = monotonic(), 500
        try:
            with self._metrics.in_progress.track_inprogress():
                yield
            code = 200
        except RequestRefused as refusal:
            code = refusal.http_status
            raise
        except asyncio.CancelledError:
            code = CLIENT_GONE
            raise
        finally:
            self._metrics.request(code, monotonic() - begun, not user)

    async def _answers(self, asked: Sequence[Asked], user: bool) -> list[Answer]:
        try:
            with self._batcher.admitted() as ticket:
                return await self._translated(ticket, asked, user)
        except QueueFullError as error:
            raise Overloaded(f"{error}: come back in a second, or add replicas") from error

    async def _translated(self, ticket: Ticket, asked: Sequence[Asked], user: bool) -> list[Answer]:
        loop = asyncio.get_running_loop()
        ready = await loop.run_in_executor(self._executor, self._prepare, asked)
        some(ready)
        sources = [
            (source, one.instance.parameters.search)
            for one in ready
            if isinstance(one, _Ready)
            for source in one.prepared.sources
        ]
        found = iter(await self._batcher.translate(ticket, sources))
        answers = [
            one if isinstance(one, Refusal) else self._finish(one, found, user) for one in ready
        ]
        if answers and all(isinstance(answer, Refusal) for answer in answers):
            raise EngineFailed("the engine could not translate this: see the predictor's log")
        return answers

    def _prepare(self, asked: Sequence[Asked]) -> list[_Ready | Refusal]:
        ready = [
            one if isinstance(one, Refusal) else _prepare(self._translator, one) for one in asked
        ]
        return list(_bounded(ready))

    def _finish(
        self, ready: _Ready, found: Iterator[Hypothesis | TranslationFailedError], user: bool
    ) -> Answer:
        hypotheses: list[Hypothesis] = []
        failed: TranslationFailedError | None = None
        for result in islice(found, len(ready.prepared.sources)):
            if isinstance(result, TranslationFailedError):
                failed = result
            else:
                hypotheses.append(result)
        if failed:
            return Refusal(str(failed))
        asked = ready.instance.parameters
        pieces = asked.pieces or asked.search.attention
        translation = self._translator.finish(ready.prepared, hypotheses, pieces)
        if hypotheses:
            self._metrics.translated(ready.instance.text, translation, synthetic=not user)
        return translation


def _bounded(ready: Sequence[_Ready | Refusal]) -> Iterator[_Ready | Refusal]:
    """Refuse texts whose attention would make the answer many times as large as the request."""
    left = MAX_ATTENTION
    for one in ready:
        if isinstance(one, _Ready) and one.instance.parameters.search.attention:
            left -= one.prepared.source_tokens
            yield one if left >= 0 else _MUCH_ATTENTION
        else:
            yield one


def _prepare(translator: Translator, instance: Instance) -> _Ready | Refusal:
    search = instance.parameters.search
    try:
        translator.engine.check(search)
        prepared = translator.prepare(instance.text)
    except UnsupportedSearchError as error:
        return Refusal(str(error))
    except TextRefusedError as error:
        return Refusal(str(error), isinstance(error, TextTooLongError))
    if search.n_best > 1 and len(prepared.sources) > 1:
        return Refusal(
            f"n_best is for a text that is translated in one piece, this one has "
            f"{len(prepared.sources)}: send its sentences one by one"
        )
    return _Ready(instance, prepared)
