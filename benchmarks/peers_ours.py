"""This product's trainer: its own loop over its own batches; only the clock is the benchmark's.

``python -m benchmarks.peers_ours FOLDER THREADS PRECISION BATCH_TOKENS`` trains the preset Tutorial
as a run does, with validation and checkpoints, in the trainer's environment.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers_laps import Laps
from mt_contract import recipe
from mt_contract.codec import from_json
from mt_contract.defaults import Images
from mt_contract.resource import Recipe, Training
from mt_trainer import device
from mt_trainer.checkpoint import Store
from mt_trainer.encoded import Batch, Encoded
from mt_trainer.tokenizer import PAD
from mt_trainer.train import Plan, fit

VALIDATION = 100  # pairs


class Watched:
    """The learner, with a clock beside it."""

    def __init__(self, learner: Any, laps: Laps) -> None:
        self._learner, self._laps = learner, laps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._learner, name)

    def learn(self, batch: Batch, rate: float, number: int) -> tuple[float, int]:
        """Take a step and count it."""
        entropy, tokens = self._learner.learn(batch, rate, number)
        self._laps.facts["traces"] = self._learner.traces
        real = tokens + int((batch.source != PAD).sum())
        self._laps.step(tokens, real, batch.source.size + batch.wanted.size)
        return entropy, tokens

    def validate(self, batches: Iterable[Batch]) -> float:
        """Measure."""
        return float(self._learner.validate(batches))


def training(precision: str, batch_tokens: int) -> Training:
    """Return the preset's training, without an end."""
    spec = {
        "sourceLanguage": "en",
        "targetLanguage": "de",
        "data": {"train": [{"uri": "train.tsv"}]},
        "training": {
            "precision": precision,
            "optimizer": {"batchTokens": batch_tokens},
            "budget": {"maxEpochs": 10**6, "maxSteps": 10**9},
        },
    }
    written = recipe.resolved(spec, Images(trainer="local", predictor="local"))
    return from_json(Recipe, written).training


def main(folder: Path, threads: int, precision: str, batch_tokens: int) -> None:
    """Train until the clock ends the process."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    laps = Laps()
    wanted = training(precision, batch_tokens)
    used = device.prepare(wanted)
    laps.facts["precision"] = used.policy
    from mt_trainer.learner import Learner

    found = np.load(folder / "tokens.npz")
    lengths = found["lengths"]
    starts = np.cumsum(lengths.sum(1)) - lengths.sum(1)
    pairs = Encoded(found["tokens"], starts, lengths + 1, 0)
    some = Encoded(found["tokens"], starts[:VALIDATION], lengths[:VALIDATION] + 1, 0)
    size = len((folder / "pieces.txt").read_text(encoding="utf-8").splitlines())
    plan = Plan(wanted, pairs, some, 120, threading.Event(), lambda position, ended: None)
    learner = Watched(Learner(wanted, size, device=used), laps)
    fit(learner, plan, Store(folder / f"checkpoints-{precision}", "throughput"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
