"""Settings: what is unknown or wrong is named before anything starts; what is shipped is right."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.operator.shell.cluster import ROOT

from mt_contract.codec import DecodeError, camel
from mt_operator.settings import Settings, load

LEAST = {"images": {"trainer": "t", "predictor": "p"}}
PROMETHEUS = {"prometheus": {"url": "http://prometheus.monitoring:9090/base"}}
SHIPPED = sorted(ROOT.glob("manifests/**/settings*.yaml"))


def loaded(tree: Any, folder: Path) -> Settings:
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(tree))
    return load(path)


def receivers(**told: Any) -> dict[str, Any]:
    return LEAST | {"receivers": {"team": told}}


def query(promql: str, name: str = "complaints") -> dict[str, Any]:
    return LEAST | PROMETHEUS | {"queries": {name: {"promql": promql}}}


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        pytest.param(LEAST | {"image": {}}, "image: there is no such setting", id="unknown"),
        pytest.param(
            LEAST | {"gateways": {"default": {"name": "g", "namespace": "n", "host": "h"}}},
            "gateways.default.host: there is no such setting; there are hostname, name,",
            id="unknown in an entry",
        ),
        pytest.param(
            LEAST | {"prometheus": {"url": "http://p", "URL": "x"}}, "prometheus.URL", id="case"
        ),
        pytest.param(LEAST | {True: 1}, "True: there is no such setting", id="a key of YAML's own"),
        pytest.param(
            LEAST | {"prometheus": {"url": "prometheus:9090"}},
            "prometheus.url: 'prometheus:9090' is no http:// or https:// address",
            id="no address",
        ),
        pytest.param(
            LEAST | {"queries": {"q": {"promql": "up"}}}, "set prometheus.url", id="nobody to ask"
        ),
        pytest.param(query("  "), "queries.complaints.promql: is empty", id="empty query"),
        pytest.param(
            query('up{pod="{{pod}}"}'), "{{pod}} is no placeholder; there are", id="a placeholder"
        ),
        pytest.param(query("up", "Com plaints"), "queries.Com plaints: names have", id="a name"),
        pytest.param(receivers(), "receivers.team: give either url or urlFile", id="no receiver"),
        pytest.param(
            receivers(url="http://a/", urlFile="/b"), "give either url or urlFile", id="both"
        ),
        pytest.param(
            receivers(url="ftp://a/secret"), "receivers.team.url: is no http", id="another scheme"
        ),
        pytest.param(receivers(url_file="/b"), "receivers.team.url_file", id="another spelling"),
    ],
)
def test_wrong_settings_are_named(tree: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(DecodeError) as error:
        loaded(tree, tmp_path)
    assert said in str(error.value)
    assert "secret" not in str(error.value)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DecodeError) as error:
        loaded(receivers() | {"first": 1, "second": 2}, tmp_path)
    assert str(error.value).count(";") >= 4


def test_everything_can_be_set(tmp_path: Path) -> None:
    tree = query('sum(rate(c{model="{{model}}",r="{{revision}}",n="{{namespace}}"}[5m]))') | {
        "allowedImages": ["registry.example.com/*"],
        "gateways": {"default": {"name": "g", "namespace": "n", "section": "s", "port": 8080}},
        "receivers": {"team": {"urlFile": "/etc/a"}, "chat": {"url": "https://chat.example.com/x"}},
        "progressInterval": "1m",
        "drain": "5s",
        "imagePullPolicy": "Always",
        "cluster": "prod-eu",
    }
    found = loaded(tree, tmp_path)
    assert found.prometheus is not None
    assert found.prometheus.url == PROMETHEUS["prometheus"]["url"]
    assert found.receivers["team"].url_file == "/etc/a"
    assert found.cluster == "prod-eu"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_shipped_settings_are_right(path: Path) -> None:
    assert load(path).images.trainer


def test_shipped_examples_are_right_once_they_are_taken_in(tmp_path: Path) -> None:
    text = (ROOT / "manifests/base/manager/settings.yaml").read_text()
    taken = [
        line.removeprefix("# ") if re.match(r"# +[-\w]+:", line) else line
        for line in text.splitlines()
    ]
    path = tmp_path / "settings.yaml"
    path.write_text("\n".join(taken))
    found = load(path)
    assert found.prometheus
    assert set(found.queries) == {"complaints"}
    assert set(found.receivers) == {"mt-team"}


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    table = text.partition("## Settings")[2].partition("\n## ")[0]
    for setting in fields(Settings):
        assert f"`{camel(setting.name)}" in table, f"{setting.name} is not in docs/operations.md"
