"""The files of an evaluation, below a run's folder; ``result.json`` is the last to be written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mt_contract import names, report, storage
from mt_contract.report import EvaluationResult, ReportError
from mt_predictor.comparison import Measured

REPORT = "evaluation/report.json"
PAGE = "evaluation/report.html"
_SHOWN = 10  # sentences at each end
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #8884}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}"""


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


def write(
    folder: Path, document: Mapping[str, Any], result: EvaluationResult, measured: Measured
) -> None:
    """Write translations, report and page.

    Raises:
        OSError: the folder cannot be written.
    """
    lines = (
        {
            "source": example.source,
            "reference": example.reference,
            "translation": output,
            "slice": example.slice,
        }
        for example, output in zip(measured.examples, measured.outputs, strict=True)
    )
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    pages = {
        names.TRANSLATIONS: text,
        PAGE: page(str(document["run"]), result, measured),
        REPORT: json.dumps(document, ensure_ascii=False, indent=1),
    }
    for name, content in pages.items():
        storage.write_aside(folder / name, content.encode(errors="replace"))


def page(run: str, result: EvaluationResult, measured: Measured) -> str:
    """Return the whole report as one HTML page that loads nothing."""
    baseline = measured.baseline_scores
    scores = [(name, value, baseline.get(name, "")) for name, value in measured.scores.items()]
    gates = [
        (row.metric, row.slice or "all", str(row.examples), row.value, _delta(row.delta, row))
        for row in result.comparisons
    ]
    # A slice's entry goes into report.json as it is, so its values are of several types.
    slices = [
        (name, str(told["examples"]), *dict(told["scores"]).values())  # type: ignore[call-overload]
        for name, told in measured.slices.items()
    ]
    parts = [
        f"<h1>Evaluation of {escape(run)}</h1><p>{result.examples} test sentences.</p>",
        "<h2>Scores</h2>",
        _table(("metric", "candidate", "baseline"), scores),
        "<h2>What the gates ask for</h2>",
        _table(("metric", "slice", "sentences", "value", "against the baseline"), gates),
    ]
    if slices:
        parts += ["<h2>Slices</h2>", _table(("slice", "sentences", *measured.scores), slices)]
    for title, rows in _sentences(measured):
        head = ("source", "reference", "translation", "baseline", "chrF")
        parts += [f"<h2>{title}</h2>", _table(head, rows)]
    rows_of_signatures = list(result.signatures.items())
    parts += ["<h2>Signatures</h2>", _table(("metric", "sacreBLEU"), rows_of_signatures)]
    body = "\n".join(parts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" '
        f'content="light dark"><title>Evaluation of {escape(run)}</title>'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _delta(delta: str | None, row: Any) -> str:
    return f"{float(delta):+g} ({float(row.low):+g} to {float(row.high):+g})" if delta else ""


def _sentences(measured: Measured) -> list[tuple[str, list[tuple[str, ...]]]]:
    """Return the sentences at both ends: by the change where there is a baseline, else by score."""
    ours, theirs = measured.sentence_chrf, measured.baseline_sentence_chrf
    worth = [a - b for a, b in zip(ours, theirs, strict=True)] if theirs else list(ours)
    order = sorted(range(len(worth)), key=lambda number: worth[number])
    titles = ("What got worse", "What got better") if theirs else ("Worst", "Best")
    shown = min(_SHOWN, (len(order) + 1) // 2)
    ends = (order[:shown], order[::-1][:shown])
    return [
        (title, [_sentence(measured, number) for number in numbers])
        for title, numbers in zip(titles, ends, strict=True)
    ]


def _sentence(measured: Measured, number: int) -> tuple[str, ...]:
    example, theirs = measured.examples[number], measured.baseline_outputs
    score = f"{measured.sentence_chrf[number]:.1f}"
    if measured.baseline_sentence_chrf:
        score = f"{measured.baseline_sentence_chrf[number]:.1f} → {score}"
    baseline = theirs[number] if theirs else ""
    return example.source, example.reference, measured.outputs[number], baseline, score


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table>"
