"""Fields that this release does not act on are refused by name; all others are let through."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operator.builders import SPEC, spec_with

from mt_operator.core.supported import UNSUPPORTED, unsupported_message, values_at

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "storage.uri": ({"storage": {"uri": "s3://bucket/x"}}, "spec.storage.uri (write pvc://"),
    "retrain": ({"retrain": {"schedule": {"cron": "0 3 * * 1"}}}, "spec.retrain"),
    "tracking.modelRegistry": (
        {"tracking": {"modelRegistry": {"url": "http://hub"}}},
        "spec.tracking.modelRegistry",
    ),
}


def test_every_field_of_the_table_has_a_case() -> None:
    assert {field.path for field in UNSUPPORTED} == set(CASES)


@pytest.mark.parametrize("path", CASES)
def test_a_field_that_is_not_acted_on_is_refused_by_name(path: str) -> None:
    changes, words = CASES[path]
    message = unsupported_message(spec_with(**changes))
    assert message is not None
    assert words in message
    assert message.count("spec.") == 1


ALLOWED: list[Any] = [
    pytest.param({}, id="nothing"),
    pytest.param({"data": {"format": "TSV"}}, id="TSV"),
    pytest.param({"training": {"nodes": 4}}, id="several nodes"),
    pytest.param({"training": {"warmStartFrom": "Production"}}, id="a warm start"),
    pytest.param({"import": {"uri": "pvc://models/elsewhere"}}, id="an import"),
    pytest.param({"import": {"uri": "hf://org/model"}}, id="an import from elsewhere"),
    pytest.param({"tracking": {"mlflow": {"trackingUri": "http://mlflow"}}}, id="MLflow"),
    pytest.param(
        {"data": {"format": "JSONL", "fields": {"source": "pt"}}}, id="columns with names"
    ),
    pytest.param(
        {"data": {"train": [{"uri": "s3://b/x.pt", "targetUri": "s3://b/x.en"}]}},
        id="two files, in a bucket",
    ),
    pytest.param({"data": {"checks": {"maxDivergence": "0.2"}}}, id="divergence"),
    pytest.param({"evaluation": {"baseline": "None"}}, id="no baseline"),
    pytest.param({"serving": {"engine": "TensorFlow"}}, id="the second engine"),
    pytest.param({"serving": {"requestLog": {"sink": "http://log"}}}, id="a request log"),
    pytest.param(
        {"serving": {"engine": "Auto", "deploymentMode": "Knative", "replicas": {"max": 4}}},
        id="engine and mode that there are",
    ),
    pytest.param(
        {"rollout": {"steps": [{"setWeight": 5}, {"pause": {"duration": "1m"}}]}},
        id="a pause that ends",
    ),
    pytest.param({"retrain": {}, "alerts": [], "tracking": {}}, id="empty objects ask for nothing"),
]


@pytest.mark.parametrize("changes", ALLOWED)
def test_what_is_acted_on_is_let_through(changes: dict[str, Any]) -> None:
    assert unsupported_message(spec_with(**changes)) is None


def test_all_refused_fields_are_named_at_once() -> None:
    changes: Any = {
        "storage": {"uri": "gs://b"},
        "tracking": {"modelRegistry": {"url": "http://r"}},
    }
    message = unsupported_message(spec_with(**changes))
    assert message == (
        "This release does not act on spec.storage.uri (write pvc://<claim>/<path>); "
        "spec.tracking.modelRegistry (remove it: a run's folder holds it all)."
    )


def test_paths_walk_lists_and_stop_where_nothing_is() -> None:
    found = list(values_at(SPEC, "data.train[].uri"))
    assert found == [("data.train[0].uri", "pvc://corpora/train.tsv")]
    assert list(values_at({"data": None}, "data.train[].uri")) == []
    assert list(values_at({"data": {"train": None}}, "data.train[].uri")) == []
