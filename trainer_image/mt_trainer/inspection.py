"""What files hold and whether a training would take them, as one document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mt_contract.resource import Checks
from mt_trainer import describe, schema
from mt_trainer.checks import violations
from mt_trainer.statistics import Statistics
from mt_trainer.survey import Files, limits, survey


def inspect(files: Files, checks: Checks, max_tokens: int, folder: Path) -> dict[str, Any]:
    """Return what a training would find in files, up to where it divides them.

    Args:
        files: where the text is.
        checks: what is tolerated.
        max_tokens: the longest sentence that the model takes.
        folder: where text is laid down on the way.

    Raises:
        DataError: a file is broken.
        StorageError: a file could not be read.
    """
    found = survey(files, limits(checks, max_tokens), folder)
    statistics = Statistics()
    for lines, rows in found.train.chosen(found.keep):
        statistics.add(b"".join(lines).decode(), rows)
    told = describe.measured(statistics, found.train.where)
    validation = found.validation[0].counts if found.validation else ()
    return {
        "rows": sum(count.rows for count in found.train.counts),
        "pairs": int(np.count_nonzero(found.keep)),
        "files": [describe.file(count) for count in found.train.counts],
        "validationFiles": [describe.file(count) for count in validation],
        "testFiles": [describe.file(count) for count in found.test.counts],
        "testSources": len(found.test.fingerprints),
        "testSlices": dict(found.test.slices),
        **told,
        "anomalies": list(schema.anomalies(told["statistics"], told["schema"], None)),
        "violations": list(violations(found, checks)),
    }
