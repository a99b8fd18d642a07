"""What Knative tells, decoded; and what a cluster offers, as far as it may be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mt_operator.core.observed import KnativeTarget
from mt_operator.shell.api import Object
from mt_operator.shell.errors import RefusedError
from mt_operator.shell.knative import knative_view
from mt_operator.shell.platform import config_of, read_config, serves_knative
from mt_operator.shell.views import front_view, service_view

NAME = "toy-mt-predictor-00002"
SERVICE: Object = {
    "metadata": {"name": "toy-mt", "namespace": "kn", "uid": "uid"},
    "spec": {"predictor": {"canaryTrafficPercent": 20}},
    "status": {
        "url": "http://toy-mt-predictor.kn.example.com",
        "components": {
            "predictor": {
                "latestCreatedRevision": NAME,
                "latestReadyRevision": NAME,
                "latestRolledoutRevision": "toy-mt-predictor-00001",
                "traffic": [
                    {"latestRevision": True, "percent": 20, "revisionName": NAME, "tag": "latest"},
                    {
                        "latestRevision": False,
                        "percent": 80,
                        "revisionName": "toy-mt-predictor-00001",
                        "tag": "prev",
                    },
                ],
            }
        },
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}


def revision(ready: str = "True", **condition: Any) -> Object:
    return {
        "metadata": {
            "name": NAME,
            "labels": {"translation.kubeflow.org/revision": "r-dce41331"},
            "annotations": {
                "autoscaling.knative.dev/max-scale": "4",
                "autoscaling.knative.dev/min-scale": "1",
                "translation.kubeflow.org/template-inputs": "sha256:5c",
            },
        },
        "status": {"conditions": [{"type": "Ready", "status": ready} | condition]},
    }


def pod(name: str = "p", of: str = NAME, ready: bool = True, **metadata: Any) -> Object:
    labels = {"serving.knative.dev/revision": of}
    conditions = [{"type": "Ready", "status": str(ready)}]
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    statuses = [] if ready else [{"state": waiting}]
    return {
        "metadata": {"name": name, "labels": labels} | metadata,
        "status": {"conditions": conditions, "containerStatuses": statuses},
    }


def test_traffic_and_revisions_are_read() -> None:
    pods = [pod(), pod("b", ready=False), pod("c", of="another"), pod("d", deletionTimestamp="x")]
    view = knative_view(SERVICE, [revision()], pods)
    assert (view.created, view.ready, view.rolled_out) == (NAME, NAME, "toy-mt-predictor-00001")
    assert view.traffic == (
        KnativeTarget(NAME, 20, True),
        KnativeTarget("toy-mt-predictor-00001", 80, False),
    )
    found = view.revisions[NAME]
    assert (found.revision, found.inputs) == ("r-dce41331", "sha256:5c")
    assert (found.min_scale, found.max_scale, found.ready_replicas) == (1, 4, 1)
    assert found.waiting == "ImagePullBackOff: no such image"


def test_service_that_knative_has_not_answered_says_nothing() -> None:
    view = knative_view(SERVICE | {"status": {}}, [], [])
    assert (view.created, view.traffic, view.revisions) == ("", (), {})


def test_revision_that_failed_says_why() -> None:
    failed = revision("False", reason="ContainerMissing", message="no image")
    assert (
        knative_view(SERVICE, [failed], []).revisions[NAME].waiting == "ContainerMissing: no image"
    )


def test_scale_that_is_not_written_has_no_bound() -> None:
    bare = revision() | {"metadata": {"name": NAME}}
    found = knative_view(SERVICE, [bare], []).revisions[NAME]
    assert (found.min_scale, found.max_scale, found.revision) == (0, 0, "")


def test_address_is_kserves() -> None:
    assert service_view(SERVICE, []).url == "http://toy-mt-predictor.kn.example.com"


def test_front_leads_to_what_it_selects() -> None:
    found = {
        "metadata": {"name": "toy-split", "namespace": "kn", "uid": "u"},
        "spec": {"selector": {"a": "b"}},
    }
    assert front_view(found).selector == {"a": "b"}


def config(mode: str | None = "Standard", gateway: bool | None = True) -> Object:
    ingress = {} if gateway is None else {"enableGatewayApi": gateway}
    return {
        "data": {
            "deploy": json.dumps({"defaultDeploymentMode": mode} if mode else {}),
            "ingress": json.dumps(ingress),
        }
    }


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(config(), ("Standard", True), id="Gateway API"),
        pytest.param(config("Serverless", False), ("Serverless", False), id="an old name"),
        pytest.param(config(None, None), ("", False), id="KServe's own defaults"),
        pytest.param({"data": {"deploy": "{", "ingress": "[]"}}, ("", False), id="no JSON"),
        pytest.param({}, ("", False), id="nothing in it"),
    ],
)
def test_configuration_of_kserve(found: Object, expected: tuple[str, bool]) -> None:
    assert config_of(found) == expected


class Cluster:
    """Answers what it has, and refuses what nobody may read."""

    def __init__(self, configs: dict[str, Object], refused: bool = False) -> None:
        self.configs, self.refused = configs, refused

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        assert (kind, name) == ("ConfigMap", "inferenceservice-config")
        if self.refused:
            raise RefusedError("get ConfigMap: forbidden")
        return self.configs.get(namespace)

    async def served(self, api_version: str) -> frozenset[str]:
        return frozenset({"revisions", "services"} if api_version in self.configs else ())


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        pytest.param(Cluster({"kserve": config()}), ("Standard", True), id="KServe's namespace"),
        pytest.param(Cluster({"kubeflow": config()}), ("Standard", True), id="Kubeflow's"),
        pytest.param(Cluster({}), ("", None), id="neither"),
        pytest.param(Cluster({}, refused=True), ("", None), id="it may not be read"),
    ],
)
async def test_configuration_is_read_where_it_may_be(
    cluster: Cluster, expected: tuple[str, bool | None]
) -> None:
    assert await read_config(cluster) == expected  # type: ignore[arg-type]  # two of its methods


async def test_knative_is_there_where_its_revisions_are_served() -> None:
    there, not_there = Cluster({"serving.knative.dev/v1": {}}), Cluster({})
    assert await serves_knative(there)  # type: ignore[arg-type]  # two of its methods
    assert not await serves_knative(not_there)  # type: ignore[arg-type]  # two of its methods
