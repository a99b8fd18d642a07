"""What a container tells the operator when it ends: one JSON object of at most 4 KiB in its termination message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    usage: Mapping[str, int] = field(default_factory=dict)  # {cpuSeconds, gpuSeconds}


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
    """A program ended without a result: a reason in CamelCase, and a message written for the user."""

    reason: str
    message: str


Message = TrainResult | EvaluationResult | ProbeResult | Failure
_KINDS: Mapping[str, type[Any]] = {
    c.__name__: c for c in (TrainResult, EvaluationResult, ProbeResult, Failure)
}


def encode(message: Message) -> str:
    """Return the JSON text of ``message``; a Failure's text is shortened to fit.

    Raises:
        ReportError: a result is larger than Kubernetes keeps (too many gates and slices).
    """
    document = {"kind": type(message).__name__} | to_json(message)
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode())
    if size <= MAX_BYTES:
        return text
    if isinstance(message, Failure):
        return encode(
            Failure(message.reason, message.message[: max(1, len(message.message) * 3 // 4)])
        )
    raise ReportError(
        f"the {type(message).__name__} has {size} bytes, Kubernetes keeps {MAX_BYTES}: name fewer gates and slices"
    )


def decode(text: str) -> Message:
    """Return the message in ``text``.

    Raises:
        ReportError: it is empty, cut off, or not a message of ours.
    """
    try:
        document = json.loads(text)
        message: Message = from_json(_KINDS[document["kind"]], document)
    except (ValueError, KeyError, TypeError) as error:
        raise ReportError(f"not a result message ({type(error).__name__}: {error})") from error
    return message


def write(message: Message, *paths: str | Path) -> None:
    """Write ``message`` to each path: a results file (atomically) or the termination log (in place, as it is a mount)."""
    text = encode(message)
    for path in map(Path, paths):
        if path.suffix == ".json":
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_name(f".{path.name}.aside")
            aside.write_text(text, encoding="utf-8")
            aside.replace(path)
        elif path.exists():
            path.write_text(text, encoding="utf-8")
