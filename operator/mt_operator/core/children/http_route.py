"""The HTTPRoute that splits a model's requests between its revisions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from mt_contract import names
from mt_operator.core.children.pod import owner_reference, seconds
from mt_operator.core.observed import Meta, RouteView
from mt_operator.core.plan import Child, Manifest
from mt_operator.settings import Gateway

TIMEOUT = timedelta(minutes=5)  # of a request; long enough for the largest that is accepted
PORT = 80  # of a predictor's Service; KServe gives it the container's other ports as they are
GRPC = "/inference.GRPCInferenceService/"  # the service of the Open Inference Protocol


def http_route(
    owner: Meta,
    gateway: Gateway,
    host: str,
    weights: Mapping[str, int],
    timeout: timedelta = TIMEOUT,
) -> Child:
    """Return the route.

    Args:
        owner: the model.
        gateway: what it is attached to.
        host: whose requests it takes.
        weights: of each backend Service, in percent.
        timeout: of a request.
    """
    parent = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "namespace": gateway.namespace,
        "name": gateway.name,
    } | ({"sectionName": gateway.section} if gateway.section else {})
    limit = {"request": f"{seconds(timeout)}s"}
    rules = [
        _rule("/", PORT, weights, limit),
        _rule(GRPC, names.GRPC_PORT, weights, limit),  # KServe says of that port that it is h2c
    ]
    return Child(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {
                "name": names.route_name(owner.name),
                "namespace": owner.namespace,
                "labels": dict(names.labels("route", model=owner.name)),
                "annotations": {names.ANNOTATION_TEMPLATE: _inputs(parent, host, timeout)},
                "ownerReferences": [owner_reference(owner, names.MODEL_KIND)],
            },
            "spec": {"parentRefs": [parent], "hostnames": [host], "rules": rules},
        }
    )


def route_change(desired: Child, observed: RouteView | None) -> Child | None:
    """Return what has to be applied so that ``observed`` is as ``desired``, if anything."""
    if observed is None:
        return desired
    if observed.meta.deleting:
        return None  # made anew when it is gone
    rule = desired.manifest["spec"]["rules"][0]
    weights = {backend["name"]: backend["weight"] for backend in rule["backendRefs"]}
    inputs = desired.manifest["metadata"]["annotations"][names.ANNOTATION_TEMPLATE]
    same = observed.meta.annotations.get(names.ANNOTATION_TEMPLATE) == inputs
    return None if same and dict(observed.weights) == weights else desired


def _rule(path: str, port: int, weights: Mapping[str, int], timeouts: Manifest) -> Manifest:
    backends = [
        {"group": "", "kind": "Service", "name": name, "port": port, "weight": weight}
        for name, weight in weights.items()
    ]
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "timeouts": timeouts,
        "backendRefs": backends,
    }


def _inputs(parent: Manifest, host: str, timeout: timedelta) -> str:
    """Return the digest of all that decides the route, but its weights."""
    return names.digest([parent, host, timeout.total_seconds(), [PORT, names.GRPC_PORT]])
