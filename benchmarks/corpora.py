"""The real text that benchmarks read: a folder of corpora, each with its parts as TSV files."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

from benchmarks.environments import ROOT

CORPORA = Path(os.environ.get("CORPUS", ROOT.parent / "shared/corpora"))


def file(corpus: str, part: str) -> Path:
    """Return where ``part`` ("train", "dev" or "test") of a corpus is.

    Raises:
        SystemExit: it is not there.
    """
    path = CORPORA / corpus / f"{part}.tsv.gz"
    if not path.exists():
        raise SystemExit(f"{path} is not there: CORPUS names the folder of the corpora")
    return path


def pairs(corpus: str, part: str) -> list[tuple[str, str]]:
    """Return the sources and targets of a part, in order; errors as of ``file``."""
    text = gzip.decompress(file(corpus, part).read_bytes()).decode()
    source_target = (line.split("\t") for line in text.splitlines())
    return [(source, target) for source, target in source_target]
