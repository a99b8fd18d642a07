"""What a training left beside its model, for the report: ``metrics.jsonl`` and ``dataset.json``.

Another program wrote them, perhaps another release of it, or somebody by hand: what is missing or
not understood is left out, and nothing here grows with what they hold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mt_contract import artifact, names

_POINTS = 200  # of a curve
_MOST = 40  # facts, files, reasons, rows of a table
_FEW = 12  # histograms, tables, anomalies
_BUCKETS = 64
_TEXT = 200  # characters
_LARGEST = 8 << 20  # bytes of a document that is read
_DEEPEST = 5  # a histogram lies
_NOT_FACTS = frozenset({"schemaVersion", "rejectedPairs"})
_IN_THEIR_OWN_WAY = frozenset({"statistics", "schema", "divergence"})
_ONLY_HOLD = frozenset({"statistics", "features"})


def learning(folders: Iterable[Path]) -> dict[str, Any] | None:
    """Return ``{training, validation}``, each [[step, loss], …], of the first folder that has any.

    A line tells the validation loss that was known by then: a point is where it changed.
    """
    for folder in folders:
        training: list[tuple[int, float]] = []
        validation: list[tuple[int, float]] = []
        for line in _lines(folder / names.METRICS):
            step, loss, other = (_number(line.get(k)) for k in ("step", "loss", "validationLoss"))
            if step is None:
                continue
            if loss is not None:
                training.append((int(step), round(loss, 4)))
            if other is not None and not (validation and validation[-1][1] == round(other, 6)):
                validation.append((int(step), round(other, 6)))
        if training or validation:
            return {"training": _thinned(training), "validation": _thinned(validation)}
    return None


def dataset(folders: Iterable[Path], model: Path) -> dict[str, Any] | None:
    """Return what ``dataset.json`` of the first folder that has one tells, in a few kilobytes.

    Args:
        folders: where it may be.
        model: the artifact, whose profile tells how lengths are spread where that file does not.
    """
    told = next((found for folder in folders if (found := _document(folder / names.DATASET))), {})
    if not told:
        return None
    spread = _histograms(told) or _histograms(_document(model / artifact.PROFILE))
    files = [one for one in _list(told.get("files")) if isinstance(one, Mapping)]
    return {
        "facts": dict(_facts(told)),
        "anomalies": [_sentence(one) for one in _list(told.get("anomalies"))[:_FEW]],
        "rejected": _summed("rejected", told, files),
        "repaired": _summed("repaired", told, files),
        "tables": dict(list(_tables(told))[:_FEW]),
        "histograms": dict(list(spread.items())[:_FEW]),
        "files": [_file(one) for one in files[:_MOST]],
    }


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            for text in stream:
                try:
                    line = json.loads(text)
                except (ValueError, RecursionError):
                    continue  # cut off by a kill
                if isinstance(line, Mapping):
                    yield line
    except OSError:
        return


def _document(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_bytes() if path.stat().st_size <= _LARGEST else b"{}"
        return _mapping(json.loads(text))
    except (OSError, ValueError, RecursionError):
        return {}


def _thinned(points: Sequence[tuple[int, float]]) -> list[list[float]]:
    """Return at most so many points: the mean of neighbours."""
    size = math.ceil(len(points) / _POINTS) or 1
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [
        [group[-1][0], round(sum(loss for _, loss in group) / len(group), 6)] for group in groups
    ]


def _facts(told: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    plain = ((key, value) for key, value in told.items() if key not in _NOT_FACTS)
    some = [(key, value) for key, value in plain if isinstance(value, (str, bool, int, float))]
    for key, value in some[:_MOST]:
        yield key[:_TEXT], value[:_TEXT] if isinstance(value, str) else value


def _summed(
    what: str, told: Mapping[str, Any], files: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Return rows by reason: told as such, or summed over files."""
    sources = [told] if isinstance(told.get(what), Mapping) else files
    counts: dict[str, float] = {}
    for source in sources:
        for reason, count in _mapping(source.get(what)).items():
            if number := _number(count):
                counts[reason[:_TEXT]] = counts.get(reason[:_TEXT], 0) + number
    return dict(list(counts.items())[:_MOST])


def _tables(told: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what is a table of numbers: ``{source: {mean: …, p95: …}, target: …}``."""
    sides = {key: _mapping(side) for key, side in _mapping(told.get("statistics")).items()}
    divergence = _mapping(told.get("divergence"))
    measured = {
        "scripts": {key: side.get("scripts") for key, side in sides.items()},
        "sharesOfSentences": {key: _shares(side) for key, side in sides.items()},
        "divergenceFromTheLastRun": {
            feature: {"divergence": value, "limit": divergence.get("limit")}
            for feature, value in _mapping(divergence.get("features")).items()
        },
    }
    plain = {key: value for key, value in told.items() if key not in _IN_THEIR_OWN_WAY}
    for name, rows in {**plain, **measured}.items():
        found = {
            key[:_TEXT]: numbers
            for key, row in list(_mapping(rows).items())[:_MOST]
            if (numbers := _numbers(_mapping(row)))
        }
        if found:
            yield name[:_TEXT], found


def _shares(side: Mapping[str, Any]) -> dict[str, Any]:
    return {key: trait["share"] for key, trait in side.items() if "share" in _mapping(trait)}


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    found = ((key[:_TEXT], _number(value)) for key, value in row.items())
    return {key: value for key, value in list(found)[:_FEW] if value is not None}


def _histograms(told: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """Return everything that has bounds and counts, by where it was found."""
    bounds, counts = (_list(told.get(key)) for key in ("bounds", "counts"))
    numbers = [_number(one) for one in (*bounds, *counts)]
    fits = 0 < len(counts) <= _BUCKETS and 0 <= len(counts) - len(bounds) <= 1
    if fits and None not in numbers and all(one >= 0 for one in counts):
        name = " ".join(key for key in path if key not in _ONLY_HOLD)
        return {name[:_TEXT]: {"bounds": bounds, "counts": counts}}
    found: dict[str, Any] = {}
    for key, inner in told.items():
        if isinstance(inner, Mapping) and len(path) < _DEEPEST:
            found |= _histograms(inner, *path, key)
    return found


def _file(told: Mapping[str, Any]) -> dict[str, Any]:
    rejected = [_number(count) or 0.0 for count in _mapping(told.get("rejected")).values()]
    uri = str(told.get("uri", ""))[: 2 * _TEXT]
    rows = _number(told.get("rows"))
    return {"uri": uri, "rejected": sum(rejected)} | ({} if rows is None else {"rows": rows})


def _sentence(told: Any) -> str:
    if isinstance(told, Mapping):
        told = told.get("message") or json.dumps(told, ensure_ascii=False)
    return str(told)[:_TEXT]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if fits and math.isfinite(value) else None
