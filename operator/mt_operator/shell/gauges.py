"""What every object is like now, as metrics: taken from its status at each look, gone with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mt_contract import names
from mt_contract.codec import parse_time
from mt_operator.core.analysis.judge import Judgement
from mt_operator.core.observed import Tree
from mt_operator.shell.queue import Key
from mt_operator.shell.runs import finished

OF_MODEL, OF_RUN = ("namespace", "model"), ("namespace", "run", "model")
# Every gauge: what it means, and its labels besides those of its object.
MODELS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "mt_model_info": (
        "A TranslationModel and what serves; 1.",
        ("source", "target", "backend", "revision", "run"),
    ),
    "mt_model_condition": ("A condition: 1 True, 0 False, -1 Unknown.", ("type", "reason")),
    "mt_candidate_stage": ("The stage that the candidate is in; 1.", ("stage", "revision")),
    "mt_candidate_stage_since_seconds": ("When that stage began, in seconds since 1970.", ()),
    "mt_candidate_weight": ("Percent of the traffic that the candidate gets.", ("revision",)),
    "mt_analysis_verdict": ("What the last look says of a metric; 1.", ("metric", "verdict")),
    "mt_analysis_value": ("A metric as measured since the weight was given.", ("metric", "role")),
    "mt_analysis_evidence": ("From 1 on, a look counts as failed.", ("metric",)),
    "mt_analysis_requests": ("Requests that the candidate was judged by.", ()),
}
RUNS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "mt_run_stage": ("The stage that a run is in; 1.", ("stage",)),
    "mt_run_progress_ratio": ("How much of a training is done, from 0 to 1.", ()),
    "mt_run_metric": ("What a training last told of itself.", ("metric",)),
}
UNITS = {"%": 0.01, "ms": 0.001}


class Point(NamedTuple):
    """One value of one gauge, without the labels of its object."""

    gauge: str
    value: float
    labels: tuple[str, ...] = ()


@dataclass(eq=False)
class Gauges(Collector):
    """The gauges of all objects. Only who leads shows any: nobody else keeps them up to date."""

    shown: Callable[[], bool] = lambda: True
    _points: dict[Key, tuple[tuple[str, ...], tuple[Point, ...]]] = field(default_factory=dict)

    def model(self, key: Key, spec: Tree, status: Tree, judgement: Judgement | None) -> None:
        """Show a model as it is now, and what the last look says of its candidate."""
        points = (*_model(spec, status), *_judged(judgement))
        self._points[key] = ((key.namespace, key.name), points)

    def run(self, key: Key, model: str, status: Tree) -> None:
        """Show a run while it is on its way."""
        points = tuple(_run(status))
        if points:
            self._points[key] = ((key.namespace, key.name, model), points)
        else:
            self.forget(key)

    def forget(self, key: Key) -> None:
        """Show nothing of an object any more."""
        self._points.pop(key, None)

    def collect(self) -> Iterator[Metric]:
        """Return the gauges, each with all of its objects."""
        tables = ((names.MODEL_KIND, OF_MODEL, MODELS), (names.RUN_KIND, OF_RUN, RUNS))
        for kind, own, table in tables:
            families = {
                name: GaugeMetricFamily(name, text, labels=[*own, *labels])
                for name, (text, labels) in table.items()
            }
            shown = list(self._points.items()) if self.shown() else []
            for key, (labels, points) in shown:
                for point in points if key.kind == kind else ():
                    families[point.gauge].add_metric([*labels, *point.labels], point.value)
            yield from families.values()

    def describe(self) -> Iterable[Metric]:
        """Return no names beforehand, so that registering collects nothing."""
        return ()


def _model(spec: Tree, status: Tree) -> Iterator[Point]:
    production, candidate = status.get("production") or {}, status.get("candidate") or {}
    pair = (str(spec.get("sourceLanguage")), str(spec.get("targetLanguage")))
    serves = (str(production.get("revision", "")), str(production.get("run", "")))
    yield Point("mt_model_info", 1, (*pair, str(status.get("trafficBackend") or ""), *serves))
    for condition in status.get("conditions") or ():
        value = {"True": 1.0, "False": 0.0}.get(condition.get("status"), -1.0)
        labels = (str(condition.get("type")), str(condition.get("reason")))
        yield Point("mt_model_condition", value, labels)
    if candidate:
        revision = str(candidate.get("revision", ""))
        yield Point("mt_candidate_stage", 1, (str(candidate.get("stage")), revision))
        yield Point("mt_candidate_weight", _number(candidate.get("weight")) or 0.0, (revision,))
        since = _moment(candidate.get("stageSince"))
        if since is not None:
            yield Point("mt_candidate_stage_since_seconds", since)


def _judged(judgement: Judgement | None) -> Iterator[Point]:
    if judgement is None:
        return
    yield Point("mt_analysis_requests", judgement.requests)
    for metric in judgement.metrics:
        yield Point("mt_analysis_verdict", 1, (metric.name, str(metric.verdict)))
        yield Point("mt_analysis_evidence", metric.evidence, (metric.name,))
        for role, text in (("candidate", metric.value), ("production", metric.reference)):
            value = unshown(text)
            if value is not None:
                yield Point("mt_analysis_value", value, (metric.name, role))


def unshown(text: str | None) -> float | None:
    """Return the number that a verdict shows to people ("5.1 %", "120 ms"), without its unit."""
    number, _, unit = (text or "").partition(" ")
    value = _number(number)
    return None if value is None else value * UNITS.get(unit, 1.0)


def _run(status: Tree) -> Iterator[Point]:
    progress = status.get("progress") or {}
    if not progress or finished(status):
        return
    yield Point("mt_run_stage", 1, (str(progress.get("stage")),))
    percentage = _number(progress.get("progressPercentage"))
    if percentage is not None:
        yield Point("mt_run_progress_ratio", percentage / 100)
    for metric in progress.get("metrics") or ():
        value = _number(metric.get("value"))
        if value is not None:
            yield Point("mt_run_metric", value, (str(metric.get("name")),))


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _moment(value: Any) -> float | None:
    try:
        return parse_time(value).timestamp()
    except (TypeError, ValueError):
        return None
