"""What annotations ask for: promote, pause, resume, retrain, bless; a stale token does nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.operator.model_builders import MINUTE, PAUSED, World, served, upgraded

ENDLESS = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 100}]


def _first() -> World:
    world = World()
    world.spec["rollout"] = {"approval": "Required"}
    world.settle()
    return world


def _awaiting() -> World:
    world = served(rollout={"steps": PAUSED})
    world.change(training={"seed": 7}, rollout={"approval": "Required"})
    world.settle()
    return world


def _endless() -> World:
    world = upgraded(rollout={"steps": ENDLESS})
    world.settle()
    return world


def _in_canary() -> World:
    world = upgraded(rollout={"steps": PAUSED})
    world.until_weight(10)
    world.settle()
    return world


def test_nothing_gets_weight_before_it_is_approved() -> None:
    world = _awaiting()
    revision = world.candidate["revision"]
    assert world.candidate["stage"] == "AwaitingApproval"
    assert world.weights() == {world.production["revision"]: 100}
    assert world.settle().requeue_after is None
    paused = world.told("Paused")
    assert (paused["status"], paused["reason"]) == ("True", "AwaitingApproval")
    assert "kubectl translation promote pt-en" in paused["message"]
    assert f"translation.kubeflow.org/promote={revision}/" in paused["message"]
    world.ask("promote", revision)
    world.run_until("UpToDate")
    assert world.production["revision"] == revision
    assert world.condition("Paused") == "False"


def test_first_deployment_waits_for_its_approval_too() -> None:
    world = _first()
    assert world.candidate["stage"] == "AwaitingApproval"
    assert "HTTPRoute" not in world.writes
    world.ask("promote", world.candidate["run"])
    world.run_until("UpToDate")


def test_pause_without_an_end_waits_for_a_person() -> None:
    world = _endless()
    revision = world.candidate["revision"]
    world.now += 600 * MINUTE
    assert world.settle().requeue_after is None
    assert (world.condition("Paused"), world.told("Paused")["reason"]) == ("True", "Paused")
    assert "stays at 10 % until it is promoted (step 2 of 3)" in world.told("Paused")["message"]
    world.ask("promote", revision)
    world.run_until("UpToDate")
    assert world.production["revision"] == revision


def test_full_promotion_skips_all_steps() -> None:
    world = _in_canary()
    revision = world.candidate["revision"]
    world.ask("promote", f"full/{revision}")
    world.stages.clear()
    world.run_until("UpToDate")
    assert world.production["revision"] == revision
    assert world.stages[:2] == ["Promoting", None]


def test_promotion_of_what_waits_for_no_person_names_the_command_that_skips_all_steps() -> None:
    world = upgraded()
    world.gateway_works = False
    world.settle()
    revision = world.candidate["revision"]
    world.ask("promote", revision)
    world.settle()
    told = world.told("ActionAccepted")["message"]
    assert "`kubectl translation promote pt-en --full`" in told
    assert f"promote=full/{revision}/<any new suffix>" in told


def test_promotion_cuts_a_timed_pause_short() -> None:
    world = _in_canary()
    world.ask("promote", world.candidate["revision"])
    world.settle()
    assert world.candidate["weight"] == 50


def test_candidate_that_is_paused_keeps_its_weight_and_its_clock_stands_still() -> None:
    world = _in_canary()
    world.now += 2 * MINUTE
    world.ask("pause", world.candidate["revision"])
    assert world.settle().requeue_after is None
    assert "kubectl translation resume pt-en" in world.told("Paused")["message"]
    world.now += 600 * MINUTE
    world.settle()
    assert world.candidate["weight"] == 10
    world.ask("resume", world.candidate["revision"])
    assert world.settle().requeue_after == 3 * MINUTE
    assert world.condition("Paused") == "False"
    world.run_until("UpToDate")


def test_candidate_that_is_paused_while_it_trains_is_not_deployed_further() -> None:
    world = upgraded().to_stage("Training")
    world.ask("pause", world.candidate["run"])
    world.settle()
    assert world.candidate["stage"] == "Deploying"
    world.ask("resume", world.candidate["run"])
    world.run_until("UpToDate")


def test_paused_canary_that_gets_unready_loses_its_traffic() -> None:
    world = _in_canary()
    world.ask("pause", world.candidate["revision"])
    world.settle()
    world.unready.add(world.service_of(world.candidate))
    world.settle()
    assert world.weights() == {world.production["revision"]: 100}
    world.unready.clear()
    world.ask("resume", world.candidate["revision"])
    world.run_until("UpToDate")


def test_retrain_makes_one_new_run_of_the_same_recipe() -> None:
    world = served()
    before = set(world.runs)
    world.ask("retrain", "more-data")
    world.run_until("UpToDate")
    (new,) = set(world.runs) - before
    assert world.production["run"] == new
    assert (
        world.runs[new].manifest["metadata"]["annotations"]["translation.kubeflow.org/cause"]
        == "Manual"
    )
    world.writes.clear()
    world.settle()
    assert world.writes == {}


def test_bless_overrides_a_gate_and_stays_on_record() -> None:
    world = upgraded()
    world.chrf = "31.5"
    world.run_until("Degraded")
    run = world.rejected["run"]
    world.events.clear()
    world.ask("bless", run)
    world.run_until("UpToDate")
    assert world.production["run"] == run
    assert "GateFailed: " in world.production["override"]
    assert "below min 40" in world.production["override"]
    assert "rejected" not in world.status
    assert [event.type for event in world.events if event.reason == "Blessed"] == ["Warning"]
    world.settle()
    assert world.production["run"] == run


def test_blessed_run_by_hand_is_rolled_out() -> None:
    world = served()
    world.chrf = "31.5"
    world.create_run("by-hand", {"candidate": True, "training": {"seed": 9}})
    world.settle()
    world.ask("bless", "by-hand")
    world.run_until("UpToDate")
    assert world.production["run"] == "by-hand"


def _suspended() -> World:
    world = _in_canary()
    world.change(suspend=True)
    world.settle()
    return world


def _in_training() -> World:
    world = upgraded().to_stage("Training")
    world.look()
    return world


def _invalid_data() -> World:
    world = upgraded()
    world.data_broken = True
    world.run_until("Degraded")
    return world


def _revision(world: World) -> str:
    return str(world.candidate["revision"])


@pytest.mark.parametrize(
    ("story", "action", "target", "words"),
    [
        pytest.param(
            served, "abort", lambda _: "r-0", "r-0 is not the candidate", id="abort of nothing"
        ),
        pytest.param(
            served,
            "promote",
            lambda w: w.production["revision"],
            "is in production already",
            id="promotion of production",
        ),
        pytest.param(
            _in_canary, "promote", lambda _: "r-0", "The candidate is r-", id="another candidate"
        ),
        pytest.param(
            lambda: upgraded().to_stage("ServingCheck"),
            "promote",
            lambda w: f"full/{_revision(w)}",
            "not yet: ",
            id="promotion before the serving check ended",
        ),
        pytest.param(
            lambda: upgraded().to_stage("Training"),
            "promote",
            lambda w: w.candidate["run"],
            "in stage Training",
            id="promotion of what trains",
        ),
        pytest.param(
            _suspended, "promote", _revision, "not now: suspend is set", id="promotion, suspended"
        ),
        pytest.param(
            _suspended, "retrain", lambda _: "x", "not now: suspend is set", id="retrain, suspended"
        ),
        pytest.param(_in_canary, "resume", _revision, "nobody paused", id="nothing to resume"),
        pytest.param(served, "pause", lambda _: "r-0", "There is none now", id="nothing to pause"),
        pytest.param(
            served, "retry", lambda _: "r-0", "not in status.rejected", id="nothing to retry"
        ),
        pytest.param(
            served,
            "bless",
            lambda w: w.production["run"],
            "is in production",
            id="bless of production",
        ),
        pytest.param(served, "bless", lambda _: "nobody", "has no run nobody", id="unknown run"),
        pytest.param(
            _invalid_data,
            "bless",
            lambda w: w.rejected["run"],
            "has no evaluated artifact",
            id="bless of a run that came to nothing",
        ),
        pytest.param(
            _in_training,
            "bless",
            lambda w: w.candidate["run"],
            "have not been judged",
            id="bless before the gates",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_once_with_a_reason(
    story: Callable[[], World], action: str, target: Callable[[World], str], words: str
) -> None:
    world = story()
    before = {k: v for k, v in world.status.items() if k not in ("handled", "conditions")}
    world.events.clear()
    token = world.ask(action, target(world))
    world.look()
    after = {k: v for k, v in world.status.items() if k not in ("handled", "conditions")}
    same = {key: after[key] for key in ("production", "candidate", "rejected") if key in after}
    assert same == {key: before[key] for key in same}
    assert world.status["handled"][action] == token
    (event,) = [event for event in world.events if event.reason == "ActionIgnored"]
    assert words in event.message
    accepted = world.told("ActionAccepted")
    assert (accepted["status"], accepted["message"]) == ("False", event.message)
    world.events.clear()
    world.look()
    assert not [event for event in world.events if event.reason == "ActionIgnored"]


def test_refused_action_is_one_write() -> None:
    world = served()
    world.ask("abort", "r-00000000")
    world.settle()
    assert world.writes == {"status": 1}


def test_token_that_is_too_long_is_handled_once_all_the_same() -> None:
    world = served()
    world.ask("abort", "x" * 600)
    world.settle()
    assert world.writes == {"status": 1}
