"""Whatever comes beside them, neighbours are answered, and with their own translations."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from urllib.parse import urlsplit

import pytest
from benchmarks.peers_poison import Trials, is_of_another, kinds
from benchmarks.poison import KINDS, request
from tests.predictor.builders import sentences
from tests.predictor.running import MODEL, Running

from mt_predictor.translator import Options, Translator

# What each may be answered: any text is translated, unless it is too large.
STATUSES: Mapping[str, set[str]] = {
    "long": {"200", "413"},
    "empty": {"200"},
    "control characters": {"200"},
    "invalid surrogates": {"400"},
    "huge batches": {"200", "413"},
    "repeated tokens": {"200"},
    "script mixes": {"200"},
    "deep nesting": {"400", "413"},
    "wrong types": {"200", "400"},
}


@pytest.mark.slow
async def test_no_neighbour_of_poison_is_harmed(server: Running, translator: Translator) -> None:
    texts = sentences(80, seed=11)
    pairs = [(text, translator.translate([text], Options(2))[0].text) for text in texts]
    trials = Trials(urlsplit(server.url).port or 0, pairs, MODEL)
    await trials.run(kinds(500, Random(1)), seed=1)
    trials.close()
    assert server.process.poll() is None
    for kind, tally in trials.tallies.items():
        assert (kind, tally.errors, tally.wrong) == (kind, [], [])
        assert tally.statuses.keys() <= STATUSES[kind], (kind, tally.statuses)
    assert sum(tally.flips for tally in trials.tallies.values()) <= 10  # of 1,000 neighbours


@pytest.mark.parametrize("kind", KINDS)
def test_a_poison_is_told_by_its_seed(kind: str) -> None:
    texts = sentences(20)
    first, again, other = (request(kind, Random(seed), texts) for seed in (1, 1, 2))
    assert first == again
    assert any(request(kind, Random(seed), texts) != other for seed in range(3, 9))


@pytest.mark.parametrize(
    ("found", "of_another"),
    [
        pytest.param("I like this book very much.", False, id="a flip"),
        pytest.param("The train leaves at noon.", True, id="another's"),
        pytest.param("The train left at noon.", True, id="another's, flipped"),
        pytest.param("", False, id="empty"),
    ],
)
def test_a_flip_is_told_from_a_mix_up(found: str, of_another: bool) -> None:
    others = ["The train leaves at noon.", "Nobody knows."]
    assert is_of_another(found, "I like that book very much.", others) is of_another
