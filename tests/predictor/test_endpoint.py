"""A real predictor, asked in V1: good requests, bad ones, and what is counted."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.predictor.builders import sentences
from tests.predictor.running import MODEL, Running, infer, labels, predict

from mt_predictor.protocol import MAX_INSTANCES
from mt_predictor.translator import Options, Translator

V1, V2 = "/v1/models/toy:predict", "/v2/models/toy/infer"
JSON = {"content-type": "application/json"}


def test_v1_translates_as_the_library_does(server: Running, translator: Translator) -> None:
    texts = sentences(30, seed=5)
    answer = server.post(V1, predict(*texts))
    assert answer.status_code == 200
    expected = translator.translate(texts, Options(2))
    assert [one["translation"] for one in answer.json()["predictions"]] == [
        one.text for one in expected
    ]
    assert [one["tokens"] for one in answer.json()["predictions"]] == [
        one.tokens for one in expected
    ]
    assert answer.headers["x-translation-revision"] == "r-toy"


def test_beams_by_instance_and_by_request(server: Running, translator: Translator) -> None:
    text = sentences(1)[0]
    greedy = translator.translate([text], Options(1))[0]
    wide = translator.translate([text], Options(6))[0]
    assert greedy.score != wide.score
    body = predict({"text": text, "beam_size": 1}, text, parameters={"beam_size": 6})
    scores = [one["score"] for one in server.post(V1, body).json()["predictions"]]
    assert scores == pytest.approx([greedy.score, wide.score], abs=1e-3)


def test_tokens_and_attention_are_told_where_they_are_asked_for(server: Running) -> None:
    plain, tokens, both = server.post(
        V1,
        predict(
            "ba do\nki",
            {"text": "ba do\nki", "return_tokens": True},
            {"text": "ba do\nki", "return_attention": True},
        ),
    ).json()["predictions"]
    segments = tokens.pop("segments")
    assert tokens == plain
    assert [one["source"][-1] for one in segments] == ["</s>", "</s>"]
    assert [one.keys() for one in segments] == [{"source", "target"}] * 2
    for one, other in zip(both["segments"], segments, strict=True):
        weights = one.pop("attention")
        assert one == other
        assert len(weights) == len(one["target"])
        assert all(len(row) == len(one["source"]) for row in weights)
        assert [sum(row) for row in weights] == pytest.approx([1] * len(weights), abs=0.01)


def test_attention_of_much_text_is_refused(server: Running) -> None:
    text = {"text": " ".join(sentences(40)), "return_attention": True}
    predictions = server.post(V1, predict(*[text] * 9, "ba do")).json()["predictions"]
    told = ["segments" in one for one in predictions]
    assert told == sorted(told, reverse=True)
    assert 0 < sum(told) < 9
    assert "at most 2,048 tokens of a request" in predictions[8]["error"]
    assert "translation" in predictions[9]
    [whole] = server.post(V1, predict({**text, "text": "ba " * 3000})).json().values()
    assert "at most 2,048 tokens" in whole


def test_the_next_best_are_told_where_they_are_asked_for(server: Running) -> None:
    text = sentences(1)[0]
    body = predict({"text": text, "beam_size": 4, "n_best": 3}, {"text": text, "beam_size": 4})
    best, plain = server.post(V1, body).json()["predictions"]
    others = best.pop("alternatives")
    assert best == plain
    assert len(others) == 2
    scores = [best["score"], *(other["score"] for other in others)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        pytest.param(V1, b"{", 400, "not JSON (line 1", id="V1: wrong JSON"),
        pytest.param(V1, b"", 400, "not JSON", id="V1: no body"),
        pytest.param(
            V1, b'{"instances": ["\xff\xfe"]}', 400, "not UTF-8 (byte 16)", id="V1: UTF-8"
        ),
        pytest.param(V1, b'["a"]', 400, "no JSON object", id="V1: a list"),
        pytest.param(V1, b"{}", 400, '"instances" has to be a list', id="V1: no instances"),
        pytest.param(V1, b'{"instances": "a"}', 400, '"instances" has to be a list', id="V1: text"),
        pytest.param(V1, b'{"instances": ["a"], "x": 1}', 400, "field 'x'", id="V1: unknown field"),
        pytest.param(V1, predict("a", parameters=[]), 200, "", id="V1: empty parameters"),
        pytest.param(V1, predict("a", parameters=[1]), 400, "an object", id="V1: parameters list"),
        pytest.param(
            V1, predict("a", parameters={"beams": 3}), 400, "'beams'", id="V1: unknown parameter"
        ),
        pytest.param(
            V1,
            predict("a", parameters={"beam_size": 2, "n_best": 3}),
            400,
            "a beam of 2 finds 2 translations, not 3",
            id="V1: more than the beam finds",
        ),
        pytest.param(
            V1,
            predict("a", parameters={"return_tokens": "yes"}),
            400,
            "return_tokens has to be true or false",
            id="V1: no flag",
        ),
        pytest.param(
            V1, predict("a", parameters={"beam_size": 17}), 400, "from 1 to 16", id="V1: wide beam"
        ),
        pytest.param(
            V1,
            predict("a", parameters={"beam_size": True}),
            400,
            "from 1 to 16",
            id="V1: beam true",
        ),
        pytest.param(V1, predict({}), 400, 'instances[0]: "text"', id="V1: nothing but a bad one"),
        pytest.param(V1, predict(*[""] * (MAX_INSTANCES + 1)), 413, "1,025 texts", id="V1: many"),
        pytest.param(V1, predict("x" * 1_048_577), 413, "1,048,577 bytes", id="V1: long text"),
        pytest.param(V1, predict("x" * 1_000_000), 413, "65,536 tokens", id="V1: many tokens"),
        pytest.param(V1, predict("x" * 4_300_000), 413, "4,194,304 bytes", id="V1: large body"),
        pytest.param(V1, b"[" * 10_000, 400, "not JSON", id="V1: deep JSON"),
        pytest.param("/v1/models/other:predict", predict("a"), 404, "other", id="V1: wrong model"),
        pytest.param(
            "/v2/models/toy/versions/1/infer", infer(["a"], [1]), 404, "'r-toy' is", id="versions"
        ),
        pytest.param("/v1/models/toy:explain", predict("a"), 501, "no explainer", id="explain"),
        pytest.param("/v1/nothing", b"", 404, "Not Found", id="unknown path"),
    ],
)
def test_bad_requests_are_refused_with_what_to_send(
    server: Running, path: str, body: bytes, status: int, message: str
) -> None:
    answer = server.post(path, body)
    assert answer.status_code == status, answer.text
    if status != 200:
        assert message in answer.json()["error"]
        assert "xxxxxxxx" not in answer.text


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        pytest.param(7, "a text or", id="a number"),
        pytest.param(None, "a text or", id="null"),
        pytest.param({"text": 7}, '"text" has to be a string', id="text is a number"),
        pytest.param({"text": "a", "beam": 1}, "unknown field 'beam'", id="unknown field"),
        pytest.param({"text": "a", "beam_size": 0}, "from 1 to 16", id="beam 0"),
        pytest.param({"text": "a", "n_best": 0}, "from 1 to 16", id="best 0"),
        pytest.param({"text": "a\nb", "n_best": 2}, "this one has 2", id="best of two lines"),
        pytest.param("x" * 1_048_577, "1,048,577 bytes", id="too long"),
    ],
)
def test_a_bad_instance_harms_no_neighbour(server: Running, bad: object, message: str) -> None:
    before, after = sentences(2, seed=7)
    expected = server.post(V1, predict(before, after)).json()["predictions"]
    answer = server.post(V1, predict(before, bad, after))
    assert answer.status_code == 200
    predictions = answer.json()["predictions"]
    assert [predictions[0], predictions[2]] == expected
    assert predictions[1].keys() == {"error"}
    assert message in predictions[1]["error"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("\0\x01\x7f", id="control characters"),
        pytest.param("🏳️‍🌈 👩🏽‍💻", id="emoji"),
        pytest.param("مرحبا بالعالم", id="right to left"),
        pytest.param("\uff46\uff55\uff4c\uff4c\u3000\uff57", id="full width"),
        pytest.param("a\u0301" * 500, id="combining"),
        pytest.param("</s> <s> <unk> <0x41> ▁", id="the vocabulary's own marks"),
        pytest.param("\ufeff\u202e\u2066", id="byte order and direction marks"),
        pytest.param("\U0010ffff\ufdd0\ue000", id="no characters"),
    ],
)
def test_any_unicode_is_answered(server: Running, text: str) -> None:
    answer = server.post(V1, predict(text))
    assert answer.status_code == 200, answer.text
    prediction = answer.json()["predictions"][0]
    assert isinstance(prediction["translation"], str)
    assert text or prediction == {"translation": "", "score": 0.0, "tokens": 0}


def test_no_instances_no_predictions(server: Running) -> None:
    assert server.post(V1, b'{"instances": []}').json() == {"predictions": []}


def test_a_page_of_text_comes_back_line_by_line(server: Running) -> None:
    text = "\n".join(" ".join(sentences(20, seed=number)) for number in range(10))
    prediction = server.post(V1, predict(text)).json()["predictions"][0]
    assert prediction["translation"].count("\n") >= 9
    assert prediction["tokens"] > 200


def test_nobody_unloads_the_model(server: Running) -> None:
    for action in ("load", "unload"):
        assert server.post(f"/v2/repository/models/toy/{action}", b"").status_code == 403
    assert server.get(f"{server.url}/v1/models/toy").json() == {"name": "toy", "ready": True}


def test_requests_at_once_get_their_own_answers(server: Running) -> None:
    texts = sentences(60, seed=8)
    expected = server.post(V1, predict(*texts)).json()["predictions"]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda text: server.post(V1, predict(text)).json(), texts))
    assert [answer["predictions"][0]["translation"] for answer in answers] == [
        one["translation"] for one in expected
    ]


def test_users_are_counted_and_probes_are_not(server: Running) -> None:
    before = server.metrics()
    server.post(V1, predict("ba do", ""))
    server.post(V1, b"{")
    server.post(V1, predict("ba do", "fu"), **{"x-translation-synthetic": "true"})
    after = server.metrics()

    def rise(name: str, **labels_: str) -> float:
        sample = labels(name, **labels_) if labels_ else name
        return after[sample] - before.get(sample, 0)

    ours = {"revision": "r-toy"}
    assert rise("translation_requests_total", code="200", **ours) == 1
    assert rise("translation_requests_total", code="400", **ours) == 1
    assert rise("translation_synthetic_requests_total", code="200", **ours) == 1
    for kind, texts in (("translation", 1), ("translation_synthetic", 2)):
        assert rise(f"{kind}_request_duration_seconds_count", **ours) == 1
        assert rise(f"{kind}_instances_total") == texts
    buckets = [name for name in after if 'feature="sourceLength"' in name]
    assert sum(after[name] - before[name] for name in buckets) == 1
    assert rise("translation_tokens_total", direction="source") > 0
    assert after["translation_queue_length"] == 0
    (info,) = [name for name in after if name.startswith("translation_model_info")]
    assert 'precision="Float32"' in info
    assert 'source="pt"' in info


def test_what_judges_a_revision_is_counted_of_users_and_of_probes(server: Running) -> None:
    found = server.metrics()
    users = {
        name.removeprefix("translation_")
        for name in found
        if name.startswith("translation_") and not name.startswith("translation_synthetic_")
    }
    synthetic = {
        name.removeprefix("translation_synthetic_")
        for name in found
        if name.startswith("translation_synthetic_")
    }
    assert synthetic <= users
    measures = {name.partition("{")[0] for name in synthetic}
    assert measures >= {
        *("requests_total", "request_duration_seconds_bucket", "tokens_total"),
        *("instances_total", "empty_total", "copy_total"),
    }
    assert found["process_start_time_seconds"] > 0  # a new process counts from 0 again


def test_the_same_metrics_on_both_ports(server: Running) -> None:
    pages = [server.get(url).text for url in (f"{server.url}/metrics", server.metrics_url)]
    assert all("translation_requests_total" in page for page in pages)


async def test_a_client_that_hangs_up_is_counted_as_such(server: Running) -> None:
    sample = labels("translation_requests_total", revision="r-toy", code="499")
    before = server.metrics()[sample]
    parts = urlsplit(server.url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"POST /v1/models/toy:predict HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{")
    await writer.drain()
    writer.transport.abort()
    for _ in range(500):
        if server.metrics()[sample] > before:
            break
        await asyncio.sleep(0.02)
    assert server.metrics()[sample] == before + 1
    assert server.post(V1, predict("ba do")).status_code == 200


def test_what_reads_corpora_takes_no_memory_here(server: Running) -> None:
    assert server.get(f"{server.url}/v1/models/{MODEL}").status_code == 200  # all is imported
    assert "libarrow" not in Path(f"/proc/{server.process.pid}/maps").read_text()


def test_no_text_is_logged(server: Running) -> None:
    secret = "verysecretword"
    server.post(V1, predict(secret, {"text": secret, secret: 1}))
    server.post(V1, f'{{"instances": "{secret}"'.encode())
    server.post(V2, infer([secret], [7]), **JSON)
    server.post(V2, f'{{"inputs": "{secret}"}}'.encode(), **JSON)
    with socket.create_connection(
        (urlsplit(server.url).hostname, urlsplit(server.url).port)
    ) as raw:
        raw.sendall(b"nonsense " + secret.encode() + b"\r\n\r\n")
        raw.recv(1000)
    assert secret not in server.log.read_text()
