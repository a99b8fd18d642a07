"""A predictor's metrics as the counters that an analysis reads, from whoever delivers them.

The names are those of the predictor's metrics; what else it exposes is passed over. The text may be
anybody's: how much of it is read is bounded, and what is no count of anything is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from sys import intern
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from mt_operator.core.observed import Counters

MAX_SAMPLES, MAX_LINE = 1000, 1000
INFO, PROCESS = "translation_model_info", "process_start_time_seconds"
_SCALARS = {
    "instances_total": "instances",
    "empty_total": "empty",
    "copy_total": "copies",
}
_TOKENS = {"source": "source_tokens", "target": "target_tokens"}
_USERS, _SYNTHETIC = "translation_", "translation_synthetic_"
_PARTS = ("requests_total", "request_duration_seconds_bucket", "tokens_total", *_SCALARS)
_FEATURES = "translation_feature_bucket_total"
NAMES = frozenset(
    {INFO, PROCESS, _FEATURES, *(start + part for start in (_USERS, _SYNTHETIC) for part in _PARTS)}
)


NOTHING = Counters()


class Sample(NamedTuple):
    """One number of one series."""

    name: str
    labels: Mapping[str, str]
    value: float


class MalformedError(Exception):
    """What was read are no counters of a predictor."""


@dataclass(frozen=True)
class Told:
    """What one predictor process tells of itself."""

    revision: str = ""
    process: str = ""
    users: Counters = NOTHING
    synthetic: Counters = NOTHING


@dataclass
class _Counting:
    """Counters that are being put together."""

    codes: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, int] = field(default_factory=dict)
    scalars: dict[str, int] = field(default_factory=dict)
    features: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, part: str, labels: Mapping[str, str], value: float) -> None:
        """Take one sample in; of two series that say the same, the higher one counts."""
        if part == "requests_total":
            _keep(self.codes, labels.get("code", ""), value)
        elif part == "request_duration_seconds_bucket":
            _keep(self.seconds, _bound(labels.get("le", "")), value)
        elif part == "feature_bucket_total":
            buckets = self.features.setdefault(intern(labels.get("feature", "")), {})
            _keep(buckets, _bound(labels.get("bucket", "")), value)
        elif part == "tokens_total":
            name = _TOKENS.get(labels.get("direction", ""))
            if name:
                _keep(self.scalars, name, value)
        elif part in _SCALARS:
            _keep(self.scalars, _SCALARS[part], value)

    def counters(self) -> Counters:
        """Return what has been counted."""
        return Counters(self.codes, self.seconds, features=self.features, **self.scalars)


def parse(text: str) -> Iterator[Sample]:
    """Return the samples in a text of Prometheus's format that concern a predictor.

    Raises:
        MalformedError: the text is not in that format, or longer than any predictor's.
    """
    lines = [line for line in text.split("\n") if _name(line) in NAMES]
    if len(lines) > MAX_SAMPLES or any(len(line) > MAX_LINE for line in lines):
        raise MalformedError(f"more than {MAX_SAMPLES} lines, or a line above {MAX_LINE}")
    try:
        for family in text_string_to_metric_families("\n".join(lines) + "\n"):
            for sample in family.samples:
                yield Sample(sample.name, sample.labels, sample.value)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise MalformedError(f"not in Prometheus's text format: {error}") from error


def told(samples: Iterable[Sample]) -> Told:
    """Return what the samples of one process say.

    Raises:
        MalformedError: a counter is negative, infinite or not a number.
    """
    revision, process = "", ""
    users, synthetic = _Counting(), _Counting()
    for name, labels, value in samples:
        if name == INFO:
            revision = labels.get("revision", "")
        elif name == PROCESS:
            process = process_name(value)
        elif name.startswith(_SYNTHETIC):
            synthetic.add(name.removeprefix(_SYNTHETIC), labels, value)
        else:
            users.add(name.removeprefix(_USERS), labels, value)
    return Told(revision, process, users.counters(), synthetic.counters())


def process_name(started: float) -> str:
    """Return the name of a process that started at this moment, in seconds since 1970."""
    if not math.isfinite(started):
        raise MalformedError(f"{PROCESS} is {started}")
    return f"{started:.2f}"


def _keep(counts: dict[str, int], key: str, value: float) -> None:
    if not 0 <= value < 2**53:
        raise MalformedError(f"{value} is no count")
    counts[intern(key)] = max(counts.get(key, 0), int(value))


def _bound(label: str) -> str:
    """Return the label of a bucket, which is its upper bound."""
    try:
        known = not math.isnan(float(label))
    except ValueError:
        known = False
    if not known:
        raise MalformedError(f"{label!r} is no bucket's upper bound")
    return label


def _name(line: str) -> str:
    return line[: min(len(line), 64)].partition("{")[0].partition(" ")[0]
