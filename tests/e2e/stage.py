"""What the end-to-end tests look at: a model's namespace, all its Jobs ever, processes."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from demo.cluster import Place
from demo.kube import Kubectl, Object, Watch
from demo.play import Play
from mt_contract.names import LABEL_RUN, LABEL_STAGE


class Witness:
    """Remembers every Job that was made in a namespace, also those that are gone."""

    def __init__(self, kube: Kubectl) -> None:
        self.jobs: dict[str, Object] = {}
        self._watch = Watch(kube, "jobs", self._see)

    def _see(self, _: float, __: str, job: Object) -> None:
        self.jobs[job["metadata"]["uid"]] = job

    def close(self) -> None:
        self._watch.close()

    def stages(self, run: str | None = None) -> Counter[tuple[str, str]]:
        """Return how many Jobs there ever were for each (run, stage)."""
        found = [
            (labels.get(LABEL_RUN, ""), labels.get(LABEL_STAGE, "")) for labels in self._labels()
        ]
        return Counter(entry for entry in found if run in (None, entry[0]))

    def _labels(self) -> list[dict[str, str]]:
        return [dict(job["metadata"].get("labels", {})) for job in self.jobs.values()]


@dataclass
class Stage:
    """A namespace with a corpus, and a model that plays there."""

    place: Place
    play: Play
    folders: dict[str, Path]  # behind the claims
    witness: Witness

    @property
    def kube(self) -> Kubectl:
        return self.play.kube

    def close(self) -> None:
        self.play.close()
        self.witness.close()


def parents() -> dict[int, int]:
    """Return the parent of every process."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def operator_pids(place: Place) -> list[int]:
    """Return the operator's processes in the cluster, as this machine numbers them."""
    return [pid for pid in _cluster_pids(place) if b"mt_operator" in _words(pid, "cmdline")]


def pod_pids(place: Place, pod: str) -> list[int]:
    """Return the processes of a pod's containers, as this machine numbers them."""
    named = f"HOSTNAME={pod}".encode()
    return [pid for pid in _cluster_pids(place) if named in _words(pid, "environ")]


def kill_pod(place: Place, pod: str) -> int:
    """Kill -9 what runs in a pod, which Kubernetes knows nothing of; return how many that were."""
    pids = pod_pids(place, pod)
    for pid in pids:
        with suppress(ProcessLookupError):  # it went with the container's first one
            os.kill(pid, signal.SIGKILL)
    return len(pids)


def _cluster_pids(place: Place) -> list[int]:
    tree = parents()
    return [pid for pid in tree if _below(pid, place.node_pid, tree)]


def _words(pid: int, file: str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _below(pid: int, ancestor: int, tree: dict[int, int]) -> bool:
    while pid in tree and pid != ancestor:
        pid = tree[pid]
    return pid == ancestor


def kill_operator(place: Place) -> int:
    """Kill -9 the operator as it runs, and return how many processes that were.

    Its pod is deleted then: the Deployment makes a new one at once, where the kubelet would let a
    container that died often wait for minutes.
    """
    system = place.kube.within("translation-system")
    pods = [pod["metadata"]["name"] for pod in system.list("pods")]
    pids = operator_pids(place)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pod in pods:
        system.run("delete", "pod", pod, "--force", "--grace-period=0", "--ignore-not-found")
    return len(pids)


def poll(look: object, seconds: float) -> bool:
    """Ask ``look`` every 20 ms until it is true; return whether it became so."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if callable(look) and look():
            return True
        time.sleep(0.02)
    return False
