"""Stories of candidates: how they are tried, refused, overtaken and held up."""

from __future__ import annotations

from tests.gitops.recording import Recorded, begun, in_production
from tests.operator.model_builders import PAUSED

from mt_operator.core.observed import Cluster


def happy_path() -> Recorded:
    world = in_production(rollout={"steps": PAUSED})
    world.change(training={"seed": 7})
    world.run_until("UpToDate")
    return world


def gate_failure() -> Recorded:
    world = in_production()
    world.chrf = "31.5"
    world.change(training={"seed": 7})
    world.run_until("Degraded")
    world.settle()
    return world


def first_gate_failure() -> Recorded:
    world = begun()
    world.chrf = "31.5"
    world.run_until("Degraded")
    return world


def broken_data() -> Recorded:
    world = in_production()
    world.data_broken = True
    world.change(training={"seed": 7})
    world.run_until("Degraded")
    return world


def serving_check_failure() -> Recorded:
    world = in_production()
    world.agreement = "0.5"
    world.change(training={"seed": 7})
    world.run_until("Degraded")
    return world


def aborted_under_traffic() -> Recorded:
    world = in_production(rollout={"steps": PAUSED})
    world.change(training={"seed": 7})
    world.until_weight(10)
    world.ask("abort", world.candidate["revision"])
    world.run_until("Degraded")
    world.settle()
    return world


def retried() -> Recorded:
    world = aborted_under_traffic()
    world.ask("retry", world.rejected["revision"])
    world.run_until("UpToDate")
    return world


def suspended() -> Recorded:
    world = in_production()
    world.change(suspend=True)
    world.settle()
    world.change(training={"seed": 7})
    world.settle()
    world.change(suspend=False)
    world.run_until("UpToDate")
    return world


def suspended_before_the_first() -> Recorded:
    world = begun(suspend=True)
    world.settle()
    return world


def suspended_while_it_trains() -> Recorded:
    world = begun()
    world.look()
    world.look()
    world.change(suspend=True)
    world.settle()
    return world


def superseded() -> Recorded:
    world = in_production()
    world.change(training={"seed": 7})
    world.look()
    world.look()
    world.live()
    world.change(training={"seed": 8})
    world.run_until("UpToDate")
    return world


def production_not_ready() -> Recorded:
    world = in_production()
    world.unready.add(world.service_of(world.production))
    world.waiting = "ImagePullBackOff: registry/predictor:1 not found"
    world.settle()
    return world


def no_kserve() -> Recorded:
    world = begun()
    world.cluster = Cluster(kserve=False)
    world.settle()
    world.cluster = Cluster()
    world.run_until("UpToDate")
    return world


def run_refused() -> Recorded:
    world = in_production()
    world.change(training={"image": "elsewhere/trainer:1"})
    world.settle()
    return world


def unknown_gateway() -> Recorded:
    world = begun(rollout={"gateway": "other"})
    world.settle()
    return world


def rejected_then_suspended() -> Recorded:
    world = gate_failure()
    world.change(suspend=True)
    world.settle()
    return world


def rejected_then_refused() -> Recorded:
    world = gate_failure()
    world.change(rollout={"gateway": "other"}, training={"seed": 8})
    world.settle()
    world.change(rollout={"gateway": "default"})
    world.chrf = "48.2"
    world.run_until("UpToDate")
    return world


def suspended_under_traffic() -> Recorded:
    world = in_production(rollout={"steps": PAUSED})
    world.change(training={"seed": 7})
    world.until_weight(10)
    world.change(suspend=True)
    world.settle()
    world.change(suspend=False)
    world.run_until("UpToDate")
    return world


def kserve_goes_away_under_traffic() -> Recorded:
    world = in_production(rollout={"steps": PAUSED})
    world.change(training={"seed": 7})
    world.until_weight(10)
    world.cluster = Cluster(kserve=False)
    world.settle()
    world.cluster = Cluster()
    world.run_until("UpToDate")
    return world


def canary_not_ready() -> Recorded:
    world = in_production(rollout={"steps": PAUSED})
    world.change(training={"seed": 7})
    world.until_weight(10)
    world.unready.add(world.service_of(world.candidate))
    world.settle()
    return world


def reverted() -> Recorded:
    """What was rejected is reverted in Git, and comes back: production first, then it again."""
    world = gate_failure()
    world.change(training={"seed": None})
    world.run_until("UpToDate")
    world.change(training={"seed": 7})
    world.settle()
    assert world.condition("Degraded") == "True"
    return world
