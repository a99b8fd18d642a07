"""Leading: by the local clock alone; the holder stops writing before another may begin."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mt_operator.shell.api import Object
from mt_operator.shell.errors import ConflictError, NotLeadingError, UnavailableError
from mt_operator.shell.leader import Leader, Seen, Step, Term, look

ME, OTHER = "me", "other"


def lease(holder: str | None, version: str = "1", seconds: int = 15) -> Object:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds}
    return {"metadata": {"name": "l", "namespace": "n", "resourceVersion": version}, "spec": spec}


@pytest.mark.parametrize(
    ("found", "seen", "now", "step", "since"),
    [
        pytest.param(None, None, 5.0, Step.CREATE, 5.0, id="no lease yet"),
        pytest.param(lease(ME), None, 5.0, Step.RENEW, 5.0, id="ours, after a restart"),
        pytest.param(lease(""), None, 5.0, Step.TAKE, 5.0, id="given back"),
        pytest.param(lease(None), None, 5.0, Step.TAKE, 5.0, id="without a holder"),
        pytest.param(lease(OTHER), None, 5.0, Step.WAIT, 5.0, id="seen for the first time"),
        pytest.param(lease(OTHER), Seen("1", 5.0), 19.9, Step.WAIT, 5.0, id="not over yet"),
        pytest.param(lease(OTHER), Seen("1", 5.0), 20.0, Step.TAKE, 5.0, id="over"),
        pytest.param(lease(OTHER, "2"), Seen("1", 5.0), 99.0, Step.WAIT, 99.0, id="renewed"),
        pytest.param(
            {"metadata": {"resourceVersion": "1"}}, None, 5.0, Step.TAKE, 5.0, id="without a spec"
        ),
    ],
)
def test_look(
    found: Object | None, seen: Seen | None, now: float, step: Step, since: float
) -> None:
    assert look(found, seen, ME, now)[0] is step
    assert look(found, seen, ME, now)[1].since == since


class Leases:
    """One Lease on an API server that refuses outdated writes."""

    def __init__(self) -> None:
        self.stored: Object | None = None
        self.version = 0
        self.down = False
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        self._answer()
        found = copy.deepcopy(self.stored)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return found

    async def create(self, manifest: Object) -> Object:
        assert self.stored is None
        return self._store(manifest)

    async def replace(self, manifest: Object) -> Object:
        if manifest["metadata"]["resourceVersion"] != str(self.version):
            raise ConflictError("changed")
        return self._store(manifest)

    def _store(self, manifest: Object) -> Object:
        self._answer()
        self.version += 1
        metadata = manifest["metadata"] | {"resourceVersion": str(self.version)}
        self.stored = manifest | {"metadata": metadata}
        return self.stored

    def _answer(self) -> None:
        if self.down:
            raise UnavailableError("down")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def claim(leases: Leases, clock: Clock, identity: str) -> Leader:
    api: Any = leases
    return Leader(api, Term("n", "l", identity, 15.0), clock)


async def test_two_claims_never_write_at_the_same_time() -> None:
    leases, clock = Leases(), Clock()
    first, second = claim(leases, clock, ME), claim(leases, clock, OTHER)
    await first.step()
    await second.step()
    assert (first.leads, second.leads) == (True, False)

    handed_over = False
    for _ in range(200):  # the first is cut off: it neither renews nor sees anything
        clock.now += 0.1
        await second.step()
        assert not (first.leads and second.leads)
        handed_over = handed_over or second.leads
    assert handed_over


async def test_writing_stops_before_the_lease_is_over() -> None:
    leases, clock = Leases(), Clock()
    leader = claim(leases, clock, ME)
    with pytest.raises(NotLeadingError):
        leader.fence()
    await leader.step()
    clock.now += 11.9
    assert 0 < leader.fence() < 15 - 11.9
    clock.now += 0.1
    with pytest.raises(NotLeadingError):
        leader.fence()


async def test_time_counts_from_before_the_renewal_was_sent() -> None:
    leases, clock = Leases(), Clock()
    leader = claim(leases, clock, ME)
    replace = leases.replace

    async def slow(manifest: Object) -> Object:
        clock.now += 10.0
        return await replace(manifest)

    await leader.step()
    leases.replace = slow  # type: ignore[method-assign]
    await leader.step()
    clock.now += 2.1
    assert not leader.leads


async def test_server_that_is_down_costs_the_lead_and_its_return_brings_it_back() -> None:
    leases, clock = Leases(), Clock()
    leader = claim(leases, clock, ME)
    await leader.step()
    leases.down = True
    clock.now += 13
    with pytest.raises(UnavailableError):
        await leader.step()
    assert not leader.leads
    leases.down = False
    await leader.step()
    assert leader.leads


async def test_lost_race_leaves_the_winner_alone() -> None:
    leases, clock = Leases(), Clock()
    first, second = claim(leases, clock, ME), claim(leases, clock, OTHER)
    await first.step()
    await second.step()
    clock.now += 20
    leases.meanwhile = first.step  # between the second's look and its write
    with pytest.raises(ConflictError):
        await second.step()
    assert first.leads
    assert not second.leads


async def test_release_lets_the_next_one_in_at_once() -> None:
    leases, clock = Leases(), Clock()
    first, second = claim(leases, clock, ME), claim(leases, clock, OTHER)
    await first.step()
    await second.step()
    await first.release()
    assert not first.leads
    await second.step()
    assert second.leads
    await first.release()
    assert leases.stored is not None
    assert leases.stored["spec"]["holderIdentity"] == OTHER
