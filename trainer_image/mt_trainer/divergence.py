"""How far the text is from that of an earlier run: the Jensen-Shannon divergence of histograms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mt_contract import names
from mt_contract.errors import DataError
from mt_trainer.statistics import SIDES


def jensen_shannon(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the divergence of two histograms over the same buckets: 0 if alike, 1 if disjoint.

    The mean Kullback-Leibler divergence (base 2) from the mean of both, after Lin: Divergence
    measures based on the Shannon entropy, IEEE Transactions on Information Theory 37 (1991).
    """
    shares = np.array([ours, theirs], float)
    shares /= shares.sum(1, keepdims=True)
    middle = shares.mean(0)
    logs = np.log2(np.divide(shares, middle, where=shares > 0, out=np.ones_like(shares)))
    return float(np.clip((shares * logs).sum(1).mean(), 0, 1))


def earlier(folder: Path | None) -> tuple[dict[str, Any] | None, str]:
    """Return what an earlier run said of its text, or None and why not.

    Args:
        folder: of that run, or None.
    """
    if folder is None:
        return None, "there is no run before this one"
    path = folder / names.DATASET
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        _features(found["statistics"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return None, f"{path} cannot be compared with: {type(error).__name__}: {error}"
    return found, ""


def compared(
    statistics: Mapping[str, Any], before: Mapping[str, Any], limit: float | None
) -> dict[str, Any]:
    """Return the document's part on divergence, with the value of every feature.

    Features are of the text itself, not of its tokens: these change with the vocabulary, too.

    Args:
        statistics: of this run's text.
        before: what the run before said of its text.
        limit: of every feature, or None.
    """
    ours, theirs = _features(statistics), _features(before["statistics"])
    found = {}
    for name in ours:
        buckets = {**ours[name], **theirs[name]}
        sides = [
            [float(side[name].get(bucket, 0)) for bucket in buckets] for side in (ours, theirs)
        ]
        if all(map(sum, sides)):
            found[name] = round(jensen_shannon(*sides), 6)
    checked = limit is not None
    return {"checked": checked, "against": before.get("digest"), "limit": limit, "features": found}


def check(found: Mapping[str, Any]) -> None:
    """Refuse text that is too far from the run before.

    Raises:
        DataError: with the feature that is furthest, its value, and the limit.
    """
    if not found["checked"]:
        return
    value, feature = max((value, name) for name, value in found["features"].items())
    if value > (limit := found["limit"]):
        raise DataError(
            f"the training text is not like the last run's: {feature} has a Jensen-Shannon "
            f"divergence of {value:.3f}, data.checks.maxDivergence allows {limit:g}. Look for what "
            "changed in the files (dataset.json of both runs has the histograms); if the change is "
            "meant, raise the limit for this run"
        )


def _features(statistics: Mapping[str, Any]) -> dict[str, dict[Any, int]]:
    """Return counts by bucket of each feature; a histogram's buckets are named by their bounds."""
    found = {"characterRatio": _histogram(statistics["characterRatio"])}
    for side in SIDES:
        own = statistics[side]
        found[f"{side}Characters"] = _histogram(own["characters"])
        found[f"{side}Scripts"] = own["scripts"]
        found[f"{side}CharacterKinds"] = own["characterKinds"]
    return found


def _histogram(found: Mapping[str, Any]) -> dict[Any, int]:
    return dict(zip((*found["bounds"], float("inf")), found["counts"], strict=True))
