from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from demo.judge import MARGIN, SETTLE, Phase, judge, quantile, read
from demo.load import Sample

STEP = Phase("canary 10 %", start=1000.0, end=1060.0, revision="r-new", weight=10, is_step=True)


def samples(new: int, total: int = 1100, status: int = 200, phase: Phase = STEP) -> list[Sample]:
    """Answers spread evenly over the judged part; the first ``new`` are the new revision's."""
    first, last = phase.start + SETTLE, phase.end - MARGIN
    times = [first + (last - first) * i / total for i in range(total)]
    return [Sample(t, 0.01, status, "r-new" if i < new else "r-old") for i, t in enumerate(times)]


@pytest.mark.parametrize(
    ("seen", "problems"),
    [
        pytest.param(samples(110), [], id="the share that was asked for"),
        pytest.param(samples(150), [], id="a deviation that chance explains"),
        pytest.param(samples(165), ["answered 15.0 %"], id="a share that is too large"),
        pytest.param(samples(55), ["answered 5.0 %"], id="a share that is too small"),
        pytest.param(samples(0), ["answered 0.0 %"], id="a split that does not split"),
        pytest.param(samples(80, total=800), ["only 800 requests"], id="too few requests"),
        pytest.param(
            [*samples(110), Sample(1030.0, 0.1, 503, "")],
            ["1 of 1101 requests were lost"],
            id="a refused request",
        ),
        pytest.param(
            [*samples(110), Sample(1059.8, 30.0, 0, "", "ReadTimeout")],
            ["1 of 1101"],
            id="lost at the very end",
        ),
        pytest.param(
            [*samples(110), Sample(1030.0, 0.1, 200, "")],
            ["1 answers do not name"],
            id="nobody answered",
        ),
    ],
)
def test_judge(seen: list[Sample], problems: list[str]) -> None:
    found = judge(STEP, seen).problems
    assert len(found) == len(problems)
    assert all(expected in problem for expected, problem in zip(problems, found, strict=True))


@pytest.mark.parametrize(
    ("empty", "problems"),
    [
        pytest.param(110, 0, id="all that the canary answered"),
        pytest.param(165, 1, id="more than it was to answer"),
    ],
)
def test_empty_answers_are_the_canarys_share_at_most(empty: int, problems: int) -> None:
    seen = [replace(s, empty=i < empty) for i, s in enumerate(samples(110))]
    found = judge(STEP, seen)
    assert (found.empty, len(found.problems)) == (empty, problems)


def test_answers_around_a_change_of_weight_are_not_judged_but_counted() -> None:
    around = [
        Sample(1000.5, 0.1, 200, "r-old"),
        Sample(1059.8, 0.1, 200, "r-new"),
        Sample(1060.0, 0.1, 503, ""),
    ]
    finding = judge(STEP, samples(110) + around)
    assert (finding.requests, finding.judged, finding.hits, finding.lost) == (1102, 1100, 110, 0)


def test_after_promotion_a_single_answer_of_the_old_revision_is_too_much() -> None:
    whole = Phase("promoted", 1000.0, 1060.0, "r-new", 100)
    assert judge(whole, samples(1100, phase=whole)).problems == ()
    assert "answered 99.9 %" in judge(whole, samples(1099, phase=whole)).problems[0]


def test_an_empty_phase_breaks_no_promise_unless_it_is_a_step() -> None:
    assert judge(Phase("idle", 0.0, 1.0, "r", 100), []).problems == ()
    assert "only 0 requests" in judge(STEP, []).problems[0]


def test_a_half_written_line_is_left_out(tmp_path: Path) -> None:
    path, sample = tmp_path / "load.jsonl", Sample(1.0, 0.2, 200, "r-1")
    path.write_text(json.dumps(asdict(sample)) + '\n{"sent": 2.0, "lat')
    assert read(path) == [sample]


@pytest.mark.parametrize(
    ("values", "q", "expected"),
    [
        pytest.param([], 0.5, 0.0, id="none"),
        pytest.param([3.0], 0.99, 3.0, id="one"),
        pytest.param([float(i) for i in range(100)], 0.99, 99.0, id="a hundred"),
    ],
)
def test_quantile(values: list[float], q: float, expected: float) -> None:
    assert quantile(values, q) == expected
