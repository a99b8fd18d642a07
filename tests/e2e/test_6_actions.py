"""What people ask for, by annotation and by the command line: each does what it says, once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from tests.e2e.subject import Load, Subject, bad, rejection

from demo import story
from demo.kube import Object

RATE = 10.0
STEPS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}, {"setWeight": 100}]
Ask = Callable[[str, str], None]  # an action and its target


def by_annotation(subject: Subject) -> Ask:
    """Ask by an annotation; each token is a new one."""
    return lambda action, target: subject.annotate(action, f"{target}/{time.time_ns()}")


def by_command(subject: Subject) -> Ask:
    """Ask by ``kubectl translation``."""

    def ask(action: str, target: str) -> None:
        full, _, revision = target.rpartition("/")
        named = [revision] if action in ("retry", "rollback") else []
        subject.command(action, subject.name, *named, *([f"--{full}"] if full else []), "--wait")

    return ask


@dataclass(frozen=True)
class Course:
    """What a model's statuses said, in the order of the course below."""

    approval: Object  # before anybody has approved
    approved: Object
    paused: Object
    resumed: Object
    passed: Object  # an endless pause
    aborted: Object
    retried: Object
    full: Object  # promoted past all steps
    back: Object  # rolled back
    first: Mapping[str, Any]  # what was in production at the beginning
    load: Load


def course(subject: Subject, ask: Ask) -> Course:
    """Take one candidate through every action, and production back to what it was."""
    first, load = story.production(subject.model), subject.start_load(RATE)
    beam = int(first["engine"]["beamSize"]) + 1
    policy = {"approval": "Required", "analysis": None, "servingCheck": None}
    rollout = policy | {"steps": STEPS, "scaleDownDelay": "5s"}
    subject.ask_for(serving={"beamSize": beam, "image": None}, rollout=rollout)
    approval = subject.until_stage("AwaitingApproval")
    revision = str(story.candidate(approval)["revision"])
    ask("promote", revision)
    approved = subject.until_stage("Canary", 20)
    ask("pause", revision)
    paused = subject.until("a pause", lambda m: story.holds(m, "Paused") and _paused(m))
    ask("resume", revision)
    resumed = subject.until("going on", lambda m: not _paused(m))
    ask("promote", revision)
    passed = subject.until_stage("Canary", 60)
    count = len(passed["status"].get("rejected") or [])
    ask("abort", revision)
    aborted = subject.until_rejected(count + 1)
    ask("retry", revision)
    retried = subject.until_stage("AwaitingApproval")
    ask("promote", f"full/{revision}")
    full = subject.until_promoted(str(first["run"]))
    ask("rollback", str(first["revision"]))
    back = subject.until(
        "the way back", lambda m: story.production(m).get("revision") == first["revision"]
    )
    load.stop()
    return Course(
        approval, approved, paused, resumed, passed, aborted, retried, full, back, first, load
    )


def _paused(model: Object) -> bool:
    return bool(story.candidate(model).get("paused"))


@pytest.fixture(scope="module")
def courses(subjects: Mapping[str, Subject]) -> Iterator[Mapping[str, Future[Course]]]:
    """Both ways to ask, side by side."""
    alpha, beta = subjects["alpha"], subjects["beta"]
    with ThreadPoolExecutor(2) as pool:
        yield {
            "annotation": pool.submit(course, alpha, by_annotation(alpha)),
            "command": pool.submit(course, beta, by_command(beta)),
        }


@pytest.fixture(scope="module", params=["annotation", "command"])
def played(courses: Mapping[str, Future[Course]], request: pytest.FixtureRequest) -> Course:
    return courses[request.param].result()


def candidate_weight(model: Object) -> tuple[str, int]:
    trying = story.candidate(model)
    return str(trying.get("stage")), int(trying.get("weight", 0))


def test_approval_is_waited_for_without_traffic(played: Course) -> None:
    assert candidate_weight(played.approval) == ("AwaitingApproval", 0)
    paused = story.condition(played.approval, "Paused")
    assert paused["status"] == "True"
    assert "promote" in paused["message"]  # what to do next


def test_promote_passes_approval_and_endless_pauses(played: Course) -> None:
    assert candidate_weight(played.approved) == ("Canary", 20)
    assert candidate_weight(played.passed) == ("Canary", 60)


def test_pause_holds_and_resume_goes_on(played: Course) -> None:
    assert "resume" in story.condition(played.paused, "Paused")["message"]
    assert candidate_weight(played.resumed) == ("Canary", 20)


def test_abort_takes_the_traffic_back_and_says_how_to_retry(played: Course) -> None:
    entry = rejection(played.aborted)
    assert entry["reason"] == "Aborted"
    assert "retry" in story.condition(played.aborted, "Degraded")["message"]
    assert story.production(played.aborted)["revision"] == played.first["revision"]


def test_retry_tries_the_same_revision_from_the_start(played: Course) -> None:
    assert candidate_weight(played.retried) == ("AwaitingApproval", 0)
    revision = story.candidate(played.approval)["revision"]
    assert story.candidate(played.retried)["revision"] == revision


def test_promote_full_skips_all_steps(played: Course) -> None:
    revision = story.candidate(played.approval)["revision"]
    assert story.production(played.full)["revision"] == revision


def test_rollback_returns_to_what_was_and_stays_there(played: Course) -> None:
    assert story.production(played.back)["revision"] == played.first["revision"]
    assert rejection(played.back)["reason"] == "RolledBack"


def test_each_token_is_echoed(played: Course) -> None:
    handled = played.back["status"]["handled"]
    assert set(handled) >= {"promote", "abort", "retry", "rollback", "pause", "resume"}


def test_no_request_is_lost_in_all_of_it(played: Course) -> None:
    samples = played.load.samples
    assert len(samples) > 100
    assert [sample for sample in samples if bad(sample)] == []
