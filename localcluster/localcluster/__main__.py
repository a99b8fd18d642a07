"""The command line: `python -m localcluster up|down|status|…`."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from . import audit, binaries, debian, knative, lifecycle, manifests, state, volumes
from .cache import default_cache
from .control import Node
from .errors import ClusterError
from .image_content import ImageBuild
from .image_store import ImageStore
from .images import Builder
from .instance import Addition, Part, checked_network
from .progress import Progress

DEFAULT_NAME = "demo"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # A stop from outside is an interruption too: `up` then takes down what it started.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _: sys.exit(128 + caught))
    arguments = parser().parse_args(argv)
    try:
        code: int | None = arguments.run(arguments)
    except (ClusterError, OSError) as error:
        print(f"localcluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("localcluster: interrupted", file=sys.stderr)
        return 130
    return code or 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    root = argparse.ArgumentParser(
        prog="localcluster", description=__import__("localcluster").__doc__
    )
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.add_argument("--name", default=DEFAULT_NAME, help="the cluster (default: demo)")
        added.set_defaults(run=run)
        return added

    up = command("up", run_up, "bring a cluster up; what runs already is left alone")
    parts = [part.name.lower() for part in Part]
    up.add_argument("--parts", choices=parts, default=parts[-1], help="how much (default: all)")
    add_additions(up)
    up.add_argument("--audit", action="store_true", help="write logs/audit.log: who did what")
    up.add_argument("--fresh", action="store_true", help="forget all but the loaded images")
    up.add_argument("--network", type=checked_network, help="a free /16 (default: chosen)")
    down = command("down", run_down, "stop a cluster; `up` resumes it where it was")
    down.add_argument("--purge", action="store_true", help="remove its folder, images included")
    command("status", run_status, "show a cluster's parts")
    command("kubeconfig", run_kubeconfig, "print the path of the kubeconfig")
    command("gateway-url", run_gateway_url, "print the gateway's URL as the host sees it")
    command("prometheus-url", run_prometheus_url, "print the URL of Prometheus")
    build = command("build", run_build, "build the programs without starting anything")
    build.add_argument("--parts", choices=parts, default=parts[-1], help="for what (default: all)")
    add_additions(build)
    tool = commands.add_parser("build-tool", help="build one program and print its path")
    tool.add_argument("tool", metavar="PROGRAM", help="such as promtool")
    tool.set_defaults(run=run_build_tool)
    logs = command("logs", run_logs, "print the log of a part, or the names of all")
    logs.add_argument("part", nargs="?", metavar="PART", help="such as kubelet")
    load = command("load-image", run_load_image, "give a node images that were built here")
    load.add_argument("images", nargs="+", metavar="IMAGE", help="such as localhost/trainer:dev")
    image = commands.add_parser("build-image", help="build an image from a Dockerfile")
    image.add_argument(
        "-f", "--file", type=Path, help="the Dockerfile (default: CONTEXT/Dockerfile)"
    )
    image.add_argument("-t", "--tag", required=True, help="such as localhost/trainer:dev")
    image.add_argument("--build-arg", action="append", default=[], metavar="KEY=VALUE")
    image.add_argument("context", type=Path, metavar="CONTEXT")
    image.set_defaults(run=run_build_image)
    writes = command("audit-writes", run_audit_writes, "count writes by user, client and kind")
    writes.add_argument("--since", type=moment, help="a time, or how many seconds ago")
    volume = command("volume", run_volume, "make a volume with a bound claim; print its folder")
    volume.add_argument("--namespace", required=True)
    volume.add_argument("--claim", required=True)
    volume.add_argument("--from", dest="source", type=Path, help="a folder to fill it from")
    for action in ("stop", "start"):
        each = command(action, run_process, f"{action} one process of a running cluster")
        each.add_argument("part", metavar="PART", help="such as kube-apiserver")
        each.set_defaults(action=action)
    return root


def add_additions(command: argparse.ArgumentParser) -> None:
    """Give a command an option for each of what a cluster may have besides its parts."""
    texts = {
        Addition.KNATIVE: "with Knative, for KServe's other mode",
        Addition.PROMETHEUS: "with Prometheus, which scrapes the product's pods",
    }
    for addition, text in texts.items():
        command.add_argument(
            f"--{addition}", help=text, action="append_const", dest="additions", const=addition
        )


def run_up(arguments: argparse.Namespace) -> None:
    """Bring a cluster up."""
    request = lifecycle.Request(
        name=arguments.name,
        part=Part[arguments.parts.upper()],
        audit=arguments.audit,
        fresh=arguments.fresh,
        network=arguments.network,
        additions=frozenset(arguments.additions or ()),
    )
    instance = lifecycle.up(default_cache(), request, Progress())
    print(f"export KUBECONFIG={instance.kubeconfig}")


def run_down(arguments: argparse.Namespace) -> None:
    """Stop a cluster."""
    lifecycle.down(default_cache(), arguments.name, purge=arguments.purge, progress=Progress())


def run_status(arguments: argparse.Namespace) -> int:
    """Print addresses and processes; return 0 if the cluster is up, otherwise 3."""
    instance = state.require(default_cache(), arguments.name)
    node = state.load_node(instance)
    print(f"cluster   {instance.name}: {'up' if node else 'down'}")
    print(f"folder    {instance.folder}")
    print(f"addresses {instance.addresses.network}, node {instance.addresses.node}")
    for process in Node(node.pid).processes() if node else []:
        running = "running" if process.pid else "stopped"
        ended = f", ended {process.exits} times" if process.exits else ""
        print(f"  {process.name:<26}{running}{ended}")
    return 0 if node else 3


def run_kubeconfig(arguments: argparse.Namespace) -> None:
    """Print where the administrator's kubeconfig is."""
    print(state.require(default_cache(), arguments.name).kubeconfig)


def run_gateway_url(arguments: argparse.Namespace) -> None:
    """Print the gateway's URL."""
    print(state.require(default_cache(), arguments.name).gateway_url)


def run_prometheus_url(arguments: argparse.Namespace) -> None:
    """Print where Prometheus answers."""
    instance = state.require(default_cache(), arguments.name)
    if Addition.PROMETHEUS not in instance.additions:
        raise ClusterError(
            f"the cluster {instance.name!r} has no Prometheus; give it one with "
            f"`up --prometheus --name {instance.name}`"
        )
    print(instance.prometheus_url)


def run_build(arguments: argparse.Namespace) -> None:
    """Build programs."""
    part, additions = Part[arguments.parts.upper()], arguments.additions or []
    cache, progress = default_cache(), Progress()
    debian.ensure(cache, debian.for_part(part), progress)
    binaries.build(cache, binaries.needed(part, additions), progress)
    if part >= Part.KSERVE:
        manifests.render(cache, progress)
    if Addition.KNATIVE in additions:
        knative.render(cache, progress)


def run_build_tool(arguments: argparse.Namespace) -> None:
    """Build one program and print where it is."""
    print(binaries.tool(default_cache(), arguments.tool, Progress()))


def run_logs(arguments: argparse.Namespace) -> None:
    """Print one log, or which there are."""
    instance = state.require(default_cache(), arguments.name)
    if arguments.part is None:
        for path in sorted(instance.logs.glob("*.log")):
            print(path.stem)
        return
    try:
        with (instance.logs / f"{arguments.part}.log").open(errors="replace") as log:
            shutil.copyfileobj(log, sys.stdout)
    except FileNotFoundError:
        known = ", ".join(sorted(path.stem for path in instance.logs.glob("*.log")))
        raise ClusterError(f"there is no log of {arguments.part!r}; there are: {known}") from None


def run_load_image(arguments: argparse.Namespace) -> None:
    """Load images into a running node."""
    builder = Builder(default_cache(), Progress())
    builder.prepare()
    ImageStore(_running(arguments.name).pid).load(builder, arguments.images, Progress())


def run_build_image(arguments: argparse.Namespace) -> None:
    """Build an image and print its ID."""
    pairs = [pair.partition("=") for pair in arguments.build_arg]
    image = ImageBuild(
        arguments.tag,
        arguments.file or arguments.context / "Dockerfile",
        arguments.context,
        {key: value for key, _, value in pairs},
    )
    builder = Builder(default_cache(), Progress())
    builder.prepare()
    print(builder.build(image))


def run_volume(arguments: argparse.Namespace) -> None:
    """Make a volume and print the folder behind it."""
    _running(arguments.name)
    instance = state.require(default_cache(), arguments.name)
    print(volumes.create(instance, arguments.namespace, arguments.claim, arguments.source))


def _running(name: str) -> state.NodeProcess:
    node = state.load_node(state.require(default_cache(), name))
    if node is None:
        raise ClusterError(f"the cluster {name!r} is down; start it with `up --name {name}`")
    return node


def run_audit_writes(arguments: argparse.Namespace) -> None:
    """Print how many writes there were, by user, client, verb and kind."""
    instance = state.require(default_cache(), arguments.name)
    if not instance.audit_log.exists():
        raise ClusterError(
            f"there is no {instance.audit_log}; have it written by "
            f"`up --audit --name {instance.name}`"
        )
    print(audit.table(audit.writes(instance.audit_log, arguments.since)))


def moment(text: str) -> datetime:
    """Return the time that a person named: `2026-01-31T12:00:00Z`, or `90` seconds ago."""
    if text.replace(".", "", 1).isdecimal():
        return datetime.now(UTC) - timedelta(seconds=float(text))
    return datetime.fromisoformat(text).astimezone(UTC)


def run_process(arguments: argparse.Namespace) -> None:
    """Stop or start one process."""
    node = Node(_running(arguments.name).pid)
    if arguments.action == "stop":
        node.stop(arguments.part)
    else:
        node.start(arguments.part)


if __name__ == "__main__":
    sys.exit(main())
