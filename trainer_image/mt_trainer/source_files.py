"""The files of a CTranslate2 model that was made elsewhere: found by name, copied within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mt_contract import storage
from mt_contract.artifact import CTRANSLATE2, TARGET_VOCABULARY, VOCABULARY
from mt_contract.errors import BadArtifactError, StorageError

_MB = 1 << 20
_MODEL, _CONFIG = "model.bin", "config.json"
_MOST = {_MODEL: 16_384 * _MB, _CONFIG: _MB}  # bytes
_MOST_OTHERS = 256 * _MB
_VOCABULARY = re.compile(r"(shared|source|target)_vocabulary\.(json|txt)")
_TOKENIZER = (".model", ".spm")
_WANTED = (
    "model.bin, config.json and its vocabularies, as a CTranslate2 converter writes them, and "
    "SentencePiece models (one *.model or *.spm for both languages, or source.spm and target.spm)"
)


def find(folder: Path, languages: tuple[str, str]) -> dict[str, Path]:
    """Return where each file of the artifact is found, by its name there.

    Raises:
        BadArtifactError: a file is missing, or it cannot be told which is which.
    """
    engine = folder if (folder / _MODEL).exists() else folder / CTRANSLATE2
    names = {path.name for path in engine.glob("*")}
    vocabularies = {name for name in names if _VOCABULARY.fullmatch(name)}
    for name in (_MODEL, _CONFIG):
        if name not in names:
            raise BadArtifactError(f"{folder} has no {name}: needed are {_WANTED}")
    if not vocabularies:
        raise BadArtifactError(f"{folder} has no *_vocabulary.json: needed are {_WANTED}")
    found = {f"{CTRANSLATE2}/{name}": engine / name for name in (_MODEL, _CONFIG, *vocabularies)}
    return found | _tokenizers(folder, languages)


def _tokenizers(folder: Path, languages: tuple[str, str]) -> dict[str, Path]:
    paths = [path for path in sorted(folder.glob("*")) if path.suffix in _TOKENIZER]
    if not paths:
        raise BadArtifactError(f"{folder} has no SentencePiece model: needed are {_WANTED}")
    if len(paths) == 1:
        return {VOCABULARY: paths[0]}
    named = [_side(path, languages) for path in paths]
    if sorted(named) != ["source", "target"]:
        shown = ", ".join(path.name for path in paths)
        raise BadArtifactError(
            f"{folder}: of {shown} it cannot be told which is for which language: leave one, or "
            "source.spm and target.spm"
        )
    source, target = (paths[named.index(side)] for side in ("source", "target"))
    return {VOCABULARY: source, TARGET_VOCABULARY: target}


def _side(path: Path, languages: tuple[str, str]) -> str:
    """Return whether a file's name says that it is of the source or of the target, or neither."""
    source, target = (language.split("-")[0].lower() for language in languages)
    words = set(re.split(r"[._-]", path.name.lower()))
    sides = {
        side
        for side, names in (
            ("source", {"source", "src", source}),
            ("target", {"target", "tgt", "trg", target}),
        )
        if words & names
    }
    return sides.pop() if len(sides) == 1 else ""


def copy(files: Mapping[str, Path], folder: Path) -> None:
    """Copy files to their names in ``folder``.

    Raises:
        BadArtifactError: one is a link or no plain file, or larger than any such file is.
        StorageError: one cannot be read.
        OSError: one cannot be written.
    """
    for name, path in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        storage.write_aside(place, _content(path))


def _content(path: Path) -> Iterator[bytes]:
    if path.is_symlink() or not path.is_file():
        raise BadArtifactError(f"{path} is not a plain file: copy the file itself there")
    left = _MOST.get(path.name, _MOST_OTHERS)
    try:
        with path.open("rb") as stream:
            while piece := stream.read(_MB):
                left -= len(piece)
                if left < 0:
                    raise BadArtifactError(f"{path} is larger than any file of its kind")
                yield piece
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}): try again") from error
