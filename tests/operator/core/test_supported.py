"""Fields that this release does not act on are refused by name; all others are let through."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operator.builders import SPEC, spec_with

from mt_operator.core.supported import UNSUPPORTED, unsupported_message, values_at


def source(**keys: str) -> list[dict[str, str]]:
    return [{"uri": "pvc://corpora/a.tsv"}, {"uri": "pvc://corpora/b.tsv"} | keys]


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "storage.uri": ({"storage": {"uri": "s3://bucket/x"}}, "spec.storage.uri"),
    "data.format": ({"data": {"format": "JSONL"}}, "spec.data.format"),
    "data.fields": ({"data": {"fields": {"source": "pt"}}}, "spec.data.fields"),
    "data.train[].uri": (
        {"data": {"train": source(uri="hf://opus/x")}},
        "spec.data.train[1].uri (copy it to a claim",
    ),
    "data.train[].targetUri": (
        {"data": {"train": source(targetUri="pvc://corpora/b.en")}},
        "spec.data.train[1].targetUri",
    ),
    "data.validation[].uri": (
        {"data": {"validation": source(uri="file:///etc/passwd")}},
        "spec.data.validation[1].uri",
    ),
    "data.validation[].targetUri": (
        {"data": {"validation": source(targetUri="pvc://corpora/b.en")}},
        "spec.data.validation[1].targetUri",
    ),
    "data.test[].uri": ({"data": {"test": source(uri="gs://b/x")}}, "spec.data.test[1].uri"),
    "data.test[].targetUri": (
        {"data": {"test": source(targetUri="pvc://corpora/b.en")}},
        "spec.data.test[1].targetUri",
    ),
    "data.checks.maxDivergence": (
        {"data": {"checks": {"maxDivergence": "0.2"}}},
        "spec.data.checks.maxDivergence",
    ),
    "training.warmStartFrom": (
        {"training": {"warmStartFrom": "Production"}},
        "spec.training.warmStartFrom",
    ),
    "import": ({"import": {"uri": "pvc://models/x/model"}}, "spec.import"),
    "serving.engine": ({"serving": {"engine": "TensorFlow"}}, "spec.serving.engine"),
    "serving.requestLog": (
        {"serving": {"requestLog": {"sink": "http://log"}}},
        "spec.serving.requestLog",
    ),
    "retrain": ({"retrain": {"schedule": {"cron": "0 3 * * 1"}}}, "spec.retrain"),
    "tracking": ({"tracking": {"mlflow": {"trackingUri": "http://m"}}}, "spec.tracking"),
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
    pytest.param({"training": {"nodes": 4, "warmStartFrom": "None"}}, id="several nodes"),
    pytest.param({"evaluation": {"baseline": "None"}}, id="no baseline"),
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
    changes: Any = {"tracking": {"mlflow": {}}, "serving": {"engine": "TensorFlow"}}
    message = unsupported_message(spec_with(**changes))
    assert message == (
        "This release does not act on spec.serving.engine (write CTranslate2 or Auto); "
        "spec.tracking (remove it: a run's own folder holds everything)."
    )


def test_paths_walk_lists_and_stop_where_nothing_is() -> None:
    found = list(values_at(SPEC, "data.train[].uri"))
    assert found == [("data.train[0].uri", "pvc://corpora/train.tsv")]
    assert list(values_at({"data": None}, "data.train[].uri")) == []
    assert list(values_at({"data": {"train": None}}, "data.train[].uri")) == []
