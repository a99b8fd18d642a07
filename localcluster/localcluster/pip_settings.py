"""How pip is set up on this machine, as a file that builds get: they see no variables of ours."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from .commands import run
from .errors import ClusterError

HOST_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def pip_settings(config: str) -> str:
    """Return a pip.conf for builds out of what `pip config list` prints on this machine.

    Variables of the environment count as settings; of several with one name the later wins, and the
    certificates are always the ones that are mounted into the build.
    """
    settings = {"cert": str(HOST_CERTIFICATES)} if HOST_CERTIFICATES.exists() else {}
    for line in config.splitlines():
        found = re.fullmatch(r"(?:global|:env:)\.([\w-]+)=(.*)", line.strip())
        if found and found[1] != "cert":
            settings[found[1]] = " ".join(shlex.split(found[2]))
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())


def pip_config() -> str:
    """Return what `pip config list` prints on this machine."""
    pip = shutil.which("pip3")
    argv = [pip] if pip else [sys.executable, "-m", "pip"]
    try:
        return run([*argv, "config", "list"], what="reading pip's settings")
    except ClusterError:
        # No pip on this machine: only variables can have set anything.
        names = sorted(name for name in os.environ if name.startswith("PIP_"))
        return "\n".join(
            f":env:.{name[4:].lower().replace('_', '-')}={shlex.quote(os.environ[name])}"
            for name in names
        )
