"""The page of an evaluation: a function of ``report.json``, and of nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mt_predictor.report_page import overview, results, sentences, training
from mt_predictor.report_page.attention import attention
from mt_predictor.report_page.blocks import Section
from mt_predictor.report_page.markup import Html, tag

SCHEMA_VERSION = 2
_STYLE = Path(__file__).with_name("style.css")
# A browser is told what is true anyway: nothing is loaded and nothing runs, whatever data says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(document: Mapping[str, Any]) -> str:
    """Return the whole report as one HTML page that loads nothing.

    Args:
        document: the content of ``report.json``; what it lacks is left out, so that of an earlier
            release makes a shorter page.

    Raises:
        ValueError: it was written by a later release.
    """
    version = document.get("schemaVersion")
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise ValueError(
            f"schemaVersion is {version!r}, this release reads 1 to {SCHEMA_VERSION}: use the "
            "release that wrote it"
        )
    told = [
        overview.summary(document),
        results.scores(document),
        results.gates(document),
        results.slices(document),
        results.lengths(document),
        *sentences.extremes(document),
        sentences.samples(document),
        training.learning(document),
        training.dataset(document),
        attention(document),
        overview.reproduce(document),
    ]
    return _whole(document, [one for one in told if one is not None])


def _whole(document: Mapping[str, Any], sections: Sequence[Section]) -> str:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"Evaluation of {document.get('run', '')}"),
        tag("style", Html(_STYLE.read_text(encoding="utf-8"))),
    )
    links = (tag("a", one.title, href=f"#{one.name}") for one in sections)
    nav = tag("nav", *links, aria_label="sections")
    main = tag("main", *(one.html() for one in sections))
    body = tag("body", overview.header(document), nav, main)
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"
