"""Pods of what serves go, by order or by a kill, while users ask: who loses what, by the gateway.

By order nobody loses anything. By a kill users lose at most what the gateway had sent that pod
before it knew: it learns of pods from the Service's endpoints, which are watched here as well, and
sends each of two pods half of the requests. It tries none again: that is the platform's to say.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from scipy.stats import binom
from tests.e2e.stage import kill_pod
from tests.e2e.subject import Load, Seen, Subject, bad

from demo import judge, story
from demo.judge import SETTLE
from demo.kube import Kubectl, Object, Watch, wait
from demo.load import Sample
from mt_contract import names

ALPHA = 1e-4  # of the bound on what users lose: chance alone passes it once in ten thousand times
RATE = 30.0  # requests a second
WARM, AFTER = 60, 60  # requests before a pod goes, and after all is as it was
REPLICAS = 2
PATIENCE = 300.0  # seconds; nothing is judged by it
Act = Callable[[Subject, str], None]  # what is done to a pod


class Endpoints:
    """Records which pods a Service leads to: what the gateway goes by."""

    def __init__(self, kube: Kubectl, service: str) -> None:
        self.told: list[tuple[float, frozenset[str]]] = []
        self._service = service
        self._watch = Watch(kube, "endpointslices", self._see)

    def _see(self, moment: float, _: str, found: Object) -> None:
        if found["metadata"]["labels"].get("kubernetes.io/service-name") != self._service:
            return
        ready = (e for e in found.get("endpoints") or () if e["conditions"].get("ready"))
        self.told.append((moment, frozenset(e["targetRef"]["name"] for e in ready)))

    @property
    def ready(self) -> frozenset[str]:
        """Return the pods that it leads to now."""
        return self.told[-1][1] if self.told else frozenset()

    def without(self, pod: str, since: float) -> float:
        """Return when it was seen first, since a moment, that it does not lead to a pod; or 0."""
        return next((seen for seen, pods in self.told if seen >= since and pod not in pods), 0.0)

    def close(self) -> None:
        self._watch.close()


def told_to_go(subject: Subject, pod: str) -> None:
    subject.stage.kube.run("delete", "pod", pod)


def evicted(subject: Subject, pod: str) -> None:
    """Ask for it as a drain of its node does."""
    kube = subject.stage.kube
    meta = {"name": pod, "namespace": kube.namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
    path = f"/api/v1/namespaces/{kube.namespace}/pods/{pod}/eviction"
    kube.run("create", "--raw", path, "-f", "-", stdin=json.dumps(body))


def killed(subject: Subject, pod: str) -> None:
    assert kill_pod(subject.stage.place, pod)


def without_grace(subject: Subject, pod: str) -> None:
    subject.stage.kube.run("delete", "pod", pod, "--force", "--grace-period=0")


@dataclass(frozen=True)
class Case:
    """How pods go, and how many do, one after the other."""

    act: Act
    count: int = 1


DELETED, DRAINED = Case(told_to_go), Case(evicted, REPLICAS)
KILLED, FORCED = Case(killed), Case(without_grace)
BY_ORDER = [pytest.param(DELETED, id="deleted"), pytest.param(DRAINED, id="both evicted")]
BY_KILL = [pytest.param(KILLED, id="kill -9"), pytest.param(FORCED, id="deleted without grace")]


@dataclass(frozen=True)
class Outage:
    """What became of pods, and of their users."""

    begun: float  # seconds since the epoch: before the first went
    left: float  # when the Service did not lead to the last of them any more
    gone: tuple[str, ...]
    pods: tuple[Object, ...]  # once all was as it was
    samples: tuple[Sample, ...]
    states: tuple[Seen, ...]  # of the model

    @property
    def lost(self) -> list[Sample]:
        return [sample for sample in self.samples if bad(sample)]

    @property
    def exposed(self) -> list[Sample]:
        """Return the requests that may have met a dead pod: under way when it died, or sent
        before the gateway knew.
        """
        last = self.left + SETTLE
        return [s for s in self.samples if s.sent + s.latency >= self.begun and s.sent <= last]

    def __str__(self) -> str:
        """Return the figures."""
        return (
            f"{len(self.samples)} requests, {len(self.lost)} lost; {len(self.exposed)} sent in the "
            f"{self.left - self.begun:.1f} s until the endpoints told, and {SETTLE:.0f} s more"
        )


Outages = Callable[[Case], Outage]


def play(subject: Subject, endpoints: Endpoints, case: Case) -> Outage:
    """Have pods go while users ask, each once the Service leads to two again."""
    known, load = len(subject.states), subject.start_load(RATE)
    enough(load, WARM)
    wait("two pods to serve", lambda: len(endpoints.ready) == REPLICAS, PATIENCE, interval=0.1)
    chosen = sorted(endpoints.ready)[: case.count]
    begun = time.time()
    left = [lose(subject, endpoints, case.act, pod) for pod in chosen][-1]
    pods = wait("nothing else to be there", lambda: settled(subject), PATIENCE, interval=0.5)
    enough(load, AFTER)
    samples = tuple(load.stop())
    states = tuple(subject.states[known - 1 :])
    return Outage(begun, left, tuple(chosen), tuple(pods), samples, states)


def lose(subject: Subject, endpoints: Endpoints, act: Act, pod: str) -> float:
    """Have a pod go, and return when the Service left it; over once there are two again."""
    since = time.time()
    act(subject, pod)
    left = wait(f"the end of {pod}", lambda: endpoints.without(pod, since), PATIENCE, interval=0.1)
    wait("two pods to serve", lambda: len(endpoints.ready) == REPLICAS, PATIENCE, interval=0.1)
    return left


def enough(load: Load, more: int) -> None:
    """Wait for so many more answers."""
    seen = len(load.samples)
    wait("users to be answered", lambda: len(load.samples) >= seen + more, PATIENCE, interval=0.1)


def settled(subject: Subject) -> list[Object] | None:
    """Return the pods of what serves, once no other is left."""
    selector = f"{names.LABEL_MODEL}={subject.name},app.kubernetes.io/component=predictor"
    pods = list(subject.stage.kube.list("pods", selector))
    going = [pod for pod in pods if pod["metadata"].get("deletionTimestamp")]
    return pods if len(pods) == REPLICAS and not going else None


@pytest.fixture(scope="module")
def outages(steady: Subject) -> Iterator[Outages]:
    """Each case is played when a test first asks for it."""
    revision = str(story.production(steady.model)["revision"])
    service = f"{names.inference_service_name(steady.name, revision)}-predictor"
    played: dict[Case, Outage] = {}
    with closing(Endpoints(steady.stage.kube, service)) as endpoints:

        def outage(case: Case) -> Outage:
            if case not in played:
                played[case] = play(steady, endpoints, case)
                print(f"{case.act.__name__}: {played[case]}")
            return played[case]

        yield outage


@pytest.mark.parametrize("case", BY_ORDER)
def test_a_pod_that_is_told_to_go_loses_no_request(outages: Outages, case: Case) -> None:
    outage = outages(case)
    assert len(outage.samples) > 100
    assert outage.lost == []


@pytest.mark.parametrize("case", BY_KILL)
def test_a_killed_pod_loses_no_more_than_was_sent_to_it(outages: Outages, case: Case) -> None:
    outage = outages(case)
    exposed = {id(sample) for sample in outage.exposed}
    assert [s for s in outage.lost if id(s) not in exposed] == []
    assert len(outage.lost) <= binom.isf(ALPHA, len(exposed), 1 / REPLICAS), str(outage)


@pytest.mark.parametrize("case", [*BY_ORDER, *BY_KILL])
def test_the_other_pod_serves_meanwhile(outages: Outages, case: Case) -> None:
    outage = outages(case)
    during = [s for s in outage.samples if outage.begun <= s.sent <= outage.left]
    assert not during or [s for s in during if not judge.lost(s)]
    revision = story.production(outage.states[0].model)["revision"]
    assert {s.revision for s in outage.samples if not judge.lost(s)} == {revision}
    for seen in outage.states:
        assert story.condition(seen.model, "Ready")["status"] == "True"
        assert story.production(seen.model)["revision"] == revision


@pytest.mark.parametrize("case", [*BY_ORDER, BY_KILL[1]])
def test_another_pod_takes_its_place(outages: Outages, case: Case) -> None:
    outage = outages(case)
    there = {pod["metadata"]["name"] for pod in outage.pods}
    assert len(there) == REPLICAS
    assert not there & set(outage.gone)


def test_a_killed_predictor_is_started_again_in_its_pod(outages: Outages) -> None:
    outage = outages(KILLED)
    (pod,) = [p for p in outage.pods if p["metadata"]["name"] in outage.gone]
    (container,) = pod["status"]["containerStatuses"]
    assert container["restartCount"] == 1
    assert container["lastState"]["terminated"]["exitCode"] == 137
