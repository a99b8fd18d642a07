"""What was counted since a weight was given, whatever happens to pods, processes and operators."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.operator.analysis_builders import (
    OURS,
    START,
    THEIRS,
    analysis,
    counted,
    pod,
    reading,
    took,
)

from mt_contract.codec import DecodeError
from mt_operator.core.analysis.evidence import (
    Baseline,
    answered,
    baseline_of,
    decode_baseline,
    encode_baseline,
    gather,
)
from mt_operator.core.observed import Counters, PodReading, Reading

BOTH = (OURS, THEIRS)


def _errors(found: Counters) -> tuple[int, int]:
    return answered(found), found.codes.get("500", 0)


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param(
            [[pod("a", counted(100, 5))], [pod("a", counted(150, 9))]],
            (50, 4),
            id="a pod that goes on counting",
        ),
        pytest.param(
            [[pod("a", counted(100, 5))], [pod("a", counted(20, 1), process="2")]],
            (20, 1),
            id="a process that began anew counts from 0",
        ),
        pytest.param(
            [
                [pod("a", counted(100, 5))],
                [pod("a", counted(130, 8))],
                [pod("a", counted(20, 1), process="2")],
            ],
            (50, 4),
            id="what was read of the process before counts too",
        ),
        pytest.param(
            [[pod("a", counted(100, 5))], [pod("a", counted(130, 8))], []],
            (30, 3),
            id="a pod that is gone counts with its last reading",
        ),
        pytest.param(
            [[pod("a", counted(100, 5))], [pod("a", counted(130, 8)), pod("b", counted(10, 1))]],
            (40, 4),
            id="a new pod counts from 0",
        ),
        pytest.param(
            [[pod("a", counted(100, 5))], [pod("a", process="")], [pod("a", counted(130, 8))]],
            (30, 3),
            id="a pod that could not be read for a while",
        ),
        pytest.param(
            [[pod("a", process="")], [pod("a", counted(130, 8))], [pod("a", counted(150, 9))]],
            (20, 1),
            id="a pod that was unreadable at the baseline counts from its first reading",
        ),
        pytest.param(
            [[pod("a", counted(100, 5))], [], [pod("a", counted(130, 8))]],
            (30, 3),
            id="a pod that was overlooked once",
        ),
        pytest.param(
            [[], [pod("a", process="")], [pod("a", counted(30, 3))]],
            (30, 3),
            id="a new pod that could not be read at first",
        ),
        pytest.param([[pod("a", counted(100, 5))], []], (0, 0), id="nothing but the baseline"),
    ],
)
def test_a_window(readings: list[list[PodReading]], expected: tuple[int, int]) -> None:
    found = [reading(30 * number, pods, pods) for number, pods in enumerate(readings)]
    baseline = baseline_of(found[0], BOTH, analysis())
    evidence = gather(baseline, found, OURS, THEIRS)
    assert evidence.production is not None
    assert _errors(evidence.candidate.users.total) == expected
    assert _errors(evidence.production.users.total) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param([pod("a", restarts=2)], 0, id="as often as before"),
        pytest.param([pod("a", process="2", restarts=3)], 1, id="its container restarted"),
        pytest.param([pod("a", process="2", restarts=2)], 1, id="its process is another one"),
        pytest.param([pod("a", process="", restarts=3)], 1, id="it is down just now"),
        pytest.param([pod("a", restarts=2), pod("b", restarts=2)], 2, id="a new one that crashes"),
        pytest.param([pod("b")], 0, id="one that is replaced: somebody asked for that"),
        pytest.param([], 0, id="none left: readiness tells"),
    ],
)
def test_restarts(now: list[PodReading], expected: int) -> None:
    before = reading(0, [pod("a", restarts=2)])
    evidence = gather(baseline_of(before, BOTH, analysis()), [reading(30, now)], OURS, None)
    assert evidence.candidate.restarts == expected


def test_a_restart_that_is_seen_in_two_ways_is_one() -> None:
    before = reading(0, [pod("a", restarts=2)])
    down = reading(30, [pod("a", process="", restarts=3)])
    back = reading(60, [pod("a", process="2", restarts=3)])
    baseline = baseline_of(before, BOTH, analysis())
    assert gather(baseline, [down, back], OURS, None).candidate.restarts == 1


def test_without_a_baseline_the_earliest_reading_stands_for_it() -> None:
    found = [reading(0, [pod("a", counted(100, 5))]), reading(30, [pod("a", counted(160, 6))])]
    assert _errors(gather(None, found, OURS, None).candidate.users.total) == (60, 1)


def test_without_a_reading_nothing_is_known() -> None:
    evidence = gather(None, [], OURS, THEIRS)
    assert not evidence.read
    assert answered(evidence.candidate.users.total) == 0


def test_queries_come_from_the_newest_reading() -> None:
    found = [reading(0, complaints={OURS: 9.0}), reading(30, complaints={OURS: 1.0, THEIRS: 2.0})]
    assert gather(None, found, OURS, THEIRS).queries == {"complaints": (1.0, 2.0)}
    assert gather(None, found, OURS, None).queries == {"complaints": (1.0, None)}


def test_readings_from_before_the_baseline_are_none_of_the_window() -> None:
    found = [
        reading(0, [pod("a", counted(10))]),
        reading(30, [pod("a", counted(100))]),
        reading(60, [pod("a", counted(150))]),
    ]
    baseline = baseline_of(found[1], BOTH, analysis())
    assert len(gather(baseline, found, OURS, None).candidate.users.looks) == 1


def test_load_shed_on_purpose_and_clients_that_went_are_not_answered() -> None:
    assert answered(Counters(codes={"200": 5, "404": 2, "499": 7, "500": 1, "503": 9})) == 8


FULL = replace(
    counted(50, 2),
    seconds=took((48, 0.1)),
    instances=60,
    empty=1,
    copies=2,
    source_tokens=900,
    target_tokens=950,
    features={"lengthRatio": {"1": 40, "inf": 0}, "sourceLength": {"8": 3}},
)


@pytest.mark.parametrize(
    ("builtin", "kept"),
    [
        pytest.param("ErrorRate", {"codes"}, id="errors need codes alone"),
        pytest.param("LatencyP99", {"codes", "seconds"}, id="latency needs the histogram"),
        pytest.param("Restarts", {"codes"}, id="restarts need none, minRequests codes"),
        pytest.param(
            "EmptyFraction", {"codes", "instances", "empty", "copies"}, id="texts by kind"
        ),
        pytest.param(
            "LengthRatio",
            {"codes", "instances", "empty", "copies", "sourceTokens", "targetTokens", "features"},
            id="lengths need their spread",
        ),
    ],
)
def test_a_baseline_keeps_what_its_measures_need(builtin: str, kept: set[str]) -> None:
    asked = analysis({"builtin": builtin, "max": "1"})
    baseline = baseline_of(reading(0, [pod("a", FULL, synthetic=FULL)]), [OURS], asked)
    (stored,) = encode_baseline(baseline)["pods"][OURS]
    assert set(stored["users"]) == kept
    assert "synthetic" not in stored
    assert "sourceLength" not in stored["users"].get("features", {})


def test_a_baseline_keeps_synthetic_requests_where_those_may_count() -> None:
    asked = analysis(syntheticTraffic={"requestsPerSecond": 2})
    baseline = baseline_of(reading(0, [pod("a", synthetic=counted(9))]), [OURS], asked)
    assert baseline.pods[OURS][0].synthetic == counted(9)


pods = st.builds(
    PodReading,
    uid=st.text("abc", min_size=1, max_size=3),
    process=st.text("12", max_size=2),
    restarts=st.integers(0, 3),
    users=st.builds(
        Counters,
        codes=st.dictionaries(st.sampled_from(["200", "500", "503"]), st.integers(0, 99)),
        seconds=st.dictionaries(st.sampled_from(["0.1", "+Inf"]), st.integers(0, 99)),
        instances=st.integers(0, 99),
    ),
)


@given(st.lists(pods, max_size=4, unique_by=lambda each: each.uid))
def test_a_stored_baseline_gives_the_same_window(found: list[PodReading]) -> None:
    everything = analysis(
        {"builtin": "LatencyP99", "max": "1"}, {"builtin": "EmptyFraction", "max": "1"}
    )
    before = Reading(START, {OURS: tuple(found)})
    now = reading(30, [pod("a", FULL), pod("b", FULL, process="2")])
    baseline = baseline_of(before, [OURS], everything)
    again = decode_baseline(encode_baseline(baseline))
    assert gather(again, [now], OURS, None) == gather(baseline, [now], OURS, None)


def test_a_baseline_that_somebody_broke_is_named() -> None:
    with pytest.raises(DecodeError, match=r"status\.candidate\.analysis\.baseline\.pods"):
        decode_baseline({"time": "2026-11-21T12:00:00Z", "pods": {OURS: [{"uid": 3}]}})


def test_an_empty_baseline_is_stored_too() -> None:
    assert decode_baseline(encode_baseline(Baseline(START))) == Baseline(START)
