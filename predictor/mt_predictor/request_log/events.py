"""A request or an answer as a CloudEvent, in the shape of KServe's inference logger; pure.

Attributes are those of KServe's ``pkg/logger/worker.go``, in CloudEvents' binary mode over HTTP:
each a ``ce-`` header, and the body as it was sent. Both events of an exchange have one id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from mt_contract import names

JSON = "application/json"
MAX_HEADER = 256  # characters of what a client may put into an event's headers
_HEADERS_SIZE = 1024  # bytes, about: what an event holds beside its body


class Kind(StrEnum):
    """What an event is of."""

    REQUEST = "org.kubeflow.serving.inference.request"
    RESPONSE = "org.kubeflow.serving.inference.response"


@dataclass(frozen=True)
class Origin:
    """Whose requests they are."""

    pod: str
    inference_service: str
    namespace: str
    model: str
    revision: str


@dataclass(frozen=True)
class Body:
    """What was sent, as it was sent, and what its sender says that it is."""

    content: bytes
    content_type: str = ""
    json_length: str = ""  # of a V2 body with binary data: where its JSON ends


@dataclass(frozen=True)
class Event:
    """One POST to the sink."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def size(self) -> int:
        """Return the bytes that it takes in memory, about."""
        return len(self.body) + _HEADERS_SIZE


def event(
    origin: Origin, kind: Kind, identity: str, body: Body, occurred: datetime, recorded: datetime
) -> Event:
    """Return the event of ``body``.

    Args:
        origin: whose it is.
        kind: a request, or an answer.
        identity: of the exchange.
        body: what was sent.
        occurred: when it was.
        recorded: when the event is made.
    """
    labels = {names.LABEL_MODEL: origin.model, names.LABEL_REVISION: origin.revision}
    attributes = {
        "specversion": "1.0",
        "type": kind.value,
        "source": origin.pod,
        "id": identity,
        "time": _time(occurred),
        "recordedtime": _time(recorded),
        "inferenceservicename": origin.inference_service,
        "namespace": origin.namespace,
        "component": "predictor",
        "endpoint": "",  # KServe fills it in no more, and sends it
        "metadata": "{}",
        "annotations": json.dumps(labels),
    }
    if printable(body.json_length):
        attributes["inferenceheadercontentlength"] = body.json_length
    headers = {f"ce-{name}": value for name, value in attributes.items()}
    return Event(headers | {"content-type": printable(body.content_type) or JSON}, body.content)


def printable(text: str) -> str:
    """Return what a client put into a header, if it can be put into another; or nothing."""
    fits = len(text) <= MAX_HEADER and text.isascii() and text.isprintable()
    return text.strip() if fits else ""


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
