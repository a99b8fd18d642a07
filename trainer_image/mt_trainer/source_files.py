"""The files of a model that was made elsewhere: found by name, copied within bounds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from mt_contract import storage
from mt_contract.artifact import CTRANSLATE2, TARGET_VOCABULARY, VOCABULARY
from mt_contract.errors import BadArtifactError, StorageError

_MB = 1 << 20
MOST_FILES, MOST_BYTES = 256, 20_480 * _MB  # of all that is brought from elsewhere
_MOST_PART, _MOST_NAME, _MOST_PARTS = 255, 1024, 32  # of a name: bytes, within what systems take
_MODEL, _CONFIG = "model.bin", "config.json"
_MOST = {_MODEL: 16_384 * _MB, _CONFIG: _MB}  # bytes
_MOST_OTHERS = 256 * _MB
_VOCABULARY = re.compile(r"(shared|source|target)_vocabulary\.(json|txt)")
_TOKENIZER = (".model", ".spm")
_WANTED = (
    "model.bin, config.json and its vocabularies, as a CTranslate2 converter writes them, and "
    "SentencePiece models (one *.model or *.spm for both languages, or source.spm and target.spm)"
)


def find(names: Collection[str], languages: tuple[str, str], where: str) -> dict[str, str]:
    """Return which file of a CTranslate2 model each file of the artifact is, by its path there.

    Args:
        names: of the files in the model's folder, and in ``ctranslate2/`` below it.
        languages: of source and target.
        where: names the folder in messages.

    Raises:
        BadArtifactError: a file is missing, or it cannot be told which is which.
    """
    engine = "" if _MODEL in names else f"{CTRANSLATE2}/"
    parts = {name.removeprefix(engine) for name in names if name.startswith(engine)}
    vocabularies = sorted(name for name in parts if _VOCABULARY.fullmatch(name))
    for name in (_MODEL, _CONFIG):
        if name not in parts:
            raise BadArtifactError(f"{where} has no {name}: needed are {_WANTED}")
    if not vocabularies:
        raise BadArtifactError(f"{where} has no *_vocabulary.json: needed are {_WANTED}")
    found = {f"{CTRANSLATE2}/{name}": engine + name for name in (_MODEL, _CONFIG, *vocabularies)}
    return found | _tokenizers(names, languages, where)


def _tokenizers(names: Collection[str], languages: tuple[str, str], where: str) -> dict[str, str]:
    plain = (name for name in names if "/" not in name and not name.startswith("."))
    found = sorted(name for name in plain if name.endswith(_TOKENIZER))
    if not found:
        raise BadArtifactError(f"{where} has no SentencePiece model: needed are {_WANTED}")
    if len(found) == 1:
        return {VOCABULARY: found[0]}
    named = [_side(name, languages) for name in found]
    if sorted(named) != ["source", "target"]:
        raise BadArtifactError(
            f"{where}: of {', '.join(found)} it cannot be told which is for which language: leave "
            "one, or source.spm and target.spm"
        )
    source, target = (found[named.index(side)] for side in ("source", "target"))
    return {VOCABULARY: source, TARGET_VOCABULARY: target}


def _side(name: str, languages: tuple[str, str]) -> str:
    """Return whether a file's name says that it is of the source or of the target, or neither."""
    source, target = (language.split("-")[0].lower() for language in languages)
    words = set(re.split(r"[._-]", name.lower()))
    sides = {
        side
        for side, words_of in (
            ("source", {"source", "src", source}),
            ("target", {"target", "tgt", "trg", target}),
        )
        if words & words_of
    }
    return sides.pop() if len(sides) == 1 else ""


def check_names(names: Collection[str], where: str) -> None:
    """Refuse names from elsewhere that are not those of some plain files below a folder.

    Args:
        names: paths with forward slashes, each once for each file.
        where: says in messages where they come from.

    Raises:
        BadArtifactError: one leads out of the folder or is no name of a file, two are in each
            other's way, or there are more than any model has.
    """
    if len(names) > MOST_FILES:
        raise BadArtifactError(f"{where} has more than {MOST_FILES} files: name one model's folder")
    for name in names:
        if not _is_safe(name):
            raise BadArtifactError(
                f"{where} has a file {name!r}: names are relative, printable, short, "
                "and without '..'"
            )
    folders = {str(above) for name in names for above in PurePosixPath(name).parents}
    for name, times in Counter(names).items():
        if name in folders or times > 1:
            raise BadArtifactError(f"{where} has {name!r} twice: make it anew")


def _is_safe(name: str) -> bool:
    parts = name.split("/")
    return (
        name.isprintable()
        and "\\" not in name
        and not {"", ".", ".."} & set(parts)
        and len(parts) <= _MOST_PARTS
        and len(name.encode()) <= _MOST_NAME
        and all(len(part.encode()) <= _MOST_PART for part in parts)
    )


def most(name: str) -> int:
    """Return how many bytes a file of a CTranslate2 model may have."""
    return _MOST.get(PurePosixPath(name).name, _MOST_OTHERS)


def copy(files: Mapping[str, Path], bounds: Mapping[str, int], folder: Path) -> None:
    """Copy files to their names in ``folder``.

    Args:
        files: where each is, by its name there.
        bounds: how many bytes each may have, by the same names.
        folder: is made.

    Raises:
        BadArtifactError: one is a link or no plain file, or larger than its bound.
        StorageError: one cannot be read.
        OSError: one cannot be written.
    """
    for name, path in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        storage.write_aside(place, _content(path, bounds[name]))


def _content(path: Path, left: int) -> Iterator[bytes]:
    if path.is_symlink() or not path.is_file():
        raise BadArtifactError(f"{path} is not a plain file: copy the file itself there")
    try:
        with path.open("rb") as stream:
            yield from bounded(stream, left, str(path))
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}): try again") from error


def bounded(stream: BinaryIO, left: int, where: str) -> Iterator[bytes]:
    """Yield what is read in pieces, up to ``left`` bytes.

    Raises:
        BadArtifactError: there is more; ``where`` names the file.
    """
    while piece := stream.read(_MB):
        left -= len(piece)
        if left < 0:
            raise BadArtifactError(f"{where} is larger than any file of its kind")
        yield piece
