from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.trainer import builders

from mt_trainer import inspect_table
from mt_trainer.__main__ import main

ROWS = builders.pairs(1200)


def inspected(*arguments: str | Path) -> int:
    return main(["inspect", *map(str, arguments)])


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    assert inspected(*arguments, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def jsonl(path: Path) -> Path:
    lines = [json.dumps({"en": a, "eo": b}, ensure_ascii=False) for a, b in ROWS]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_files_are_looked_at_as_a_training_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = builders.write(tmp_path / "train.tsv", [*ROWS, ("", "unu"), ROWS[0]])
    assert inspected(path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"train {path}: 1,202 rows, 1,200 kept"
    assert f"  empty: 1 (first: {path} line 1201)" in lines
    assert f"  duplicate: 1 (first: {path} line 1202)" in lines
    assert "source: scripts Latin 100.0%" in lines
    assert lines[-1] == "1,200 usable pairs in 1,202 training rows; all checks hold"


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("fields", id="columns of other names"),
        pytest.param("parallel", id="two line-aligned files"),
        pytest.param("recipe", id="a recipe"),
        pytest.param("model", id="a model's manifest"),
    ],
)
def test_data_may_be_named_in_any_way(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if form == "fields":
        arguments = [jsonl(tmp_path / "a.jsonl"), "--fields", "source=en,target=eo"]
    elif form == "parallel":
        for side, name in enumerate(("a.en", "a.eo")):
            text = "".join(f"{row[side]}\n" for row in ROWS)
            (tmp_path / name).write_text(text, encoding="utf-8")
        arguments = ["--format", "Parallel", tmp_path / "a.en", tmp_path / "a.eo"]
    else:
        spec = builders.spec()
        path = tmp_path / "recipe.yaml"
        path.write_text(json.dumps({"spec": spec} if form == "model" else spec))
        builders.write(tmp_path / "train.tsv", ROWS)
        arguments = [path]
    assert told(capsys, *arguments)["pairs"] == 1200


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(ROWS[:90], "90 usable pairs .*minPairs asks for 1,000", id="too few"),
        pytest.param(ROWS + ROWS, "are duplicates .* line 1201; then 1202", id="all of it twice"),
        pytest.param([*ROWS, *[("", "x")] * 99], "have an empty side", id="empty sides"),
    ],
)
def test_a_violated_check_ends_with_3_after_all_is_told(
    rows: list[tuple[str, str]],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = builders.write(tmp_path / "train.tsv", rows)
    page = tmp_path / "page.html"
    assert inspected(path, "--html", page) == 3
    out = capsys.readouterr().out
    assert re.search(f"VIOLATED: .*{message}", out)
    assert "1 check violated" in out
    assert re.search(message, caplog.text)
    assert "Violated: " in page.read_text(encoding="utf-8")


def test_all_checks_that_are_violated_are_named_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [*ROWS[:50], *ROWS[:50], *[("a b", "a b")] * 50]
    assert inspected(builders.write(tmp_path / "train.tsv", rows)) == 3
    for name in ("maxCopyFraction", "maxDuplicateFraction", "minPairs"):
        assert name in caplog.text


def test_sentences_of_the_test_files_are_looked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    test = [{"uri": "test.tsv", "slice": "legal"}]
    path = builders.recipe_file(tmp_path, {"data": {"test": test}})
    builders.write(tmp_path / "test.tsv", builders.pairs(300)[:3])
    assert inspected(path) == 3
    assert "3 of 3 test sentences (100.0%) stand in the training files too" in caplog.text
    assert "test slice legal: 3 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["none.tsv"], 3, "does not exist", id="a missing file"),
        pytest.param(["a.tsv", "--fields", "colour=x"], 2, "--fields", id="an unknown field"),
        pytest.param(["--format", "Parallel", "a"], 2, "in twos", id="one side of two"),
        pytest.param(["none.yaml"], 2, "cannot be read as a recipe", id="a missing recipe"),
    ],
)
def test_a_mistake_is_named(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert inspected(*arguments) == code
    assert message in caplog.text


class Page(HTMLParser):
    """What a page holds, and whether its elements are closed in their order."""

    VOID = ("meta", "rect")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_shows_text_as_text(tmp_path: Path) -> None:
    rows = [*ROWS, ("<script>alert(1)</script>", "x" * 900), ("one", "x" * 900)]
    path = builders.write(tmp_path / "<b>.tsv", rows)
    assert inspected(path, "--html", tmp_path / "page.html") == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert "<script>alert(1)</script>" in page.text
    tags = [tag for tag, _ in page.seen]
    assert not {"script", "b", "link", "img"} & set(tags)
    assert tags.count("svg") == 3
    assert not re.search(r"(src|href|url)\s*[=(]", text)
    assert "prefers-color-scheme: dark" in text


def test_a_terminal_gets_tables(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    rows = [*ROWS, ("[red]one", ""), ("see www.example.org", "du")]
    found = told(capsys, builders.write(tmp_path / "t.tsv", rows))
    screen = Terminal()
    inspect_table.show(found | {"anomalies": ["a [b] c"], "violations": ["d"]}, screen)
    shown = screen.getvalue()
    assert "┃" in shown
    for word in ("train", "empty 1", "Latin 100.0%", "addresses: 1", "a [b] c", "check violated"):
        assert word in shown.replace("\n", " ")


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        pytest.param([0, 1, 1000], " ▁█", id="little is not nothing"),
        pytest.param([8, 4, 2, 1], "█▄▂▁", id="heights are shares of the most"),
        pytest.param([0, 0], "  ", id="nothing at all"),
        pytest.param([], "", id="no bucket"),
    ],
)
def test_a_sparkline_has_a_bar_a_bucket(counts: list[int], line: str) -> None:
    assert inspect_table.sparkline(counts) == line


def test_it_does_not_wait_for_tensorflow(tmp_path: Path) -> None:
    script = (
        "import sys; from mt_trainer.__main__ import main\n"
        "code = main(['inspect', sys.argv[1]])\n"
        "assert not {'tensorflow', 'jax', 'keras'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(builders.write(tmp_path / "t.tsv", ROWS))],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
