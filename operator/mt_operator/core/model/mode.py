"""How is a model served, and its traffic split? Found once, by what the cluster offers; then fixed.

KServe fixes the mode of an InferenceService when it is made, and a model's two modes have different
InferenceServices: another mode would be another model beside the first one.
"""

from __future__ import annotations

from collections.abc import Mapping

from mt_operator.core.children.knative_service import OWN_METRICS
from mt_operator.core.model.builds import builds
from mt_operator.core.model.state import ModelStatus
from mt_operator.core.model.turn import Kind, Obstacle, Situation, Turn
from mt_operator.core.observed import Cluster
from mt_operator.core.reasons import Reason

HTTP_ROUTE, KNATIVE, BLUE_GREEN = "HTTPRoute", "KServeKnative", "BlueGreen"
MODES: Mapping[str, str] = {HTTP_ROUTE: "Standard", BLUE_GREEN: "Standard", KNATIVE: "Knative"}
KNATIVE_NAMES = frozenset({"Knative", "Serverless"})
SPLITS: Mapping[str, str] = {
    HTTP_ROUTE: "Traffic is split by the weights of an HTTPRoute (Gateway API).",
    KNATIVE: "Traffic is split by canaryTrafficPercent of the InferenceService (Knative).",
}


def fix_mode(s: Situation, turn: Turn) -> Turn:
    """Note how the model is served, as soon as that can be told."""
    if turn.status.traffic_backend or s.obstacle is not None:
        return turn
    found = chosen(s, turn.status)
    return turn if isinstance(found, Obstacle) else turn.to(traffic_backend=found)


def chosen(s: Situation, status: ModelStatus) -> str | Obstacle:
    """Return how the model is served, or would be if it began now; or what is in the way."""
    # Earlier releases had one only, and told it late.
    stored = status.traffic_backend or (HTTP_ROUTE if builds(status) else "")
    found = stored or backend_for(s)
    if isinstance(found, Obstacle):
        return found
    return _conflict(s, found) or _lost(s, found) or _scaling(s, found) or found


def backend_for(s: Situation) -> str | Obstacle:
    """Return how this cluster can serve the model, or what it lacks for that."""
    cluster, asked = s.observed.cluster, s.options.resolved["deploymentMode"]
    if not cluster.kserve:
        return _no_kserve()
    if asked == "Knative" and not cluster.knative:
        return _no_knative(Kind.PERSON, "or write Standard or Auto")
    if asked == "Knative" or (asked == "Auto" and _knative_is_better(s, cluster)):
        return KNATIVE
    if cluster.gateway_api:
        return HTTP_ROUTE
    # Where KServe says that it does without the Gateway API, nobody is about to install it.
    return BLUE_GREEN if cluster.gateway_enabled is False else _no_gateway_api()


def splitting(s: Situation, status: ModelStatus) -> tuple[bool | None, Reason, str]:
    """Return what the condition TrafficSplitting says: which backend was chosen, and why."""
    if not status.traffic_backend:
        lacks = s.obstacle.message if s.obstacle else "The cluster is being looked at."
        return None, s.obstacle.reason if s.obstacle else Reason.RESOLVING, lacks
    asked = s.options.resolved["deploymentMode"]
    why = f"deploymentMode {asked} led to {MODES[status.traffic_backend]} mode when it began"
    if status.traffic_backend in SPLITS:
        told = f"{SPLITS[status.traffic_backend]} {why}; it stays."
        return True, Reason.SUPPORTED, told
    told = (
        "The cluster had no Gateway API and no Knative, so traffic cannot be split: a candidate "
        "gets all requests at once, after its serving check; weights below 100 and what follows "
        "them are skipped. To have them, install the Gateway API, then make the model anew."
    )
    return False, Reason.UNSUPPORTED, told


def _knative_is_better(s: Situation, cluster: Cluster) -> bool:
    """Return whether Auto means Knative: KServe's default, or all that there is."""
    if not cluster.knative:
        return False
    if cluster.default_mode:
        return cluster.default_mode in KNATIVE_NAMES
    return not cluster.gateway_api or s.rollout.gateway not in s.observed.settings.gateways


def _lost(s: Situation, backend: str) -> Obstacle | None:
    """Return what the cluster has lost since."""
    cluster = s.observed.cluster
    if not cluster.kserve:
        return _no_kserve()
    if backend == HTTP_ROUTE and not cluster.gateway_api:
        return _no_gateway_api()
    if backend == KNATIVE and not cluster.knative:
        return _no_knative(Kind.CLUSTER, "as it was when the model began")
    return None


def _conflict(s: Situation, backend: str) -> Obstacle | None:
    asked, mode = s.options.resolved["deploymentMode"], MODES[backend]
    if asked in ("Auto", mode):
        return None
    told = (
        f"The model is served in {mode} mode, which stays as it was found; "
        f"spec.serving.deploymentMode is {asked} now. Write {mode} or Auto again, and make another "
        f"TranslationModel to be served in {asked} mode."
    )
    return Obstacle(Kind.PERSON, Reason.UNSUPPORTED, told)


def _scaling(s: Situation, backend: str) -> Obstacle | None:
    """Return what of spec.serving.replicas this mode does not know."""
    replicas, written = s.options.resolved["replicas"], s.options.written.get("replicas") or {}
    metric, told = written.get("metric"), ""
    if backend == KNATIVE and metric and metric not in OWN_METRICS:
        told = f"metric {metric} is for Standard mode: write concurrency or rps, or remove it"
    if backend != KNATIVE and metric in OWN_METRICS:
        told = f"metric {metric} is for Knative mode: write cpu or memory, or remove it"
    if backend != KNATIVE and replicas["min"] < 1:
        told = "min 0 is for Knative mode: write 1 or more"
    if not told:
        return None
    return Obstacle(Kind.PERSON, Reason.SPEC_INVALID, f"spec.serving.replicas: {told}.")


def _no_kserve() -> Obstacle:
    told = "The cluster has no InferenceService (serving.kserve.io/v1beta1): install KServe."
    return Obstacle(Kind.CLUSTER, Reason.WAITING_FOR_KSERVE, told)


def _no_knative(kind: Kind, otherwise: str) -> Obstacle:
    told = (
        "The model is to be served in Knative mode, but the cluster has no Knative Serving "
        f"(serving.knative.dev/v1): install it, {otherwise}."
    )
    return Obstacle(kind, Reason.UNSUPPORTED, told)


def _no_gateway_api() -> Obstacle:
    told = (
        "The cluster has no HTTPRoute (gateway.networking.k8s.io/v1): install the Gateway API "
        "and a gateway."
    )
    return Obstacle(Kind.CLUSTER, Reason.WAITING_FOR_GATEWAY_API, told)
