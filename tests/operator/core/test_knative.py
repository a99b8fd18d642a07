"""Rollouts by canaryTrafficPercent: what is sent, in which order, and what that leads to."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from tests.operator.knative_world import DARK, NAME, KnativeWorld, knative_served, knative_upgraded
from tests.operator.model_builders import MINUTE, PAUSED, SPEC, CrashError

from mt_contract import names
from mt_contract.defaults import merge

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SHORT = [{"setWeight": 20}, {"setWeight": 100}]


def sent(world: KnativeWorld) -> list[tuple[str, int]]:
    """Record whose template and which percentage each InferenceService that is sent has."""
    found: list[tuple[str, int]] = []
    apply = world._apply

    def record(child: Any) -> None:
        if child.key[0] == "InferenceService":
            labels = child.manifest["metadata"]["labels"]
            percent = child.manifest["spec"]["predictor"]["canaryTrafficPercent"]
            found.append((labels[names.LABEL_REVISION], percent))
        apply(child)

    world._apply = record  # type: ignore[method-assign]  # a recorder of one world
    return found


def at(weight: int, steps: list[dict[str, Any]] = PAUSED) -> KnativeWorld:
    """Return a world whose candidate has ``weight``, in force."""
    world = knative_upgraded(rollout={"steps": steps})
    world.until_weight(weight)
    world.settle()
    return world


def test_first_revision_is_seen_by_nobody_outside_before_it_is_production() -> None:
    world = KnativeWorld(spec=merge(SPEC, {}))
    world.to_stage("ServingCheck")
    assert DARK in world.services[NAME].manifest["metadata"]["labels"]
    world.run_until("UpToDate")
    world.settle()
    assert DARK not in world.services[NAME].manifest["metadata"]["labels"]
    assert len(world.knative.made) == 1  # and that has made no revision
    assert world.status["url"] == f"http://{NAME}-predictor.example.com"
    assert world.status["trafficBackend"] == "KServeKnative"
    assert not world.routes


def test_upgrade_goes_from_template_at_0_by_percentages_alone() -> None:
    world = knative_upgraded(rollout={"steps": PAUSED})
    record, old = sent(world), world.production["revision"]
    world.run_until("UpToDate")
    new = world.production["revision"]
    assert record == [(new, 0), (new, 10), (new, 50), (new, 100)]
    assert len(world.knative.made) == 2
    assert world.weights() == {new: 100} != {old: 100}
    assert list(world.services) == [NAME]


def test_serving_check_asks_the_host_that_knative_tags() -> None:
    world = knative_upgraded().to_stage("ServingCheck")
    world.look()
    (job,) = [j for j in world.jobs.values() if world.candidate["revision"] in str(j.manifest)]
    assert f"http://latest-{NAME}-predictor.team-a.svc.cluster.local" in str(job.manifest)


def test_synthetic_traffic_reaches_candidate_and_production_by_their_tags() -> None:
    synthetic = {"analysis": {"syntheticTraffic": {"requestsPerSecond": 2}}}
    world = knative_upgraded(rollout={"steps": PAUSED} | synthetic)
    for _ in range(80):
        plan, busy = world.look(), world.live()
        jobs = [j.manifest for j in world.jobs.values() if "MT_URLS" in str(j.manifest)]
        if jobs or (not busy and plan.status is None and plan.requeue_after is None):
            break
    assert f"http://latest-{NAME}-predictor.team-a.svc.cluster.local" in str(jobs)
    assert f"http://prev-{NAME}-predictor.team-a.svc.cluster.local" in str(jobs)


def test_bad_canary_is_taken_back_in_two_phases() -> None:
    world = at(10)
    record, old, bad = sent(world), world.production["revision"], world.candidate["revision"]
    world.ask("abort", bad)
    world.settle()
    assert record == [(bad, 0), (old, 0), (old, 100)]
    assert world.weights() == {old: 100}
    assert world.condition("Degraded") == "True"
    assert "candidate" not in world.status


def test_promotion_that_is_stopped_at_100_comes_back_too() -> None:
    world = knative_upgraded(rollout={"steps": SHORT})
    old = world.production["revision"]
    for _ in range(80):
        world.look()
        if world.candidate.get("weight") == 100 and world.percent() == 100:
            break
        world.live()
    for step in ("kserve", "configure", "pods", "route", "kserve"):
        world.act(step)
    bad = world.candidate["revision"]
    assert world.weights() == {bad: 100}
    record = sent(world)
    world.ask("abort", bad)
    world.settle()
    assert record == [(bad, 0), (old, 0), (old, 100)]
    assert world.weights() == {old: 100}


def test_option_changed_as_all_requests_go_to_a_candidate_waits_until_it_is_production() -> None:
    world = knative_upgraded(rollout={"steps": SHORT})
    world.until_weight(20)
    old, new = world.production["revision"], world.candidate["revision"]
    while world.weights() != {new: 100}:
        world.look()
        for step in ("kserve", "configure", "pods", "route"):
            world.act(step)
    record = sent(world)
    world.change(serving={"maxQueue": 9})
    world.ask("abort", new)
    world.settle()
    assert record == [(new, 0), (old, 0), (old, 100)]
    assert world.weights() == {old: 100}


def test_canary_that_is_never_ready_gets_nothing_and_its_template_goes() -> None:
    world = knative_upgraded(rollout={"steps": PAUSED}).to_stage("Deploying")
    old, bad = world.production["revision"], world.candidate["revision"]
    world.unready.add(bad)
    record = sent(world)
    world.run_until("Degraded")
    world.settle()
    assert record == [(bad, 0), (old, 0), (old, 100)]
    assert world.rejected["reason"] == "ServingCheckFailed"
    assert world.condition("Ready") == "True"


def test_canary_that_dies_loses_its_share_although_knative_calls_it_ready() -> None:
    world = at(10)
    bad = world.candidate["revision"]
    world.dead.add(bad)
    for _ in range(4):
        world.live()
        world.look()
    world.live()
    assert world.weights() == {world.production["revision"]: 100}
    assert world.percent() == 0
    world.dead.clear()
    world.until_weight(10)
    assert world.weights()[bad] == 10


def test_newer_candidate_takes_the_place_of_a_canary_after_that_has_nothing() -> None:
    world = at(50)
    record, old, first = sent(world), world.production["revision"], world.candidate["revision"]
    world.change(training={"seed": 8})
    world.run_until("UpToDate")
    new = world.production["revision"]
    assert new not in (old, first)
    assert record[0] == (first, 0)
    assert [step for step in record if step[0] == new] == [
        (new, 0),
        (new, 10),
        (new, 50),
        (new, 100),
    ]


def test_option_changed_in_place_makes_a_revision_and_loses_nothing() -> None:
    world = knative_served()
    record, revision = sent(world), world.production["revision"]
    world.change(serving={"maxQueue": 9})
    world.run_until("UpToDate")
    world.settle()
    assert record == [(revision, 100)]
    assert world.weights() == {revision: 100}
    assert len(world.knative.made) == 2


def test_option_changed_in_place_under_a_canary_is_about_the_canary_until_it_is_back() -> None:
    world = at(10)
    old, canary = world.production["revision"], world.candidate["revision"]
    record = sent(world)
    world.change(serving={"maxQueue": 9})
    world.settle()
    assert record == [(canary, 10)]
    world.ask("abort", canary)
    world.settle()
    assert record[1:] == [(canary, 0), (old, 0), (old, 100)]
    assert world.weights() == {old: 100}


def test_retried_canary_is_tried_from_the_first_step() -> None:
    world = at(10)
    bad = world.candidate["revision"]
    world.ask("abort", bad)
    world.settle()
    record = sent(world)
    world.ask("retry", bad)
    world.run_until("UpToDate")
    assert record == [(bad, 0), (bad, 10), (bad, 50), (bad, 100)]


@pytest.mark.parametrize("percent", [101, -1, 37, None])
def test_percentage_that_somebody_wrote_is_put_right(percent: int | None) -> None:
    world = at(10)
    canary = world.candidate["revision"]
    world.services[NAME].manifest["spec"]["predictor"]["canaryTrafficPercent"] = percent
    world.look()
    assert world.percent() == 10
    world.settle()
    assert world.weights() == {world.production["revision"]: 90, canary: 10}


def test_candidate_that_knative_refuses_stops_nothing_else() -> None:
    world = knative_upgraded(rollout={"steps": PAUSED}).to_stage("Deploying")
    old = world.production["revision"]
    world.refuses, world.waiting = True, "Persistent volume claim support is disabled"
    world.settle()
    assert "podspec-persistent-volume-claim" in world.told("Reconciling")["message"]
    world.run_until("Degraded")
    assert "podspec-persistent-volume-claim" in world.rejected["message"]
    assert world.weights() == {old: 100}
    # KServe never acted on the template; taking it back now would split what all requests go to.
    assert world.percent() == 0
    world.refuses, world.waiting = False, ""
    world.change(training={"seed": 8})
    world.run_until("UpToDate")
    assert world.weights() == {world.production["revision"]: 100}


def test_service_that_somebody_deleted_is_made_again_with_production() -> None:
    world = at(10)
    old = world.production["revision"]
    del world.services[NAME]
    world.knative = type(world.knative)()
    record = sent(world)
    world.look()
    assert record == [(old, 100)]
    assert world.status["url"]
    world.run_until("UpToDate")
    assert world.production["revision"] != old


def test_service_of_somebody_else_is_left_alone() -> None:
    world = knative_upgraded(rollout={"steps": PAUSED})
    manifest = deepcopy(dict(world.services[NAME].manifest))
    manifest["metadata"]["ownerReferences"] = [{"uid": "of-another"}]
    world.services[NAME].manifest = manifest
    world.settle()
    assert world.told("Stalled")["reason"] == "NameTaken"
    assert NAME in world.told("Stalled")["message"]
    assert world.services[NAME].manifest is manifest


def test_steady_state_writes_nothing() -> None:
    world = knative_served()
    for _ in range(20):
        world.now += MINUTE
        world.settle()
    assert not world.writes


def test_production_is_rolled_out_anew_where_kserve_takes_it_for_rolled_back() -> None:
    world = knative_upgraded(rollout={"steps": PAUSED})
    oldest = world.production["revision"]
    world.run_until("UpToDate")
    world.change(training={"seed": 8})
    world.until_weight(10)
    production, canary = world.production["revision"], world.candidate["revision"]
    world.granted[oldest] = 100  # or the world would complain
    world.knative.rolled_out = world.knative.previous
    for step in ("kserve", "route", "kserve"):
        world.act(step)
    assert world.weights() == {oldest: 90, canary: 10}
    record = sent(world)
    world.run_until("UpToDate")
    assert record[:2] == [(production, 0), (production, 100)]
    assert world.weights() == {canary: 100}


def test_world_does_what_was_seen_when_template_and_percentage_go_back_at_once() -> None:
    """All requests to the bad canary until the old template is ready: why nobody may do that."""
    world = at(10)
    bad, old = world.candidate["revision"], world.production["revision"]
    world.granted[bad] = 100  # or the world would complain
    first = world.knative.made[0]
    manifest = deepcopy(dict(world.services[NAME].manifest))
    manifest["metadata"]["labels"][names.LABEL_REVISION] = old
    manifest["metadata"]["annotations"][names.ANNOTATION_TEMPLATE] = first.inputs
    del manifest["spec"]["predictor"]["canaryTrafficPercent"]
    world.services[NAME].manifest = manifest
    world.unready.add(old)  # it loads for a while
    for step in ("kserve", "configure", "pods", "route", "kserve"):
        world.act(step)
    assert world.weights() == {bad: 100}
    assert world.knative.of(world.knative.rolled_out).revision == bad


def test_world_does_what_was_seen_when_a_percentage_is_set_on_what_is_rolled_out() -> None:
    """The rest goes to what was there before production: why nobody may do that, either."""
    world = knative_upgraded()
    before = world.production["revision"]
    world.run_until("UpToDate")
    world.settle()
    world.granted[before] = 100  # or the world would complain
    world.services[NAME].manifest["spec"]["predictor"]["canaryTrafficPercent"] = 0
    for step in ("kserve", "route", "kserve", "kserve", "route", "kserve"):
        world.act(step)
    assert world.weights() == {before: 100}


def _upgrade() -> KnativeWorld:
    return knative_upgraded(rollout={"steps": PAUSED})


def _never_ready() -> KnativeWorld:
    world = knative_upgraded().to_stage("Deploying")
    world.unready.add(world.candidate["revision"])
    return world


def _aborted() -> KnativeWorld:
    world = at(10)
    world.ask("abort", world.candidate["revision"])
    return world


def _newer() -> KnativeWorld:
    world = at(50)
    world.change(training={"seed": 8})
    return world


def _retried() -> KnativeWorld:
    world = _aborted()
    bad = world.candidate["revision"]
    world.look()
    world.ask("retry", bad)
    return world


def _come_to(world: KnativeWorld, end: str) -> None:
    world.run_until(end)
    world.settle()


@pytest.mark.parametrize(
    ("story", "end"),
    [
        pytest.param(_upgrade, "UpToDate", id="an upgrade with pauses"),
        pytest.param(_never_ready, "Degraded", id="a candidate that is never ready"),
        pytest.param(_aborted, "Degraded", id="a way back"),
        pytest.param(_retried, "UpToDate", id="a retry on the way back"),
        pytest.param(_newer, "UpToDate", id="a newer generation"),
    ],
)
def test_killed_between_any_two_writes(story: Callable[[], KnativeWorld], end: str) -> None:
    begin = story()
    smooth = deepcopy(begin)
    smooth.writes.clear()
    _come_to(smooth, end)
    expected = (smooth.weights(), smooth.rejected.get("run"), smooth.production["revision"])
    writes = sum(smooth.writes.values())
    for survived in range(0, writes, 1 if LONG else 4):
        world = deepcopy(begin)
        world.crash_after = survived
        with pytest.raises(CrashError):
            _come_to(world, end)
        world.crash_after = None
        _come_to(world, end)
        found = (world.weights(), world.rejected.get("run"), world.production["revision"])
        assert found == expected, f"killed after {survived} writes"
