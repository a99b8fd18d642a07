"""What a recipe names: files of parallel text, and where each is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mt_contract.resource import Fields, Source

FORMATS = ("Auto", "TSV", "JSONL", "Parquet", "Parallel")
TEXT_FORMATS = ("Auto", "Lines", "TSV", "JSONL", "Parquet")  # of texts without translations


@dataclass(frozen=True)
class File:
    """One file of parallel text; with format Parallel two, line by line.

    Attributes:
        uri: as the recipe names it, for messages.
        location: where it is opened: a path, or a URL.
        target: location of the target side, where it is a file of its own.
        format: one of FORMATS, of texts alone one of TEXT_FORMATS; Auto goes by content and name.
        fields: names of the columns, where they have names.
        slice: part of the test set that all of its rows belong to.
    """

    uri: str
    location: str
    target: str | None = None
    format: str = "Auto"
    fields: Fields = field(default_factory=Fields)
    slice: str | None = None


def files_of(
    sources: Iterable[Source], data_format: str, fields: Fields, locate: Callable[[str], str]
) -> tuple[File, ...]:
    """Return the files of one list of a recipe.

    Args:
        sources: as the recipe lists them.
        data_format: of all of them.
        fields: names of their columns.
        locate: says where a URI is opened.

    Raises:
        ConfigurationError: ``locate`` knows no such place.
    """
    return tuple(
        File(
            uri=source.uri,
            location=locate(source.uri),
            target=None if source.target_uri is None else locate(source.target_uri),
            format=data_format,
            fields=fields,
            slice=source.slice,
        )
        for source in sources
    )
