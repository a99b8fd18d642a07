"""The files of an evaluation, below a run's folder; ``result.json`` is the last to be written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mt_contract import names, report, storage
from mt_contract.report import EvaluationResult, ReportError
from mt_predictor.comparison import Measured
from mt_predictor.report_page import page

REPORT = "evaluation/report.json"
PAGE = "evaluation/report.html"


def finished(folder: Path, inputs: str) -> EvaluationResult | None:
    """Return the result of the same inputs, if there is one already."""
    try:
        document = json.loads((folder / REPORT).read_bytes())
        text = (folder / names.EVALUATION_RESULT).read_text(encoding="utf-8")
        message = report.decode(text)
    except (OSError, ValueError, ReportError, RecursionError):
        return None  # none, or a broken one: it is made anew
    same = isinstance(document, dict) and document.get("inputs") == inputs
    same = same and (folder / names.TRANSLATIONS).exists()
    return message if same and isinstance(message, EvaluationResult) else None


def begin(folder: Path) -> None:
    """Remove the result of other inputs, and make sure that the folder can be written.

    Raises:
        OSError: it cannot.
    """
    (folder / names.EVALUATION_RESULT).unlink(missing_ok=True)
    storage.check_writable(folder / "evaluation")


def write(folder: Path, document: Mapping[str, Any], measured: Measured) -> None:
    """Write translations, report and page.

    Raises:
        OSError: the folder cannot be written.
    """
    storage.write_aside(folder / names.TRANSLATIONS, _translations(measured))
    _write_report(folder, document)


def show_gates(folder: Path, gates: Sequence[Mapping[str, Any]]) -> None:
    """Write the report of a finished evaluation anew, if gates have other bounds by now.

    Raises:
        OSError: the folder cannot be written.
    """
    document = json.loads((folder / REPORT).read_bytes())
    if document.get("gates", gates) != gates:
        _write_report(folder, document | {"gates": gates})


def _write_report(folder: Path, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, ensure_ascii=False, indent=1)
    storage.write_aside(folder / PAGE, page(document).encode(errors="replace"))
    storage.write_aside(folder / REPORT, text.encode(errors="replace"))


def _translations(measured: Measured) -> Iterator[bytes]:
    for example, output in zip(measured.examples, measured.outputs, strict=True):
        line = {
            "source": example.source,
            "reference": example.reference,
            "translation": output,
            "slice": example.slice,
        }
        yield (json.dumps(line, ensure_ascii=False) + "\n").encode(errors="replace")
