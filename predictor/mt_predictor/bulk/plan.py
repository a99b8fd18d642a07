"""What a command line asks for: which file becomes which, and in what form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mt_contract import names
from mt_contract.errors import ConfigurationError
from mt_contract.resource import Fields
from mt_corpus import places, reading
from mt_corpus.files import File
from mt_predictor import settings
from mt_predictor.bulk.container import Container, container, out_name
from mt_predictor.settings import Environment


@dataclass(frozen=True)
class Work:
    """One file to translate."""

    file: File  # its format is known
    out: Path
    how: Container

    @property
    def name(self) -> str:
        """Return the input's URI, without what a signed URL has of a secret."""
        return places.path_of(self.file.uri)


def plan(
    inputs: Sequence[str], out: str, text_format: str, field: str, env: Environment
) -> tuple[Work, ...]:
    """Return what is to be done, one piece for each input.

    Args:
        inputs: URIs or paths.
        out: place of the file that is written; of a folder where it ends in / or is one, or where
            there is more than one input.
        text_format: of all inputs; Auto goes by name and content.
        field: column of JSONL and Parquet that holds the text.
        env: MT_CLAIM_ROOT moves claims.

    Raises:
        ProgramError: an input cannot be read, or nothing can be written there.
    """
    place = _local(out, env)
    claims = env.get("MT_CLAIM_ROOT") or names.CLAIM_ROOT
    is_folder = len(inputs) > 1 or out.endswith("/") or place.is_dir()
    found = []
    for uri in inputs:
        reading.check_name(uri, text_format)
        location = places.locate(uri, claim_root=claims)
        file = File(uri, location, format=text_format, fields=Fields(source=field))
        file = replace(file, format=reading.text_format(file))
        target = place / out_name(location, file.format) if is_folder else place
        found.append(Work(file, target, container(file.format, target)))
    _check(found)
    return tuple(found)


def _local(out: str, env: Environment) -> Path:
    scheme, separator, _ = out.partition("://")
    if separator and scheme not in ("pvc", "file"):
        raise ConfigurationError(
            f"--out {out}: translations are written to a path or to pvc://<claim>/<path>, as what "
            f"is done of them is kept there too: copy them to {scheme}:// afterwards"
        )
    return settings.local(out, "--out", env)


def _check(found: Sequence[Work]) -> None:
    """Refuse to write a file twice, or over what is read."""
    twice = [out for out, count in Counter(work.out for work in found).items() if count > 1]
    if twice:
        raise ConfigurationError(
            f"--out: more than one input would be written to {twice[0]}: translate them into two "
            "folders"
        )
    read = {Path(work.file.location).resolve() for work in found}
    for work in found:
        if work.out.resolve() in read:
            raise ConfigurationError(f"--out {work.out} is an input: name another place")
