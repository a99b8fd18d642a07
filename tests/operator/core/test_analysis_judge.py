"""Verdicts: on each measure, and on the candidate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.operator.analysis_builders import analysis, counted, evidence, took

from mt_contract.resource import Measure
from mt_operator.core.analysis.evidence import Evidence, Sample, Window
from mt_operator.core.analysis.judge import Judgement, Verdict, acting, judge
from mt_operator.core.observed import Counters

ALPHA, TESTS = 0.01, 9

ERRORS = {"builtin": "ErrorRate", "maxRatio": "1.5"}
ERRORS_MAX = {"builtin": "ErrorRate", "max": "0.01"}
EMPTY = {"builtin": "EmptyFraction", "maxRatio": "2"}
COPIES = {"builtin": "CopyFraction", "max": "0.1"}
LATENCY = {"builtin": "LatencyP99", "maxRatio": "1.5"}
LATENCY_MAX = {"builtin": "LatencyP99", "max": "0.2"}
LENGTH = {"builtin": "LengthRatio", "maxRatio": "1.2"}
LENGTH_MIN = {"builtin": "LengthRatio", "min": "0.8"}
RESTARTS = {"builtin": "Restarts", "max": "0"}
QUERY = {"query": "complaints", "max": "3"}
QUERY_RATIO = {"query": "complaints", "maxRatio": "2"}


def _judged(measure: Mapping[str, Any], found: Evidence, **changes: Any) -> Judgement:
    return judge(analysis(measure, **changes), found, ALPHA, TESTS)


def _texts(instances: int, **others: Any) -> Counters:
    return replace(counted(instances), instances=instances, **others)


def _timed(*durations: tuple[int, float]) -> Counters:
    return counted(sum(n for n, _ in durations), seconds=took(*durations))


def _lengths(texts: int, ratio: float) -> Counters:
    buckets = {"0.8": texts // 4, "1": texts // 2, "1.25": texts // 4}
    tokens = {"source_tokens": 20 * texts, "target_tokens": int(20 * texts * ratio)}
    return _texts(texts, features={"lengthRatio": buckets}, **tokens)


@pytest.mark.parametrize(
    ("measure", "found", "verdict"),
    [
        pytest.param(
            ERRORS,
            evidence(counted(1200, 24), counted(10_800, 216)),
            "Passing",
            id="as many errors as production",
        ),
        pytest.param(
            ERRORS,
            evidence(counted(1200, 60), counted(10_800, 216)),
            "Inconclusive",
            id="more errors than may be, not proven yet",
        ),
        pytest.param(
            ERRORS,
            evidence(counted(6000, 300), counted(54_000, 1080)),
            "Failing",
            id="more errors than may be, proven",
        ),
        pytest.param(
            ERRORS,
            evidence(counted(60, 60), counted(540)),
            "Failing",
            id="nothing but errors, in few requests",
        ),
        pytest.param(
            ERRORS,
            evidence(counted(600, 2), counted(5400)),
            "Passing",
            id="two errors lean nowhere",
        ),
        pytest.param(
            ERRORS,
            evidence(counted(49, 49), counted(5000)),
            "NoData",
            id="fewer requests than minRequests",
        ),
        pytest.param(
            ERRORS,
            evidence(counted(500, 250), counted()),
            "NoData",
            id="a production without requests",
        ),
        pytest.param(
            ERRORS,
            evidence(counted(500, 250)),
            "Passing",
            id="no production yet: ratios are skipped",
        ),
        pytest.param(
            ERRORS_MAX,
            evidence(counted(500, 250)),
            "Failing",
            id="an absolute bound needs no production",
        ),
        pytest.param(
            ERRORS_MAX, evidence(counted(2000, 18)), "Passing", id="within an absolute bound"
        ),
        pytest.param(
            ERRORS_MAX,
            evidence(Counters(codes={"200": 500, "503": 400, "499": 90})),
            "Passing",
            id="shed load and lost clients are no errors",
        ),
        pytest.param(
            ERRORS_MAX,
            evidence(Counters(codes={"200": 500, "400": 400})),
            "Passing",
            id="what clients do wrong is no error",
        ),
        pytest.param(
            {"builtin": "ErrorRate", "max": "0"},
            evidence(counted(500, 1)),
            "Failing",
            id="one error where none may be",
        ),
        pytest.param(
            {"builtin": "ErrorRate", "min": "0.5"},
            evidence(counted(500, 1)),
            "Failing",
            id="less than a min",
        ),
        pytest.param(
            EMPTY,
            evidence(_texts(100, empty=100), _texts(900)),
            "Failing",
            id="all translations empty",
        ),
        pytest.param(
            EMPTY, evidence(_texts(100), _texts(900)), "Passing", id="no translation empty"
        ),
        pytest.param(
            EMPTY, evidence(counted(100, 100), _texts(900)), "NoData", id="no texts at all"
        ),
        pytest.param(
            COPIES, evidence(_texts(300, copies=200)), "Failing", id="most came back as they were"
        ),
        pytest.param(
            COPIES, evidence(_texts(300, copies=20)), "Passing", id="some came back as they were"
        ),
        pytest.param(
            LATENCY,
            evidence(_timed((3000, 0.08)), _timed((9000, 0.04))),
            "Failing",
            id="twice as slow",
        ),
        pytest.param(
            LATENCY,
            evidence(_timed((3000, 0.04)), _timed((9000, 0.04))),
            "Passing",
            id="as fast as production",
        ),
        pytest.param(
            LATENCY,
            evidence(_timed((3000, 0.031)), _timed((9000, 0.029))),
            "Passing",
            id="a little slower, in the next bucket",
        ),
        pytest.param(
            LATENCY,
            evidence(_timed((900, 0.04)), _timed((9000, 0.04))),
            "NoData",
            id="a P99 needs a thousand requests",
        ),
        pytest.param(
            LATENCY,
            evidence(_timed((400, 0.4)), _timed((9000, 0.04))),
            "Failing",
            id="a P99 that is proven sooner",
        ),
        pytest.param(
            LATENCY,
            evidence(_timed((3000, 0.04)), counted(500, 500)),
            "NoData",
            id="a production that answered nothing",
        ),
        pytest.param(
            LATENCY_MAX,
            evidence(_timed((2950, 0.1), (50, 0.25))),
            "Inconclusive",
            id="a few too many above max",
        ),
        pytest.param(
            LATENCY_MAX,
            evidence(_timed((2500, 0.1), (500, 0.25))),
            "Failing",
            id="too many above max",
        ),
        pytest.param(
            LATENCY_MAX, evidence(_timed((2990, 0.1), (10, 0.25))), "Passing", id="few above max"
        ),
        pytest.param(
            {"builtin": "LatencyP99", "max": "90"},
            evidence(_timed((2000, 0.1))),
            "Passing",
            id="a max beyond every bucket",
        ),
        pytest.param(
            LENGTH,
            evidence(_lengths(500, 1.6), _lengths(4500, 1.0)),
            "Failing",
            id="translations that ramble",
        ),
        pytest.param(
            LENGTH,
            evidence(_lengths(500, 1.0), _lengths(4500, 1.0)),
            "Passing",
            id="translations of the usual length",
        ),
        pytest.param(
            LENGTH,
            evidence(_lengths(99, 1.0), _lengths(4500, 1.0)),
            "NoData",
            id="a mean needs a hundred texts",
        ),
        pytest.param(
            LENGTH_MIN, evidence(_lengths(500, 0.5)), "Failing", id="translations cut short"
        ),
        pytest.param(
            {"builtin": "LengthRatio", "max": "2"},
            evidence(_lengths(500, 1.0)),
            "Passing",
            id="within a max of lengths",
        ),
        pytest.param(
            RESTARTS,
            replace(evidence(counted(99)), candidate=Window(Sample(counted(99)), restarts=1)),
            "Failing",
            id="a restart",
        ),
        pytest.param(RESTARTS, evidence(counted(99)), "Passing", id="no restart"),
        pytest.param(
            RESTARTS, evidence(Counters(), read=False), "NoData", id="nobody knows about restarts"
        ),
        pytest.param(
            QUERY,
            evidence(counted(99), queries={"complaints": (4.0, None)}),
            "Failing",
            id="a query above max",
        ),
        pytest.param(
            QUERY,
            evidence(counted(99), queries={"complaints": (3.0, None)}),
            "Passing",
            id="a query at max",
        ),
        pytest.param(QUERY, evidence(counted(99)), "NoData", id="a query without a value"),
        pytest.param(
            {"query": "complaints", "min": "3"},
            evidence(counted(99), queries={"complaints": (2.0, None)}),
            "Failing",
            id="a query below min",
        ),
        pytest.param(
            QUERY_RATIO,
            evidence(counted(99), counted(99), queries={"complaints": (5.0, 2.0)}),
            "Failing",
            id="a query above its ratio",
        ),
        pytest.param(
            QUERY_RATIO,
            evidence(counted(99), counted(99), queries={"complaints": (4.0, 2.0)}),
            "Passing",
            id="a query within its ratio",
        ),
        pytest.param(
            QUERY_RATIO,
            evidence(counted(99), counted(99), queries={"complaints": (4.0, None)}),
            "NoData",
            id="a query without production's value",
        ),
        pytest.param(
            QUERY_RATIO,
            evidence(counted(99), queries={"complaints": (4.0, None)}),
            "Passing",
            id="a query without production",
        ),
    ],
)
def test_a_measure(measure: Mapping[str, Any], found: Evidence, verdict: str) -> None:
    judgement = _judged(measure, found)
    (metric,) = judgement.metrics
    assert (metric.verdict, judgement.verdict) == (verdict, verdict)
    assert (metric.evidence >= 1) == (verdict == "Failing") or verdict == "NoData"


@pytest.mark.parametrize(
    ("measure", "found", "message"),
    [
        pytest.param(
            ERRORS,
            evidence(counted(1204, 90), counted(10_800, 216)),
            "ErrorRate 7.48 % of 1,204 requests, production 2 %: more than 1.5x",
            id="failing",
        ),
        pytest.param(
            ERRORS,
            evidence(counted(1200, 24), counted(10_800, 216)),
            "ErrorRate 2 % of 1,200 requests, production 2 %: within maxRatio 1.5",
            id="passing",
        ),
        pytest.param(
            ERRORS,
            evidence(counted(1200, 60), counted(10_800, 216)),
            "ErrorRate 5 % of 1,200 requests, production 2 %: more than 1.5x so far, "
            "which more traffic settles",
            id="inconclusive",
        ),
        pytest.param(
            ERRORS,
            evidence(counted(600, 2), counted(5400)),
            "ErrorRate 0.333 % of 600 requests, production 0 %: more than 1.5x, "
            "which chance explains",
            id="chance",
        ),
        pytest.param(
            LATENCY_MAX,
            evidence(_timed((2500, 0.1), (500, 0.25))),
            "LatencyP99 294 ms of 3,000 requests: more than max 0.2",
            id="latency",
        ),
        pytest.param(
            LATENCY,
            evidence(_timed((900, 0.04)), _timed((9000, 0.04))),
            "LatencyP99 cannot be judged: the candidate has answered 900 requests, a verdict "
            "needs 1,000",
            id="too few for a P99",
        ),
        pytest.param(
            ERRORS,
            evidence(counted(20), counted(180)),
            "the candidate has answered 20 requests, a verdict needs 50",
            id="too few for anything",
        ),
        pytest.param(
            ERRORS,
            evidence(counted(500, 5)),
            "ErrorRate 1 % of 500 requests: there is no production yet to compare with",
            id="a first deployment",
        ),
        pytest.param(
            RESTARTS,
            Evidence(Window(Sample(counted(99)), restarts=2)),
            "Restarts 2: more than max 0",
            id="restarts",
        ),
        pytest.param(
            QUERY_RATIO,
            evidence(counted(99), counted(99), queries={"complaints": (5.0, 2.0)}),
            "query complaints 5, production 2: more than 2x",
            id="query",
        ),
        pytest.param(
            QUERY,
            evidence(counted(99)),
            "query complaints has no value: it cannot be judged",
            id="query without a value",
        ),
    ],
)
def test_messages_carry_numbers_and_what_was_asked(
    measure: Mapping[str, Any], found: Evidence, message: str
) -> None:
    assert _judged(measure, found).message == message


def test_a_bucket_that_is_further_is_no_proof() -> None:
    found = _judged(LATENCY, evidence(_timed((3000, 0.031)), _timed((9000, 0.029))))
    assert found.message == (
        "LatencyP99 49.8 ms of 3,000 requests, production 29.9 ms: more than 1.5x, "
        "which chance or the histogram's buckets explain"
    )


def test_the_worst_measure_decides_and_alone_is_told() -> None:
    asked = analysis(EMPTY, ERRORS_MAX, LATENCY)
    found = evidence(counted(500, 250, instances=500), counted(5000, instances=5000))
    judgement = judge(asked, found, ALPHA, TESTS)
    assert [m.verdict for m in judgement.metrics] == ["Passing", "Failing", "NoData"]
    assert judgement.verdict is Verdict.FAILING
    assert judgement.message == "ErrorRate 50 % of 500 requests, production 0 %: more than max 0.01"


def test_a_dry_run_is_reported_and_never_counted() -> None:
    asked = analysis(ERRORS_MAX | {"dryRun": True}, EMPTY)
    found = evidence(counted(500, 250, instances=500), counted(5000, instances=5000))
    judgement = judge(asked, found, ALPHA, TESTS)
    assert judgement.verdict is Verdict.PASSING
    assert judgement.metrics[0].verdict is Verdict.FAILING
    assert not judgement.overwhelming
    assert acting(asked) == 1


def test_without_measures_requests_are_enough() -> None:
    asked = replace(analysis(), metrics=())
    assert judge(asked, evidence(counted(50)), ALPHA, 0).verdict is Verdict.PASSING
    assert judge(asked, evidence(counted(49)), ALPHA, 0).verdict is Verdict.NO_DATA


def test_a_restart_fails_without_any_requests() -> None:
    judgement = _judged(RESTARTS, Evidence(Window(restarts=1)))
    assert judgement.verdict is Verdict.FAILING
    assert judgement.overwhelming


def test_alpha_is_split_over_measures_that_are_tested_and_act() -> None:
    assert acting(analysis(ERRORS, LATENCY, RESTARTS, QUERY, EMPTY | {"dryRun": True})) == 2


def test_more_tests_ask_for_more_evidence() -> None:
    found = evidence(counted(1204, 90), counted(10_800, 216))
    one, many = (judge(analysis(ERRORS), found, ALPHA, tests) for tests in (1, 10))
    assert one.metrics[0].evidence == pytest.approx(10 * many.metrics[0].evidence, rel=0.01)


def test_two_bounds_share_their_measure() -> None:
    found = evidence(counted(1000, 20), counted(9000, 180))
    judgement = _judged(ERRORS | {"max": "0.009"}, found)
    assert judgement.metrics[0].bound == "max 0.009"
    alone = _judged({"builtin": "ErrorRate", "max": "0.009"}, found)
    half = alone.metrics[0].evidence / 2
    assert judgement.metrics[0].evidence == pytest.approx(half, rel=0.01)


def test_synthetic_requests_count_where_users_are_too_few_and_never_mix() -> None:
    ours = Window(Sample(counted(10)), Sample(counted(400, 200)))
    theirs = Window(Sample(counted(90)), Sample(counted(400)))
    found = Evidence(ours, theirs)
    assert _judged(ERRORS, found).verdict is Verdict.NO_DATA
    with_own = _judged(ERRORS, found, syntheticTraffic={"requestsPerSecond": 2})
    assert (with_own.verdict, with_own.requests) == (Verdict.FAILING, 400)
    users = replace(ours, users=Sample(counted(60)))
    enough = _judged(ERRORS, Evidence(users, theirs), syntheticTraffic={"requestsPerSecond": 2})
    assert (enough.verdict, enough.requests) == (Verdict.PASSING, 60)


def _looks(*errors: int, requests: int = 1000) -> Sample:
    looks = tuple({"a": counted(requests, each)} for each in errors)
    return Sample(counted(requests * len(errors), sum(errors)), looks)


def test_errors_in_one_burst_are_less_evidence_than_as_many_all_along() -> None:
    theirs = _looks(*[180] * 8, requests=9000)
    steady = Evidence(Window(_looks(*[45] * 8)), Window(theirs))
    burst = Evidence(Window(_looks(*[360, 0, 0, 0, 0, 0, 0, 0])), Window(theirs))
    found = [_judged(ERRORS, each).metrics[0] for each in (steady, burst)]
    assert found[0].verdict is Verdict.FAILING
    assert found[1].evidence < found[0].evidence / 1000
    assert found[0].value == found[1].value == "4.5 %"


def test_a_burst_that_hits_both_is_no_evidence() -> None:
    ours, theirs = (20, 300, 20, 20), (180, 2700, 180, 180)
    both = Evidence(Window(_looks(*ours)), Window(_looks(*theirs, requests=9000)))
    assert _judged(ERRORS, both).verdict is Verdict.PASSING


def test_what_comes_after_production_lost_its_traffic_is_not_compared() -> None:
    ours = Sample(counted(61_000, 640), ({"a": counted(1000, 40)}, {"a": counted(60_000, 600)}))
    theirs = Sample(counted(1000, 30), ({"b": counted(1000, 30)}, {"b": counted()}))
    (metric,) = _judged(ERRORS, Evidence(Window(ours), Window(theirs))).metrics
    assert (metric.value, metric.reference, metric.requests) == ("4 %", "3 %", 1000)
    assert metric.verdict is Verdict.PASSING


MEASURES = st.sampled_from([ERRORS, ERRORS_MAX, EMPTY, COPIES, LATENCY, LATENCY_MAX, LENGTH])


@st.composite
def counters(draw: st.DrawFn) -> Counters:
    requests = draw(st.integers(0, 5000))
    slow, empty = (draw(st.integers(0, requests)) for _ in range(2))
    errors = draw(st.integers(0, requests))
    return counted(
        requests,
        errors,
        seconds=took((requests - slow, 0.04), (slow, 0.4)),
        instances=requests,
        empty=empty,
        copies=draw(st.integers(0, requests)),
        source_tokens=20 * requests,
        target_tokens=draw(st.integers(0, 40 * requests)),
    )


@given(MEASURES, counters())
def test_a_candidate_that_counts_like_production_never_fails_a_ratio(
    measure: Mapping[str, Any], same: Counters
) -> None:
    if "maxRatio" in measure:
        assert _judged(measure, evidence(same, same)).verdict in (
            Verdict.PASSING,
            Verdict.NO_DATA,
        )


@given(MEASURES, counters(), counters())
def test_any_counts_are_judged_and_the_verdict_is_the_worst(
    measure: Mapping[str, Any], ours: Counters, theirs: Counters
) -> None:
    judgement = _judged(measure, evidence(ours, theirs))
    (metric,) = judgement.metrics
    assert judgement.verdict in (metric.verdict, Verdict.NO_DATA)
    assert metric.message
    assert 0 <= metric.evidence <= 1e6


@pytest.mark.parametrize("theirs", [0, 20, 200])
def test_more_errors_are_never_less_evidence(theirs: int) -> None:
    """With hundreds of requests: few of them also tell more about the clumping."""
    found = [
        _judged(ERRORS, evidence(counted(1000, errors), counted(9000, theirs))).metrics[0].evidence
        for errors in range(0, 1000, 7)
    ]
    assert found == sorted(found)


def test_a_measure_without_a_bound_is_named() -> None:
    unbounded = replace(analysis(), metrics=(Measure("oops", builtin="ErrorRate"),))
    with pytest.raises(ValueError, match="'oops' has no bound"):
        judge(unbounded, evidence(counted(99)), ALPHA, TESTS)


def test_bounds_may_be_tiny_or_huge() -> None:
    for limit in ("0", "0.000000001", "999999999"):
        measure = Measure("m", builtin="ErrorRate", max=Decimal(limit), max_ratio=Decimal(limit))
        asked = replace(analysis(), metrics=(measure,))
        found = evidence(counted(1000, 10), counted(9000, 90))
        assert judge(asked, found, ALPHA, TESTS).metrics[0].evidence >= 0
