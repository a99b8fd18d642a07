from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from demo import corpus
from demo.corpus import Pair

PO = """
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\\n"

msgid "The page was saved"
msgstr "A página foi salva"

#, fuzzy
msgid "The page was lost"
msgstr "A página foi achada"

#~ msgid "The page was old"
#~ msgstr "A página era velha"

msgid "Not translated at all"
msgstr ""

msgid "one file\\n  was found"
msgid_plural "many files were found"
msgstr[0] "um arquivo foi encontrado"
msgstr[1] "muitos arquivos foram encontrados"
"""


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        pytest.param("A página foi salva", "The page was saved", True, id="a plain sentence"),
        pytest.param("Sim, claro", "Yes, sure", False, id="two words are too few"),
        pytest.param("uma " * 61, "word " * 61, False, id="61 words are too many"),
        pytest.param("palavra " * 60, "word " * 60, True, id="60 words are not"),
        pytest.param(
            "%(n)d páginas foram salvas", "%(n)d pages were saved", False, id="a named placeholder"
        ),
        pytest.param("Não achei %s aqui", "I found no %s here", False, id="a printf placeholder"),
        pytest.param(
            "A página {0} foi salva", "The page {0} was saved", False, id="a brace placeholder"
        ),
        pytest.param(
            "A <b>página</b> foi salva", "The page was saved", False, id="markup on one side"
        ),
        pytest.param("Veja https://a.b c d", "See https://a.b c d", False, id="an address"),
        pytest.param(
            "um ``literal`` no texto", "a ``literal`` in text", False, id="reStructuredText"
        ),
        pytest.param("Open Source Software", "Open Source Software", False, id="not translated"),
        pytest.param("Sim", "This is a much longer sentence", False, id="lengths that do not fit"),
        pytest.param(
            "50 % das páginas novas", "50 % of the new pages", True, id="a percent sign is text"
        ),
    ],
)
def test_usable(source: str, target: str, expected: bool) -> None:
    assert corpus.usable(Pair(source.strip(), target.strip())) is expected


def test_a_catalog_gives_translated_entries_and_both_plural_forms(tmp_path: Path) -> None:
    path = tmp_path / "django.po"
    path.write_text(PO, encoding="utf-8")
    assert list(corpus.read_catalog(path)) == [
        Pair("A página foi salva", "The page was saved"),
        Pair("um arquivo foi encontrado", "one file was found"),
        Pair("muitos arquivos foram encontrados", "many files were found"),
    ]


def test_wheels_give_portuguese_catalogs_and_compiled_ones_only_where_there_is_no_source(
    tmp_path: Path,
) -> None:
    names = [
        "a/locale/pt_BR/LC_MESSAGES/x.po",
        "a/locale/pt_BR/LC_MESSAGES/x.mo",
        "a/locale/pt/LC_MESSAGES/y.mo",
    ]
    names += ["a/locale/de/LC_MESSAGES/x.po", "a/locale/pt_BR/x.po"]
    with zipfile.ZipFile(tmp_path / "a-1-py3-none-any.whl", "w") as wheel:
        for name in names:
            wheel.writestr(name, PO)
    found = [
        p.relative_to(tmp_path / "out").as_posix()
        for p in corpus.catalogs(tmp_path, tmp_path / "out")
    ]
    folder = "a-1-py3-none-any"
    assert found == [f"{folder}/{names[2]}", f"{folder}/{names[0]}"]


def test_unique_looks_past_case_and_punctuation() -> None:
    pairs = [
        Pair("Salvar a página.", "Save the page."),
        Pair("salvar a página", "save the page"),
        Pair("x y z", "a b c"),
    ]
    assert len(corpus.unique(pairs)) == 2


def test_unique_does_not_depend_on_the_order() -> None:
    pairs = [Pair("Salvar a página.", "Save the page."), Pair("salvar a página", "save the page")]
    assert corpus.unique(pairs) == corpus.unique(pairs[::-1])


def test_families_join_through_either_side() -> None:
    pairs = [Pair("a", "x"), Pair("a", "y"), Pair("b", "y"), Pair("c", "z")]
    assert sorted(map(len, corpus.families(pairs))) == [1, 3]


def chained_pairs() -> list[Pair]:
    """200 lone pairs, and 50 that share a target with a neighbour."""
    lone = [Pair(f"fonte {word}", f"source {word}") for word in words(200, "a")]
    return lone + [
        Pair(f"outra {word}", f"other {word[: len(word) // 2 + 1]}") for word in words(50, "b")
    ]


def words(count: int, first: str) -> list[str]:
    return [
        first + "".join(chr(ord("a") + int(digit)) for digit in f"{i:04}") for i in range(count)
    ]


def test_no_sentence_stands_in_two_splits() -> None:
    parts = corpus.split(chained_pairs(), test=20, validation=10)
    assert {name: len(pairs) for name, pairs in parts.items()} == {
        "train": 220,
        "validation": 10,
        "test": 20,
    }
    for side in ("source", "target"):
        keys = [{corpus.key(getattr(p, side)) for p in pairs} for pairs in parts.values()]
        assert sum(map(len, keys)) == len(set().union(*keys))


def test_the_split_is_the_same_every_time() -> None:
    assert corpus.split(chained_pairs(), 20, 10) == corpus.split(chained_pairs(), 20, 10)


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="200 pairs share no sentence"):
        corpus.split(chained_pairs(), test=100, validation=1)


def test_misaligned_keeps_every_sentence_and_no_pair() -> None:
    pairs = chained_pairs()
    moved = corpus.misaligned(pairs)
    assert sorted(p.target for p in moved) == sorted(p.target for p in pairs)
    assert [p.source for p in moved] == [p.source for p in pairs]
    assert not set(moved) & set(pairs)


def test_a_corpus_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads: list[Path] = []

    def fake_download(folder: Path) -> None:
        downloads.append(folder)
        folder.mkdir()
        entries = [
            f'msgid "save the {w} now"\nmsgstr "salvar {w} agora mesmo"\n' for w in words(1500, "a")
        ]
        with zipfile.ZipFile(folder / "a-1-py3-none-any.whl", "w") as wheel:
            header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
            wheel.writestr("a/locale/pt_BR/LC_MESSAGES/x.po", header + "\n".join(entries))

    monkeypatch.setattr(corpus, "download", fake_download)
    made, again = corpus.make(tmp_path), corpus.make(tmp_path)
    assert made == again
    assert len(downloads) == 1
    assert made.pairs == {"test": 400, "validation": 300, "train": 800, "train-misaligned": 800}
    assert [p.name for p in (tmp_path / "corpus").iterdir()] == [made.folder.name]


def test_every_package_is_pinned_and_hashed() -> None:
    lines = [
        line
        for line in corpus.PACKAGES.read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert len(lines) == 9
    assert all("==" in line and "--hash=sha256:" in line for line in lines)
