"""The model that all benchmarks of serving share: trained once, and kept as what it came of.

``served_model`` trains a recipe by the trainer's program, as users do, and keeps the run below the
cache's ``serving-model/``, by a digest of recipe, steps and corpus: the next benchmark finds it. It
is trained for steps, not for a time, so that it is the same on a machine that is busy.
RECIPE names another recipe, and MODEL the artifact of a training that has been done already.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import yaml

from benchmarks.corpora import file, pairs
from benchmarks.environments import ROOT, environment

CORPUS, MINUTES = os.environ.get("RECIPE", "spa_eng"), 10.0
STEPS_A_MINUTE = 200  # about what two free cores take
TRAINED = os.environ.get("MODEL")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "translation-operator"


def served_model(minutes: float = MINUTES) -> Path:
    """Return the artifact's folder; where it is not kept, it is trained first.

    Args:
        minutes: for as many steps as two free cores take in that time.

    Raises:
        SystemExit: the corpus is not there, or the training failed; with the end of its log.
    """
    if TRAINED:
        return Path(TRAINED)
    kept = CACHE / "serving-model" / _digest(minutes)
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two benchmarks train one model, not two
        if not (kept / "run").exists():
            _train(minutes, kept)
    return kept / "run/model"


def sentences() -> list[str]:
    """Return the sources of the corpus' test text, which the model has not seen."""
    return [source for source, _ in pairs(CORPUS, "test")]


def references() -> list[str]:
    """Return the translations of ``sentences``."""
    return [target for _, target in pairs(CORPUS, "test")]


def described(minutes: float = MINUTES) -> str:
    """Return what a benchmark's ``setup`` says of the model."""
    recipe = f"benchmarks/recipes/{CORPUS}.yaml, trained by mt-trainer"
    return f"{recipe} before" if TRAINED else f"{recipe} for {_steps(minutes)} steps"


def _steps(minutes: float) -> int:
    return round(minutes * STEPS_A_MINUTE)


def _recipe() -> bytes:
    return (Path(__file__).parent / f"recipes/{CORPUS}.yaml").read_bytes()


def _digest(minutes: float) -> str:
    sha = hashlib.sha256(_recipe() + f"{_steps(minutes)} steps".encode())
    for part in ("train", "dev", "test"):
        sha.update(hashlib.sha256(file(CORPUS, part).read_bytes()).digest())
    return sha.hexdigest()[:16]


def _train(minutes: float, kept: Path) -> None:
    """Train in a folder aside, which becomes ``kept / "run"`` once it is whole."""
    aside = kept / "aside"
    shutil.rmtree(aside, ignore_errors=True)
    recipe = yaml.safe_load(_recipe())
    recipe["training"]["budget"] |= {"maxSteps": _steps(minutes), "maxDuration": "12h"}
    for part, name in (("train", "train"), ("validation", "dev"), ("test", "test")):
        recipe["data"][part] = [{"uri": str(file(CORPUS, name))}]
    (kept / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    command = [environment("trainer_image"), "-m", "mt_trainer", "train"]
    with (kept / "log").open("wb") as log:
        trained = subprocess.run(
            [*command, str(kept / "recipe.yaml"), "--out", str(aside)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": "crds:corpus:trainer_image"},
            stdout=log,
            stderr=log,
            check=False,
        )
    if trained.returncode:
        told = (kept / "log").read_text(encoding="utf-8", errors="replace")
        raise SystemExit(f"the training of the model failed; the end of its log: {told[-3000:]}")
    aside.rename(kept / "run")
