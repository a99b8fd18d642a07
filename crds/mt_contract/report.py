"""What a container says when it ends: a JSON object of at most 4 KiB, its termination message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from mt_contract import storage
from mt_contract.codec import from_json, to_json

MAX_BYTES = 4096  # Kubernetes cuts a termination message there
TERMINATION_LOG = "/dev/termination-log"


class ReportError(ValueError):
    """The text is not a message of ours, or a message does not fit."""


@dataclass(frozen=True)
class TrainResult:
    """A training ended with a published artifact."""

    artifact: Mapping[str, Any]  # {uri, digest, sizeBytes}
    dataset: Mapping[str, Any]  # {digest, pairs, rejectedPairs, anomalies: [str]}
    metrics: Mapping[str, str] = field(
        default_factory=dict
    )  # {loss, validationLoss, …} of the exported weights
    usage: Mapping[str, int] = field(
        default_factory=dict
    )  # {cpuSeconds, gpuSeconds} of all nodes together


@dataclass(frozen=True)
class Comparison:
    """One metric on one slice, as a gate names it; the evaluator knows no threshold."""

    metric: str
    slice: str | None  # None: all test sentences
    examples: int
    value: str  # of the candidate
    delta: str | None = None  # candidate minus baseline; None without a baseline
    low: str | None = None  # bounds of the delta's interval at the asked confidence
    high: str | None = None


@dataclass(frozen=True)
class EvaluationResult:
    """An evaluation ended: scores of candidate and baseline with the engine that will serve."""

    scores: Mapping[str, str]  # whole test set: {chrF, BLEU, …}
    comparisons: tuple[Comparison, ...]
    signatures: Mapping[str, str]  # sacreBLEU signatures by metric
    examples: int
    report: str  # URI of report.json
    baseline: Mapping[str, Any] | None = None  # {digest, scores}


@dataclass(frozen=True)
class ProbeResult:
    """Held-out sentences were sent to a revision and compared with what evaluation saw."""

    requests: int
    agreement: str  # share of equal translations
    failures: int  # requests that were not answered with a translation
    message: str = ""


@dataclass(frozen=True)
class Failure:
    """A program ended without a result: a reason in CamelCase, and a message for the user."""

    reason: str
    message: str


Message = TrainResult | EvaluationResult | ProbeResult | Failure
_KINDS: Mapping[str, type[Any]] = {
    c.__name__: c for c in (TrainResult, EvaluationResult, ProbeResult, Failure)
}
_COLUMNS = tuple(field.name for field in fields(Comparison))


def encode(message: Message) -> str:
    """Return the JSON text of ``message``; prose in it is shortened to fit.

    Raises:
        ReportError: a result is larger than Kubernetes keeps (too many gates and slices).
    """
    text = _text(message)
    while len(text.encode()) > MAX_BYTES:
        shorter = _shorten(message)
        if shorter == message:
            raise ReportError(
                f"the {type(message).__name__} has {len(text.encode())} bytes, Kubernetes keeps "
                f"{MAX_BYTES}: name fewer gates and slices"
            )
        message, text = shorter, _text(shorter)
    return text


def decode(text: str) -> Message:
    """Return the message in ``text``.

    Raises:
        ReportError: it is empty, cut off, or not a message of ours.
    """
    try:
        document = json.loads(text)
        rows = document.get("comparisons", ())
        named = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        message: Message = from_json(
            _KINDS[document["kind"]], document | ({"comparisons": named} if rows else {})
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReportError(f"not a result message ({type(error).__name__}: {error})") from error
    return message


def write(message: Message, *paths: str | Path) -> None:
    """Write ``message`` to each path.

    A results file (``.json``) is written atomically; a termination log in place, as it is a mount,
    and only where there is one.
    """
    text = encode(message)
    for path in map(Path, paths):
        if path.suffix == ".json":
            path.parent.mkdir(parents=True, exist_ok=True)
            storage.write_aside(path, text.encode())
        elif path.exists():
            path.write_text(text, encoding="utf-8")


def _text(message: Message) -> str:
    document = {"kind": type(message).__name__} | to_json(message)
    if isinstance(message, EvaluationResult):
        # As rows: with its keys, each would be twice as long.
        document["comparisons"] = [to_json(astuple(row)) for row in message.comparisons]
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace").decode()  # file names may hold half a surrogate pair


def _shorten(message: Message) -> Message:
    """Return ``message`` with less prose, or as it is when there is none left to lose."""
    if isinstance(message, (Failure, ProbeResult)) and len(message.message) > 1:
        return replace(message, message=message.message[: len(message.message) * 3 // 4] + "…")
    if isinstance(message, TrainResult) and message.dataset.get("anomalies"):
        anomalies = message.dataset["anomalies"]
        return replace(
            message,
            dataset=dict(message.dataset) | {"anomalies": anomalies[: len(anomalies) * 3 // 4]},
        )
    return message
