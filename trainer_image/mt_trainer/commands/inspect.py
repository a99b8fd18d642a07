"""``mt-trainer inspect``: what files hold, and whether a training would take them."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mt_contract.errors import ConfigurationError, DataError
from mt_contract.report import Message
from mt_trainer import config
from mt_trainer.config import Job
from mt_trainer.signals import Stopper

HELP = "look at text before it is trained on: rows, lengths, scripts, what is rejected and why"
EXAMPLES = """
examples:
  mt-trainer inspect train.tsv.gz                        one file, with the checks of every model
  mt-trainer inspect recipe.yaml --html page.html        all files of a recipe or TranslationModel,
                                                         with its own checks; and a page to keep
  mt-trainer inspect --format Parallel news.pt news.en   two line-aligned files
  mt-trainer inspect s3://corpora/x.parquet --fields source=pt,target=en --json

exit code 3: a check is violated; the message says which, and what to do.
"""
_FORMATS = ("Auto", "TSV", "JSONL", "Parquet", "Parallel")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "data", nargs="+", metavar="DATA", help="files or URIs; or one recipe or model, as YAML"
    )
    parser.add_argument("--format", choices=_FORMATS, default="Auto", help="of the files")
    parser.add_argument(
        "--fields", default="", metavar="NAMES", help="columns: source=NAME,target=NAME,slice=NAME"
    )
    parser.add_argument("--html", type=Path, metavar="PAGE", help="write all of it as one page")
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")


def run(options: argparse.Namespace, stopper: Stopper) -> Message | None:
    """Look, and tell.

    Raises:
        ProgramError: with the reason for the user; DataError where a check is violated.
    """
    # Not at the top: --help answers at once.
    from mt_trainer import inspect_page, inspect_table, inspection

    job = _job(options)
    recipe = job.recipe
    with tempfile.TemporaryDirectory(prefix="mt-trainer-") as folder:
        found = inspection.inspect(
            job.files,
            recipe.data.checks,
            recipe.training.architecture.max_tokens,
            Path(folder),
        )
    if options.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        inspect_table.show(found, sys.stdout)
    if options.html:
        options.html.write_text(inspect_page.page(found, options.data), encoding="utf-8")
    if found["violations"]:
        raise DataError("; ".join(found["violations"]))
    return None


def _job(options: argparse.Namespace) -> Job:
    """Return what a training of the data would be asked for."""
    first = Path(options.data[0])
    if len(options.data) == 1 and first.suffix in (".yaml", ".yml"):
        return config.from_file(first, Path(), os.environ)
    spec = {
        "sourceLanguage": "und",
        "targetLanguage": "und",
        "data": {
            "format": options.format,
            "fields": _fields(options.fields),
            "train": _sources(options.data, options.format),
        },
    }
    return config.from_spec(spec, Path("inspect"), Path(), os.environ)


def _sources(data: Sequence[str], data_format: str) -> list[Mapping[str, Any]]:
    if data_format != "Parallel":
        return [{"uri": uri} for uri in data]
    if len(data) % 2:
        raise ConfigurationError("--format Parallel takes files in twos: source and target")
    return [
        {"uri": uri, "targetUri": other} for uri, other in zip(data[::2], data[1::2], strict=True)
    ]


def _fields(text: str) -> dict[str, str]:
    fields = dict(part.partition("=")[::2] for part in text.split(",") if part)
    if not set(fields) <= {"source", "target", "slice"} or not all(fields.values()):
        raise ConfigurationError(
            f"--fields {text}: write source=NAME,target=NAME,slice=NAME, or some of them"
        )
    return fields
