"""``training-quality``: what a recipe comes to on test text never seen, beside published figures.

The three recipes of ``recipes/`` are trained by the trainer as users run it, and translated by the
predictor as it serves. JoeyNMT trains a network of the same sizes on the same text, beside it and
for the same time, each on one core, where it is compared with; where a published figure is the
goal, the trainer has all cores. QUALITY names corpora; a run of all takes hours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from matplotlib import pyplot as plt
from matplotlib.figure import Figure as MplFigure
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from benchmarks.corpora import CORPORA, pairs
from benchmarks.environments import JOEYNMT, ROOT, environment, joeynmt_environment
from benchmarks.report import Figure, Result, publish

RECIPES = Path(__file__).parent / "recipes"
BEAM, RESAMPLES, SEED = 5, 1000, 20261121


@dataclass(frozen=True)
class Case:
    """One corpus, how long it is trained, and what its score is held against."""

    corpus: str
    minutes: float
    goal: float | None  # BLEU, lower-cased and tokenised, as published; None: JoeyNMT's


CASES = (
    Case("multi30k_eng_deu", 120, 41.0),
    Case("spa_eng", 30, None),
    Case("por_eng", 30, None),
)


def run(scale: float, processes: int) -> None:
    """Train, translate and score each case; print, and write JSON and picture for each."""
    wanted = os.environ.get("QUALITY", "").split() or [case.corpus for case in CASES]
    for case in CASES:
        if case.corpus in wanted:
            with tempfile.TemporaryDirectory(prefix="training-quality-") as folder:
                _case(case, case.minutes * scale, Path(folder), processes)


def _case(case: Case, minutes: float, folder: Path, processes: int) -> None:
    threads = processes if case.goal else 1
    predictor = environment("predictor")  # asked for first: a training is not lost for want of it
    theirs = None if case.goal else _start_joeynmt(case, minutes, folder)
    ours = _start_ours(case, minutes, folder, threads)
    for process in (ours, theirs):
        if process is not None and process.wait() != 0:
            raise SystemExit(f"a training failed; its log: {(folder / 'log').read_text()[-3000:]}")
    test = pairs(case.corpus, "test")
    sources, references = [source for source, _ in test], [target for _, target in test]
    outputs = {"mt-trainer": _translated(predictor, folder / "run/model", sources)}
    if theirs is not None:
        outputs["JoeyNMT"] = (folder / "joeynmt.out").read_text(encoding="utf-8").splitlines()
    _publish(case, minutes, threads, folder, references, outputs)


def _start_ours(case: Case, minutes: float, folder: Path, threads: int) -> subprocess.Popen[bytes]:
    """Start the trainer on the recipe, its time set."""
    recipe = yaml.safe_load((RECIPES / f"{case.corpus}.yaml").read_text(encoding="utf-8"))
    recipe["training"]["budget"]["maxDuration"] = f"{round(60 * minutes)}s"
    for sources in ("train", "validation", "test"):
        for source in recipe["data"][sources]:
            source["uri"] = str(CORPORA / case.corpus / source["uri"])
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    command = [*_pinned(0, threads), environment("trainer_image"), "-m", "mt_trainer"]
    command += ["train", str(folder / "recipe.yaml"), "--out", str(folder / "run")]
    return _started(command, folder, "crds:corpus:trainer_image")


def _start_joeynmt(case: Case, minutes: float, folder: Path) -> subprocess.Popen[bytes]:
    """Start JoeyNMT on the other core, on the text in the pieces that the recipe asks for."""
    recipe = RECIPES / f"{case.corpus}.yaml"
    size = yaml.safe_load(recipe.read_text(encoding="utf-8"))["training"]["vocabulary"]["size"]
    pieces = [environment("trainer_image"), "-m", "benchmarks.peers_quality_text"]
    corpus = str(CORPORA / case.corpus)
    prepared = _started(
        [*pieces, corpus, str(folder), str(size)], folder, "crds:corpus:trainer_image:."
    )
    if prepared.wait() != 0:
        raise SystemExit((folder / "log").read_text()[-3000:])
    command = [*_pinned(1, 1), joeynmt_environment(), "-m", "benchmarks.peers_joeynmt_quality"]
    return _started([*command, str(recipe), str(folder), str(60 * minutes)], folder, ".", JOEYNMT)


def _pinned(first: int, count: int) -> list[str]:
    cores = sorted(os.sched_getaffinity(0))[first : first + count]
    return ["taskset", "--cpu-list", ",".join(map(str, cores))]


def _started(
    command: Sequence[str], folder: Path, path: str, more: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    variables = os.environ | {"PYTHONPATH": path} | (more or {})
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=log)


def _translated(predictor: str, model: Path, sources: Sequence[str]) -> list[str]:
    """Return what the predictor makes of the sources, in the precision that it serves with."""
    command = [predictor, "-m", "mt_predictor", "translate"]
    done = subprocess.run(
        [*command, "--model", str(model), "--beam-size", str(BEAM)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "crds:corpus:predictor"},
        input="".join(f"{source}\n" for source in sources),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def _publish(
    case: Case,
    minutes: float,
    threads: int,
    folder: Path,
    references: Sequence[str],
    outputs: Mapping[str, Sequence[str]],
) -> None:
    metrics = _metrics()
    found = {
        system: {name: _scored(metric, lines, references) for name, metric in metrics.items()}
        for system, lines in outputs.items()
    }
    ours = found["mt-trainer"]
    goal = case.goal if case.goal else found["JoeyNMT"]["bleu"][0]
    figures = [
        Figure(
            f"{name}_{case.corpus}" + ("" if system == "mt-trainer" else f"_{system.lower()}"),
            "points",
            *score,
        )
        for system, scores in found.items()
        for name, score in scores.items()
    ]
    held = "bleu_published" if case.goal else "bleu"
    met = ours[held][0] >= goal
    figures.insert(0, Figure(case.corpus, held, *ours[held], f">= {goal:.2f}", met))
    signatures = {name: str(metric.get_signature()) for name, metric in metrics.items()}
    setup: dict[str, Any] = {
        "corpus": f"{case.corpus}, {len(references)} test sentences",
        "minutes": minutes,
        "threads": threads,
        "seeds": "one training, one seed",
        "beam": BEAM,
        "signatures": signatures,
        "spread": f"95 % bootstrap interval over test sentences, {RESAMPLES} resamples",
        "recipe": yaml.safe_load((folder / "recipe.yaml").read_text())["training"],
        "load": os.getloadavg()[0],
    }
    rows = [("system", *metrics)]
    rows += [
        (system, *(f"{s[0]:.2f}" for s in scores.values())) for system, scores in found.items()
    ]
    curve = _curve(folder / "run/metrics.jsonl")
    name = f"training-quality-{case.corpus}"
    publish(Result(name, setup, figures, ("sacrebleu",)), rows, _picture(case, curve))


def _metrics() -> dict[str, Any]:
    return {
        "bleu": BLEU(),
        "bleu_published": BLEU(lowercase=True),
        "chrf2": CHRF(),
    }


def _scored(metric: Any, lines: Sequence[str], references: Sequence[str]) -> tuple[float, ...]:
    """Return the score and the bounds of its bootstrap interval."""
    metric.corpus_score(list(lines), [list(references)])  # for the signature
    rows = np.array(metric._extract_corpus_statistics(list(lines), [list(references)]))
    chance = np.random.default_rng(SEED)
    sums = [rows[chance.integers(0, len(rows), len(rows))].sum(0) for _ in range(RESAMPLES)]
    values = sorted(metric._compute_score_from_stats(list(s)).score for s in sums)
    whole = metric._compute_score_from_stats(list(rows.sum(0))).score
    return whole, values[int(0.025 * RESAMPLES)], values[int(0.975 * RESAMPLES)]


def _curve(path: Path) -> list[Mapping[str, float]]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if "validationLoss" in line]


def _picture(case: Case, curve: Sequence[Mapping[str, float]]) -> MplFigure:
    picture, axis = plt.subplots(figsize=(7, 4))
    for name, label in (("loss", "training"), ("validationLoss", "validation")):
        axis.plot([p["step"] for p in curve], [p[name] for p in curve], label=label)
    axis.set(xlabel="step", ylabel="nats per token", title=f"{case.corpus}: learning curve")
    axis.legend()
    return picture


if __name__ == "__main__":
    run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0, 2)
