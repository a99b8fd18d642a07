"""The tables that the demo ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from demo.judge import ALPHA, Finding
from demo.story import Candidate


def candidates(found: Sequence[Candidate]) -> Table:
    """Return each candidate, its scores and its fate."""
    table = Table(title="Candidates", title_justify="left")
    for column in ("run", "recipe", "chrF", "BLEU", "revision", "fate"):
        table.add_column(column, justify="right" if column in ("chrF", "BLEU") else "left")
    for each in found:
        scores = [str(each.scores.get(metric, "-")) for metric in ("chrF", "BLEU")]
        style = "red" if each.fate.startswith("rejected") else ""
        table.add_row(each.run, each.recipe, *scores, each.revision or "-", each.fate, style=style)
    return table


def traffic(findings: Sequence[Finding], verdicts: Mapping[tuple[str, int], str]) -> Table:
    """Return requests, losses and shares of each phase, and their sum.

    Args:
        findings: what the load saw in each phase.
        verdicts: of the operator, by revision and weight.
    """
    caption = (
        f"p: exact binomial test of the share against the weight, alpha = {ALPHA:g}; times in ms"
    )
    table = Table(title="Requests", title_justify="left", caption=caption)
    numbers = ("sent", "lost", "empty", "weight", "share", "p", "p50", "p99")
    for column in ("phase", *numbers, "judged"):
        table.add_column(column, justify="right" if column in numbers else "left")
    for found in findings:
        table.add_row(
            found.phase.name,
            str(found.requests),
            str(found.lost),
            str(found.empty),
            f"{found.phase.weight} %",
            f"{found.share:.2f} %" if found.judged else "-",
            f"{found.p_value:.3f}" if found.judged else "-",
            f"{found.p50 * 1000:.0f}",
            f"{found.p99 * 1000:.0f}",
            verdicts.get((found.phase.revision, found.phase.weight), "-"),
            style="red" if found.problems else "",
        )
    sent, lost = sum(f.requests for f in findings), sum(f.lost for f in findings)
    table.add_section()
    empty = sum(f.empty for f in findings)
    table.add_row("all", str(sent), str(lost), str(empty), style="bold")
    return table


def translations(rows: Sequence[tuple[str, str, str]]) -> Table:
    """Return (source, translation, reference) triples."""
    table = Table(title="Through the endpoint", title_justify="left", show_lines=True)
    for column in ("Portuguese", "the model's English", "a person's English"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
