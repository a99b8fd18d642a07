"""One model under load: what is asked of it, what its users get, what its status said and when."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from tests.e2e.stage import Stage

from demo import judge, story
from demo.kube import KubeError, Object, Watch, wait
from demo.load import Sample, Target
from demo.traffic import Timeline, Weights
from mt_contract.names import GROUP

ROOT = Path(__file__).parents[2]
PATIENCE = 900.0  # seconds; nothing is judged by it


@dataclass(frozen=True)
class Seen:
    """A model's state, and when it was seen."""

    time: float  # seconds since the epoch
    model: Object


class History:
    """Every state that a namespace's models went through."""

    def __init__(self, stage: Stage) -> None:
        self._seen: dict[str, list[Seen]] = {}
        self._watch = Watch(stage.kube, "translationmodels", self._see)

    def _see(self, moment: float, _: str, model: Object) -> None:
        self._seen.setdefault(model["metadata"]["name"], []).append(Seen(moment, model))

    def of(self, name: str) -> Sequence[Seen]:
        """Return the states of one model, oldest first."""
        return tuple(self._seen.get(name, ()))

    def close(self) -> None:
        self._watch.close()


@dataclass
class Load:
    """Users of a model: a process that sends requests at a steady rate."""

    process: subprocess.Popen[bytes]
    file: Path

    @property
    def samples(self) -> list[Sample]:
        """Return what was seen so far."""
        return judge.read(self.file) if self.file.exists() else []

    def stop(self) -> list[Sample]:
        """Send nothing more, wait for what is under way, and return all that was seen."""
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        finally:
            self.process.kill()
            self.process.wait()
        return self.samples


@dataclass
class Subject:
    """One model."""

    stage: Stage
    name: str
    history: History
    folder: Path
    loads: list[Load] = field(default_factory=list)

    @property
    def model(self) -> Object:
        """Return the state that it was seen in last."""
        return wait(f"{self.name} to be seen", lambda: self.states, 60, interval=0.1)[-1].model

    @property
    def states(self) -> Sequence[Seen]:
        """Return every state that it was seen in."""
        return self.history.of(self.name)

    def deploy(self, manifest: Object) -> Object:
        """Apply it, and return it once it serves."""
        self.stage.kube.apply(manifest)
        return self.until("its first revision in production", story.settled_on_new(""))

    def ask_for(self, **change: Any) -> None:
        """Change parts of its spec."""
        self.stage.kube.patch("translationmodel", self.name, {"spec": change})

    def annotate(self, action: str, token: str) -> None:
        """Ask for an action, as anybody with kubectl can."""
        annotation = f"{GROUP}/{action}={token}"
        self.stage.kube.run("annotate", "--overwrite", "translationmodel", self.name, annotation)

    def command(self, *words: str) -> str:
        """Run ``kubectl translation``, and return what it printed."""
        kube = self.stage.kube
        where = ["--kubeconfig", str(kube.kubeconfig), "--namespace", str(kube.namespace)]
        done = subprocess.run(
            [ROOT / "bin/kubectl-translation", *words, *where],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def until(self, what: str, test: Callable[[Object], bool]) -> Object:
        """Return the model once ``test`` holds for it, or held since it was last asked."""
        seen = max(0, len(self.states) - 1)

        def look() -> Object | None:
            nonlocal seen
            news = [state.model for state in self.states[seen:]]
            seen += len(news)
            return next((model for model in news if test(model)), None)

        try:
            return wait(f"{self.name}: {what}", look, PATIENCE, interval=0.1)
        except KubeError as error:
            raise KubeError(f"{error}; last: {story.describe(self.model, None)}") from error

    def until_stage(self, stage: str, weight: int | None = None) -> Object:
        """Return the model once its candidate is in a stage, with a weight in force."""

        def there(model: Object) -> bool:
            trying = story.candidate(model)
            return trying.get("stage") == stage and weight in (None, trying.get("weight"))

        return self.until(f"a candidate in {stage} {weight or ''}", there)

    def until_rejected(self, count: int = 1) -> Object:
        """Return the model once so many candidates were rejected, and nothing is tried."""

        def over(model: Object) -> bool:
            rejected = model.get("status", {}).get("rejected") or []
            return len(rejected) >= count and not story.candidate(model)

        return self.until("a rejected candidate", over)

    def until_promoted(self, before: str) -> Object:
        """Return the model once another run than ``before`` is in production for good."""
        return self.until("a promoted candidate", story.settled_on_new(before))

    def until_gone(self, revision: str) -> bool:
        """Return once nothing of a revision is left that serves."""
        kube = self.stage.kube

        def gone() -> bool:
            return not story.serving_objects(kube, self.name, revision)

        return wait(f"{self.name}: {revision} to be removed", gone, PATIENCE, interval=3)

    def start_load(self, rate: float) -> Load:
        """Have users send so many requests a second."""
        target = self.target()
        out = self.folder / f"load-{self.name}-{len(self.loads)}.jsonl"
        command = [sys.executable, "-m", "demo.load", "--url", target.url, "--host", target.host]
        command += ["--model", self.name, "--rate", str(rate), "--out", str(out)]
        command += ["--sentences", str(self.stage.play.corpus / "test.tsv")]
        load = Load(subprocess.Popen(command, cwd=ROOT), out)
        self.loads.append(load)
        wait(f"users of {self.name}", lambda: load.samples, 120)
        return load

    def target(self) -> Target:
        """Return where it answers."""
        url = str(self.model["status"]["url"])
        return Target(self.stage.place.gateway_url, httpx.URL(url).host, self.name)

    def weights(self) -> Timeline:
        """Begin to record the weights of its route."""
        return Timeline(self.stage.kube, self.name)

    def close(self) -> None:
        """End what still runs."""
        for load in self.loads:
            if load.process.poll() is None:
                load.process.kill()
                load.process.wait()


def rejection(model: Object) -> Mapping[str, Any]:
    """Return what was rejected last."""
    return dict(model["status"]["rejected"][-1])


def bad(sample: Sample) -> bool:
    """Return whether a user got no translation."""
    return judge.lost(sample) or sample.empty


def moment(text: str) -> float:
    """Return a time of a status in seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


def largest(changes: Sequence[Weights], revision: str) -> int:
    """Return the largest weight that a revision ever had."""
    return max((change.by_revision.get(revision, 0) for change in changes), default=0)


def quiet(seconds: float) -> tuple[float, float]:
    """Wait, and return when the wait began and ended, in seconds since the epoch."""
    begun = time.time()
    time.sleep(seconds)
    return begun, time.time()
