"""What Katib makes of the sample's template is a TrainingRun that a real API server accepts."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from tests.crds.apiserver import Api
from tests.crds.cases import SAMPLES

pytestmark = pytest.mark.apiserver
SPEC = yaml.safe_load((SAMPLES / "katib/experiment.yaml").read_text(encoding="utf-8"))["spec"]
PARAMETERS = {p["name"]: p["feasibleSpace"]["list"] for p in SPEC["parameters"]}


def trial(**chosen: str) -> Any:
    """Return a trial with the first value of every parameter, but for those given."""
    text = json.dumps(SPEC["trialTemplate"]["trialSpec"])
    for name, values in PARAMETERS.items():
        text = text.replace(f"${{trialParameters.{name}}}", chosen.get(name, values[0]))
    assert "${" not in text
    return json.loads(text) | {"metadata": {"name": "pt-en-search-x7k2m9qd"}}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in PARAMETERS.items() for value in values]
)
def test_every_value_is_accepted(api: Api, name: str, value: str) -> None:
    answer = api.create(trial(**{name: value}))
    assert answer.accepted, answer.message


def test_a_value_that_is_none_is_refused(api: Api) -> None:
    assert "learningRate" in api.create(trial(learningRate="fast")).message
