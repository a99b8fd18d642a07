"""Rules and dashboard: what they name is exposed, PromQL is valid, alerts come when they should."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.operator.shell.cluster import ROOT, documents, localcluster_python
from tests.operator.shell.exporter import predictors_text

from mt_contract import names
from mt_operator.shell.gauges import MODELS, OF_MODEL, OF_RUN, RUNS
from mt_operator.shell.metrics import Metrics

FOLDER = ROOT / "manifests/base/monitoring"
RULES: dict[str, Any] = yaml.safe_load((FOLDER / "rules.yaml").read_text())
CASES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "rules_test.yaml").read_text())
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EVERY_RULE = [rule for group in RULES["groups"] for rule in group["rules"]]
TARGET = {"namespace", "pod", "model"}  # labels that our PodMonitors give
SELECTOR = re.compile(r"\b((?:mt|translation|process)_[a-z0-9_]+)(?:\{([^}]*)\})?")
OF_PROCESS = {"process_start_time_seconds": set[str]()}  # where there is a /proc


def expressions() -> Iterator[tuple[str, str]]:
    """Yield all PromQL of rules and dashboard, and where it stands."""
    for rule in EVERY_RULE:
        yield rule["alert"], rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable.get("definition", ""))
        if found:
            yield variable["name"], f"max by ({found[2]}) ({found[1]})"


@cache
def exposed() -> dict[str, set[str]]:
    """Return the labels of every series that operator and predictor expose, by name."""
    found = dict(OF_PROCESS)
    for name, (_, labels) in MODELS.items():
        found[name] = {*OF_MODEL, *labels}
    for name, (_, labels) in RUNS.items():
        found[name] = {*OF_RUN, *labels}
    metrics = Metrics()
    metrics.count_alert("a", "Sent")
    metrics.count_write("create", "Job")
    metrics.seconds.labels("Job").observe(1)
    metrics.errors.labels("Job", "x").inc()
    metrics.runs.labels("x").inc()
    told = text_string_to_metric_families(predictors_text())
    for family in itertools.chain(metrics.registry.collect(), told):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize(("where", "promql"), list(expressions()), ids=lambda text: text[:40])
def test_what_is_asked_for_is_exposed(where: str, promql: str) -> None:
    named = SELECTOR.findall(promql)
    assert named, "it asks for nothing of ours"
    known: set[str] = {"le", *TARGET}
    for name, matchers in named:
        assert name in exposed(), f"{where}: nobody exposes {name}"
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        assert asked <= exposed()[name] | TARGET, f"{where}: {name} has no such label"
        known |= exposed()[name]
    for labels in re.findall(r"(?:by|on|group_left)\s*\(([^)]*)\)", promql):
        assert {label.strip() for label in labels.split(",") if label} <= known, where


def test_every_metric_of_the_operator_is_documented() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    for family in Metrics().registry.collect():
        ending = {"counter": "_total"}.get(family.type, "")
        assert f"| `{family.name}{ending}` |" in text


def test_operators_rules_are_the_same_in_both_forms() -> None:
    (rule,) = documents(FOLDER / "prometheus_rule.yaml")
    assert rule["spec"] == RULES


def monitors() -> dict[str, dict[str, Any]]:
    return {
        each["metadata"]["name"]: each["spec"] for each in documents(FOLDER / "pod_monitors.yaml")
    }


def test_monitors_find_the_pods() -> None:
    (deployment, *_) = documents(ROOT / "manifests/base/manager/deployment.yaml")
    labels = {
        "mt-operator": deployment["spec"]["template"]["metadata"]["labels"],
        "mt-predictors": names.labels("predictor", model="m", revision="r"),
    }
    for name, spec in monitors().items():
        assert spec["selector"]["matchLabels"].items() <= labels[name].items()
    label = re.sub(r"[^a-z]", "_", names.LABEL_MODEL)
    assert label in json.dumps(monitors()["mt-predictors"])


@pytest.mark.parametrize(
    ("ip", "revision", "address"),
    [
        pytest.param("10.0.0.7", "", f"10.0.0.7:{names.METRICS_PORT}", id="Standard"),
        pytest.param("10.0.0.7", "m-00001", f"10.0.0.7:{names.HTTP_PORT}", id="Knative"),
        pytest.param("fd00::7", "", f"[fd00::7]:{names.METRICS_PORT}", id="IPv6"),
        pytest.param("fd00::7", "m-00001", f"[fd00::7]:{names.HTTP_PORT}", id="IPv6 in Knative"),
    ],
)
def test_predictor_is_scraped_where_it_shows_its_metrics(
    ip: str, revision: str, address: str
) -> None:
    (endpoint,) = monitors()["mt-predictors"]["podMetricsEndpoints"]
    label = "__meta_kubernetes_pod_label_serving_knative_dev_revision"
    labels = {"__meta_kubernetes_pod_ip": ip, label: revision}
    found = []
    for rule in endpoint["relabelings"]:
        if rule.get("targetLabel") != "__address__":
            continue
        matched = re.fullmatch(rule["regex"], ";".join(labels[key] for key in rule["sourceLabels"]))
        if matched:
            found.append(matched.expand(rule["replacement"].replace("$1", r"\1")))
    assert found == [address]


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule["alert"])
def test_alert_says_what_to_do_and_is_tested_both_ways(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert len(rule["annotations"]["description"]) > 40
    tried = [t for case in CASES["tests"] for t in case["alert_rule_test"]]
    mine = [bool(t.get("exp_alerts")) for t in tried if t["alertname"] == rule["alert"]]
    assert set(mine) == {True, False}


def test_dashboard_is_one_that_grafana_loads() -> None:
    assert DASHBOARD["schemaVersion"] >= 36
    assert DASHBOARD["uid"]
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    variables = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert variables == ["datasource", "namespace", "model"]
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = set(
            itertools.product(
                range(place["x"], place["x"] + place["w"]),
                range(place["y"], place["y"] + place["h"]),
            )
        )
        assert not cells & taken, f"{panel['title']} lies on another panel"
        assert place["x"] + place["w"] <= 24
        taken |= cells


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_panel(panel: dict[str, Any]) -> None:
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    letters = [target["refId"] for target in panel["targets"]]
    assert letters
    assert len(set(letters)) == len(letters)
    for target in panel["targets"]:
        for variable in re.findall(r"\$(\w+)", target["expr"]):
            assert variable in ("namespace", "model", "__rate_interval", "__range")


def built(tool: str) -> str:
    """Return a program that the local cluster builds."""
    done = subprocess.run(
        [localcluster_python(), "-m", "localcluster", "build-tool", tool],
        env=os.environ | {"PYTHONPATH": str(ROOT / "localcluster")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=1800,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def promtool() -> str:
    return built("promtool")


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1900)
def test_alerts_come_when_they_should(promtool: str, tmp_path: Path) -> None:
    run(promtool, "check", "rules", "--lint-fatal", str(FOLDER / "rules.yaml"), folder=tmp_path)
    rules = deepcopy(RULES)
    for rule in itertools.chain(*(group["rules"] for group in rules["groups"])):
        del rule["annotations"]["description"]  # promtool compares whole texts; this is for people
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(CASES))
    run(promtool, "test", "rules", "test.yaml", folder=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1900)
def test_dashboard_asks_in_promql(promtool: str, tmp_path: Path) -> None:
    rules = []
    for number, (_, promql) in enumerate(expressions()):
        filled = (
            re.sub(r"\$__\w+", "5m", promql).replace("$namespace", ".*").replace("$model", ".*")
        )
        rules.append({"record": f"panel:{number}", "expr": filled})
    written = {"groups": [{"name": "dashboard", "rules": rules}]}
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump(written))
    run(promtool, "check", "rules", "panels.yaml", folder=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1900)
def test_relabelings_are_prometheus_own(promtool: str, tmp_path: Path) -> None:
    (endpoint,) = monitors()["mt-predictors"]["podMetricsEndpoints"]
    snake = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    rules = [{snake.get(key, key): v for key, v in r.items()} for r in endpoint["relabelings"]]
    job = {"job_name": "a", "kubernetes_sd_configs": [{"role": "pod"}], "relabel_configs": rules}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"scrape_configs": [job]}))
    run(promtool, "check", "config", "config.yaml", folder=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1900)
def test_overlay_with_monitoring_is_whole(tmp_path: Path) -> None:
    there = os.path.relpath(ROOT / "manifests", tmp_path)
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "translation-system",
        "resources": [f"{there}/overlays/standalone"],
        "components": [f"{there}/base/monitoring"],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    text = run(built("kubectl"), "kustomize", str(tmp_path), folder=tmp_path)
    found = {(d["kind"], d["metadata"]["name"]): d for d in yaml.safe_load_all(text)}
    for key in (
        ("PodMonitor", "mt-operator"),
        ("PodMonitor", "mt-predictors"),
        ("PrometheusRule", "mt-rules"),
        ("NetworkPolicy", "mt-operator-prometheus"),
    ):
        assert found[key]["metadata"]["namespace"] == "translation-system"
    dashboard = found["ConfigMap", "mt-dashboard"]
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(dashboard["data"]["translation.json"]) == DASHBOARD
