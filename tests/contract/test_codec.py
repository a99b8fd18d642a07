"""Dataclasses from and to the API's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt_contract.codec import (
    DecodeError,
    camel,
    format_duration,
    format_time,
    from_json,
    parse_duration,
    parse_time,
    to_json,
)


class Colour(StrEnum):
    RED = "Red"


@dataclass(frozen=True)
class Leaf:
    name: str
    max_delta: Decimal | None = None


@dataclass(frozen=True)
class Tree:
    count: int
    ratio: float
    on: bool
    wait: timedelta
    since: datetime
    colour: Colour
    leaves: tuple[Leaf, ...]
    extra: Mapping[str, Any]
    leaf: Leaf | None
    import_: str = "none"


DOCUMENT = {
    "count": 3,
    "ratio": 2,
    "on": True,
    "wait": "1h30m",
    "since": "2026-11-21T03:04:05Z",
    "colour": "Red",
    "leaves": [{"name": "a", "maxDelta": "-0.5"}, {"name": "b"}],
    "extra": {"any": [1, {"thing": None}]},
    "leaf": {"name": "c"},
    "import": "some",
}


def test_a_document_becomes_a_dataclass_and_the_same_document_again() -> None:
    tree = from_json(Tree, DOCUMENT)
    assert tree == Tree(
        count=3,
        ratio=2.0,
        on=True,
        wait=timedelta(minutes=90),
        since=datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC),
        colour=Colour.RED,
        leaves=(Leaf("a", Decimal("-0.5")), Leaf("b")),
        extra={"any": [1, {"thing": None}]},
        leaf=Leaf("c"),
        import_="some",
    )
    assert to_json(tree) == DOCUMENT


def test_an_optional_field_may_be_missing_and_an_unknown_key_is_ignored() -> None:
    document = {key: value for key, value in DOCUMENT.items() if key not in ("leaf", "import")}
    tree = from_json(Tree, document | {"later": 1})
    assert tree.leaf is None
    assert tree.import_ == "none"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"count": None}, "count: is required", id="a required field is null"),
        pytest.param({"count": "3"}, "count: expected int, found '3'", id="text for a number"),
        pytest.param({"count": True}, "count: expected int", id="truth for a number"),
        pytest.param({"on": 1}, "on: expected bool", id="a number for truth"),
        pytest.param({"ratio": "2"}, "ratio: expected float", id="text for a float"),
        pytest.param({"wait": "soon"}, "wait: 'soon' is not a duration", id="no duration"),
        pytest.param({"wait": 5}, "wait: 5 does not fit", id="a number for a duration"),
        pytest.param({"since": "today"}, "since: ", id="no time"),
        pytest.param({"colour": "Blue"}, "colour: 'Blue' is not a valid", id="not in the enum"),
        pytest.param({"leaves": "ab"}, "leaves: expected a list", id="text for a list"),
        pytest.param({"leaves": [{}]}, "leaves[0].name: is required", id="an element's field"),
        pytest.param({"leaves": [3]}, "leaves[0]: expected an object", id="an element's shape"),
        pytest.param({"extra": []}, "extra: [] does not fit", id="a list for a map"),
        pytest.param(
            {"leaves": [{"name": "a", "maxDelta": "much"}]},
            "leaves[0].maxDelta: 'much' does not fit",
            id="text for a decimal",
        ),
        pytest.param(
            {"leaves": [{"name": "a", "maxDelta": "NaN"}]},
            "leaves[0].maxDelta: 'NaN' is not a number",
            id="NaN, which compares with nothing",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_path(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        from_json(Tree, DOCUMENT | change)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("document", [None, [], "text", 3])
def test_what_is_no_object_is_refused(document: Any) -> None:
    with pytest.raises(DecodeError, match="Tree: expected an object"):
        from_json(Tree, document)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        pytest.param("5ms", timedelta(milliseconds=5), id="milliseconds"),
        pytest.param("90s", timedelta(seconds=90), id="seconds"),
        pytest.param("1d2h3m4s5ms", timedelta(1, 7384, 0, 5), id="all units"),
        pytest.param("0s", timedelta(0), id="nothing"),
        pytest.param("1m1m", timedelta(minutes=2), id="one unit twice"),
    ],
)
def test_a_duration_is_read(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", " 1s", "1", "s", "1.5h", "-1s", "1s 2s", "1y", "1s\n", "\u0661s", "9999999999999d"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=99999)))
def test_a_duration_survives_to_the_millisecond(duration: timedelta) -> None:
    assert abs(parse_duration(format_duration(duration)) - duration) <= timedelta(microseconds=500)


@given(st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC)))
def test_a_time_survives_to_the_second(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment.replace(microsecond=0)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.fixed_dictionaries(dict.fromkeys(DOCUMENT, json_values)))
def test_any_document_is_decoded_or_refused_by_name(document: dict[str, Any]) -> None:
    refusal = ""
    try:
        from_json(Tree, document)
    except DecodeError as error:
        refusal = str(error)
    assert not refusal or refusal.split(":")[0].split("[")[0].split(".")[0] in DOCUMENT


@pytest.mark.parametrize(
    ("name", "key"), [("min_delta", "minDelta"), ("import_", "import"), ("seed", "seed")]
)
def test_a_name_becomes_its_key(name: str, key: str) -> None:
    assert camel(name) == key
