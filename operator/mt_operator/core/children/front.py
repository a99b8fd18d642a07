"""The Service that leads all requests to one revision, where nothing can split them."""

from __future__ import annotations

from mt_contract import names
from mt_operator.core.children.pod import owner_reference
from mt_operator.core.model.state import Revision
from mt_operator.core.observed import FrontView, Meta
from mt_operator.core.plan import Child

PORT = 80


def front(owner: Meta, build: Revision) -> Child:
    """Return the Service in front of the pods of ``build``."""
    selector = {names.LABEL_MODEL: owner.name, names.LABEL_REVISION: build.revision}
    return Child(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": names.route_name(owner.name),
                "namespace": owner.namespace,
                "labels": dict(names.labels("route", model=owner.name)),
                "ownerReferences": [owner_reference(owner, names.MODEL_KIND)],
            },
            "spec": {
                "selector": {"component": "predictor"} | selector,
                "ports": [
                    {"name": "http", "port": PORT, "targetPort": names.HTTP_PORT, "protocol": "TCP"}
                ],
            },
        }
    )


def front_change(desired: Child, observed: FrontView | None) -> Child | None:
    """Return what has to be applied so that ``observed`` is as ``desired``, if anything."""
    if observed is None:
        return desired
    if observed.meta.deleting:
        return None  # made anew when it is gone
    same = dict(observed.selector) == desired.manifest["spec"]["selector"]
    return None if same else desired
