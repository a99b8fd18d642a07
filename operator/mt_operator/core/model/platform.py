"""Does the platform have what the spec names: queries, a Prometheus, receivers of alerts?"""

from __future__ import annotations

from collections.abc import Collection

from mt_operator.core.model.turn import Kind, Obstacle, Situation
from mt_operator.core.reasons import Reason


def platform_lacks(s: Situation) -> Obstacle | None:
    """Return what the spec names that the operator's settings do not know, or None."""
    settings, analysis = s.observed.settings, s.rollout.analysis
    measures = analysis.metrics if analysis else ()
    queries = [measure.query for measure in measures if measure.query is not None]
    asks_prometheus = analysis is not None and analysis.provider == "Prometheus"
    if settings.prometheus is None and (asks_prometheus or queries):
        told = (
            "spec.rollout.analysis needs a Prometheus, and the operator's settings name none. "
            "Write provider: Pods and remove the metrics with a query, or ask the platform team "
            "to set prometheus.url."
        )
        return Obstacle(Kind.PERSON, Reason.NO_PROMETHEUS, told)
    for query in queries:
        if query not in settings.queries:
            told = _unknown("query", query, settings.queries, "spec.rollout.analysis.metrics")
            return Obstacle(Kind.PERSON, Reason.UNKNOWN_QUERY, told)
    for alert in s.spec.get("alerts") or ():
        if alert.get("receiver") not in settings.receivers:
            told = _unknown("receiver", alert.get("receiver"), settings.receivers, "spec.alerts")
            return Obstacle(Kind.PERSON, Reason.UNKNOWN_RECEIVER, told)
    return None


def _unknown(what: str, name: object, known: Collection[str], where: str) -> str:
    listed = ", ".join(sorted(known)) or "none"
    return (
        f"The operator's settings know no {what} {name!r}; they know: {listed}. Use one of these "
        f"in {where}, or ask the platform team to add it."
    )
