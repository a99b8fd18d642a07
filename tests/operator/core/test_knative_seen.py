"""What counts as in force, ready and waiting, of what Knative showed on a real cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.operator.model_builders import IMAGES, MODEL, NAMESPACE, SETTINGS, UID
from tests.operator.serving_builders import OWNER, build, container

from mt_contract import names
from mt_operator.core.children.knative_service import (
    DARK,
    Exposure,
    exposed,
    is_public,
    knative_service,
    percent_of,
)
from mt_operator.core.model.backends.knative_seen import complaint, seen, serving, shares
from mt_operator.core.observed import (
    KnativeRevision,
    KnativeTarget,
    KnativeView,
    Meta,
    ServiceView,
)
from mt_operator.core.plan import Child

LOAD = timedelta(minutes=5)
OLD, NEW = "r-old", "r-new"
REVISIONS = {
    "old-1": KnativeRevision(OLD, "inputs-old", ready_replicas=1, min_scale=1, max_scale=4),
    "new-2": KnativeRevision(NEW, "inputs-new", ready_replicas=1, min_scale=1),
}
SPLIT = (KnativeTarget("new-2", 20, True), KnativeTarget("old-1", 80, False))
LOADING = (KnativeTarget("old-1", 20, True), KnativeTarget("old-1", 80, False))
CANARY = KnativeView("new-2", "new-2", "old-1", SPLIT, REVISIONS)


def shown(
    knative: KnativeView, percent: int | None = 20, ready: bool = True, message: str = ""
) -> ServiceView:
    """Return an InferenceService with the template of the new revision."""
    meta = Meta(
        f"{MODEL}-mt",
        NAMESPACE,
        "uid",
        labels={names.LABEL_REVISION: NEW},
        annotations={names.ANNOTATION_TEMPLATE: "inputs-new"},
        owner=UID,
    )
    predictor = {} if percent is None else {"canaryTrafficPercent": percent}
    failed = bool(message)
    return ServiceView(meta, ready, predictor, message=message, failed=failed, knative=knative)


@pytest.mark.parametrize(
    ("view", "settled", "parts"),
    [
        pytest.param(shown(CANARY), True, {OLD: 80, NEW: 20}, id="a canary in force"),
        pytest.param(
            shown(replace(CANARY, ready="old-1", traffic=LOADING), ready=False),
            False,
            {OLD: 100},
            id="it loads: 20 and 80 are both shown on the old one",
        ),
        pytest.param(
            shown(
                replace(
                    CANARY,
                    created="old-1",
                    ready="old-1",
                    traffic=(KnativeTarget("old-1", 100, True),),
                )
            ),
            False,
            {OLD: 100},
            id="KServe has not acted on the template: Ready is still about the old one",
        ),
        pytest.param(
            shown(CANARY, percent=50), False, {OLD: 80, NEW: 20}, id="50 was patched a moment ago"
        ),
        pytest.param(
            shown(CANARY, ready=False), False, {OLD: 80, NEW: 20}, id="ReconcileFailed flickers"
        ),
        pytest.param(
            shown(replace(CANARY, traffic=(KnativeTarget("new-2", 100, True),)), percent=100),
            True,
            {NEW: 100},
            id="promoted",
        ),
        pytest.param(
            shown(replace(CANARY, traffic=(KnativeTarget("new-2", 100, True),)), percent=None),
            True,
            {NEW: 100},
            id="no percentage is 100",
        ),
        pytest.param(
            shown(replace(CANARY, traffic=(KnativeTarget("old-1", 100, False),)), percent=0),
            True,
            {OLD: 100},
            id="0 may leave no entry for the latest one",
        ),
        pytest.param(
            shown(CANARY, percent=101), False, {OLD: 80, NEW: 20}, id="KServe accepts 101"
        ),
    ],
)
def test_in_force(view: ServiceView, settled: bool, parts: Mapping[str, int]) -> None:
    found = seen(view)
    assert found is not None
    assert found.settled is settled
    assert shares(found) == parts


def _pods(**ready: int) -> KnativeView:
    revisions = {
        name: replace(each, ready_replicas=ready[each.revision.removeprefix("r-")])
        for name, each in REVISIONS.items()
    }
    return replace(CANARY, revisions=revisions)


@pytest.mark.parametrize(
    ("view", "ready"),
    [
        pytest.param(shown(CANARY), {OLD, NEW}, id="both"),
        pytest.param(shown(CANARY, ready=False), {OLD, NEW}, id="Ready that flickers"),
        pytest.param(shown(CANARY, percent=50), {OLD, NEW}, id="another percentage on its way"),
        pytest.param(shown(_pods(old=1, new=0)), {OLD}, id="a canary that died"),
        pytest.param(
            shown(replace(CANARY, ready="old-1", traffic=LOADING)), {OLD}, id="one that loads"
        ),
        pytest.param(
            shown(
                replace(
                    _pods(old=0, new=0),
                    revisions={
                        name: replace(each, ready_replicas=0, min_scale=0)
                        for name, each in REVISIONS.items()
                    },
                )
            ),
            {OLD, NEW},
            id="scaled to zero: the next request wakes them",
        ),
    ],
)
def test_ready(view: ServiceView, ready: set[str]) -> None:
    found = serving(view, seen(view))
    assert {name for name, each in found.items() if each.ready} == ready


def test_capacity_is_knatives_affair() -> None:
    view = shown(CANARY)
    found = serving(view, seen(view))
    assert found[OLD].replicas == 4
    assert found[NEW].replicas > 1000


@pytest.mark.parametrize(
    ("message", "words"),
    [
        pytest.param(
            "admission webhook denied the request: Persistent volume claim support is disabled, "
            "but found persistent volume claim models",
            "Set kubernetes.podspec-persistent-volume-claim to enabled",
            id="claims",
        ),
        pytest.param(
            "must not set the field(s): spec.template.spec.nodeSelector",
            "Set kubernetes.podspec-nodeselector to enabled",
            id="node selectors",
        ),
    ],
)
def test_feature_that_the_platform_has_to_switch_on_is_named(message: str, words: str) -> None:
    view = shown(CANARY, ready=False, message=message)
    assert message in complaint(view)
    assert words in complaint(view)


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(shown(CANARY), id="all is well"),
        pytest.param(
            replace(shown(CANARY, ready=False, message="Waiting for load balancer"), failed=False),
            id="it is on its way",
        ),
        pytest.param(
            shown(
                CANARY,
                ready=False,
                message="Operation cannot be fulfilled: the object has been modified",
            ),
            id="it is tried again at once",
        ),
    ],
)
def test_what_passes_by_itself_is_not_told(view: ServiceView) -> None:
    assert complaint(view) == ""


def test_pod_that_does_not_get_ready_says_why() -> None:
    crashed = replace(REVISIONS["new-2"], ready_replicas=0, waiting="ArtifactInvalid: changed")
    loading = replace(CANARY, ready="old-1", traffic=LOADING)
    view = shown(replace(loading, revisions=REVISIONS | {"new-2": crashed}), ready=False)
    assert serving(view, seen(view))[NEW].waiting == "ArtifactInvalid: changed"


def made(serving: Mapping[str, Any] | None = None, percent: int = 0, public: bool = True) -> Child:
    exposure = Exposure(percent, public)
    return knative_service(OWNER, build(serving), exposure, SETTINGS, LOAD)


def test_template_has_only_what_knative_takes() -> None:
    predictor, found = made().manifest["spec"]["predictor"], container(made())
    assert set(predictor) == {
        "annotations",
        "automountServiceAccountToken",
        "canaryTrafficPercent",
        "containers",
        "enableServiceLinks",
        "maxReplicas",
        "minReplicas",
        "serviceAccountName",
        "volumes",
    }
    assert "lifecycle" not in found
    assert [port["name"] for port in found["ports"]] == ["http1"]
    claim = predictor["volumes"][1]["persistentVolumeClaim"]
    assert claim == {"claimName": "models", "readOnly": True}
    assert predictor["annotations"] == {"serving.knative.dev/progress-deadline": "300s"}
    assert "--metrics_port=0" in found["args"]  # the queue-proxy listens there
    assert found["image"] == IMAGES.predictor


def test_request_log_tells_the_name_of_the_one_service() -> None:
    child = made({"requestLog": {"sink": "http://log"}})
    env = {entry["name"]: entry["value"] for entry in container(child)["env"]}
    told = json.loads(env["MT_REQUEST_LOG"])
    assert told["inferenceService"] == child.manifest["metadata"]["name"]
    assert told["namespace"] == NAMESPACE


def test_container_alone_passes_pod_security_restricted() -> None:
    assert container(made())["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_tags_are_there_from_the_start_and_the_mode_is_named() -> None:
    annotations = made().manifest["metadata"]["annotations"]
    assert annotations["serving.kserve.io/enable-tag-routing"] == "true"
    assert annotations["serving.kserve.io/deploymentMode"] == "Knative"


def test_host_of_a_canary_fits_a_label_of_the_dns() -> None:
    longest = names.shared_service_name("m" * 42)
    assert len(f"latest-{longest}-predictor") <= 63


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        pytest.param({"timeout": "90s"}, "timeout", 90, id="a time-out"),
        pytest.param(
            {"replicas": {"metric": "rps", "target": 9}}, "scaleMetric", "rps", id="a metric"
        ),
        pytest.param(
            {"nodeSelector": {"disk": "ssd"}}, "nodeSelector", {"disk": "ssd"}, id="nodes"
        ),
    ],
)
def test_option_reaches_the_template_and_makes_another_one(
    change: Mapping[str, Any], key: str, value: Any
) -> None:
    child = made(change)
    assert child.manifest["spec"]["predictor"][key] == value
    digests = {
        each.manifest["metadata"]["annotations"][names.ANNOTATION_TEMPLATE]
        for each in (child, made())
    }
    assert len(digests) == 2


def test_percentage_alone_leaves_the_template_as_it_is() -> None:
    child = made(public=False)
    metadata = child.manifest["metadata"]
    theirs = {"argocd.argoproj.io/instance": "theirs"}
    meta = replace(
        OWNER,
        name=metadata["name"],
        labels=metadata["labels"] | theirs,
        annotations=metadata["annotations"] | {"kubectl.kubernetes.io/x": "theirs"},
    )
    predictor = child.manifest["spec"]["predictor"] | {"timeout": 60}
    view = ServiceView(meta, True, predictor)
    child = exposed(OWNER, view, Exposure(50, public=True))
    change = child.manifest
    assert child.removes  # a label that is there
    assert change["spec"]["predictor"] == predictor | {"canaryTrafficPercent": 50}
    assert change["metadata"]["annotations"] == metadata["annotations"]
    assert not DARK.items() & change["metadata"]["labels"].items()
    assert not theirs.items() & change["metadata"]["labels"].items()
    assert (percent_of(view), is_public(view)) == (0, False)
