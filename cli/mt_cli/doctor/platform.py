"""The API server, our definitions and policy, KServe, Gateway API: what others have installed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mt_cli.doctor.look import Denied, Place, Row, Verdict, unknown
from mt_cli.lint.definitions import definition
from mt_contract import names

Tree = Mapping[str, Any]
MINIMUM = (1, 30)
KSERVE_MINIMUM = (0, 15)
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICY = "translation-actions"
INSTALL = "kubectl apply -k manifests/overlays/standalone"
KSERVE_NAMESPACES = ("kserve", "kubeflow")
_NUMBERS = re.compile(r"(\d+)\.(\d+)")


def api_server(place: Place) -> Iterator[Row]:
    """Is the API server recent enough?"""
    found = place.look("/version")
    version = "" if found is None or isinstance(found, Denied) else str(found.get("gitVersion"))
    numbers = _version(version)
    if numbers and numbers < MINIMUM:
        wanted = ".".join(map(str, MINIMUM))
        yield Row("API server", Verdict.PROBLEM, version, f"Upgrade to Kubernetes {wanted}.")
    else:
        yield Row("API server", Verdict.OK, version or "answers")


def definitions(place: Place) -> Iterator[Row]:
    """Are both kinds served, with the fields that this release knows?"""
    for kind, plural in (
        (names.MODEL_KIND, names.MODEL_PLURAL),
        (names.RUN_KIND, names.RUN_PLURAL),
    ):
        check = f"definition {kind}"
        if not place.served(names.API_VERSION, plural):
            yield Row(check, Verdict.PROBLEM, "is not served", f"Install it: {INSTALL}")
            continue
        found = place.look(f"{DEFINITIONS}/{plural}.{names.GROUP}")
        if found is None or isinstance(found, Denied):
            yield Row(check, Verdict.OK, f"served as {names.API_VERSION}")
            continue
        yield _compared(check, found, definition(kind))


def _compared(check: str, there: Tree, shipped: Tree) -> Row:
    missing, other = _fields(shipped) - _fields(there), _fields(there) - _fields(shipped)
    if missing:
        told = f"lacks {_some(missing)}: it is older than this command"
        return Row(check, Verdict.WARNING, told, "Apply the definitions of the newer release.")
    if other:
        told = f"has {_some(other)}: it is newer than this command"
        return Row(check, Verdict.WARNING, told, "Use the command of the release in the cluster.")
    return Row(check, Verdict.OK, f"served as {names.API_VERSION}, as shipped with this command")


def _some(fields: set[str]) -> str:
    first = sorted(fields)[0]
    return first if len(fields) == 1 else f"{first} and {len(fields) - 1} more fields"


def _fields(crd: Tree) -> set[str]:
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return set(_leaves(schema.get("properties", {}).get("spec") or {}, "spec"))


def _leaves(schema: Tree, where: str) -> Iterator[str]:
    yield where
    for key, below in (schema.get("properties") or {}).items():
        yield from _leaves(below, f"{where}.{key}")
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield from _leaves(items, f"{where}[]")


def admission(place: Place) -> Iterator[Row]:
    """Does somebody ask who may promote and bless?"""
    policy = place.look(f"{ADMISSION}/validatingadmissionpolicies/{POLICY}")
    binding = place.look(f"{ADMISSION}/validatingadmissionpolicybindings/{POLICY}")
    if isinstance(policy, Denied) or isinstance(binding, Denied):
        yield unknown("admission policy", "ValidatingAdmissionPolicies")
    elif policy is None or binding is None:
        told = "everybody who may patch a model may promote, roll back and bless"
        todo = "Install manifests/base/admission, if that is not what you want."
        yield Row("admission policy", Verdict.WARNING, told, todo)
    else:
        yield Row("admission policy", Verdict.OK, "promote, rollback and bless need their verbs")


def kserve(place: Place) -> Iterator[Row]:
    """Is there a KServe, of which version, in which mode?"""
    if not place.served("serving.kserve.io/v1beta1", "inferenceservices"):
        told = "is not installed: models are trained and judged, and never served"
        yield Row("KServe", Verdict.PROBLEM, told, "Install KServe 0.15 or later.")
        return
    version = _kserve_version(place)
    if version and version < KSERVE_MINIMUM:
        told = f"version {version[0]}.{version[1]}"
        yield Row("KServe", Verdict.PROBLEM, told, "Upgrade to KServe 0.15 or later.")
    else:
        told = f"version {version[0]}.{version[1]}" if version else "is there"
        yield Row("KServe", Verdict.OK, told)
    yield _mode(place)


def _kserve_version(place: Place) -> tuple[int, int] | None:
    for namespace in KSERVE_NAMESPACES:
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/kserve-controller-manager"
        found = place.look(path)
        if found is not None and not isinstance(found, Denied):
            containers = found["spec"]["template"]["spec"]["containers"]
            images = [str(c["image"]) for c in containers if c.get("name") == "manager"]
            return _version(images[0].rpartition(":")[2]) if images else None
    return None


def _mode(place: Place) -> Row:
    knative = place.served("serving.knative.dev/v1", "services")
    gateway = place.served("gateway.networking.k8s.io/v1", "httproutes")
    settings = _kserve_settings(place)
    default = str(settings.get("deploy", {}).get("defaultDeploymentMode") or "not readable")
    enabled = settings.get("ingress", {}).get("enableGatewayApi")
    there = [
        name for name, is_there in (("Gateway API", gateway), ("Knative", knative)) if is_there
    ]
    told = f"default mode {default}; " + (" and ".join(there) or "neither Gateway API nor Knative")
    if not there:
        todo = "Install the Gateway API and a gateway: without, a candidate gets 0 or 100 %."
        return Row("traffic splitting", Verdict.WARNING, told, todo)
    if gateway and not knative and enabled is False:
        todo = "Models are split by routes of ours all the same; KServe's own use Ingress."
        return Row("traffic splitting", Verdict.OK, f"{told}; enableGatewayApi is false", todo)
    return Row("traffic splitting", Verdict.OK, told)


def _kserve_settings(place: Place) -> dict[str, Any]:
    for namespace in KSERVE_NAMESPACES:
        found = place.look(f"/api/v1/namespaces/{namespace}/configmaps/inferenceservice-config")
        if found is not None and not isinstance(found, Denied):
            data = found.get("data") or {}
            return {key: _json(data.get(key)) for key in ("deploy", "ingress")}
    return {}


def _json(text: object) -> dict[str, Any]:
    try:
        found = json.loads(str(text))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _version(text: str) -> tuple[int, int] | None:
    found = _NUMBERS.search(text)
    return (int(found[1]), int(found[2])) if found else None


CHECKS = (api_server, definitions, admission, kserve)
