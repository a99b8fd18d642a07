"""The KServe model: requests in either protocol, through the batcher, to answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from time import monotonic
from typing import Any

from kserve import InferRequest, InferResponse, Model

from mt_predictor.admission import QueueFullError
from mt_predictor.asking import SYNTHETIC_HEADER
from mt_predictor.batching import Batcher, Ticket, TranslationFailedError
from mt_predictor.engine import Hypothesis, Search, UnsupportedSearchError
from mt_predictor.http_errors import EngineFailed, Overloaded, RequestRefused, TooLarge
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
from mt_predictor.protocol_v2 import INPUTS, OUTPUTS, parse_v2, read_v2, tensors, v2_answer
from mt_predictor.translator import Prepared, TextRefusedError, TextTooLongError, Translator

MAX_TOKENS = 1 << 18  # of a request; one text may have a quarter of them
MAX_ATTENTION = 2048  # source tokens of a request; of each there are up to maxTokens numbers
_MUCH_ATTENTION = Refusal(
    f"return_attention is for at most {MAX_ATTENTION:,} tokens of a request: send fewer texts, or "
    "go without",
    too_large=True,
)
_BYTES_OF_TOKEN = 4  # of prose; what a text really has is known when it is prepared
_LARGE = 1 << 14  # bytes of a request that others need not wait for
_FEW = 32  # segments that are put together in less time than a thread is asked to


def is_synthetic(headers: Mapping[str, str] | None) -> bool:
    """Return whether a request is the operator's own, not a user's."""
    return (headers or {}).get(SYNTHETIC_HEADER, "").lower() == "true"


@dataclass(frozen=True)
class Helpers:
    """Threads that read requests and write answers; a large one keeps no small one waiting."""

    small: Executor
    large: Executor


@dataclass(frozen=True)
class UnreadV2:
    """The body of a V2 request; arguments as of ``read_v2``."""

    body: bytes
    json_length: str | None
    model: str

    def read(self) -> InferRequest:
        """Return the request; errors as of ``read_v2``."""
        return read_v2(self.body, self.json_length, self.model)


def size_of(payload: Any) -> int:
    """Return the bytes of a request, or what they are about."""
    if isinstance(payload, UnreadV2):
        return len(payload.body)
    if isinstance(payload, InferRequest):
        parts = (part for one in payload.inputs for part in (one._raw_data, *(one.data or ())))
        return sum(len(part) for part in parts if isinstance(part, str | bytes))
    return len(payload) if isinstance(payload, bytes) else 0


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
        helpers: Helpers,
        metrics: Metrics,
        beam_size: int,
        platform: str = "",
    ) -> None:
        super().__init__(name)
        self.platform, self.version = platform, metrics.revision
        self._translator = translator
        self._batcher = batcher
        self._small, self._large = helpers.small, helpers.large
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
        """Answer a V1 document (or its bytes), a V2 request or what is yet to be read as one.

        Raises:
            RequestRefused: the request makes no sense, is too large, or the queue is full.
        """
        user = not is_synthetic(headers)
        over_grpc = isinstance(payload, InferRequest) and payload.from_grpc
        size = size_of(payload)
        with self._counted(user) if over_grpc else nullcontext():  # the guard counts HTTP's
            try:
                with self._batcher.admitted(self._estimate(size)) as ticket:
                    helpers = self._large if size > _LARGE else self._small
                    return await self._answered(ticket, payload, user, helpers)
            except QueueFullError as error:
                raise Overloaded(str(error), error.retry_after) from error

    def _estimate(self, size: int) -> int:
        """Return the work of a request of ``size`` bytes, before anything is done for it."""
        return size // _BYTES_OF_TOKEN * self._default.search.beam_size

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

    async def _answered(
        self, ticket: Ticket, payload: Any, user: bool, helpers: Executor
    ) -> dict[str, Any] | InferResponse:
        """Read, translate and answer; what takes long is done by ``helpers``, not by the loop."""
        loop = asyncio.get_running_loop()
        request, ready = await loop.run_in_executor(helpers, self._read, payload)
        sources = [
            (source, one.instance.parameters.search)
            for one in ready
            if isinstance(one, _Ready)
            for source in one.prepared.sources
        ]
        found = await self._batcher.translate(ticket, sources)
        finish = partial(self._finish_all, request, ready, found, user)
        if len(sources) <= _FEW:
            return finish()
        return await loop.run_in_executor(helpers, finish)

    def _read(self, payload: Any) -> tuple[InferRequest | None, list[_Ready | Refusal]]:
        """Return a V2 request as such, and the texts of any request as the engine takes them."""
        request = payload.read() if isinstance(payload, UnreadV2) else payload
        if isinstance(request, InferRequest):
            asked = parse_v2(request, self._default)
        else:
            asked = parse_v1(
                parse_json(request) if isinstance(request, bytes) else request, self._default
            )
            request = None
        ready = self._prepare(asked)
        some(ready)
        return request, ready

    def _finish_all(
        self,
        request: InferRequest | None,
        ready: Sequence[_Ready | Refusal],
        results: Sequence[Hypothesis | TranslationFailedError],
        user: bool,
    ) -> dict[str, Any] | InferResponse:
        found = iter(results)
        answers = [
            one if isinstance(one, Refusal) else self._finish(one, found, user) for one in ready
        ]
        if answers and all(isinstance(answer, Refusal) for answer in answers):
            raise EngineFailed("the engine could not translate this: see the predictor's log")
        if request is None:
            return v1_answer(answers)
        return v2_answer(request, answers, self.version)

    def _prepare(self, asked: Sequence[Asked]) -> list[_Ready | Refusal]:
        ready: list[_Ready | Refusal] = []
        tokens = 0
        for one in asked:
            ready.append(one if isinstance(one, Refusal) else _prepare(self._translator, one))
            tokens += ready[-1].prepared.source_tokens if isinstance(ready[-1], _Ready) else 0
            if tokens > MAX_TOKENS:
                raise TooLarge(f"more than {MAX_TOKENS:,} tokens at once: send fewer texts")
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
