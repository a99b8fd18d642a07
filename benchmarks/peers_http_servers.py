"""Who serves in ``serving-http``, how each is started, stopped for a while, and weighed."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT, environment
from benchmarks.peers_http_model import NAME
from mt_contract import artifact, defaults

SERVER_CORE, LOAD_CORE = 0, 1  # of those that this process may run on
STARTS_WITHIN = 120  # seconds
OURS, STOCK, BATCHER, LITSERVE, MLSERVER = (
    "this product",
    "KServe",
    "KServe with batcher",
    "LitServe",
    "MLServer",
)
_PATHS = ("crds", "corpus", "predictor", ".")
_COMPILED = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@dataclass(frozen=True)
class Contestant:
    """A server: its programs, of which the first listens on ``port``."""

    name: str
    protocol: str  # as load_client.PATHS
    port: int
    programs: Sequence[Sequence[str]]
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> str:
        """Return the URL of its readiness."""
        path = "/health" if self.protocol == "litserve" else "/v2/health/ready"
        return f"http://127.0.0.1:{self.port}{path}"


@dataclass(frozen=True)
class Running:
    """A contestant at work, or held up while another one is measured."""

    contestant: Contestant
    processes: Sequence[subprocess.Popen[bytes]]
    log: Path

    def hold(self) -> None:
        """Let it use no processor."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it work again, and return when it answers."""
        self._signal(signal.SIGCONT)
        self.wait()

    def wait(self) -> None:
        """Return when it is ready.

        Raises:
            RuntimeError: it ended, or it does not become ready; with the end of its log.
        """
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline and self.alive:
            with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(self.contestant.ready, timeout=5).close()
                return
            time.sleep(0.1)
        told = self.log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise RuntimeError(f"{self.contestant.name} is not ready; the end of its log: {told}")

    @property
    def alive(self) -> bool:
        """Return whether all its programs are."""
        return all(process.poll() is None for process in self.processes)

    def memory_mib(self) -> float:
        """Return what its processes hold, what they share counted once (PSS)."""
        sessions = {process.pid for process in self.processes}
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        return sum(_pss_kib(pid) for pid in pids if _session(pid) in sessions) / 1024

    def resident_mib(self) -> float:
        """Return what its first program holds of memory (RSS)."""
        return _status_kib(self.processes[0].pid, "VmRSS") / 1024

    def peak_mib(self) -> float:
        """Return the most that it ever held."""
        return _status_kib(self.processes[0].pid, "VmHWM") / 1024

    def _signal(self, number: int) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)


def contestants(model: Path, folder: Path) -> tuple[Contestant, ...]:
    """Return all; ``folder`` is for what they write."""
    manifest, _ = artifact.read_manifest(model)
    served = {
        "folder": str(model),
        "model": artifact.CTRANSLATE2,
        "vocabulary": artifact.VOCABULARY,
        "compute_type": defaults.ENGINE["precision"].lower(),
        "beam": defaults.ENGINE["beamSize"],
        "longest": manifest.max_tokens,
        "ending": [(manifest.tokens or artifact.TRAINED_HERE).end],
        "threads": 1,
    }
    told = {"SERVED": json.dumps(served)}
    python = environment("predictor")
    ours, stock, behind, front, lit, ml, ml_grpc, ml_metrics = _free_ports(8)
    return (
        predictor(model, folder, ours),
        Contestant(STOCK, "v1", stock, [_kserve(python, stock)], told),
        Contestant(
            BATCHER,
            "v1",
            front,
            [
                (python, "-m", "benchmarks.peers_http_batcher", str(front), str(behind)),
                _kserve(python, behind),
            ],
            told,
        ),
        Contestant(
            LITSERVE,
            "litserve",
            lit,
            [(environment("litserve"), "-m", "benchmarks.peers_http_litserve", str(lit))],
            told,
        ),
        Contestant(
            MLSERVER,
            "v2",
            ml,
            [
                (
                    environment("mlserver"),
                    *("-m", "benchmarks.peers_http_mlserver", str(folder)),
                    *map(str, (ml, ml_grpc, ml_metrics)),
                )
            ],
            told,
        ),
    )


def predictor(model: Path, folder: Path, port: int = 0) -> Contestant:
    """Return the predictor as it ships: every default of the API."""
    grpc, metrics, other = _free_ports(3)
    ports = [f"--http_port={port or other}", f"--grpc_port={grpc}", f"--metrics_port={metrics}"]
    log = folder / "termination-log"
    log.touch()
    return Contestant(
        OURS,
        "v1",
        port or other,
        [(environment("predictor"), "-m", "mt_predictor", "serve", f"--model_name={NAME}", *ports)],
        {"MT_MODEL_DIR": str(model), "MT_REVISION": "r-1", "MT_TERMINATION_LOG": str(log)},
    )


@contextmanager
def running(contestant: Contestant, folder: Path, cores: Sequence[int]) -> Iterator[Running]:
    """Start a contestant on some of the cores, wait until it is ready, and kill it at the end."""
    log = folder / f"{contestant.name}.log"
    with log.open("wb") as stream:
        processes = [
            subprocess.Popen(
                pinned(program, cores),
                cwd=folder,
                env=variables() | contestant.variables,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
            for program in contestant.programs
        ]
    found = Running(contestant, processes, log)
    try:
        found.wait()
        yield found
    finally:
        found._signal(signal.SIGKILL)
        for process in processes:
            process.wait()


def pinned(command: Sequence[str], cores: Sequence[int]) -> list[str]:
    """Return ``command`` on some of the cores that this process has."""
    own = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", ",".join(str(own[core]) for core in cores), *command]


def variables() -> dict[str, str]:
    """Return the environment of a program of ours or a peer's."""
    base = {key: value for key, value in os.environ.items() if not key.startswith("MT_")}
    return base | {
        "PYTHONPATH": os.pathsep.join(str(ROOT / path) for path in _PATHS),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(_COMPILED / "translation-operator/pycache"),
    }


def asked(process: subprocess.Popen[str], order: Mapping[str, Any]) -> dict[str, Any]:
    """Give a program an order, and return its answer."""
    assert process.stdin
    assert process.stdout
    print(json.dumps(order), file=process.stdin, flush=True)
    return answered(process)


def answered(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the next answer of a program.

    Raises:
        RuntimeError: it ended.
    """
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended, with exit code {process.wait()}")
    return dict(json.loads(line))


def program(module: str, cores: Sequence[int], *arguments: str) -> subprocess.Popen[str]:
    """Start one that takes orders, in the predictor's environment."""
    command = [environment("predictor"), "-m", f"benchmarks.{module}", *arguments]
    return subprocess.Popen(
        pinned(command, cores),
        cwd=ROOT,
        env=variables(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
    )


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Kill the process in the end."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _kserve(python: str, port: int) -> tuple[str, ...]:
    options = (f"--model_name={NAME}", f"--http_port={port}", f"--grpc_port={_free_ports(1)[0]}")
    return (python, "-m", "benchmarks.peers_http_kserve", *options)


def _free_ports(count: int) -> list[int]:
    """Return ports below those that the system gives to whoever asks for any."""
    found: set[int] = set()
    while len(found) < count:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as one, suppress(OSError):
            one.bind(("", port))
            found.add(port)
    return list(found)


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _pss_kib(pid: int) -> int:
    return _kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss")


def _status_kib(pid: int, name: str) -> int:
    return _kib(Path(f"/proc/{pid}/status"), name)


def _kib(page: Path, name: str) -> int:
    with suppress(OSError):
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0
