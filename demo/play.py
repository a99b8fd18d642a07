"""The story in three acts: a first deployment, a better recipe under load, a bad candidate.

It is told to a narrator, and every promise is checked as it goes; the end-to-end tests play the
same acts.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from demo import judge, story
from demo.kube import Kubectl, Object, wait
from demo.load import Sample, Target
from demo.narrator import Narrator
from demo.story import BrokenPromiseError
from demo.traffic import Timeline, phases
from demo.verdicts import Verdicts

ACT_SECONDS = (
    1200.0  # for a training, its evaluation and its rollout; generous, nobody waits for it
)
LOAD_SECONDS = 60.0
RATE = 20.0  # requests a second


@dataclass
class Load:
    """The load generator's process."""

    process: subprocess.Popen[bytes]
    file: Path

    def stop(self) -> None:
        """Send nothing more, and wait for what is under way."""
        self.process.terminate()
        try:
            self.process.wait(timeout=LOAD_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def samples(self) -> list[Sample]:
        """Return what was seen so far."""
        return judge.read(self.file) if self.file.exists() else []


@dataclass
class Play:
    """A model's story in one namespace of a cluster."""

    kube: Kubectl
    narrator: Narrator
    gateway_url: str
    corpus: Path  # folder with test.tsv
    folder: Path  # for the load's file
    model: str = "pt-en"
    recipes: dict[str, str] = field(default_factory=dict)  # in words, by run
    load: Load | None = None
    timeline: Timeline | None = None
    verdicts: Verdicts | None = None
    rolled_back: set[str] = field(default_factory=set)  # whose steps were cut short

    def first_deployment(self, manifest: Object) -> Object:
        """Apply the model and return it once it serves."""
        self.kube.apply(manifest)
        return self._promoted("", "the first recipe")

    def better_recipe(self, change: Mapping[str, Any], words: str) -> Object:
        """Change the recipe under load, and return the model once the new revision has taken over.

        Raises:
            BrokenPromiseError: the candidate was not promoted.
        """
        old = story.production(self._read())
        self.patch(change)
        model = self._promoted(str(old["run"]), words)
        self._wait_until_gone(str(old["revision"]))
        return model

    def bad_candidate(self, change: Mapping[str, Any], words: str) -> Object:
        """Ask for what must not be deployed, and return the model once that was rejected.

        Raises:
            BrokenPromiseError: production changed, or the candidate got traffic.
        """
        before = story.production(self._read())
        weighted = self._weighted()
        self.patch(change)
        model = self._follow(story.rejected, "the bad candidate to be stopped")
        self._name_newest(words)
        if self._weighted() != weighted:
            raise BrokenPromiseError(
                f"the bad candidate got traffic: {self._weighted() - weighted}"
            )
        _check_unchanged(before, model)
        return model

    def bad_release(self, change: Mapping[str, Any], words: str) -> Object:
        """Ask for what only live analysis can find, and return the model once that was rolled back.

        Raises:
            BrokenPromiseError: production changed, or something else stopped the candidate.
        """
        before = story.production(self._read())
        self.patch(change)
        model = self._follow(story.rejected, "the bad release to be rolled back")
        self._name_newest(words)
        entry = model["status"]["rejected"][-1]
        if entry["reason"] != "AnalysisFailed":
            raise BrokenPromiseError(f"live analysis was to stop it, not {entry['reason']}")
        self.rolled_back.add(entry["revision"])
        _check_unchanged(before, model)
        return model

    def patch(self, change: Mapping[str, Any]) -> None:
        """Change the model as a person would."""
        text = json.dumps(change)
        command = f"kubectl patch translationmodel {self.model} --type merge -p '{text}'"
        self.narrator.command(command)
        self.kube.patch("translationmodel", self.model, change)

    def target(self) -> Target:
        """Return where the model answers."""
        url = str(self._read()["status"]["url"])
        return Target(self.gateway_url, httpx.URL(url).host, self.model)

    def start_load(self) -> None:
        """Send requests from now on, and record the weights.

        Raises:
            KubeError: the load does not come up.
        """
        target, out = self.target(), self.folder / "load.jsonl"
        out.unlink(missing_ok=True)
        self.timeline = Timeline(self.kube, self.model)
        self.verdicts = Verdicts(self.kube, self.model)
        command = [sys.executable, "-m", "demo.load", "--url", target.url, "--host", target.host]
        command += ["--model", self.model, "--rate", str(RATE), "--out", str(out)]
        command += ["--sentences", str(self.corpus / "test.tsv")]
        root = Path(__file__).resolve().parents[1]
        self.load = Load(subprocess.Popen(command, cwd=root), out)
        wait("the first answers to the load", lambda: self.load and self.load.samples, LOAD_SECONDS)

    def stop_load(self) -> list[judge.Finding]:
        """End the load and return what it saw in each phase."""
        if not self.load or not self.timeline:
            return []
        self.load.stop()
        self.timeline.close()
        if self.verdicts:
            self.verdicts.close()
        seen = self.load.samples
        if not seen:
            return []
        start, end = seen[0].sent, max(sample.sent for sample in seen) + 1e-6
        found = phases(self.timeline.changes, min(start, *(s.sent for s in seen)), end)
        whole = [
            replace(p, is_step=p.is_step and p.revision not in self.rolled_back) for p in found
        ]
        return [judge.judge(phase, seen) for phase in whole]

    def close(self) -> None:
        """End what still runs."""
        self.stop_load()
        self.load = self.timeline = None

    def translate(self, sentences: Sequence[str]) -> list[str]:
        """Return translations from the endpoint, through the gateway."""
        target = self.target()
        answer = httpx.post(
            target.predict_url,
            headers={"host": target.host},
            json={"instances": list(sentences)},
            timeout=60,
        )
        answer.raise_for_status()
        return [str(entry["translation"]) for entry in answer.json()["predictions"]]

    def _read(self) -> Object:
        model = self.kube.get("translationmodel", self.model)
        if model is None:
            raise BrokenPromiseError(f"the TranslationModel {self.model} is gone")
        return model

    def _promoted(self, before: str, words: str) -> Object:
        model = self._follow(story.settled_on_new(before), f"{words} to be in production")
        self._name_newest(words)
        return model

    def _follow(self, until: Callable[[Object], bool], what: str) -> Object:
        with self.narrator.live("…"):
            return story.follow(self.kube, self.model, until, what, ACT_SECONDS, self.narrator)

    def _name_newest(self, words: str) -> None:
        run = story.newest_run(self.kube, self.model)
        if run:
            self.recipes[run["metadata"]["name"]] = words

    def _weighted(self) -> set[str]:
        changes = self.timeline.changes if self.timeline else []
        return {revision for change in changes for revision in change.by_revision}

    def _wait_until_gone(self, revision: str) -> None:
        with self.narrator.live(f"{revision} lost its traffic; waiting until it is removed"):
            wait(
                f"the old revision {revision} to be removed",
                lambda: not story.serving_objects(self.kube, self.model, revision),
                ACT_SECONDS,
            )


def _check_unchanged(before: Mapping[str, Any], model: Object) -> None:
    """Check that production is what it was.

    Raises:
        BrokenPromiseError: it is not, or is not ready any more.
    """
    after = story.production(model)
    if (after.get("run"), after.get("revision")) != (before["run"], before["revision"]):
        raise BrokenPromiseError(f"production was {before['revision']}, and is {after}")
    if not story.holds(model, "Ready"):
        raise BrokenPromiseError("the model is not Ready any more after a rejected candidate")
