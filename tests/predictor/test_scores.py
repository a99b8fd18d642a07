"""Scores are sacreBLEU's own, of all sentences and of any of them; intervals mean what they say."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu import corpus_bleu, corpus_chrf, corpus_ter
from tests.predictor.builders import sentences

from mt_predictor import scores
from mt_predictor.bootstrap import Interval, intervals
from mt_predictor.scores import METRICS, Metric, Statistics, metrics, text
from mt_predictor.testset import Example

OFFICIAL = {"chrF": corpus_chrf, "BLEU": corpus_bleu, "TER": corpus_ter}


def garbled(words: str, chance: random.Random, share: float) -> str:
    return " ".join("x" if chance.random() < share else word for word in words.split())


def corpus(count: int, share: float, seed: int = 0) -> tuple[list[Example], list[str]]:
    chance = random.Random(seed)
    examples = [Example(one[::-1], one, None) for one in sentences(count)]
    return examples, [garbled(one.reference, chance, share) for one in examples]


@pytest.mark.parametrize("name", OFFICIAL)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_corpus_scores_equal_sacrebleu(name: str, share: float) -> None:
    examples, outputs = corpus(60, share)
    outputs[3] = ""
    metric = metrics("en")[name]
    expected = OFFICIAL[name](outputs, [[one.reference for one in examples]]).score
    assert metric.of(metric.statistics(outputs, examples).sum(axis=0)) == expected


@pytest.mark.parametrize("name", OFFICIAL)
def test_scores_of_a_resample_equal_sacrebleu(name: str) -> None:
    examples, outputs = corpus(50, 0.4)
    drawn = np.random.default_rng(1).integers(0, 50, 50)
    metric = metrics("en")[name]
    rows = metric.statistics(outputs, examples)
    references = [[examples[number].reference for number in drawn]]
    expected = OFFICIAL[name]([outputs[number] for number in drawn], references).score
    assert metric.of(rows[drawn].sum(axis=0)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", OFFICIAL)
def test_rows_are_the_same_in_pieces(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    examples, outputs = corpus(50, 0.4)
    whole = metrics("en")[name].statistics(outputs, examples)
    monkeypatch.setattr(scores, "_AT_ONCE", 7)
    assert (metrics("en")[name].statistics(outputs, examples) == whole).all()


@pytest.mark.parametrize("name", METRICS)
def test_scores_of_many_sums_are_those_of_each(name: str) -> None:
    metric = metrics("en")[name]
    texts = sentences(60, seed=3)
    outputs = ["", *texts[1:20], *(text.upper() for text in texts[20:40]), *texts[40:]]
    rows = metric.statistics(outputs, [Example(text, text, None) for text in texts])
    sums = np.concatenate([rows, rows.cumsum(axis=0), np.zeros((1, rows.shape[1]))])
    assert metric.of_each(sums) == pytest.approx([metric.of(row) for row in sums], abs=1e-9)


def test_sums_beyond_single_precision_are_exact() -> None:
    total = Metric(lambda *_: [], lambda sums: sums[0])
    rows = {"total": np.full((40, 1), 2.0**22 + 1)}
    none = {"total": np.zeros((40, 1))}
    found = intervals({"total": total}, rows, none, 0.95, (1,))["total"].delta
    assert (found.low, found.high) == (40 * (2.0**22 + 1), 40 * (2.0**22 + 1))


def test_what_watches_for_broken_output() -> None:
    examples = [Example("um dois", "one two", None)] * 4
    outputs = ["one two", "", "um  dois", "o"]
    found = {
        name: metric.of(metric.statistics(outputs, examples).sum(axis=0))
        for name, metric in metrics("en").items()
        if name not in OFFICIAL
    }
    assert found == {"LengthRatio": 16 / 28, "EmptyFraction": 0.25, "CopyFraction": 0.25}


@pytest.mark.parametrize(
    ("language", "expected"), [("zh-Hans", "zh"), ("ja", "char"), ("pt", "13a")]
)
def test_bleu_counts_words_of_the_language(language: str, expected: str) -> None:
    metric = metrics(language)["BLEU"]
    metric.statistics(["甲乙"], [Example("a", "甲乙", None)])
    assert metric.signature is not None
    assert f"tok:{expected}" in metric.signature()


@pytest.mark.parametrize(
    ("metric", "value", "expected"),
    [
        pytest.param("chrF", 48.123456, "48.1235", id="percent"),
        pytest.param("EmptyFraction", 1 / 3, "0.333333", id="share"),
        pytest.param("chrF", -0.00001, "0.0000", id="no negative zero"),
    ],
)
def test_how_scores_are_written(metric: str, value: float, expected: str) -> None:
    assert text(metric, value) == expected


def rows_of(share: float, names: tuple[str, ...] = METRICS) -> dict[str, Statistics]:
    examples, outputs = corpus(80, share, seed=round(share * 10))
    return {name: metrics("en")[name].statistics(outputs, examples) for name in names}


def chosen(names: tuple[str, ...] = METRICS) -> dict[str, Metric]:
    return {name: metric for name, metric in metrics("en").items() if name in names}


def test_equal_systems_differ_by_nothing() -> None:
    rows = rows_of(0.3)
    for found in intervals(chosen(), rows, rows, 0.95, (1,), resamples=50).values():
        assert found.delta == Interval(0, 0, 0)
        assert found.candidate == found.baseline


def test_a_better_system_is_better_within_its_interval() -> None:
    delta = intervals(chosen(), rows_of(0.1), rows_of(0.6), 0.95, (1,), resamples=300)["chrF"].delta
    assert 0 < delta.low < delta.value < delta.high


def test_each_side_has_an_interval_of_its_own() -> None:
    rows = rows_of(0.2)
    both = intervals(chosen(), rows, rows_of(0.5), 0.95, (1,), resamples=100)
    for name, found in intervals(chosen(), rows, None, 0.95, (1,), resamples=100).items():
        assert (found.baseline, found.delta) == (None, None)
        assert found.candidate == both[name].candidate
        assert found.candidate.low <= found.candidate.value <= found.candidate.high


def test_the_seed_decides_and_sides_mirror() -> None:
    names = ("chrF",)
    better, worse = rows_of(0.2, names), rows_of(0.3, names)

    def of(a: dict[str, Statistics], b: dict[str, Statistics], seed: int) -> list[float]:
        delta = intervals(chosen(names), a, b, 0.9, (seed, 7), resamples=200)["chrF"].delta
        return [delta.value, delta.low, delta.high]

    there, back = of(better, worse, 1), of(worse, better, 1)
    assert there == of(better, worse, 1)
    assert there != of(better, worse, 2)
    assert back == pytest.approx([-there[0], -there[2], -there[1]])


def test_more_confidence_is_a_wider_interval() -> None:
    names = ("chrF",)
    found = [
        intervals(chosen(names), rows_of(0.2, names), rows_of(0.3, names), level, (3,), 300)[
            "chrF"
        ].delta
        for level in (0.5, 0.9, 0.99)
    ]
    widths = [delta.high - delta.low for delta in found]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


@settings(max_examples=25, deadline=None)
@given(empty=st.lists(st.booleans(), min_size=1, max_size=30))
def test_an_interval_of_shares_stays_among_shares(empty: list[bool]) -> None:
    rows = {"EmptyFraction": np.array([[one, 1.0] for one in empty])}
    none = {"EmptyFraction": np.array([[0.0, 1.0]] * len(empty))}
    delta = intervals(chosen(("EmptyFraction",)), rows, none, 0.95, (5,), 100)[
        "EmptyFraction"
    ].delta
    assert delta.value == pytest.approx(sum(empty) / len(empty))
    assert 0 <= delta.low <= delta.high <= 1


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Samples of a population whose difference is known; 200 of them, at 80 %."""
    chance = np.random.default_rng(11)
    population = chance.random(5000) < 0.3
    truth = population.mean()
    metric = chosen(("EmptyFraction",))
    covered = 0
    for number in range(200):
        sample = chance.choice(population, 100)
        rows = {"EmptyFraction": np.stack([sample, np.ones(100)], axis=1)}
        none = {"EmptyFraction": np.stack([np.zeros(100), np.ones(100)], axis=1)}
        delta = intervals(metric, rows, none, 0.8, (number,), 200)["EmptyFraction"].delta
        covered += delta.low <= truth <= delta.high
    assert 140 <= covered <= 180
