"""What a recipe tolerates of its files: a line a check, each with what was found and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mt_contract.resource import Checks
from mt_trainer.clean import FileCount, Reject
from mt_trainer.survey import Survey


def violations(found: Survey, checks: Checks) -> Iterator[str]:
    """Yield each check of a recipe that the files violate.

    Each with the share found, the share allowed, the first places, and what to do.
    """
    yield from _shares(found.train.counts, checks)
    yield from _overlap(found, checks)
    yield from _pairs(found, checks)


def _shares(counts: Sequence[FileCount], checks: Checks) -> Iterator[str]:
    rows = sum(count.rows for count in counts)
    empty, copies, twice = (
        "have an empty side",
        "have a target that is the source",
        "are duplicates",
    )
    for why, what, limit, name in (
        (Reject.EMPTY, empty, checks.max_empty_fraction, "maxEmptyFraction"),
        (Reject.COPY, copies, checks.max_copy_fraction, "maxCopyFraction"),
        (Reject.DUPLICATE, twice, checks.max_duplicate_fraction, "maxDuplicateFraction"),
    ):
        number = total(counts, why)
        if number > float(limit) * rows:
            yield (
                f"{number:,} of {rows:,} training rows ({number / rows:.1%}) {what} (first: "
                f"{first(counts, why)}), data.checks.{name} allows {float(limit):.1%}: remove "
                "them, or raise the limit"
            )


def _overlap(found: Survey, checks: Checks) -> Iterator[str]:
    tested = len(found.test.fingerprints)
    number = found.overlaps.get(Reject.TEST_OVERLAP, 0)
    if tested and number > float(checks.max_test_overlap) * tested:
        yield (
            f"{number:,} of {tested:,} test sentences ({number / tested:.1%}) stand in the "
            f"training files too (first: {first(found.train.counts, Reject.TEST_OVERLAP)}), "
            f"data.checks.maxTestOverlap allows {float(checks.max_test_overlap):.1%}: scores would "
            "be worth nothing. Remove them from training; with a higher limit they are left out of "
            "training and counted"
        )


def _pairs(found: Survey, checks: Checks) -> Iterator[str]:
    counts = found.train.counts
    rows, pairs = sum(count.rows for count in counts), int(np.count_nonzero(found.keep))
    if pairs < checks.min_pairs:
        yield (
            f"{pairs:,} usable pairs in {rows:,} training rows, data.checks.minPairs asks for "
            f"{checks.min_pairs:,}: add data, or lower the limit. Not used: "
            f"{_summary(counts) or 'none'}"
        )


def total(counts: Sequence[FileCount], why: Reject) -> int:
    """Return how many rows were rejected for a reason."""
    return sum(count.rejected[why] for count in counts)


def first(counts: Sequence[FileCount], why: Reject) -> str:
    """Return where the first rows stand that were rejected for a reason."""
    return next(place for count in counts if (place := count.first(why)))


def _summary(counts: Sequence[FileCount]) -> str:
    return ", ".join(f"{number:,} {why}" for why in Reject if (number := total(counts, why)))
