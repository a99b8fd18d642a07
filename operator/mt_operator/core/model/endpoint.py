"""Where is a model reached, and under which host of the gateway that it asks for?"""

from __future__ import annotations

from dataclasses import dataclass

from mt_operator.core.model.turn import Kind, Obstacle, Situation
from mt_operator.core.reasons import Reason
from mt_operator.settings import Gateway

MAX_LABEL, MAX_HOST = 63, 253  # of the DNS


@dataclass(frozen=True)
class Place:
    """Where a model is reached."""

    url: str | None  # None: it is not known yet


@dataclass(frozen=True)
class Endpoint:
    """Where a model is reached through a gateway."""

    gateway: Gateway
    host: str

    @property
    def url(self) -> str:
        """Return the address that clients use."""
        port = f":{self.gateway.port}" if self.gateway.port else ""
        return f"{self.gateway.scheme}://{self.host}{port}"


def through_gateway(s: Situation) -> Endpoint | Obstacle:
    """Return where the model is reached through its gateway, or why it cannot be."""
    known, name = s.observed.settings.gateways, s.rollout.gateway
    if name not in known:
        listed = ", ".join(sorted(known)) or "none"
        told = (
            f"The operator's settings know no gateway {name!r}; they know: {listed}. "
            "Set spec.rollout.gateway to one of these."
        )
        return Obstacle(Kind.PERSON, Reason.UNKNOWN_GATEWAY, told)
    gateway = known[name]
    host = gateway.hostname.format(model=s.meta.name, namespace=s.meta.namespace)
    label = max(host.split("."), key=len)
    if len(label) > MAX_LABEL or len(host) > MAX_HOST:
        told = (
            f"The host name {host} has {len(host)} characters, and {len(label)} in {label!r}; a "
            f"host name may have {MAX_HOST}, and {MAX_LABEL} between two dots. Give the model or "
            "its namespace a shorter name, or ask for a gateway with a shorter host name."
        )
        return Obstacle(Kind.PERSON, Reason.HOST_NAME_TOO_LONG, told)
    return Endpoint(gateway, host)
