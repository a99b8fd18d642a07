"""What the cluster offers to serve models with: read only where that is still to be found out."""

from __future__ import annotations

import json
from typing import Any

from mt_operator.shell.api import Api, Object
from mt_operator.shell.errors import RefusedError

KNATIVE_API = "serving.knative.dev/v1"
CONFIG = "inferenceservice-config"
NAMESPACES = ("kserve", "kubeflow")  # where KServe's manifests and Kubeflow's put it


async def read_config(api: Api) -> tuple[str, bool | None]:
    """Return KServe's default mode, and whether it uses the Gateway API; empty and None: unknown.

    Not everybody may read that: then what the cluster serves has to be enough.
    """
    for namespace in NAMESPACES:
        try:
            found = await api.get("ConfigMap", namespace, CONFIG)
        except RefusedError:
            continue
        if found is not None:
            return config_of(found)
    return "", None


def config_of(found: Object) -> tuple[str, bool | None]:
    """Return the same of the ConfigMap; what is not there as KServe takes it, or unknown."""
    mode = _section(found, "deploy").get("defaultDeploymentMode")
    gateway = _section(found, "ingress").get("enableGatewayApi", False)
    return (mode if isinstance(mode, str) else ""), (gateway if isinstance(gateway, bool) else None)


async def serves_knative(api: Api) -> bool:
    """Return whether the cluster has Knative Serving."""
    return "revisions" in await api.served(KNATIVE_API)


def _section(found: Object, key: str) -> dict[str, Any]:
    try:
        value = json.loads((found.get("data") or {}).get(key) or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
