"""Requests that nobody sends in good faith, by kind; each from a seed.

Sizes are such that most are costly to answer, and all together can be answered in minutes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from benchmarks.load_client import path, post, question
from benchmarks.peers_http_model import NAME

V1, V2 = "v1", "v2"
Asked = tuple[str, bytes]  # protocol, body
_BLANKS = ("", " ", "\t", "\n\n", "\u00a0", "\u200b", "\ufeff", "\u2028", "\r\n \r\n")
_ALPHABETS = (
    "αβγδω",
    "жщыэю",
    "אבגדש",
    "ابتثخ",
    "अआइईक",
    "一二三龍鬱",
    "あいうえ",
    "한글꿻",
    "👩‍👩‍👧😀🏴",
)
_MARKS = "\u0301\u0489\u202e\u2066\u200d\ufe0f"  # they join, turn round, or pile up
_NO_TEXTS: tuple[Any, ...] = (None, 7, -1.5, True, [], {}, ["a"], {"text": None}, {"text": 1})
_NO_PARAMETERS: tuple[Any, ...] = (
    *("beam", [], 3, {"beam_size": 0}, {"beam_size": 10**9}, {"beam_size": "4"}),
    *({"beam_size": -1}, {"beam_size": True}, {"n_best": 99}, {"no_such": 1}, {"beam_size": 1.5}),
)
_NO_JSON = (b"", b"{", b'{"instances": ["a"', b"\xff\xfe{}", b"NaN", b"'", b"\x00", b'{"a" 1}')


def _long(chance: Random, texts: Sequence[str]) -> Asked:
    if chance.random() < 0.02:
        return _one(chance, chance.choice("abñ") * chance.randint(300_000, 1_200_000))
    glue = chance.choice((" ", "", "\n", " - "))
    return _one(chance, glue.join(chance.choices(texts, k=chance.randint(15, 100))))


def _empty(chance: Random, _: Sequence[str]) -> Asked:
    count = chance.choice((0, 1, 1, 1, 5))
    return _several(chance, chance.choices(_BLANKS, k=count))


def _control(chance: Random, texts: Sequence[str]) -> Asked:
    marks = [chr(chance.choice((*range(32), *range(127, 160)))) for _ in range(20)]
    pieces = [*marks, *chance.choice(texts).split()]
    chance.shuffle(pieces)
    return _one(chance, "".join(pieces))


def _surrogates(chance: Random, texts: Sequence[str]) -> Asked:
    half = chance.choice(
        (b"\\ud800", b"\\udfff", b"\\udc00\\ud800", b"\xed\xa0\x80", b"\xc3", b"\xff")
    )
    text = json.dumps(chance.choice(texts)).encode()[:-1] + half + b'"'
    if chance.random() < 0.5:
        return (V1, b'{"instances": [' + text + b"]}")
    tensor = b'{"name": "text", "shape": [1], "datatype": "BYTES", "data": [' + text + b"]}"
    return (V2, b'{"inputs": [' + tensor + b"]}")


def _batches(chance: Random, texts: Sequence[str]) -> Asked:
    draw = chance.random()
    if draw < 0.2:
        return _several(chance, chance.choices(texts, k=chance.randint(50, 200)))
    if draw < 0.6:
        return _several(chance, chance.choices(_BLANKS, k=chance.randint(200, 1024)))
    if draw < 0.95:
        return _several(chance, chance.choices(texts, k=chance.randint(1025, 5000)))
    return _several(chance, ["a" * 1000] * 5000)


def _repeated(chance: Random, texts: Sequence[str]) -> Asked:
    word = chance.choice((chance.choice(chance.choice(texts).split()), "a", "!", ".", "1", "ñ"))
    return _one(chance, chance.choice((" ", "")).join([word] * chance.randint(20, 300)))


def _scripts(chance: Random, texts: Sequence[str]) -> Asked:
    letters = "".join((*_ALPHABETS, _MARKS, chance.choice(texts)))
    return _one(chance, "".join(chance.choices(letters, k=chance.randint(5, 60))))


def _nesting(chance: Random, _: Sequence[str]) -> Asked:
    depth = chance.choice((50, 500, 1100, 20_000, 100_000))
    begin, end = chance.choice(((b"[", b"]"), (b'{"a":', b"}")))
    deep = begin * depth + b"1" + end * depth
    whole = chance.choice(
        (
            b"%s",
            b'{"instances": [%s]}',
            b'{"instances": ["a"], "parameters": %s}',
            b'{"inputs": %s}',
        )
    )
    return (chance.choice((V1, V2)), whole % deep)


def _types(chance: Random, texts: Sequence[str]) -> Asked:
    text, draw = chance.choice(texts), chance.random()
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}
    if draw < 0.2:
        return (chance.choice((V1, V2)), chance.choice(_NO_JSON))
    if draw < 0.4:
        return _v1({"instances": [text], "parameters": chance.choice(_NO_PARAMETERS)})
    if draw < 0.6:
        return _v1({"instances": chance.choice((*_NO_TEXTS, text))})
    if draw < 0.8:
        return _v1({"instances": chance.choices(_NO_TEXTS, k=chance.randint(1, 4))})
    wrong: dict[str, Any] = chance.choice(
        (
            *({"shape": [2]}, {"shape": [-1]}, {"shape": "1"}, {"shape": [10**12]}, {"name": "x"}),
            *({"datatype": "FP32"}, {"datatype": 3}, {"data": text}, {"data": None}, {"data": [7]}),
        )
    )
    return (V2, json.dumps({"inputs": [tensor | wrong]}).encode())


Kind = Callable[[Random, Sequence[str]], Asked]
KINDS: Mapping[str, Kind] = {
    "long": _long,
    "empty": _empty,
    "control characters": _control,
    "invalid surrogates": _surrogates,
    "huge batches": _batches,
    "repeated tokens": _repeated,
    "script mixes": _scripts,
    "deep nesting": _nesting,
    "wrong types": _types,
}
BENIGN = "benign"  # instead of a poison: one more sentence


def request(kind: str, chance: Random, texts: Sequence[str], model: str = NAME) -> bytes:
    """Return a whole HTTP request of a kind; ``texts`` are good ones."""
    if kind == BENIGN:
        return question(V1, chance.choice(texts), model)
    protocol, body = KINDS[kind](chance, texts)
    return post(path(protocol, model), body)


def _one(chance: Random, text: str) -> Asked:
    return _several(chance, [text])


def _several(chance: Random, texts: Sequence[str]) -> Asked:
    if chance.random() < 0.7:
        return _v1({"instances": list(texts)})
    tensor = {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)}
    return (V2, json.dumps({"inputs": [tensor]}).encode())


def _v1(document: Any) -> Asked:
    return (V1, json.dumps(document, ensure_ascii=False).encode())
