"""A file is translated by a Job with what is in production; a kill in the middle costs no line."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import toy
from tests.e2e.stage import kill_pod
from tests.e2e.subject import Subject

from demo import story
from demo.install import put
from demo.kube import Kubectl, Object, wait

LINES = 60_000  # some seven windows of the predictor, each of which is kept once it is done
EMPTY = 0.03  # of the lines, at random: a line that is lost or doubled moves all later ones
RIGHT = 0.5  # of the lines at least, word by word; the toy model knows nearly all
PATIENCE = 300.0  # seconds; nothing is judged by it
GONE_ON = re.compile(r"going on after line (\d+)")
INPUT = "pvc://corpora/bulk/text.txt"


def pairs() -> list[tuple[str, str]]:
    """Return the lines of a file and their translations."""
    rng = random.Random(11)
    return [("", "") if rng.random() < EMPTY else toy.sentence(rng) for _ in range(LINES)]


PAIRS = pairs()


def batch(subject: Subject, out: str, *options: str) -> Mapping[str, Any]:
    """Run ``kubectl translation batch``, and return what it says."""
    words = ["batch", subject.name, "--input", INPUT, "--out", f"pvc://models/bulk/{out}"]
    words += ["--cpu", "1", "--memory", "1Gi", "--output", "json", *options]
    return dict(json.loads(subject.command(*words)))


@pytest.fixture(scope="module")
def folder(steady: Subject) -> Path:
    """Return where what is translated is written; the input is in its place."""
    lines = "".join(f"{source}\n" for source, _ in PAIRS)
    put(steady.stage.folders["corpora"], {"bulk/text.txt": lines.encode()})
    return steady.stage.folders["models"] / "bulk"


@pytest.fixture(scope="module")
def whole(steady: Subject, folder: Path) -> Mapping[str, Any]:
    """Return what is said of a file that nothing happened to."""
    return batch(steady, "whole.txt", "--wait")


def test_a_file_is_translated_line_by_line(whole: Mapping[str, Any], folder: Path) -> None:
    lines = (folder / "whole.txt").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert len(lines) == LINES
    assert [bool(line) for line in lines] == [bool(source) for source, _ in PAIRS]
    right = sum(line == target for line, (_, target) in zip(lines, PAIRS, strict=True))
    assert right / LINES > RIGHT
    print(f"{right} of {LINES} lines are right")


def test_it_is_what_is_in_production_that_translates(
    steady: Subject, whole: Mapping[str, Any], folder: Path
) -> None:
    production = story.production(steady.model)
    (told,) = whole["summaries"]
    assert whole["revision"] == production["revision"]
    assert told["model"] == production["artifact"]["digest"]
    assert (told["lines"], told["failed"]) == (LINES, 0)
    assert told["empty"] == sum(not source for source, _ in PAIRS)
    assert json.loads((folder / "whole.txt.summary.json").read_text()) == told


def test_a_job_that_is_killed_goes_on_to_the_same_bytes(
    steady: Subject, whole: Mapping[str, Any], folder: Path
) -> None:
    kube, job = steady.stage.kube, str(batch(steady, "killed.txt")["job"])
    parts = folder / "killed.txt.parts"
    (first,) = wait("its pod", lambda: pods(kube, job), PATIENCE, interval=0.1)
    wait("a part", lambda: (parts / "00000000.json").exists(), PATIENCE, interval=0.02)
    assert kill_pod(steady.stage.place, first["metadata"]["name"])

    kube.run("wait", "--for=condition=Complete", f"job/{job}", "--timeout=240s", timeout=250)
    made = {pod["metadata"]["name"]: pod for pod in pods(kube, job)}
    assert exit_code(made.pop(first["metadata"]["name"])) == 137
    (second,) = made
    (line,) = GONE_ON.findall(kube.run("logs", second))
    assert 0 < int(line) < LINES
    print(f"killed, and gone on after line {line} of {LINES}")
    assert (folder / "killed.txt").read_bytes() == (folder / "whole.txt").read_bytes()
    assert not parts.exists()
    assert [str(whole["job"]) != job, exit_code(pods(kube, job)[-1])] == [True, 0]


def pods(kube: Kubectl, job: str) -> list[Object]:
    """Return a Job's pods, the earliest first."""
    found = kube.list("pods", f"batch.kubernetes.io/job-name={job}")
    return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))


def exit_code(pod: Object) -> int:
    """Return what a pod's container ended with."""
    (container,) = pod["status"]["containerStatuses"]
    return int(container["state"]["terminated"]["exitCode"])
