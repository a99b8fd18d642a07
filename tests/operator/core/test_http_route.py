"""The HTTPRoute as it is sent, when it is sent, and where its weights come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.operator.model_builders import (
    MINUTE,
    MODEL,
    NAMESPACE,
    PAUSED,
    SETTINGS,
    UID,
    served,
    upgraded,
)

from mt_operator.core.children.http_route import http_route, route_change
from mt_operator.core.observed import Meta, RouteView
from mt_operator.core.plan import Child
from mt_operator.settings import Gateway

OWNER = Meta(MODEL, NAMESPACE, UID)
GATEWAY = Gateway("shared", "gateways", section="http")
SPLIT = {"pt-en-r-old-predictor": 90, "pt-en-r-new-predictor": 10}


def made(weights: Mapping[str, int] = SPLIT, gateway: Gateway = GATEWAY) -> Child:
    return http_route(OWNER, gateway, "pt-en.example.com", weights)


def as_observed(child: Child, **changes: Any) -> RouteView:
    metadata = child.manifest["metadata"]
    meta = Meta(metadata["name"], NAMESPACE, "uid", annotations=metadata["annotations"], owner=UID)
    return replace(RouteView(meta, SPLIT, in_force=True), **changes)


def test_route_splits_all_requests_of_its_host_by_weight() -> None:
    spec = made().manifest["spec"]
    assert spec["hostnames"] == ["pt-en.example.com"]
    assert spec["parentRefs"] == [
        {
            "group": "gateway.networking.k8s.io",
            "kind": "Gateway",
            "namespace": "gateways",
            "name": "shared",
            "sectionName": "http",
        }
    ]
    rule, _ = spec["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert rule["timeouts"] == {"request": "300s"}
    assert [(ref["name"], ref["port"], ref["weight"]) for ref in rule["backendRefs"]] == [
        ("pt-en-r-old-predictor", 80, 90),
        ("pt-en-r-new-predictor", 80, 10),
    ]


def test_grpc_is_split_alike() -> None:
    rest, grpc = made().manifest["spec"]["rules"]
    (match,) = grpc["matches"]
    assert match["path"]["value"] == "/inference.GRPCInferenceService/"
    assert {ref["port"] for ref in grpc["backendRefs"]} == {8081}
    assert [ref["weight"] for ref in grpc["backendRefs"]] == [
        ref["weight"] for ref in rest["backendRefs"]
    ]


def test_timeout_is_the_users() -> None:
    child = http_route(OWNER, GATEWAY, "h", SPLIT, timedelta(minutes=1, milliseconds=400))
    assert child.manifest["spec"]["rules"][0]["timeouts"] == {"request": "60s"}


@pytest.mark.parametrize(
    ("desired", "observed", "sent"),
    [
        pytest.param(made(), None, True, id="there is none"),
        pytest.param(made(), as_observed(made()), False, id="it is as it should be"),
        pytest.param(made(), as_observed(made(), weights={}), True, id="somebody emptied it"),
        pytest.param(
            made(SPLIT | {"pt-en-r-new-predictor": 50}),
            as_observed(made()),
            True,
            id="another weight",
        ),
        pytest.param(
            made(gateway=Gateway("other", "gateways")),
            as_observed(made()),
            True,
            id="another gateway",
        ),
        pytest.param(
            made({}),
            as_observed(made(), meta=replace(OWNER, deleting=True)),
            False,
            id="it is being removed",
        ),
    ],
)
def test_route_is_sent_only_when_it_differs(
    desired: Child, observed: RouteView | None, sent: bool
) -> None:
    assert (route_change(desired, observed) is not None) is sent


def test_candidate_is_known_to_the_gateway_before_it_gets_weight() -> None:
    world = upgraded().to_stage("ServingCheck")
    world.look()
    backends = world.routes["pt-en-split"].manifest["spec"]["rules"][0]["backendRefs"]
    assert [ref["weight"] for ref in backends] == [100, 0]


def test_weights_that_somebody_edited_are_put_right() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(10)
    weights = world.weights()
    for rule in world.routes["pt-en-split"].manifest["spec"]["rules"]:
        for ref in rule["backendRefs"]:
            ref["weight"] = 50
    world.settle()
    assert world.weights() == weights


def test_route_follows_the_platforms_gateway() -> None:
    world = served()
    moved = Gateway("new", "gateways", "{model}.other.example", scheme="https", port=8443)
    world.settings = replace(SETTINGS, gateways={"default": moved})
    world.settle()
    assert (
        world.status["url"] == world.status["address"]["url"] == "https://pt-en.other.example:8443"
    )
    spec = world.routes["pt-en-split"].manifest["spec"]
    assert spec["hostnames"] == ["pt-en.other.example"]
    assert spec["parentRefs"][0]["name"] == "new"


def test_service_that_somebody_deleted_is_made_again_and_listed_when_it_is_there() -> None:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(50)
    name = world.service_of(world.candidate)
    del world.services[name]
    world.look()
    assert world.weights() == {world.production["revision"]: 100}
    world.run_until("UpToDate")
    assert world.service_of(world.production) == name


def test_retiring_service_that_somebody_deleted_keeps_nothing_waiting() -> None:
    world = upgraded()
    while "retiring" not in world.status:
        world.look()
        world.live()
    (old,) = set(world.services) - {world.service_of(world.production)}
    del world.services[old]
    world.gateway_works = False  # it does nothing for a route with a Service that is not there
    world.now += 2 * MINUTE
    world.settle()
    assert "retiring" not in world.status
    assert world.weights() == {world.production["revision"]: 100}
