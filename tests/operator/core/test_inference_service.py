"""InferenceServices as they are sent, and when one is sent at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.operator.model_builders import IMAGES, NAMESPACE, SETTINGS, UID, another
from tests.operator.serving_builders import OWNER, build, container

from mt_contract import names
from mt_operator.core.children.inference_service import inference_service, service_change
from mt_operator.core.observed import Meta, ServiceView
from mt_operator.core.plan import Child
from mt_operator.settings import Settings


def made(
    serving: Mapping[str, Any] | None = None, replicas: int = 0, settings: Settings = SETTINGS
) -> Child:
    return inference_service(OWNER, build(serving), replicas, settings)


def as_observed(child: Child, **changes: Any) -> ServiceView:
    metadata = child.manifest["metadata"]
    meta = Meta(
        metadata["name"],
        NAMESPACE,
        "uid-1",
        labels=metadata["labels"] | {"argocd.argoproj.io/instance": "theirs"},
        annotations=metadata["annotations"],
        owner=UID,
    )
    predictor = child.manifest["spec"]["predictor"] | {"timeoutSeconds": 60}
    return replace(ServiceView(meta, True, predictor), **changes)


def test_name_leads_to_a_service_with_a_valid_name() -> None:
    longest = replace(OWNER, name="m" * 42)
    manifest = inference_service(longest, build(), 0, SETTINGS).manifest
    assert len(manifest["metadata"]["name"] + "-predictor") <= 63


def test_own_route_of_kserve_is_off_so_that_a_dark_revision_is_dark() -> None:
    metadata = made().manifest["metadata"]
    assert metadata["labels"]["networking.kserve.io/visibility"] == "cluster-local"
    assert metadata["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"
    assert metadata["ownerReferences"][0]["controller"] is True


def test_container_serves_the_artifact_that_was_judged() -> None:
    found = container(made())
    env = {entry["name"]: entry["value"] for entry in found["env"]}
    assert found["image"] == IMAGES.predictor
    assert found["args"] == ["serve", "--model_name=pt-en", "--http_port=8080"]
    assert env["MT_MODEL_DIR"] == "/mnt/models"
    assert env["MT_ARTIFACT_DIGEST"] == "sha256:ab"
    assert env["MT_REVISION"] == "r-4c1f90ab"
    assert json.loads(env["MT_ENGINE"]) == {
        "engine": "CTranslate2",
        "precision": "Int8",
        "beamSize": 4,
    }
    assert json.loads(env["MT_SERVING"]) == {
        "maxBatchTokens": 4096,
        "maxBatchDelay": "5ms",
        "maxQueue": 512,
    }
    assert {
        "name": "artifact",
        "mountPath": "/mnt/models",
        "subPath": "pt-en/pt-en-7h2xk-0f8f9a5c/model",
        "readOnly": True,
    } in found["volumeMounts"]


@pytest.mark.parametrize(
    ("log", "told"),
    [
        pytest.param(None, None, id="not set: the pod is told nothing"),
        pytest.param(
            {"sink": "http://log:8080/a", "mode": "Response", "sample": "0.1"},
            {
                "sink": "http://log:8080/a",
                "mode": "Response",
                "sample": "0.1",
                "inferenceService": "pt-en-r-4c1f90ab",
                "namespace": NAMESPACE,
            },
            id="set: with whose requests they are",
        ),
    ],
)
def test_request_log_of_a_predictor(
    log: Mapping[str, str] | None, told: Mapping[str, str] | None
) -> None:
    child = made({"requestLog": log} if log else {})
    env = {entry["name"]: entry["value"] for entry in container(child)["env"]}
    assert json.loads(env.get("MT_REQUEST_LOG", "null")) == told
    if told:
        assert told["inferenceService"] == child.manifest["metadata"]["name"]


def test_pod_passes_pod_security_restricted() -> None:
    predictor, found = made().manifest["spec"]["predictor"], container(made())
    assert predictor["securityContext"]["runAsNonRoot"] is True
    assert predictor["securityContext"]["runAsUser"] == 65532
    assert predictor["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert found["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert predictor["automountServiceAccountToken"] is False
    assert predictor["serviceAccountName"] == "translation"


def test_pod_that_goes_drains_before_it_is_told_to_end() -> None:
    predictor, drain = made().manifest["spec"]["predictor"], SETTINGS.drain.total_seconds()
    assert container(made())["lifecycle"]["preStop"] == {"sleep": {"seconds": drain}}
    assert predictor["terminationGracePeriodSeconds"] > drain
    assert predictor["deploymentStrategy"]["rollingUpdate"]["maxUnavailable"] == 0


@pytest.mark.parametrize(
    ("bounds", "raised", "expected", "scaler"),
    [
        pytest.param({"min": 1, "max": 1}, 0, (1, 1), "none", id="a fixed number"),
        pytest.param({"min": 1, "max": 4}, 0, (1, 4), "hpa", id="an autoscaler"),
        pytest.param({"min": 1, "max": 4}, 3, (3, 4), "hpa", id="its share of production's pods"),
        pytest.param({"min": 2, "max": 4}, 1, (2, 4), "hpa", id="never below the user's minimum"),
        pytest.param({"min": 1, "max": 4}, 9, (4, 4), "hpa", id="never above the user's maximum"),
    ],
)
def test_replicas(
    bounds: Mapping[str, int], raised: int, expected: tuple[int, int], scaler: str
) -> None:
    manifest = made({"replicas": bounds}, raised).manifest
    predictor = manifest["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == expected
    assert manifest["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == scaler


def test_missing_service_is_made() -> None:
    assert service_change(made(), None) == made()


def test_service_as_it_should_be_is_not_sent() -> None:
    assert service_change(made(), as_observed(made())) is None


def test_service_that_is_being_removed_is_waited_for() -> None:
    view = as_observed(made())
    gone = replace(view, meta=replace(view.meta, deleting=True))
    assert service_change(made({"maxQueue": 9}), gone) is None


def test_template_of_another_release_is_not_sent() -> None:
    newer = inference_service(OWNER, build(), 0, another())
    assert newer != made()
    assert service_change(newer, as_observed(made())) is None


def test_changed_option_is_sent_whole() -> None:
    changed = made({"maxQueue": 9})
    assert service_change(changed, as_observed(made())) == changed


def test_changed_replicas_are_sent_with_the_rest_as_it_is() -> None:
    bounds = {"replicas": {"min": 1, "max": 4}}
    view = as_observed(made(bounds))
    change = service_change(made(bounds, 3, another()), view)
    assert change is not None
    assert change.manifest["spec"]["predictor"] == view.predictor | {"minReplicas": 3}
    metadata = change.manifest["metadata"]
    assert metadata["annotations"] == view.meta.annotations
    assert "argocd.argoproj.io/instance" not in metadata["labels"]
    assert metadata["labels"][names.LABEL_REVISION] == "r-4c1f90ab"


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        pytest.param({"maxBatchDelay": "9ms"}, True, id="a batch option"),
        pytest.param({"nodeSelector": {"disk": "fast"}}, True, id="a node selector"),
        pytest.param({"replicas": {"min": 1, "max": 3}}, True, id="a first autoscaler"),
        pytest.param({"replicas": {"min": 2, "max": 2}}, False, id="another fixed number"),
        pytest.param({"timeout": "1m"}, False, id="the route's time-out"),
        pytest.param({"requestLog": {"sink": "http://log"}}, True, id="a request log"),
    ],
)
def test_digest_changes_only_with_the_pods(change: Mapping[str, Any], differs: bool) -> None:
    def digest(child: Child) -> str:
        return str(child.manifest["metadata"]["annotations"][names.ANNOTATION_TEMPLATE])

    assert (digest(made(change)) != digest(made())) is differs
