"""The node's first process: starting, replacing, restarting, stopping and reaping."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localcluster import node
from localcluster.control import ProcessSpec
from localcluster.node import Supervisor


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor()
    yield made
    for program in made.programs.values():
        made.stop(program)


def spec(tmp_path: Path, code: str, name: str = "p") -> ProcessSpec:
    return ProcessSpec(name, (sys.executable, "-c", code), str(tmp_path / f"{name}.log"))


SLEEPS = "import time; time.sleep(60)"


def until(holds: Callable[[], bool], supervisor: Supervisor) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        supervisor.reap()
        supervisor.restart()
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)


def test_the_same_program_is_left_alone_and_another_replaces_it(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.ensure(spec(tmp_path, SLEEPS))
    first = supervisor.programs["p"].pid
    supervisor.ensure(spec(tmp_path, SLEEPS))
    assert supervisor.programs["p"].pid == first
    supervisor.ensure(spec(tmp_path, SLEEPS + " # other"))
    assert supervisor.programs["p"].pid not in (None, first)
    assert first is not None
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_a_program_that_ends_is_started_again_and_counted(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "FIRST_RESTART_SECONDS", 0.01)
    supervisor.ensure(spec(tmp_path, "print('again', flush=True); raise SystemExit(7)"))
    program = supervisor.programs["p"]
    until(lambda: program.exits >= 2, supervisor)
    assert program.last_exit == 7
    assert (tmp_path / "p.log").read_text().count("again") >= 2


def test_pauses_between_restarts_grow(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.ensure(spec(tmp_path, "raise SystemExit(1)"))
    program = supervisor.programs["p"]
    before = program.pause
    until(lambda: program.exits == 1, supervisor)
    assert program.pause == 2 * before


def test_a_killed_program_comes_back_but_a_stopped_one_does_not(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.ensure(spec(tmp_path, SLEEPS))
    program = supervisor.programs["p"]
    assert program.pid is not None
    killed = program.pid
    os.kill(killed, signal.SIGKILL)
    until(lambda: program.pid not in (None, killed), supervisor)
    assert program.last_exit == -signal.SIGKILL
    supervisor.answer({"do": "stop", "name": "p"})
    program.restart_at = 0.0
    supervisor.restart()
    assert program.pid is None
    supervisor.answer({"do": "start", "name": "p"})
    assert program.pid is not None


def test_a_program_that_does_not_listen_is_stopped_by_force(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "STOP_SECONDS", 0.2)
    deaf = "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); " + SLEEPS
    supervisor.ensure(spec(tmp_path, deaf))
    until(lambda: "deaf" in (tmp_path / "p.log").read_text(), supervisor)
    supervisor.stop(supervisor.programs["p"])
    assert supervisor.programs["p"].pid is None


def test_the_list_says_how_each_program_fares(supervisor: Supervisor, tmp_path: Path) -> None:
    for name in ("b", "a"):
        supervisor.ensure(spec(tmp_path, SLEEPS, name))
    states = supervisor.answer({"do": "list"})
    assert isinstance(states, list)
    assert [(state["name"], state["exits"]) for state in states] == [("b", 0), ("a", 0)]
    assert all(state["pid"] for state in states)
