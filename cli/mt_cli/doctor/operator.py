"""The operator: is one at work, and does what its settings name exist?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from mt_cli.cluster import condition
from mt_cli.doctor.look import Denied, Place, Row, Verdict, unknown
from mt_cli.doctor.platform import INSTALL
from mt_contract.codec import DecodeError, from_json, parse_time
from mt_operator.settings import Gateway, Settings

Tree = Mapping[str, Any]
LABELS = "app.kubernetes.io/name=translation,app.kubernetes.io/component=operator"
LEASE = "mt-operator"
FILE = "settings.yaml"
DEPLOYMENT = "operator"


@dataclass(frozen=True)
class Found:
    """The operator's Deployment."""

    namespace: str
    name: str
    tree: Tree

    @property
    def template(self) -> Tree:
        """Return the pod template's spec."""
        spec: Tree = self.tree["spec"]["template"]["spec"]
        return spec


def operator(place: Place) -> Iterator[Row]:
    """Is an operator there, does it lead, and do its settings fit the cluster?"""
    found = _find(place)
    if isinstance(found, Row):
        yield found
        return
    yield _ready(found)
    yield _leads(place, found.namespace)
    settings = _settings(place, found)
    if isinstance(settings, Row):
        yield settings
        return
    yield from _gateways(place, settings)
    yield from _prometheus(place, settings)


def _find(place: Place) -> Found | Row:
    where = f"/namespaces/{place.system}" if place.system else ""
    answer = place.look(f"/apis/apps/v1{where}/deployments", labelSelector=LABELS)
    if isinstance(answer, Denied):
        return unknown(DEPLOYMENT, f"Deployments in {place.system or 'all namespaces'}")
    items: Sequence[Tree] = (answer or {}).get("items") or ()
    if not items:
        told = f"no Deployment in {place.system or 'any namespace'}"
        return Row(DEPLOYMENT, Verdict.PROBLEM, told, f"Install it: {INSTALL}")
    meta = items[0]["metadata"]
    if len(items) > 1:
        places = ", ".join(f"{i['metadata']['namespace']}/{i['metadata']['name']}" for i in items)
        todo = "Keep one; two that act on the same models would undo each other's work."
        return Row(DEPLOYMENT, Verdict.PROBLEM, f"more than one: {places}", todo)
    return Found(str(meta["namespace"]), str(meta["name"]), items[0])


def _ready(found: Found) -> Row:
    status = found.tree.get("status") or {}
    ready, asked = int(status.get("readyReplicas") or 0), found.tree["spec"].get("replicas", 1)
    image = str(found.template["containers"][0].get("image", ""))
    told = f"{found.namespace}/{found.name}, {ready} of {asked} pods ready, {image}"
    if ready:
        return Row(DEPLOYMENT, Verdict.OK, told)
    todo = f"kubectl -n {found.namespace} describe deployment {found.name}; then its pods' logs."
    return Row(DEPLOYMENT, Verdict.PROBLEM, told, todo)


def _leads(place: Place, namespace: str) -> Row:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}"
    lease = place.look(path)
    if isinstance(lease, Denied):
        return unknown("leader", f"Leases in {namespace}")
    spec = (lease or {}).get("spec") or {}
    holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
    todo = f"kubectl -n {namespace} logs deployment/{LEASE} says why."
    if not holder or not renewed:
        return Row("leader", Verdict.PROBLEM, "no operator holds the Lease", todo)
    seconds = float(spec.get("leaseDurationSeconds") or 15)
    silent = (place.now - parse_time(str(renewed))).total_seconds()
    if silent > 2 * seconds and not _renewed(place, path, str(renewed), seconds):
        told = f"{holder} has been silent for at least {seconds:.0f} s"
        return Row("leader", Verdict.PROBLEM, told, todo)
    return Row("leader", Verdict.OK, str(holder))


def _renewed(place: Place, path: str, before: str, seconds: float) -> bool:
    """Return whether the Lease is renewed while one waits: two clocks may differ."""
    place.sleep(seconds)
    lease = place.look(path)
    if lease is None or isinstance(lease, Denied):
        return False
    return lease["spec"].get("renewTime") not in (None, before)


def _settings(place: Place, found: Found) -> Settings | Row:
    volumes: Sequence[Tree] = found.template.get("volumes") or ()
    name = next((v["configMap"]["name"] for v in volumes if "configMap" in v), None)
    if name is None:
        told = "the Deployment mounts no ConfigMap"
        return Row("settings", Verdict.WARNING, told, "Look at its --settings yourself.")
    answer = place.look(f"/api/v1/namespaces/{found.namespace}/configmaps/{name}")
    if isinstance(answer, Denied):
        return unknown("settings", f"ConfigMaps in {found.namespace}")
    text = ((answer or {}).get("data") or {}).get(FILE, "")
    try:
        return from_json(Settings, yaml.safe_load(text) or {}, FILE)
    except (DecodeError, yaml.YAMLError) as error:
        todo = f"Correct {FILE} in ConfigMap {found.namespace}/{name}."
        return Row("settings", Verdict.PROBLEM, str(error), todo)


def _gateways(place: Place, settings: Settings) -> Iterator[Row]:
    if not settings.gateways:
        todo = "Name one under gateways in the operator's settings: models need one."
        yield Row("gateways", Verdict.PROBLEM, "the settings name none", todo)
    for name, gateway in settings.gateways.items():
        yield _gateway(place, name, gateway)


def _gateway(place: Place, name: str, gateway: Gateway) -> Row:
    check, what = f"gateway {name}", f"{gateway.namespace}/{gateway.name}"
    group = "/apis/gateway.networking.k8s.io/v1"
    found = place.look(f"{group}/namespaces/{gateway.namespace}/gateways/{gateway.name}")
    if isinstance(found, Denied):
        return unknown(check, f"Gateway {what}")
    if found is None:
        todo = "Make it, or name another one in the operator's settings."
        return Row(check, Verdict.PROBLEM, f"there is no Gateway {what}", todo)
    programmed = condition(found, "Programmed")
    if programmed.get("status") != "True":
        why = programmed.get("message") or "its controller has not said anything"
        return Row(check, Verdict.PROBLEM, f"{what} is not programmed: {why}", "Ask its owner.")
    if not _takes_routes(found, gateway):
        todo = "Let a listener allow routes from All namespaces, or from those of your models."
        told = f"{what} takes routes from its own namespace only"
        return Row(check, Verdict.WARNING, told, todo)
    return Row(check, Verdict.OK, f"{what} is programmed; hosts are {gateway.hostname}")


def _takes_routes(found: Tree, gateway: Gateway) -> bool:
    """Return whether a listener takes routes from another namespace than the Gateway's."""
    listeners: Sequence[Tree] = found["spec"].get("listeners") or ()
    chosen = [entry for entry in listeners if gateway.section in (None, entry.get("name"))]
    allowed = [
        ((entry.get("allowedRoutes") or {}).get("namespaces") or {}).get("from", "Same")
        for entry in chosen
    ]
    return any(value != "Same" for value in allowed)


def _prometheus(place: Place, settings: Settings) -> Iterator[Row]:
    if settings.prometheus is None:
        told = "not configured: analysis reads the predictors themselves (provider Pods)"
        yield Row("Prometheus", Verdict.OK, told)
    else:
        queries = ", ".join(sorted(settings.queries)) or "none"
        yield Row("Prometheus", Verdict.OK, f"{settings.prometheus.url}; named queries: {queries}")


CHECKS = (operator,)
