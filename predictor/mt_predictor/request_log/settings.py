"""What the predictor is told of its request log (``MT_REQUEST_LOG``)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

from mt_contract.errors import ConfigurationError
from mt_predictor.settings import Environment, decoded

VARIABLE = "MT_REQUEST_LOG"
MODES = ("All", "Request", "Response")


@dataclass(frozen=True)
class RequestLogSettings:
    """Where events go, which, and what they say of their origin."""

    sink: str
    mode: str = "All"
    sample: Decimal = Decimal(1)  # share of the requests that are logged
    inference_service: str = ""
    namespace: str = ""


def request_log_settings(env: Environment) -> RequestLogSettings | None:
    """Return the settings, or None where nothing is logged.

    Raises:
        ConfigurationError: they are of another shape, or the sink is no web address.
    """
    if not env.get(VARIABLE, "").strip():
        return None
    found = decoded(RequestLogSettings, env, VARIABLE)
    if found.mode not in MODES:
        known = ", ".join(MODES)
        raise ConfigurationError(f"{VARIABLE}.mode is {found.mode!r}: use one of {known}")
    if not 0 <= found.sample <= 1:
        raise ConfigurationError(f"{VARIABLE}.sample is {found.sample}: use a share from 0 to 1")
    try:
        parts = urlsplit(found.sink)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of a port that is none
        usable = False
    if not usable:
        raise ConfigurationError(f"{VARIABLE}.sink is no address: give http://host[:port][/path]")
    return found
