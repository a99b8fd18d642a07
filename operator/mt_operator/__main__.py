"""`python -m mt_operator`: watches, leads, and looks after every object until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from mt_operator import settings
from mt_operator.shell.process import Options, operate

EXAMPLES = """\
examples:
  python -m mt_operator --settings manifests/overlays/local/settings.yaml
  python -m mt_operator --settings settings.yaml --namespaces team-a team-b
  KUBECONFIG=~/.kube/config python -m mt_operator --settings settings.yaml --lease-namespace default
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    root = argparse.ArgumentParser(
        prog="mt_operator",
        description="Trains, judges and rolls out translation models.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = root.add_argument
    add("--settings", type=Path, default=Path("/etc/mt-operator/settings.yaml"), help="a YAML file")
    add("--namespaces", nargs="+", default=[], help="watch only these (default: all)")
    add("--host", default="", help="address of /metrics and /healthz (default: all)")
    add("--port", type=int, default=9090, help="port of /metrics and /healthz")
    add("--workers", type=int, default=8, help="objects that are looked at at the same time")
    add("--lease-namespace", default=os.environ.get("POD_NAMESPACE", "translation-system"))
    add("--lease-name", default="mt-operator", help="operators with the same Lease take turns")
    add("--lease-seconds", type=float, default=15.0, help="how long a lost leader blocks others")
    add("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator; return its exit code."""
    options = parser().parse_args(arguments)
    logging.basicConfig(
        level=options.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("kopf").setLevel(logging.WARNING)
    try:
        chosen = settings.load(options.settings)
    except (OSError, ValueError, yaml.YAMLError) as error:
        print(f"mt_operator: --settings {options.settings}: {error}", file=sys.stderr)
        return 2
    return asyncio.run(operate(_options(options), chosen))


def _options(given: argparse.Namespace) -> Options:
    return Options(
        namespaces=tuple(given.namespaces),
        host=given.host,
        port=given.port,
        workers=given.workers,
        lease_namespace=given.lease_namespace,
        lease_name=given.lease_name,
        lease_seconds=given.lease_seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
