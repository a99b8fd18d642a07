"""Installs the Debian packages that a command needs and the machine does not have."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .cache import Cache
from .commands import run
from .errors import ClusterError
from .instance import Part
from .progress import Progress
from .state import locked

FOR_IMAGES = ("buildah", "ca-certificates", "mmdebstrap")
FOR_PART = {
    Part.APISERVER: ("iproute2",),
    Part.NODE: (
        "conntrack",
        "containerd",
        "containernetworking-plugins",
        "iptables",
        "runc",
        *FOR_IMAGES,
    ),
    Part.KSERVE: (),
}
POLICY = Path("/usr/sbin/policy-rc.d")
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive"}


def for_part(part: Part) -> list[str]:
    """Return the packages of a part and of those before it."""
    return [package for each in Part if each <= part for package in FOR_PART[each]]


def missing(packages: list[str], installed: str) -> list[str]:
    """Return the packages that are not installed.

    Args:
        packages: their names.
        installed: what `dpkg-query` prints with the format of `ensure`.
    """
    states = dict(line.split(" ", 1)[::-1] for line in installed.splitlines() if " " in line)
    return [package for package in packages if states.get(package) != "installed"]


def ensure(cache: Cache, packages: list[str], progress: Progress) -> None:
    """Install what is missing, and start none of its services.

    Raises:
        ClusterError: this is not Debian, the caller is not root, or the installation failed.
    """
    if not (absent := _absent(packages)):
        return
    with locked(cache, "apt"), progress.step(f"installed {', '.join(absent)}"):
        log = cache.root / "logs" / "apt.log"
        with _no_services():
            run(["apt-get", "update"], what="reading Debian's package lists", log=log)
            run(
                ["apt-get", "install", "--yes", "--no-install-recommends", *absent],
                what=f"installing {', '.join(absent)}", env=ENVIRONMENT, log=log, timeout=900,
            )  # fmt: skip


def _absent(packages: list[str]) -> list[str]:
    try:
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\\n", *packages],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise ClusterError(
            f"this is not a Debian machine (no dpkg-query); needed are: {', '.join(packages)}"
        ) from None
    absent = missing(packages, done.stdout)
    if absent and os.geteuid() != 0:
        raise ClusterError(f"install as root: apt-get install {' '.join(absent)}")
    return absent


def mirrors(suite: str) -> list[str]:
    """Return this machine's own sources of a Debian suite; none where it has no lists of it."""
    fields = "$(ORIGIN) $(SITE) $(RELEASE) $(COMPONENT)"
    return sources(
        run(
            ["apt-get", "indextargets", "--format", fields, "Created-By: Packages"],
            what="listing Debian's mirrors",
        ),
        suite,
    )


def sources(targets: str, suite: str) -> list[str]:
    """Return the lines of a sources.list for a suite, its updates and its security fixes.

    Args:
        targets: origin, site, release and component of each list that apt has.
        suite: such as `bookworm`.
    """
    rows = [line.split() for line in targets.splitlines()]
    return [
        f"deb {row[1]} {row[2]} {row[3]}"
        for row in rows
        if len(row) == 4 and row[0] == "Debian" and row[2].partition("-")[0] == suite
    ]


@contextmanager
def _no_services() -> Iterator[None]:
    # Debian's way to say so: package scripts ask this program before they start a service.
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink()
