"""The beginning of the page, what was judged, and its end, how to do it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mt_predictor.report_page import numbers
from mt_predictor.report_page.blocks import Section, code, facts, note, section, table
from mt_predictor.report_page.markup import Html, data, html, tag
from mt_predictor.report_page.numbers import NOTHING, score, span
from mt_predictor.report_page.results import parts, signatures, whisker

Tree = Mapping[str, Any]
_FIRST = ("chrF", "BLEU", "TER")  # the scores that are shown large


def header(document: Tree) -> Html:
    """Return the head of the page."""
    pair = document.get("languages") or {}
    languages = html(data(str(pair["source"])), " → ", data(str(pair["target"]))) if pair else ""
    run = data(str(document.get("run", "")))
    return tag(
        "header",
        tag("p", "Evaluation", class_="over"),
        tag("h1", tag("span", languages, class_="pair") if pair else "", " ", run),
    )


def summary(document: Tree) -> Section:
    """Return the section that tells it in a few numbers."""
    result: Tree = document.get("result") or {}
    run, artifact = str(document.get("run", "RUN")), document.get("artifact") or {}
    baseline: Tree = document.get("baseline") or {}
    broken, cut = document.get("brokenRows") or {}, document.get("truncatedTranslations") or 0
    return section(
        "summary",
        "Summary",
        tag("div", *_cards(document), class_="cards"),
        facts(
            [
                ("run", data(run)),
                ("artifact", tag("code", str(artifact.get("digest", "")))),
                ("engine", _engine(document.get("engine") or {})),
                ("test sentences", f"{result.get('examples', 0):,}"),
                ("baseline", _baseline(baseline)),
                (
                    "verdict",
                    html(
                        tag("code", f"kubectl translation report {run}"),
                        " tells what the gates said: the operator judges, not this page",
                    ),
                ),
                ("rows without a pair", f"{broken.get('count'):,}" if broken.get("count") else ""),
                ("cut translations", f"{cut:,} did not come to an end" if cut else ""),
            ]
        ),
    )


def _cards(document: Tree) -> Iterator[Html]:
    """Yield the main scores, each with what can be said of its difference."""
    part = parts(document).get(None) or {}
    for metric in _FIRST:
        found = (part.get("metrics") or {}).get(metric) or {}
        one, delta = whisker(found, "candidate"), whisker(found, "delta")
        if one is None:
            continue
        lines = [tag("p", score(metric, one.value), class_="large")]
        lines.append(tag("p", f"interval {span(metric, one.low, one.high)}"))
        if delta is not None:
            change = score(metric, delta.value, signed=True)
            bounds = span(metric, delta.low, delta.high, signed=True)
            lines.append(tag("p", tag("b", change), f" against the baseline ({bounds})"))
            lines.append(tag("p", _said(metric, delta.low, delta.high), class_="said"))
        title = tag("h3", metric, " ", tag("small", numbers.BETTER[metric]))
        yield tag("div", title, *lines, class_="card")


def _said(metric: str, low: float, high: float) -> str:
    """Return in words what an interval of a difference tells."""
    if low <= 0 <= high:
        return "may be chance: the interval holds zero" if low < high else "the same"
    word = "better" if (low > 0) != (metric == "TER") else "worse"
    return f"{word}, and not by chance alone"


def _engine(engine: Tree) -> str:
    if not engine:
        return ""
    name, precision, beam = (engine.get(k, "?") for k in ("engine", "precision", "beamSize"))
    return f"{name}, {precision}, beam {beam}"


def _baseline(baseline: Tree) -> Html:
    if not baseline:
        return html("none: there is nothing to compare with")
    run = html(data(str(baseline["run"])), " · ") if baseline.get("run") else html()
    own = html(" · ", _engine(baseline["engine"])) if baseline.get("engine") else html()
    return html(run, tag("code", str(baseline.get("digest", ""))), own)


def reproduce(document: Tree) -> Section:
    """Return the section on how to come to the same numbers."""
    model: Tree = document.get("model") or {}
    files = [
        [
            tag("code", data(str(one["uri"]))),
            data(str(one.get("slice") or NOTHING)),
            tag("code", str(one.get("digest", ""))),
        ]
        for one in document.get("test") or ()
    ]
    made = [
        (name, tag("code", str(model[key])))
        for name, key in (
            ("recipe", "recipeDigest"),
            ("training data", "datasetDigest"),
            ("parent", "parentDigest"),
        )
        if model.get(key)
    ]
    return section(
        "reproduce",
        "How to do it again",
        signatures(document),
        table("Test files", ["file", "slice", "digest"], files) if files else "",
        facts(
            [
                *made,
                ("evaluated with", _versions(document.get("versions") or {})),
                ("trained with", _versions(model.get("versions") or {})),
                ("inputs of this evaluation", tag("code", str(document.get("inputs", "")))),
            ]
        ),
        note("The scores, from the translations beside this page, with sacreBLEU itself:"),
        code(_sacrebleu(document)),
        note("The whole evaluation, where the files can be read:"),
        code(_command(document)),
        note("Everything that this page shows stands in report.json beside it, for programs."),
    )


def _versions(versions: Tree) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _sacrebleu(document: Tree) -> str:
    told = ((document.get("result") or {}).get("signatures") or {}).get("BLEU", "")
    known = [part[4:] for part in str(told).split("|") if part.startswith("tok:")]
    tokenizer = f" -tok {known[0]}" if known else ""
    return (
        "jq -r .reference translations.jsonl > reference.txt\n"
        "jq -r .translation translations.jsonl > candidate.txt\n"
        f"sacrebleu reference.txt -i candidate.txt -m chrf bleu ter{tokenizer}"
    )


def _command(document: Tree) -> str:
    told = {"MT_RUN": document.get("run"), "MT_OUTPUT": "/tmp/evaluation"}
    told |= {"MT_ARTIFACT": document.get("artifact"), "MT_ENGINE": document.get("engine")}
    told |= {"MT_BASELINE": document["baseline"]} if document.get("baseline") else {}
    if evaluation := document.get("evaluation"):
        told["MT_EVALUATION"] = evaluation | {"gates": document.get("gates") or []}
    lines = (f"{name}={_quoted(value)} \\" for name, value in told.items() if value)
    return "\n".join([*lines, "mt-predictor evaluate"])


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "'" + text.replace("'", "'\\''") + "'"
