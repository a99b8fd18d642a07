"""What is to be translated, and where it is written."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass

from mt_cli.errors import CliError, Code
from mt_contract import names

ANNOTATION_OUTPUT = f"{names.GROUP}/output"  # of the Job: what it writes
MEMORY = "4Gi"


@dataclass(frozen=True)
class Asked:
    """What is to be translated, and with how much."""

    inputs: tuple[str, ...]
    output: str
    format: str | None = None
    field: str | None = None
    fresh: bool = False
    cpu: str | None = None  # None: what the node has left
    memory: str = MEMORY


def read_asked(args: Namespace) -> Asked:
    """Return what is asked for.

    Raises:
        CliError: a place cannot be reached from the cluster, or not be written.
    """
    for uri in args.input:
        if "://" not in uri or uri.startswith("file://"):
            raise CliError(
                f"{uri} is a file of this machine, which the cluster does not see: copy it to a "
                "claim or bucket, and name pvc://<claim>/<path>, s3://, gs://, https:// or hf://.",
                Code.USAGE,
            )
    if names.claim_of(args.out) is None:
        raise CliError(
            f"--out {args.out} cannot be written: name pvc://<claim>/<path>.", Code.USAGE
        )
    try:
        for uri in (args.out, *args.input):
            if names.claim_of(uri) is not None:
                names.claim_path(uri)
    except ValueError as error:
        raise CliError(f"{error}.", Code.USAGE) from error
    return Asked(
        tuple(args.input),
        args.out,
        args.format,
        args.field,
        args.fresh,
        args.cpu,
        args.memory,
    )
