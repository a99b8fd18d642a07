"""Counters: what a predictor exposes is understood, and no text of anybody's does any harm."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.operator.shell.exporter import Exporter, predictors_text

from mt_operator.core.observed import Counters
from mt_operator.shell.counters import NAMES, MalformedError, Told, parse, told


def read(text: str) -> Told:
    return told(parse(text))


def test_predictors_own_text_is_understood() -> None:
    text = predictors_text()
    found = read(text)
    assert found.revision == "r-1"
    assert {code: n for code, n in found.users.codes.items() if n} == {"200": 1, "500": 1}
    assert {code: n for code, n in found.synthetic.codes.items() if n} == {"200": 1}
    assert found.users.seconds["0.03"] == 0
    assert found.users.seconds["0.05"] == found.users.seconds["+Inf"] == 1
    assert set(found.users.features) >= {"lengthRatio", "sourceLength"}
    exposed = {line.partition("{")[0].partition(" ")[0] for line in text.splitlines()}
    assert exposed - NAMES  # it exposes more, which is passed over
    assert NAMES - exposed <= {"process_start_time_seconds"}, "a name that no predictor exposes"


def test_exporter_is_read_whole() -> None:
    exporter = Exporter("r-1", started=1_700_000_000.5)
    exporter.answer(10, empty=2)
    exporter.answer(3, code="500")
    exporter.answer(5, synthetic=True)
    found = read(exporter.text().decode())
    assert (found.revision, found.process) == ("r-1", "1700000000.50")
    assert found.users == Counters(
        codes={"200": 10, "500": 3},
        seconds={"0.1": 0, "0.5": 10, "1.0": 10, "+Inf": 10},
        instances=10,
        empty=2,
        copies=0,
        source_tokens=30,
        target_tokens=40,
        features={"lengthRatio": {"1.5": 10}, "score": {"inf": 10}},
    )
    assert found.synthetic.codes == {"200": 5}


BUCKET = "translation_request_duration_seconds_bucket"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("translation_instances_total -1", id="less than nothing"),
        pytest.param("translation_instances_total NaN", id="not a number"),
        pytest.param("translation_instances_total +Inf", id="without end"),
        pytest.param("translation_instances_total 1e300", id="more than can be counted"),
        pytest.param("translation_instances_total many", id="a word"),
        pytest.param("translation_instances_total", id="no value"),
        pytest.param('translation_requests_total{code="200" 1', id="cut off"),
        pytest.param("process_start_time_seconds NaN", id="a process of no time"),
        pytest.param(BUCKET + '{le="soon"} 1', id="a bound that is a word"),
        pytest.param(BUCKET + '{le="nan"} 1', id="a bound that is no number"),
        pytest.param("translation_instances_total{} 1\n" * 1001, id="too many lines"),
        pytest.param('translation_requests_total{code="' + "x" * 1000 + '"} 1', id="a long line"),
    ],
)
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        read(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", Told(), id="nothing"),
        pytest.param("<html>\n</html>", Told(), id="a page"),
        pytest.param("other_total nonsense {{{", Told(), id="what we do not know is not parsed"),
        pytest.param(
            "translation_instances_total 3 1700000000000",
            Told(users=Counters(instances=3)),
            id="with a time",
        ),
        pytest.param(
            "translation_instances_total 3\ntranslation_instances_total 2",
            Told(users=Counters(instances=3)),
            id="twice: the higher one",
        ),
    ],
)
def test_text(text: str, expected: Told) -> None:
    assert read(text) == expected


LINES = st.builds(
    lambda name, rest: name + rest,
    st.sampled_from(sorted(NAMES)),
    st.text(alphabet='{}="\\, \t0123456789.eE+-xNaInf#', max_size=40),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(LINES, st.text(max_size=60)), max_size=6))
def test_no_text_raises_anything_else(lines: list[str]) -> None:
    try:
        found = read("\n".join(lines))
    except MalformedError:
        return
    assert all(n >= 0 for n in found.users.codes.values())
