"""Trainings killed again and again, at random moments of their whole life, end as if unbroken.

MT_TRAINING_KILLS says how often (5, and 50 in `make test-all`), MT_SEED when: the moments follow
from it, but for how far a busy machine has come by then. Nothing that is asserted depends on that.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.trainer.killing import PATIENCE, corpus, curve, log, result, start

from mt_contract import artifact, names
from mt_contract.artifact import ArtifactError

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("MT_TRAINING_KILLS", "5"))
SEED = int(os.environ.get("MT_SEED", str(time.time_ns() % 10**6)))


@dataclass
class Tally:
    """What was done to trainings, and what was seen on the way."""

    signals: list[str] = field(default_factory=list)
    attempts: int = 0
    finished: list[Path] = field(default_factory=list)
    half: list[str] = field(default_factory=list)  # artifacts seen that were not whole
    looks: int = 0


class Watch(threading.Thread):
    """Looks at the place of an artifact all the time, as somebody who serves it might."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(daemon=True)
        self.out: Path | None = None
        self.over = threading.Event()
        self._tally = tally

    def run(self) -> None:
        while not self.over.wait(0.01):
            model = self.out and self.out / names.MODEL_FOLDER
            if model and model.exists():
                self._look(model)

    def _look(self, model: Path) -> None:
        self._tally.looks += 1
        try:
            artifact.verify(model)
        except (ArtifactError, OSError) as error:
            if model.exists():  # not: put aside for a new one while it was read
                self._tally.half.append(str(error))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("kills"))


@pytest.fixture
def watch() -> Iterator[tuple[Watch, Tally]]:
    tally = Tally()
    watch = Watch(tally)
    watch.start()
    yield watch, tally
    watch.over.set()
    watch.join()


def test_the_end_of_a_training_that_was_killed_often_is_the_unbroken_one(
    place: Path, watch: tuple[Watch, Tally]
) -> None:
    looking, tally = watch
    chance = random.Random(SEED)
    begun = time.monotonic()
    assert start(place, place / "unbroken").wait(PATIENCE) == 0
    duration = time.monotonic() - begun
    while len(tally.signals) < KILLS:
        out = place / f"killed-{len(tally.finished)}"
        looking.out = out
        train_while_killing(place, out, chance, duration, tally)
        compare(out, place / "unbroken")
    print(f"\nseed {SEED}: {len(tally.signals)} kills in {tally.attempts} attempts at", end=" ")
    print(f"{len(tally.finished)} trainings; {tally.looks} looks at artifacts")
    assert tally.half == []


def train_while_killing(
    place: Path, out: Path, chance: random.Random, duration: float, tally: Tally
) -> None:
    """Start one training until it ends by itself, killing it at random moments before."""
    while True:
        tally.attempts += 1
        process = start(place, out)
        number = chance.choice([signal.SIGKILL, signal.SIGTERM])
        try:
            last = len(tally.signals) >= KILLS
            # Of an attempt that goes on from a checkpoint this reaches beyond the end.
            code = process.wait(PATIENCE if last else chance.uniform(0, 0.7 * duration))
            assert code == 0, log(place, out).read_text()[-2000:]
            tally.finished.append(out)
            return
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            code = process.wait(PATIENCE)
        if code == 0:  # it had ended before the signal came
            tally.finished.append(out)
            return
        # Before the program has taken the signal over, SIGTERM ends it as it ends any process.
        assert code in (-number, 128 + number), log(place, out).read_text()[-2000:]
        tally.signals.append(number.name)


def compare(out: Path, unbroken: Path) -> None:
    """Assert that a training came to the same end, to within the noise of its sums."""
    mine, theirs = result(out), result(unbroken)
    artifact.verify(out / names.MODEL_FOLDER, mine.artifact["digest"])
    assert mine.dataset == theirs.dataset
    assert len(curve(out)) == len(curve(unbroken))
    for one, other in zip(curve(out), curve(unbroken), strict=True):
        assert one == pytest.approx(other, rel=0.01)
    assert not list(out.glob(".*.aside")), "what was begun aside is gone"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def test_a_full_disk_ends_an_attempt_with_advice_and_costs_nothing_but_time(
    place: Path, disk: Path
) -> None:
    """Whatever the disk has room for, it is left without half an artifact, and goes on later."""
    out = disk / "run"
    said = []
    for size in ("64k", "700k", "4m"):
        mount("-o", f"remount,size={size}", str(disk))
        code = start(place, out).wait(PATIENCE)
        text = log(place, out).read_text()
        if code == 0:
            break
        assert code == names.ExitCode.STORAGE, text[-2000:]
        assert "the volume is full: make it larger, or remove finished runs" in text
        assert not (out / names.MODEL_FOLDER).exists()
        said.append(size)
    assert said, "the disk was never full"
    mount("-o", "remount,size=64m", str(disk))
    assert start(place, out).wait(PATIENCE) == 0, log(place, out).read_text()[-2000:]
    artifact.verify(out / names.MODEL_FOLDER, result(out).artifact["digest"])


def test_storage_that_turns_read_only_ends_an_attempt_and_is_gone_on_from(
    place: Path, disk: Path
) -> None:
    out = disk / "run"
    mount("-o", "remount,size=64m", str(disk))
    process = start(place, out)
    until = time.monotonic() + PATIENCE
    while not list(out.glob("checkpoints/step-*")) and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.02)
    mount("-o", "remount,ro", str(disk))
    code = process.wait(PATIENCE)
    assert code == names.ExitCode.STORAGE, log(place, out).read_text()[-2000:]
    assert "mount it for writing" in log(place, out).read_text()
    mount("-o", "remount,rw", str(disk))
    assert start(place, out).wait(PATIENCE) == 0
    assert "going on from the checkpoint" in log(place, out).read_text()
    artifact.verify(out / names.MODEL_FOLDER, result(out).artifact["digest"])
