"""Which status an exception becomes, and when the model refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import FastAPI
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady, ServerNotReady
from prometheus_client import CollectorRegistry

from mt_predictor import http_errors, kserve_model
from mt_predictor.batching import Batcher, Limits
from mt_predictor.engine import Hypothesis, Search, Source
from mt_predictor.features import DEFAULT_BOUNDS
from mt_predictor.http_errors import BadRequest, EngineFailed, Forbidden, Overloaded, TooLarge
from mt_predictor.kserve_model import Helpers, TranslationModel
from mt_predictor.metrics import Metrics
from mt_predictor.translator import Translator


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(BadRequest("because"), 400, id="bad request"),
        pytest.param(TooLarge("because"), 413, id="too large"),
        pytest.param(Forbidden("because"), 403, id="forbidden"),
        pytest.param(Overloaded("because", 7), 503, id="overloaded"),
        pytest.param(EngineFailed("because"), 500, id="engine"),
        pytest.param(InvalidInput("because"), 400, id="refused by the SDK"),
        pytest.param(ModelNotFound("because"), 404, id="wrong name"),
        pytest.param(ModelNotReady("because"), 503, id="draining"),
        pytest.param(ServerNotReady("because"), 503, id="draining server"),
        pytest.param(NotImplementedError("because"), 501, id="not offered"),
    ],
)
async def test_exceptions_have_their_status(error: Exception, status: int) -> None:
    app = FastAPI()
    http_errors.register(app)

    @app.get("/")
    async def raises() -> None:
        raise error

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        answer = await client.get("/")
    assert answer.status_code == status
    retry_after = "7" if isinstance(error, Overloaded) else "1"
    assert "because" in answer.json()["error"]
    assert answer.headers.get("retry-after") == (retry_after if status == 503 else None)


def model(
    translator: Translator, threads: ThreadPoolExecutor, **limits: object
) -> TranslationModel:
    def poisoned(sources: Sequence[Source], search: Search) -> Sequence[Hypothesis]:
        if any(len(source) > 12 for source in sources):
            raise RuntimeError("cannot")
        return translator.engine.run(sources, search)

    given = {"workers": 1, "max_tokens": 99, "max_delay": 0.0, "max_queue": 9} | limits
    metrics = Metrics(CollectorRegistry(), "r-1", DEFAULT_BOUNDS)
    batcher = Batcher(poisoned, Limits(**given), threads)
    return TranslationModel("toy", translator, batcher, Helpers(threads, threads), metrics, 2)


@pytest.fixture
def threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


async def test_a_full_queue_is_overload(
    translator: Translator, threads: ThreadPoolExecutor
) -> None:
    full = model(translator, threads, max_queue=0)
    with pytest.raises(Overloaded, match="come back in 1 s"):
        await full.predict({"instances": ["ba"]})


async def test_what_would_wait_too_long_is_refused_before_it_is_read(
    translator: Translator, threads: ThreadPoolExecutor
) -> None:
    busy = model(translator, threads, max_wait=0.0)
    with busy._batcher.admitted(10**6), pytest.raises(Overloaded) as refused:
        await busy.predict(b"no JSON at all")
    assert refused.value.retry_after == 1
    with pytest.raises(BadRequest, match="not JSON"):
        await busy.predict(b"no JSON at all")  # nobody is before it any more


async def test_more_than_a_request_may_have_is_refused_as_a_whole(
    translator: Translator, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kserve_model, "MAX_TOKENS", 50)
    with pytest.raises(TooLarge, match="more than 50 tokens at once: send fewer texts"):
        await model(translator, threads).predict({"instances": ["ba do ki"] * 20})


async def test_what_the_engine_cannot_do_harms_no_neighbour(
    translator: Translator, threads: ThreadPoolExecutor
) -> None:
    served = model(translator, threads)
    poison = "x " * 14
    alone = await served.predict({"instances": ["ba do"]})
    together = await served.predict({"instances": ["ba do", poison, "ba do"]})
    assert together["predictions"][0] == together["predictions"][2] == alone["predictions"][0]
    assert together["predictions"][1] == {"error": "the engine failed: RuntimeError"}
    with pytest.raises(EngineFailed):
        await served.predict({"instances": [poison]})
    others = await asyncio.gather(
        *(served.predict({"instances": [text]}) for text in ("ba do", poison, "ba do")),
        return_exceptions=True,
    )
    assert others[0] == others[2] == alone
    assert isinstance(others[1], EngineFailed)
