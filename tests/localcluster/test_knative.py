"""Knative's manifests as they are fitted to a node, and when its pods count as ready."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import binaries, knative
from localcluster.cache import Cache
from localcluster.instance import Addition, Addresses, Instance
from localcluster.parts import knative as part

TAGS = {name: f"localhost/{name}:1" for name in binaries.NEEDED_BY_ADDITION[Addition.KNATIVE]}
BOOT = 1_700_000_000.0
BEFORE, AFTER = "2023-11-14T22:13:10Z", "2023-11-14T22:13:30Z"


def document(kind: str, name: str = "x", **rest: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name}, **rest}


def program(image: str) -> dict[str, Any]:
    container = {"name": "c", "image": image, "resources": {"limits": {"cpu": "1"}}}
    template = {"metadata": {"labels": {"app": "c"}}, "spec": {"containers": [container]}}
    return document("Deployment", spec={"template": template})


def config(name: str, **data: str) -> dict[str, Any]:
    made = document("ConfigMap", name, data=data)
    made["metadata"]["annotations"] = {"knative.dev/example-checksum": "1"}
    return made


def test_every_document_goes_to_the_file_that_is_applied_at_its_time() -> None:
    crd = document("CustomResourceDefinition")
    hook = document("ValidatingWebhookConfiguration")
    role, account = document("ClusterRole"), document("ServiceAccount")
    scaler = document("HorizontalPodAutoscaler")
    deployed = program("ko://knative.dev/serving/cmd/webhook")
    files = knative.fitted([hook, deployed, role, scaler, account, crd], TAGS)
    assert list(files) == list(knative.FILES)
    assert files[knative.CRDS] == [crd]
    assert files[knative.SETTINGS] == [role, account]
    assert files[knative.WEBHOOKS] == [hook]
    assert [each["kind"] for each in files[knative.PROGRAMS]] == ["Deployment"]


@pytest.mark.parametrize(
    ("package", "tag"),
    [
        pytest.param("knative.dev/serving/cmd/activator", "knative-activator", id="Serving's own"),
        pytest.param(
            "knative.dev/net-gateway-api/cmd/controller",
            "knative-gateway",
            id="another controller, told apart by its module",
        ),
    ],
)
def test_programs_run_from_images_of_the_node(package: str, tag: str) -> None:
    (deployed,) = knative.fitted([program(f"ko://{package}")], TAGS)[knative.PROGRAMS]
    (container,) = deployed["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"localhost/{tag}:1"
    assert container["imagePullPolicy"] == "Never"
    assert container["resources"] == {"limits": {"cpu": "1"}, "requests": knative.REQUESTS}


def test_a_program_without_an_image_is_not_applied_silently() -> None:
    with pytest.raises(KeyError, match="cmd/unknown"):
        knative.fitted([program("ko://knative.dev/serving/cmd/unknown")], TAGS)


def test_settings_are_ours_over_theirs_without_examples() -> None:
    shipped = config(
        "config-deployment",
        _example="…",
        **{"queue-sidecar-image": "ko://knative.dev/serving/cmd/queue"},
    )
    (made,) = knative.fitted([shipped], TAGS)[knative.SETTINGS]
    assert made["data"]["queue-sidecar-image"] == "localhost/knative-queue:1"
    assert "localhost" in made["data"]["registries-skipping-tag-resolving"]
    assert "_example" not in made["data"]
    assert "annotations" not in made["metadata"]
    (other,) = knative.fitted([config("config-gc", kept="1")], TAGS)[knative.SETTINGS]
    assert other["data"] == {"kept": "1"}


def test_both_kinds_of_gateways_are_the_one_gateway() -> None:
    gateways = knative.SETTINGS_DATA["config-gateway"]
    for name in ("external-gateways", "local-gateways"):
        (entry,) = yaml.safe_load(gateways[name])
        assert entry["gateway"] == "kserve/kserve-ingress-gateway"
        assert entry["service"] == "kserve/envoy"
    service = part.gateway_service()
    addresses = Addresses(IPv4Network("10.200.0.0/16"))
    behind: Any = part.gateway_endpoints(Instance("demo", Path("/c/demo"), addresses))
    assert service["metadata"] == behind["metadata"] == {"name": "envoy", "namespace": "kserve"}
    assert behind["subsets"][0]["addresses"] == [{"ip": "10.200.192.2"}]
    assert behind["subsets"][0]["ports"][0]["name"] == "http"


def test_an_image_holds_one_program_and_is_named_by_its_content() -> None:
    tags = knative.images(Cache(Path("/cache")))
    assert set(tags) == set(TAGS)
    built = binaries.path(Cache(Path("/cache")), binaries.COMPONENTS["knative-queue"])
    assert tags["knative-queue"] == (
        f"localhost/knative/queue:{built.parent.name.removeprefix('knative-queue-')}"
    )
    text = knative.dockerfile("knative-queue")
    assert "FROM ${BASE}\nCOPY knative-queue /knative-queue\n" in text


def pod(**changes: Any) -> dict[str, Any]:
    container = {"ready": True, "state": {"running": {"startedAt": AFTER}}} | changes
    return {"status": {"containerStatuses": [container]}}


@pytest.mark.parametrize(
    ("given", "runs"),
    [
        pytest.param(pod(), True, id="started and ready"),
        pytest.param(pod(state={"running": {"startedAt": BEFORE}}), False, id="an earlier start's"),
        pytest.param(pod(ready=False), False, id="not ready"),
        pytest.param(pod(state={"waiting": {"reason": "x"}}), False, id="said to be ready, waits"),
        pytest.param({"status": {}}, False, id="nothing is known of it"),
    ],
)
def test_a_pod_runs_if_this_start_of_the_node_started_it(given: dict[str, Any], runs: bool) -> None:
    assert part.runs_since(given, BOOT) is runs


@pytest.mark.parametrize(
    ("status", "done"),
    [
        pytest.param(
            {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
            True,
            id="the one pod is new and available",
        ),
        pytest.param(
            {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
            False,
            id="nobody has looked at it yet",
        ),
        pytest.param(
            {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1, "availableReplicas": 2},
            False,
            id="an older pod is still there",
        ),
        pytest.param({}, False, id="just made"),
    ],
)
def test_a_deployment_is_rolled_out_when_nothing_older_is_left(
    status: dict[str, int], done: bool
) -> None:
    made = {"metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": status}
    assert part.is_rolled_out(made) is done
