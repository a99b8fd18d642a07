"""The first process of a node: prepares its namespaces, then starts and reaps its programs.

Run by `unshare` as process 1 of a process namespace, so that everything of the cluster is below it
and dies with it. It decides nothing: the host says over a socket what to run (see control.py).
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .control import SOCKET, ProcessSpec

LINK_SECONDS = 20.0
STOP_SECONDS = 10.0
FIRST_RESTART_SECONDS = 0.5
LONGEST_RESTART_SECONDS = 15.0
# A program that ran this long before it ended is started again without a growing pause.
STEADY_SECONDS = 60.0


@dataclass
class Program:
    """One program and how it fares; the only mutable state of the node."""

    spec: ProcessSpec
    pid: int | None = None
    wanted: bool = True
    exits: int = 0
    last_exit: int | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    pause: float = FIRST_RESTART_SECONDS


class Supervisor:
    """Runs programs and takes requests; single-threaded."""

    def __init__(self) -> None:
        self.programs: dict[str, Program] = {}

    def answer(self, request: dict[str, Any]) -> object:
        """Do what the host asks and return the result."""
        name = request.get("name", "")
        match request["do"]:
            case "ensure":
                self.ensure(
                    ProcessSpec(
                        name, tuple(request["argv"]), request["log"], request["env"], request["cwd"]
                    )
                )
            case "stop":
                self.stop(self.programs[name])
            case "start":
                program = self.programs[name]
                program.wanted = True
                if program.pid is None:
                    self.spawn(program)
            case "list":
                return [self._state(program) for program in self.programs.values()]
        return None

    @staticmethod
    def _state(program: Program) -> dict[str, object]:
        return {
            "name": program.spec.name,
            "log": program.spec.log,
            "pid": program.pid,
            "exits": program.exits,
            "last_exit": program.last_exit,
        }

    def ensure(self, spec: ProcessSpec) -> None:
        """Have a program running with exactly these arguments."""
        known = self.programs.get(spec.name)
        if known is not None and known.pid is not None and known.spec == spec:
            return
        if known is not None:
            self.stop(known)
        # Moved to the end only if new: the list keeps the order of first starts.
        program = self.programs[spec.name] = Program(spec)
        self.spawn(program)

    def spawn(self, program: Program) -> None:
        """Start a program; its output is appended to its log."""
        spec = program.spec
        with Path(spec.log).open("ab") as log:
            child = subprocess.Popen(
                spec.argv, env={**os.environ, **spec.env}, cwd=spec.cwd, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        program.pid = child.pid
        program.started_at = time.monotonic()
        # Its end is collected by `reap`; without this the object would warn that nobody waited.
        child.returncode = 0

    def stop(self, program: Program) -> None:
        """Stop a program, by force after some seconds."""
        program.wanted = False
        deadline = time.monotonic() + STOP_SECONDS
        if program.pid is not None:
            os.kill(program.pid, signal.SIGTERM)
        while program.pid is not None:
            if time.monotonic() > deadline:
                os.kill(program.pid, signal.SIGKILL)
            time.sleep(0.02)
            self.reap()

    def reap(self) -> None:
        """Collect every child that ended: programs, and orphans that others left to process 1."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for program in self.programs.values():
                if program.pid == pid:
                    self._ended(program, os.waitstatus_to_exitcode(status))

    def _ended(self, program: Program, code: int) -> None:
        program.pid = None
        if not program.wanted:
            return
        program.exits += 1
        program.last_exit = code
        now = time.monotonic()
        if now - program.started_at > STEADY_SECONDS:
            program.pause = FIRST_RESTART_SECONDS
        program.restart_at = now + program.pause
        program.pause = min(2 * program.pause, LONGEST_RESTART_SECONDS)
        print(f"{program.spec.name} ended with {code}; it is started again", flush=True)

    def restart(self) -> None:
        """Start the programs again whose pause is over."""
        now = time.monotonic()
        for program in self.programs.values():
            if program.wanted and program.pid is None and now >= program.restart_at:
                self.spawn(program)


def serve(supervisor: Supervisor) -> None:
    """Answer requests for ever."""
    SOCKET.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(SOCKET))
        listener.listen(16)
        wake, woken = socket.socketpair()
        for end in (wake, woken, listener):
            end.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector = selectors.DefaultSelector()
        selector.register(listener, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(timeout=0.5):
                if key.fileobj is wake:
                    wake.recv(4096)
                else:
                    converse(listener, supervisor)
            supervisor.reap()
            supervisor.restart()


def converse(listener: socket.socket, supervisor: Supervisor) -> None:
    """Take one request and answer it."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rwb") as stream:
        connection.settimeout(5)
        try:
            answer: dict[str, object] = {"result": supervisor.answer(json.loads(stream.readline()))}
        except KeyError as error:
            answer = {"error": f"it has no program {error}"}
        except (OSError, ValueError) as error:
            answer = {"error": str(error)}
        try:
            stream.write(json.dumps(answer).encode() + b"\n")
            stream.flush()
        except OSError as error:
            print(f"nobody waited for an answer: {error}", flush=True)


def prepare(plan: dict[str, Any]) -> None:
    """Make the node's own /run, /var/lib and /var/log, its name and its network."""
    _do("mount --make-rshared /")
    _do("mount -t tmpfs -o mode=755 tmpfs /run")
    for place in ("/run/netns", "/run/lock"):
        Path(place).mkdir()
    for source, place in plan["mounts"].items():
        _do("mount --bind", source, place)
    for place in ("/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers"):
        Path(place).mkdir(parents=True, exist_ok=True)
    socket.sethostname(plan["hostname"])
    _do("ip link set lo up")
    _await_link()
    _do("ip address add", plan["address"], "dev", "eth0")
    _do("ip link set eth0 up")
    # It leads nowhere, but a packet to a ClusterIP needs a route before it is redirected.
    _do("ip route add default via", plan["gateway"])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    for setting in plan["sysctls"]:
        Path(setting).write_text("1")


def _await_link() -> None:
    deadline = time.monotonic() + LINK_SECONDS
    while not any(name == "eth0" for _, name in socket.if_nameindex()):
        if time.monotonic() > deadline:
            raise SystemExit(f"no network link came from the host within {LINK_SECONDS:.0f} s")
        time.sleep(0.01)


def _do(command: str, *words: str) -> None:
    subprocess.run([*command.split(), *words], check=True)


def main() -> None:
    """Prepare the node as the argument says, then serve."""
    prepare(json.loads(sys.argv[1]))
    serve(Supervisor())


if __name__ == "__main__":
    main()
