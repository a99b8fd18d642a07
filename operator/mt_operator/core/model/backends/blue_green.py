"""Backend BlueGreen: an InferenceService for each revision, and one Service that leads to one.

For clusters that can split nothing: no Gateway API, no Knative. A candidate has all requests or
none; connections that are open stay with the old one until it drains.
"""

from __future__ import annotations

from collections.abc import Mapping

from mt_contract import names
from mt_operator.core.children.front import front, front_change
from mt_operator.core.model.backends import standard
from mt_operator.core.model.builds import builds
from mt_operator.core.model.endpoint import Place
from mt_operator.core.model.state import ModelStatus, Revision
from mt_operator.core.model.traffic import Traffic
from mt_operator.core.model.turn import Situation, backend_name
from mt_operator.core.observed import ObservedModel
from mt_operator.core.plan import Child

KIND = "Service"


def observe(o: ObservedModel) -> Traffic:
    """Return what InferenceServices tell, and where the Service leads."""
    found = o.fronts.get(names.route_name(o.meta.name))
    mine = found if found is not None and found.meta.owner == o.meta.uid else None
    parts: Mapping[str, int] = {}
    if mine is not None:
        revision = mine.selector.get(names.LABEL_REVISION, "")
        parts = {f"{names.inference_service_name(o.meta.name, revision)}-predictor": 100}
    return Traffic(standard.serving(o), parts, settled=True, led=found is not None)


def weights(s: Situation, status: ModelStatus) -> Mapping[str, int]:
    """Return what has all requests: the candidate only if it is ready and to have all of them."""
    led = _led_to(s, status)
    return {backend_name(s.meta, led): 100} if led else {}


def children(s: Situation, status: ModelStatus) -> tuple[Child, ...]:
    """Return the InferenceServices and the Service, as far as they differ."""
    view, led = s.observed.fronts.get(names.route_name(s.meta.name)), _led_to(s, status)
    change = front_change(front(s.meta, led), view) if led else None
    taken = view is not None and view.meta.owner != s.meta.uid
    return (*standard.services(s, status), *([change] if change and not taken else []))


def claims(s: Situation, status: ModelStatus) -> tuple[tuple[str, str], ...]:
    """Return the names of an InferenceService for each revision, and of the Service."""
    revisions = builds(status)
    led = ((KIND, names.route_name(s.meta.name)),) if revisions else ()
    return (*standard.claims(s, revisions), *led)


def needs(s: Situation, status: ModelStatus) -> tuple[tuple[str, str], ...]:
    """Return all of these, but the Service only where it leads somewhere."""
    led = (KIND, names.route_name(s.meta.name))
    return tuple(each for each in claims(s, status) if each != led or _led_to(s, status))


def dark_host(s: Situation, build: Revision) -> str:
    """Return the host of the revision's own Service."""
    return standard.host(s, build)


def endpoint(s: Situation) -> Place:
    """Return the Service's address inside the cluster: what leads in from outside is not ours."""
    name, namespace = names.route_name(s.meta.name), s.meta.namespace
    return Place(f"http://{name}.{namespace}.svc.cluster.local")


def _led_to(s: Situation, status: ModelStatus) -> Revision | None:
    candidate = status.candidate
    build = candidate.build if candidate else None
    if candidate and build and candidate.weight == 100 and s.ready(build):
        return build
    return status.production
