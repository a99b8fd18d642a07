"""One look: what a failing decision, a refusal and a gone object lead to."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mt_contract import names
from mt_contract.defaults import Images
from mt_operator.core.observed import Meta, ObservedModel, ObservedRun
from mt_operator.core.plan import Event, ImpossibleError, Plan
from mt_operator.core.reasons import Reason
from mt_operator.settings import Settings
from mt_operator.shell import loop
from mt_operator.shell.apply import Outcome
from mt_operator.shell.errors import (
    ConflictError,
    RefusedError,
    ThrottledError,
    UnavailableError,
)
from mt_operator.shell.loop import ON_ITS_WAY, RESYNC, Loop, decided, next_look
from mt_operator.shell.metrics import Metrics
from mt_operator.shell.observe import Snapshot
from mt_operator.shell.observe_run import asks_of_others, claims_in
from mt_operator.shell.queue import Key, Queue
from mt_operator.shell.runs import finished

KEY = Key(names.RUN_KIND, "n", "run")
SETTINGS = Settings(Images("t", "p"))
RUN = ObservedRun(datetime(2026, 11, 21, tzinfo=UTC), Meta("run", "n", "u"), {}, {}, SETTINGS)
MODEL = ObservedModel(RUN.now, RUN.meta, {}, {}, SETTINGS)
MINUTE = timedelta(minutes=1)
GOING = {"conditions": [{"type": "Reconciling", "status": "True"}]}


@pytest.mark.parametrize(
    ("status", "plan", "wrote", "expected"),
    [
        pytest.param({}, Plan(requeue_after=MINUTE), True, timedelta(), id="children come next"),
        pytest.param({}, Plan(requeue_after=MINUTE), False, MINUTE, id="as the plan says"),
        pytest.param({}, Plan(), False, RESYNC, id="nothing is expected"),
        pytest.param(GOING, Plan(), False, ON_ITS_WAY, id="a wake-up may have been lost"),
        pytest.param(GOING, Plan(requeue_after=MINUTE), False, ON_ITS_WAY, id="the sooner one"),
    ],
)
def test_next_look(status: dict[str, Any], plan: Plan, wrote: bool, expected: timedelta) -> None:
    assert next_look(replace(RUN, status=status), plan, Outcome(wrote, ())) == expected


def fails(error: Exception) -> Any:
    def decide(_: Any) -> Plan:
        raise error

    return decide


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(ImpossibleError("weight without blessing"), Reason.IMPOSSIBLE, id="odd"),
        pytest.param(KeyError("spec"), Reason.INTERNAL_ERROR, id="a fault of ours"),
    ],
)
@pytest.mark.parametrize("observed", [RUN, MODEL])
def test_decision_that_fails_touches_nothing_and_says_so(
    error: Exception, reason: Reason, observed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "decide_run", fails(error))
    monkeypatch.setattr(loop, "decide_model", fails(error))
    plan, (refusal,) = decided(observed, KEY)
    assert plan == Plan()
    assert refusal.reason is reason


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("error", "soonest", "counted"),
    [
        pytest.param(ConflictError("changed"), 0.2, "ConflictError", id="look again at once"),
        pytest.param(ThrottledError("busy", 30), 30.0, "ThrottledError", id="as long as asked"),
        pytest.param(RefusedError("no"), 0.2, "RefusedError", id="until something changes"),
        pytest.param(ValueError("bug"), 0.2, "ValueError", id="a fault of ours ends no worker"),
    ],
)
async def test_error_decides_when_a_wake_up_is_heard(
    error: Exception, soonest: float, counted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, metrics = Clock(), Metrics()
    queue = Queue(clock)
    made = Loop(None, queue, None, metrics, None)  # type: ignore[arg-type]

    async def observe(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(loop, "observe_run", observe)
    queue.wake(KEY)
    await made._look(await queue.take())
    queue.wake(KEY)
    clock.now = soonest - 0.01
    assert queue.waiting() == 0
    clock.now = soonest
    assert queue.waiting() == 1
    value = metrics.registry.get_sample_value(
        "mt_operator_reconcile_errors_total", {"kind": names.RUN_KIND, "error": counted}
    )
    assert value == 1


async def test_object_that_is_gone_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    queue = Queue(clock)
    made = Loop(None, queue, None, Metrics(), None)  # type: ignore[arg-type]

    async def observe(*_: Any) -> Any:
        return None

    monkeypatch.setattr(loop, "observe_run", observe)
    queue.wake(KEY)
    await made._look(await queue.take())
    clock.now = 1e9
    assert queue.waiting() == 0


def test_claims_of_all_locations_in_a_spec() -> None:
    spec = {
        "storage": {"uri": "pvc://models/x"},
        "data": {
            "train": [{"uri": "pvc://corpora/a"}, {"uri": "s3://b/c", "targetUri": "pvc://d/e"}]
        },
        "note": "pvc://not/a-location",
    }
    assert set(claims_in(spec)) == {"models", "corpora", "d"}


@pytest.mark.parametrize(
    ("spec", "model", "asks"),
    [
        pytest.param({}, {}, False, id="nothing"),
        pytest.param({"training": {"warmStartFrom": "Production"}}, {}, False, id="production"),
        pytest.param({"training": {"warmStartFrom": "LatestBlessed"}}, {}, True, id="warm start"),
        pytest.param({}, {"evaluation": {"baseline": "LatestBlessed"}}, True, id="the model's"),
        pytest.param(
            {"evaluation": {"baseline": "None"}},
            {"evaluation": {"baseline": "LatestBlessed"}},
            False,
            id="the run's own goes first",
        ),
        pytest.param({}, {"data": {"checks": {"maxDivergence": "0.2"}}}, True, id="divergence"),
        pytest.param({"import": {"uri": "pvc://m/x"}}, {}, True, id="an artifact used again"),
    ],
)
def test_other_runs_are_read_only_where_a_decision_may_ask(
    spec: Any, model: Any, asks: bool
) -> None:
    assert asks_of_others(spec, model) is asks


@pytest.mark.parametrize(
    ("status", "over"),
    [
        pytest.param({}, False, id="new"),
        pytest.param(GOING, False, id="at work"),
        pytest.param({"conditions": [{"type": "Failed", "status": "True"}]}, True, id="failed"),
        pytest.param({"conditions": [{"type": "Failed", "status": "False"}]}, False, id="not yet"),
    ],
)
def test_run_is_finished(status: dict[str, Any], over: bool) -> None:
    assert finished(status) is over


class Told:
    """What an API server keeps of an object whose writes may get no answer."""

    def __init__(self, lost: bool, kept: bool) -> None:
        self.status: Any = {}
        self.events: list[str] = []
        self.lost = lost
        self.kept = kept

    async def replace(self, manifest: Any, subresource: str) -> None:
        if self.kept or not self.lost:
            self.status = manifest["status"]
        if self.lost:
            self.lost = False
            raise UnavailableError("no answer")

    async def create(self, manifest: Any) -> None:
        self.events.append(manifest["note"])


@pytest.mark.parametrize(
    ("lost", "kept"),
    [
        pytest.param(False, True, id="answered"),
        pytest.param(True, True, id="written, and the answer lost"),
        pytest.param(True, False, id="not written, and written again"),
    ],
)
async def test_what_happened_is_told_once_whatever_becomes_of_the_answer(
    lost: bool, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, key, announced = Told(lost, kept), Key(names.MODEL_KIND, "n", "run"), []
    spec = {"alerts": [{"receiver": "team", "on": ["RolledBack"]}]}

    class Receivers:
        def announce(self, alert: Any, receivers: Any) -> None:
            announced.append((alert.message, receivers))

    async def observe(*_: Any) -> Snapshot:
        meta = {"name": "run", "namespace": "n", "uid": "u", "resourceVersion": "1"}
        observed = replace(MODEL, spec=spec, status=server.status)
        return Snapshot({"metadata": meta, "status": server.status}, observed)

    def decide(observed: ObservedModel) -> Plan:
        if observed.status:
            return Plan()
        return Plan(status={"a": 1}, events=(Event("Warning", "RolledBack", "errors"),))

    monkeypatch.setattr(loop, "observe_model", observe)
    monkeypatch.setattr(loop, "decide_model", decide)
    world = SimpleNamespace(api=server, settings=SETTINGS)
    made = Loop(world, None, None, Metrics(), Receivers())  # type: ignore[arg-type]
    for _ in range(4):
        with contextlib.suppress(UnavailableError):
            await made.reconcile(key)
    assert server.events == ["errors"]
    assert announced == [("errors", ("team",))]
    assert not made.unsure
