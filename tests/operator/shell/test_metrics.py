"""The operator's metrics: what is shown of each object, and that it goes with the object."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mt_contract import names
from mt_contract.defaults import Images
from mt_operator.core.analysis.builtins import BUILTINS
from mt_operator.core.analysis.judge import Judgement, MetricVerdict, Verdict
from mt_operator.core.observed import Meta, ObservedModel, ObservedRun
from mt_operator.core.plan import Plan
from mt_operator.settings import Settings
from mt_operator.shell.gauges import unshown
from mt_operator.shell.metrics import Metrics, rollout_result, run_result
from mt_operator.shell.queue import Key

KEY = Key(names.MODEL_KIND, "team-a", "pt-en")
RUN = Key(names.RUN_KIND, "team-a", "pt-en-2")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SETTINGS = Settings(Images("t", "p"))
SPEC = {"sourceLanguage": "pt-BR", "targetLanguage": "en"}
PRODUCTION = {"revision": "r-1", "run": "pt-en-1"}
CANDIDATE = {
    "revision": "r-2",
    "run": "pt-en-2",
    "stage": "Canary",
    "stageSince": "2026-11-21T11:00:00Z",
    "weight": 10,
}
STATUS: dict[str, Any] = {
    "production": PRODUCTION,
    "candidate": CANDIDATE,
    "trafficBackend": "HTTPRoute",
    "conditions": [
        {"type": "Ready", "status": "True", "reason": "Serving"},
        {"type": "UpToDate", "status": "False", "reason": "Canary"},
        {"type": "TrafficSplitting", "status": "Unknown", "reason": "x"},
    ],
}
ERRORS = MetricVerdict(
    "errors", Verdict.FAILING, "5.1 %", "1 %", "maxRatio 1.5", 12.0, 400, False, "told"
)
JUDGEMENT = Judgement(Verdict.FAILING, (ERRORS,), 400)
MODEL = ObservedModel(NOW, Meta("pt-en", "team-a", "u"), SPEC, STATUS, SETTINGS)
PLACE = {"namespace": "team-a", "model": "pt-en"}


def shown(metrics: Metrics) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for metric in metrics.gauges.collect():
        for sample in metric.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, PLACE | labels)


def test_model_is_shown() -> None:
    metrics = Metrics()
    metrics.looked(KEY, MODEL, Plan(judgement=JUDGEMENT), wrote=False)
    info = {"source": "pt-BR", "target": "en", "backend": "HTTPRoute", **PRODUCTION}
    assert value(metrics, "mt_model_info", **info) == 1
    conditions = {"Ready": ("Serving", 1), "UpToDate": ("Canary", 0), "TrafficSplitting": ("x", -1)}
    for kind, (reason, expected) in conditions.items():
        assert value(metrics, "mt_model_condition", type=kind, reason=reason) == expected
    assert value(metrics, "mt_candidate_weight", revision="r-2") == 10
    assert value(metrics, "mt_candidate_stage", stage="Canary", revision="r-2") == 1
    since = value(metrics, "mt_candidate_stage_since_seconds")
    assert since == datetime(2026, 11, 21, 11, tzinfo=UTC).timestamp()
    assert value(metrics, "mt_analysis_verdict", metric="errors", verdict="Failing") == 1
    assert value(metrics, "mt_analysis_evidence", metric="errors") == 12
    assert value(metrics, "mt_analysis_requests") == 400
    measured = value(metrics, "mt_analysis_value", metric="errors", role="candidate")
    assert measured == pytest.approx(0.051)


@pytest.mark.parametrize("name", BUILTINS)
@pytest.mark.parametrize("number", [0.0, 0.0321, 0.999, 1.25, 60.0])
def test_number_that_a_verdict_shows_is_read_back(name: str, number: float) -> None:
    assert unshown(BUILTINS[name].show(number)) == pytest.approx(number, rel=0.005)


def test_verdict_without_a_number_shows_none() -> None:
    assert unshown(None) is None


def test_written_status_is_shown_at_once() -> None:
    metrics = Metrics()
    status = STATUS | {"candidate": CANDIDATE | {"weight": 50}}
    metrics.looked(KEY, MODEL, Plan(status=status), wrote=True)
    assert value(metrics, "mt_candidate_weight", revision="r-2") == 50
    metrics.looked(KEY, MODEL, Plan(status=status), wrote=False)  # it was refused
    assert value(metrics, "mt_candidate_weight", revision="r-2") == 10


def test_what_is_no_more_is_not_shown() -> None:
    metrics = Metrics()
    metrics.looked(KEY, MODEL, Plan(judgement=JUDGEMENT), wrote=False)
    calm = replace(MODEL, status={"production": PRODUCTION})
    metrics.looked(KEY, calm, Plan(), wrote=False)
    assert set(shown(metrics)) == {"mt_model_info"}
    metrics.gauges.forget(KEY)
    assert not shown(metrics)


def test_only_who_leads_shows_objects() -> None:
    metrics = Metrics()
    metrics.looked(KEY, MODEL, Plan(), wrote=False)
    metrics.gauges.shown = lambda: False
    assert not shown(metrics)


PROGRESS = {
    "stage": "Training",
    "progressPercentage": 42,
    "metrics": [{"name": "loss", "value": "2.31"}, {"name": "note", "value": "fine"}],
}


def test_run_is_shown_while_it_is_on_its_way() -> None:
    metrics = Metrics()
    spec = {"modelRef": {"name": "pt-en"}}
    run = ObservedRun(NOW, Meta("pt-en-2", "team-a", "u"), spec, {"progress": PROGRESS}, SETTINGS)
    metrics.looked(RUN, run, Plan(), wrote=False)
    of_run = {"namespace": "team-a", "run": "pt-en-2", "model": "pt-en"}
    assert shown(metrics) == {
        "mt_run_stage": [(of_run | {"stage": "Training"}, 1)],
        "mt_run_progress_ratio": [(of_run, 0.42)],
        "mt_run_metric": [(of_run | {"metric": "loss"}, 2.31)],
    }
    failed = {"type": "Failed", "status": "True", "reason": "DataInvalid"}
    ended = {"progress": PROGRESS, "conditions": [failed]}
    metrics.looked(RUN, run, Plan(status=ended), wrote=True)
    assert not shown(metrics)
    counted = metrics.registry.get_sample_value("mt_runs_total", {"result": "DataInvalid"})
    assert counted == 1


def rejected(run: str, reason: str) -> dict[str, Any]:
    return {"rejected": [{"run": run, "reason": reason}], "production": PRODUCTION}


@pytest.mark.parametrize(
    ("after", "result"),
    [
        pytest.param(STATUS | {"candidate": CANDIDATE | {"weight": 50}}, "", id="goes on"),
        pytest.param({"production": CANDIDATE}, "Promoted", id="in production"),
        pytest.param(rejected("pt-en-2", "AnalysisFailed"), "AnalysisFailed", id="turned down"),
        pytest.param(rejected("pt-en-0", "GateFailed"), "Superseded", id="gone without a reason"),
        pytest.param(
            STATUS | {"candidate": CANDIDATE | {"run": "pt-en-3"}}, "Superseded", id="superseded"
        ),
    ],
)
def test_result_of_a_rollout(after: dict[str, Any], result: str) -> None:
    assert rollout_result(STATUS, after) == result
    metrics = Metrics()
    metrics.looked(KEY, MODEL, Plan(status=after), wrote=True)
    counted = metrics.registry.get_sample_value("mt_rollouts_total", {"result": result or "x"})
    assert counted == (1 if result else None)


def test_no_candidate_has_no_result() -> None:
    assert rollout_result({}, STATUS) == ""


@pytest.mark.parametrize(
    ("before", "after", "result"),
    [
        pytest.param([], [("Succeeded", "True", "Completed")], "Completed", id="well"),
        pytest.param([], [("Failed", "False", "x")], "", id="not yet"),
        pytest.param([("Failed", "True", "x")], [("Failed", "True", "x")], "", id="told before"),
    ],
)
def test_result_of_a_run(before: Any, after: Any, result: str) -> None:
    statuses = [
        {"conditions": [dict(zip(("type", "status", "reason"), c, strict=True)) for c in entries]}
        for entries in (before, after)
    ]
    assert run_result(*statuses) == result
