"""The page of an evaluation: what it shows, that data cannot break it, and that it stays small."""

from __future__ import annotations

import copy
import itertools
import json
import random
import re
import tracemalloc
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.predictor import evaluated

from mt_contract import names
from mt_predictor import evaluation_report, report_document, training_files
from mt_predictor.comparison import Measured, Part
from mt_predictor.lengths import by_length
from mt_predictor.report_page import SCHEMA_VERSION, page
from mt_predictor.report_page.differences import marked, merged, words
from mt_predictor.report_page.markup import data, html, visible
from mt_predictor.report_page.numbers import label, score, ticks
from mt_predictor.scores import metrics
from mt_predictor.testset import Example

ATTACK = (
    """<script>alert(1)</script>"><img src=x onerror=alert(1)>' onload='alert(1)"""
    "-->]]></style></title><iframe src=//x></bdi></code></svg><a href=javascript:alert(1)>x</a>"
)
HIDDEN = "a\u202eb\u2066c\u200bd\u0000e\ufefff"
Tree = dict[str, Any]


class Parsed(HTMLParser):
    """A page as a browser reads it: elements, their attributes, and all text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((name, dict(attributes)))

    def handle_data(self, text: str) -> None:
        self.texts.append(text)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def every(self, name: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element of a name."""
        return [attributes for found, attributes in self.found if found == name]


@pytest.fixture(scope="module")
def measured() -> Measured:
    return evaluated.measured(100)


@pytest.fixture(scope="module")
def document(measured: Measured, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return evaluated.document(measured, evaluated.run_folder(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def plain(document: Tree) -> Parsed:
    return Parsed(page(document))


def test_every_section_is_there_and_says_what_was_measured(document: Tree) -> None:
    read = Parsed(page(document))
    assert [one["id"] for one in read.every("section")] == [
        "summary",
        "scores",
        "gates",
        "slices",
        "lengths",
        "worse",
        "better",
        "random",
        "learning",
        "data",
        "attention",
        "reproduce",
    ]
    told = document["parts"][0]["metrics"]["chrF"]["delta"]
    low, high = (score("chrF", float(told[end]), signed=True) for end in ("low", "high"))
    for expected in (
        "pt → en",
        "CTranslate2, Int8, beam 4",
        document["artifact"]["digest"],
        f"{low} to {high}",
        "minDelta -0.5",
        "not measured: no such sentences",
        "kubectl translation report pt-en-b81qz",
        "TestOverlap",
        "606 rows rejected as TestOverlap",
        "Best validation loss: 1.9",
        document["result"]["signatures"]["BLEU"],
        "-m chrf bleu ter -tok 13a",
    ):
        assert expected in read.text, expected


@pytest.mark.parametrize(
    ("without", "sections"),
    [
        pytest.param({"learning": None, "data": None}, {"learning", "data"}, id="no training"),
        pytest.param({"attention": []}, {"attention"}, id="an engine that tells no attention"),
        pytest.param({"slices": {}}, {"slices"}, id="no slices"),
        pytest.param({"gates": []}, {"gates"}, id="neither gates nor comparisons"),
        pytest.param({"lengths": {}}, {"lengths"}, id="no lengths"),
        pytest.param({"sentences": {}}, {"worse", "better", "random"}, id="no sentences"),
    ],
)
def test_what_there_is_not_is_not_shown(document: Tree, without: Tree, sections: set[str]) -> None:
    shown = {str(one["id"]) for one in Parsed(page(document | without)).every("section")}
    assert not shown & sections
    assert "summary" in shown


def test_without_gates_what_was_asked_for_is_shown(document: Tree) -> None:
    row = {"metric": "chrF", "slice": "legal", "examples": 7, "value": "41.5000"}
    told = document | {"gates": [], "result": document["result"] | {"comparisons": [row]}}
    assert "41.5000" in Parsed(page(told)).text


def test_without_a_baseline_the_best_and_the_worst_are_shown() -> None:
    told = evaluated.document(evaluated.measured(30, baseline=False))
    read = Parsed(page(told))
    assert {"Best", "Worst"} <= set(read.texts)
    assert "no baseline to differ from" in read.text
    assert "there is nothing to compare with" in read.text
    assert not {"delta", "baseline"} & told["parts"][0]["metrics"]["chrF"].keys()


def test_the_first_release_wrote_reports_that_are_still_shown(document: Tree) -> None:
    old = {"schemaVersion": 1} | {
        key: document[key] for key in ("inputs", "run", "artifact", "engine", "slices", "result")
    }
    read = Parsed(page(old))
    assert [one["id"] for one in read.every("section")] == ["summary", "slices", "reproduce"]


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 0, "2", None])
def test_a_report_of_a_later_release_is_not_guessed_at(version: object) -> None:
    with pytest.raises(ValueError, match="use the release that wrote it"):
        page({"schemaVersion": version})


def leaf(*path: Any) -> Callable[[Tree, str], None]:
    """Return what puts a text at a place of a report."""

    def put(document: Tree, text: str) -> None:
        inner = document
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = text

    return put


def key(*path: Any) -> Callable[[Tree, str], None]:
    """Return what renames the first key at a place of a report."""

    def put(document: Tree, text: str) -> None:
        inner = document
        for step in path:
            inner = inner[step]
        inner[text] = inner.pop(next(iter(inner)))

    return put


def slice_with_intervals(document: Tree, text: str) -> None:
    part = document["parts"][1]
    document["slices"][text] = document["slices"].pop(part["slice"])
    part["slice"] = text


@pytest.mark.parametrize("attack", [ATTACK, HIDDEN], ids=["markup", "hidden"])
@pytest.mark.parametrize(
    "put",
    [
        pytest.param(leaf("run"), id="the run"),
        pytest.param(leaf("languages", "source"), id="a language"),
        pytest.param(leaf("artifact", "digest"), id="a digest"),
        pytest.param(leaf("baseline", "run"), id="the baseline"),
        pytest.param(leaf("sentences", "low", 0, "source"), id="a source"),
        pytest.param(leaf("sentences", "low", 0, "reference"), id="a reference"),
        pytest.param(leaf("sentences", "high", 0, "translation"), id="a translation"),
        pytest.param(leaf("sentences", "high", 0, "baseline"), id="another translation"),
        pytest.param(leaf("sentences", "random", 0, "slice"), id="a sentence's slice"),
        pytest.param(key("slices"), id="a slice"),
        pytest.param(slice_with_intervals, id="a slice with intervals"),
        pytest.param(leaf("gates", 0, "name"), id="a gate"),
        pytest.param(leaf("gates", 0, "rule"), id="a rule"),
        pytest.param(leaf("gates", 2, "slice"), id="a gate's slice"),
        pytest.param(leaf("test", 0, "uri"), id="a test file"),
        pytest.param(leaf("data", "files", 0, "uri"), id="a training file"),
        pytest.param(leaf("data", "anomalies", 0), id="an anomaly"),
        pytest.param(key("data", "facts"), id="a fact"),
        pytest.param(key("data", "rejected"), id="a reason"),
        pytest.param(key("data", "histograms"), id="a histogram"),
        pytest.param(leaf("attention", 0, "source", 0), id="a piece"),
        pytest.param(leaf("model", "versions", "keras"), id="a version"),
        pytest.param(leaf("result", "signatures", "BLEU"), id="a signature"),
    ],
)
def test_data_is_shown_as_text(
    document: Tree, plain: Parsed, put: Callable[[Tree, str], None], attack: str
) -> None:
    told = copy.deepcopy(document)
    put(told, attack)
    markup = page(told)
    hostile, known = Parsed(markup), {name for name, _ in plain.found}
    assert {name for name, _ in hostile.found} <= known
    assert not known & {"script", "img", "iframe", "link", "object", "form", "base"}
    for name, attributes in hostile.found:
        assert not any(one.startswith("on") or one in ("src", "srcdoc") for one in attributes), name
        assert (attributes.get("href") or "#").startswith("#")
    assert visible(attack) in hostile.text
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069\u200b\ufeff\x00]", markup)


@given(st.text())
def test_any_text_comes_out_as_it_went_in(text: str) -> None:
    for markup in (html(text), data(text)):
        read = Parsed(markup)
        assert read.text == visible(text)
        assert {name for name, _ in read.found} <= {"bdi"}
    html(text).encode()  # half a surrogate pair is spelt, too


def test_directions_do_not_leak() -> None:
    assert data("שלום") == '<bdi dir="auto">שלום</bdi>'
    assert visible("a\u202eb") == "a⟨U+202E⟩b"
    assert visible("क्\u200dष") == "क्\u200dष"  # a joiner is part of the word


def test_the_structure_is_one_that_can_be_heard(document: Tree) -> None:
    markup = page(document)
    read = Parsed(markup)
    levels = [int(name[1]) for name, _ in read.found if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))
    assert len(read.every("caption")) == len(read.every("table"))
    plots = [one for one in read.every("svg") if one.get("class") == "plot"]
    assert all(one["role"] == "img" for one in plots)
    assert len(re.findall(r'<svg class="plot"[^>]*><title>[^<]+</title>', markup)) == len(plots)
    ids = [str(one["id"]) for _, one in read.found if "id" in one]
    assert len(set(ids)) == len(ids)
    assert {str(one["href"]) for one in read.every("a")} <= {f"#{one}" for one in ids}
    assert [one["lang"] for one in read.every("html")] == ["en"]


def test_marks_stand_within_their_pictures(document: Tree) -> None:
    shares = [float(x) for x in re.findall(r' (?:x|x1|x2|cx)="(-?[0-9.]+)%"', page(document))]
    assert len(shares) > 200
    assert all(0 <= share <= 100 for share in shares)


@pytest.mark.parametrize("script", ["latin", "astral", "hidden"])
def test_a_page_stays_below_a_megabyte(script: str) -> None:
    """The longest sentences there are, differing in every other character, in many slices."""
    alphabet = {"latin": "abc def ", "astral": "𐐷𐐸 𐐹", "hidden": "x\u202ey z"}[script]
    chance = random.Random(1)

    def text() -> str:
        return "".join(chance.choices(alphabet, k=5000))

    examples = [Example(text(), text(), f"slice {text()[:200]} {n}") for n in range(200)]
    score = np.linspace(0, 100, 200)
    some = evaluated.measured(5)
    part = some.parts[None]
    found = Measured(
        examples=examples,
        outputs=[text() for _ in examples],
        baseline_outputs=[text() for _ in examples],
        scores=some.scores,
        baseline_scores=some.baseline_scores,
        slices={str(one.slice): {"examples": 1, "scores": dict(some.scores)} for one in examples},
        parts={None: part} | {str(one.slice): Part(1, part.metrics) for one in examples[:24]},
        by_length=some.by_length,
        comparisons=(),
        signatures=some.signatures,
        sentence_chrf=score,
        baseline_sentence_chrf=100 - score,
    )
    assert 50_000 < len(page(evaluated.document(found)).encode()) < 1_000_000


def test_a_large_test_set_is_not_copied(tmp_path: Path) -> None:
    some, count = evaluated.measured(20), 8_000
    examples = [some.examples[number % 20] for number in range(count)]
    found = Measured(
        **vars(some)
        | {
            "examples": examples,
            "outputs": [some.outputs[number % 20] for number in range(count)],
            "baseline_outputs": [some.baseline_outputs[number % 20] for number in range(count)],
            "sentence_chrf": np.resize(some.sentence_chrf, count),
            "baseline_sentence_chrf": np.resize(some.baseline_sentence_chrf, count),
        }
    )
    (tmp_path / "evaluation").mkdir()
    tracemalloc.start()
    evaluation_report.write(tmp_path, evaluated.document(found), found)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = (tmp_path / names.TRANSLATIONS).stat().st_size
    assert size > 1_600_000
    assert peak < size / 2


@pytest.mark.parametrize(
    ("text", "unspaced", "expected"),
    [
        pytest.param("O gato, viu?", False, ["O", " gato", ",", " viu", "?"], id="words"),
        pytest.param("«olá»  mundo", False, ["«", "olá", "»", "  mundo"], id="quotes"),
        pytest.param("नमस्ते दुनिया", False, ["नमस्ते", " दुनिया"], id="marks that combine"),
        pytest.param("我爱 北京。", True, ["我", "爱", " 北", "京", "。"], id="no spaces"),
        pytest.param("ที่นี่", True, ["ที่", "นี่"], id="Thai keeps its vowels"),
        pytest.param("", False, [], id="nothing"),
    ],
)
def test_a_text_is_taken_apart(text: str, unspaced: bool, expected: list[str]) -> None:
    assert words(text, unspaced) == expected


def test_differences_are_marked() -> None:
    assert marked("a b, d", "a c, d", False) == "a <mark>b</mark>, d"
    assert merged("a b d", "a c d e", False) == "a <del>b</del> <ins>c</ins> d <ins>e</ins>"
    assert marked("北京", "北平", True) == "北<mark>京</mark>"
    assert marked("same", "same", False) == "same"
    assert marked("all new", "", False) == "<mark>all new</mark>"


TEXTS = st.text("ab ,.<é", max_size=30).map(str.strip)


@given(TEXTS, TEXTS, st.booleans())
def test_differences_lose_nothing(old: str, new: str, unspaced: bool) -> None:
    assert Parsed(marked(new, old, unspaced)).text == new
    both = str(merged(old, new, unspaced))
    before, after = (re.sub(f"<{tag}>.*?</{tag}>", "", both) for tag in ("ins", "del"))
    assert "".join(Parsed(before).text.split()) == "".join(old.split())
    assert "".join(Parsed(after).text.split()) == "".join(new.split())


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_and_within(low: float, wide: float) -> None:
    found = ticks(low, low + wide)
    assert 1 <= len(found) <= 5
    room = 1e-6 * wide + 1e-9
    assert all(low - room <= one <= low + wide + room for one in found)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (-0.4, "−0.4"), (12000.0, "12,000"), (1e-4, "0.0001"), (47.5, "47.5")],  # noqa: RUF001
)
def test_a_tick_is_labelled(value: float, expected: str) -> None:
    assert label(value) == expected


@given(st.lists(st.integers(1, 90), min_size=1, max_size=40), st.booleans())
def test_every_sentence_is_in_the_bin_of_its_length(sizes: list[int], unspaced: bool) -> None:
    sources = [("x" * size if unspaced else "x " * size) for size in sizes]
    examples = [Example(source, "ba do", None) for source in sources]
    chrf = metrics("en")["chrF"]
    rows = chrf.statistics(["ba do"] * len(sizes), examples)
    bins = by_length(chrf, examples, [rows], unspaced, 0.9, 1)
    assert sum(one.examples for one in bins) == len(sizes)
    for one in bins:
        inside = [s for s in sizes if one.shortest <= s <= (one.longest or 10**9)]
        assert len(inside) == one.examples
    assert all(a.longest < b.shortest for a, b in itertools.pairwise(bins) if a.longest)


def test_sentences_that_did_not_change_got_neither_better_nor_worse() -> None:
    some = evaluated.measured(30)
    same = Measured(**vars(some) | {"baseline_outputs": some.outputs,
                                    "baseline_sentence_chrf": some.sentence_chrf})  # fmt: skip
    told = report_document.measured(same, "pt", 1)["sentences"]
    assert (told["low"], told["high"], len(told["random"])) == ([], [], 10)


def test_the_most_changed_sentences_come_first(measured: Measured) -> None:
    told = report_document.measured(measured, "pt", 1)["sentences"]
    changes = [float(one["score"]) - float(one["baselineScore"]) for one in told["low"]]
    assert len(changes) == 10
    assert changes == sorted(changes)
    assert changes[-1] < 0
    first = told["high"][0]
    assert first["source"] == measured.examples[first["number"] - 1].source


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("pvc://claim/a/b.tsv", "pvc://claim/a/b.tsv"),
        ("https://user:secret@host/a.tsv", "https://host/a.tsv"),
        ("https://host/a.tsv?X-Amz-Signature=secret", "https://host/a.tsv?…"),
        ("https://host?token=secret", "https://host?…"),
        ("/data/a?b@c.tsv", "/data/a?b@c.tsv"),
        ("s3://bucket/a@b/c.tsv", "s3://bucket/a@b/c.tsv"),
    ],
)
def test_a_password_in_a_uri_is_not_told(uri: str, expected: str) -> None:
    assert report_document.shown(uri) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param(["no JSON", "[1]", '{"step": "x"}', '{"loss": 1}'], None, id="not ours"),
        pytest.param(['{"step": 1, "loss": NaN}', '{"step": 2, "loss": 1e999}'], None, id="NaN"),
        pytest.param(
            ['{"step": 5, "loss": 2}', '{"step": 9, "loss": 1.5, "validationLoss": 1.75}', '{"st'],
            {"training": [[5, 2.0], [9, 1.5]], "validation": [[9, 1.75]]},
            id="cut off",
        ),
        pytest.param(
            [json.dumps({"step": step, "validationLoss": step // 3}) for step in range(1, 7)],
            {"training": [], "validation": [[1, 0.0], [3, 1.0], [6, 2.0]]},
            id="validation is told again until it changes",
        ),
    ],
)
def test_a_learning_curve_is_read(tmp_path: Path, lines: list[str], expected: object) -> None:
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    assert training_files.learning([tmp_path / "missing", tmp_path]) == expected


def test_a_long_training_makes_a_short_curve(tmp_path: Path) -> None:
    lines = [json.dumps({"step": step, "loss": 1 / (step + 1)}) for step in range(5000)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    curve = training_files.learning([tmp_path])["training"]
    assert len(curve) <= 200
    assert curve[-1][0] == 4999
    assert curve == sorted(curve, key=lambda point: -point[1])


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param("[]", None, id="no object"),
        pytest.param("{", None, id="broken"),
        pytest.param('{"pairs": 5, "new": {"deep": [1]}}', {"facts": {"pairs": 5}}, id="unknown"),
        pytest.param(
            '{"files": [{"rejected": {"A": 1, "B": 2}}, {"rejected": {"A": 3}}, "?"]}',
            {"rejected": {"A": 4, "B": 2}},
            id="reasons over files",
        ),
        pytest.param(
            '{"rejected": {"A": 9}, "files": [{"rejected": {"A": 3}}]}',
            {"rejected": {"A": 9}},
            id="reasons in all",
        ),
        pytest.param(
            '{"statistics": {"source": {"words": {"bounds": [1], "counts": [2, 3]}}}}',
            {"histograms": {"source words": {"bounds": [1], "counts": [2, 3]}}},
            id="a histogram, wherever it is",
        ),
        pytest.param(
            '{"h": {"bounds": [1, 2, 3], "counts": [2]}, "i": {"bounds": [], "counts": [-1]}}',
            {"histograms": {}},
            id="no histogram",
        ),
        pytest.param(
            '{"statistics": {"pairs": 9, "source": {"scripts": {"Latin": 8, "Greek": 1},'
            ' "urls": {"count": 3, "share": 0.3, "first": "a.tsv line 2"}}},'
            ' "divergence": {"limit": 0.2, "features": {"sourceLength": 0.1}}}',
            {
                "tables": {
                    "scripts": {"source": {"Latin": 8, "Greek": 1}},
                    "sharesOfSentences": {"source": {"urls": 0.3}},
                    "divergenceFromTheLastRun": {"sourceLength": {"divergence": 0.1, "limit": 0.2}},
                }
            },
            id="statistics of the text",
        ),
        pytest.param(
            '{"anomalies": ["odd", {"message": "odder", "kind": "X"}, 3]}',
            {"anomalies": ["odd", "odder", "3"]},
            id="anomalies in any shape",
        ),
    ],
)
def test_a_data_set_of_any_release_is_read(
    tmp_path: Path, told: str, expected: Tree | None
) -> None:
    (tmp_path / "dataset.json").write_text(told)
    found = training_files.dataset([tmp_path], tmp_path / "model")
    if expected is None or found is None:
        assert found is expected is None
    else:
        assert {key: found[key] for key in expected} == expected
        page({"schemaVersion": SCHEMA_VERSION, "data": found})


def test_the_profile_tells_lengths_where_the_data_set_does_not(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "dataset.json").write_text('{"pairs": 5}')
    features = {"sourceLength": {"bounds": [1, 2], "counts": [0, 4, 1]}}
    (tmp_path / "model/profile.json").write_text(json.dumps({"features": features}))
    found = training_files.dataset([tmp_path], tmp_path / "model")
    assert found is not None
    assert found["histograms"] == features
