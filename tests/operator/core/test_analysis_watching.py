"""What is read, and when nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from mt_contract.codec import DecodeError
from mt_contract.defaults import ANALYSIS
from mt_contract.names import inference_service_name
from mt_operator.core.analysis.watching import Watch, fill, watch
from mt_operator.core.observed import Meta
from mt_operator.settings import Query, Settings

META = Meta("pt-en", "team-a", "uid")
PROMQL = 'rate(complaints{ns="{{namespace}}",model="{{model}}",revision="{{revision}}"}[5m])'
SETTINGS = Settings(images=None, queries={"complaints": Query(PROMQL), "other": Query("up")})  # type: ignore[arg-type] # no image is asked for here


def _status(stage: str = "Canary", **changes: Any) -> dict[str, Any]:
    candidate = {"stage": stage, "revision": "r-new", "rollout": {"analysis": dict(ANALYSIS)}}
    return {"production": {"revision": "r-old"}, "candidate": candidate} | changes


def _watched(status: Mapping[str, Any]) -> Watch:
    found = watch(META, status, SETTINGS)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(_status(), True, id="a candidate with weight"),
        pytest.param(_status("ServingCheck"), True, id="one that is about to get weight"),
        pytest.param(_status("AwaitingApproval"), True, id="one that waits for approval"),
        pytest.param(_status("Promoting"), True, id="one that is promoted"),
        pytest.param(_status("RollingBack"), False, id="one that is rolled back"),
        pytest.param(_status("Deploying"), False, id="one without pods yet"),
        pytest.param(_status("Training", candidate={"stage": "Training"}), False, id="a run"),
        pytest.param(_status(candidate=None), False, id="no candidate"),
        pytest.param({}, False, id="a new model"),
        pytest.param(
            _status(candidate={"stage": "Canary", "revision": "r-new", "rollout": {}}),
            False,
            id="a candidate that is judged by its readiness alone",
        ),
    ],
)
def test_when(status: Mapping[str, Any], expected: bool) -> None:
    assert (watch(META, status, SETTINGS) is not None) == expected


def test_both_revisions_by_their_services() -> None:
    found = _watched(_status())
    assert found.revisions == ("r-new", "r-old")
    assert found.services == {
        revision: inference_service_name("pt-en", revision) for revision in ("r-new", "r-old")
    }
    assert (found.provider, found.interval) == ("Pods", timedelta(seconds=30))


def test_in_knative_mode_both_are_revisions_of_one_service() -> None:
    found = _watched(_status(trafficBackend="KServeKnative"))
    assert set(found.services.values()) == {"pt-en-mt"}


def test_a_first_deployment_has_no_production_to_read() -> None:
    found = _watched(_status(production=None))
    assert (found.revisions, found.production) == (("r-new",), None)


def test_queries_that_are_asked_for_and_known_are_filled_in() -> None:
    metrics = [
        {"name": "a", "query": "complaints", "max": "3"},
        {"name": "b", "query": "unknown", "max": "3"},
    ]
    asked = {"stage": "Canary", "revision": "r-new", "rollout": {"analysis": dict(ANALYSIS)}}
    asked["rollout"] = {"analysis": dict(ANALYSIS) | {"metrics": metrics}}
    found = _watched(_status(candidate=asked))
    assert found.queries == {
        "complaints": {
            revision: f'rate(complaints{{ns="team-a",model="pt-en",revision="{revision}"}}[5m])'
            for revision in ("r-new", "r-old")
        }
    }


def test_what_is_filled_in_cannot_end_its_label_value() -> None:
    assert fill('up{r="{{revision}}"}', META, 'a"} or vector(1)\\') == (
        'up{r="a\\"} or vector(1)\\\\"}'
    )


def test_a_status_that_somebody_broke_is_named() -> None:
    broken = {"stage": "Canary", "revision": "r-new", "rollout": {"analysis": {"interval": "x"}}}
    with pytest.raises(DecodeError, match=r"status\.candidate\.rollout\.analysis\.interval"):
        watch(META, _status(candidate=broken), SETTINGS)
