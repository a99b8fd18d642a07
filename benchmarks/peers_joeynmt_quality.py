"""JoeyNMT trained for a time on the same pieces, then asked for its translations of the test text.

``python -m benchmarks.peers_joeynmt_quality RECIPE FOLDER SECONDS`` runs in JoeyNMT's environment.
Dimensions, dropout, batch and learning rate are the recipe's, which does better in so short a time
than the schedules of its own examples, with a shorter warm-up, as it takes fewer steps; all else is
as its configuration for IWSLT14 has it. Its best checkpoint by validation loss translates, with
beams of five. Its validations leave out their translations, which would take most of the time.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import yaml
from joeynmt import training
from joeynmt.config import load_config
from joeynmt.prediction import predict, test

from benchmarks.peers_joeynmt import CONFIG, NEVER

_WARM_UP = 400  # steps, of about 1,200 in half an hour


class EnoughError(Exception):
    """The time is over."""


def main(recipe: Path, folder: Path, seconds: float) -> None:
    """Train until the time is over, and write a translation a line to ``joeynmt.out``."""
    torch.set_num_threads(1)
    (folder / "joeynmt").mkdir()
    wanted = yaml.safe_load(recipe.read_text(encoding="utf-8"))["training"]
    config = folder / "joeynmt.yaml"
    config.write_text(yaml.safe_dump(_config(wanted, folder)), encoding="utf-8")
    _train(config, seconds)
    tested = yaml.safe_load(config.read_text(encoding="utf-8"))
    tested["testing"]["load_model"] = str(_checkpoint(folder / "joeynmt"))
    config.write_text(yaml.safe_dump(tested), encoding="utf-8")
    test(load_config(config), output_path=str(folder / "hypotheses"))
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "vocabulary.model"))
    lines = (folder / "hypotheses.test").read_text(encoding="utf-8").splitlines()
    text = "".join(processor.decode(line.split()) + "\n" for line in lines)
    (folder / "joeynmt.out").write_text(text, encoding="utf-8")


def _config(wanted: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the throughput benchmark's configuration, with this recipe's sizes and schedule."""
    shape, schedule = wanted["architecture"], wanted["optimizer"]
    text = CONFIG.format(folder=folder, batch_tokens=schedule["batchTokens"], never=NEVER)
    config: dict[str, Any] = yaml.safe_load(text)
    config["name"] = "quality"
    config["data"] |= {"dev": f"{folder}/dev", "test": f"{folder}/test"}
    del config["data"]["sample_dev_subset"]
    hundreds = sum(1 for _ in (folder / "train.src").open()) // 20_000  # an epoch, about
    config["training"] |= {
        "learning_rate": float(schedule["learningRate"]),
        "learning_rate_warmup": _WARM_UP,
        "validation_freq": 100 * max(hundreds, 1),
        "keep_best_ckpts": 1,
    }
    config["testing"] |= {"beam_size": 5, "beam_alpha": 1.0, "max_output_length": 128}
    config["model"]["tied_embeddings"] = config["model"]["tied_softmax"] = True
    for half in ("encoder", "decoder"):
        config["model"][half] |= {
            "num_layers": shape["layers"],
            "num_heads": shape["heads"],
            "hidden_size": shape["modelDimension"],
            "ff_size": shape["feedForwardDimension"],
            "dropout": float(shape["dropout"]),
            "embeddings": {
                "embedding_dim": shape["modelDimension"],
                "scale": True,
                "dropout": float(shape["dropout"]),
            },
        }
    return config


def _checkpoint(folder: Path) -> Path:
    """Return its best checkpoint; where it was not validated yet, the one it left at the end."""
    best = folder / "best.ckpt"
    return (
        best if best.exists() else max(folder.glob("*.ckpt"), key=lambda path: path.stat().st_mtime)
    )


def _scored(**options: Any) -> tuple[Any, ...]:
    """Measure by the loss alone: by itself it would translate the whole validation text as well."""
    plain = options["args"]._replace(return_prob="ref", return_attention=True)
    scores, _, _, tokens, *_ = predict(**options | {"args": plain})
    text = [" ".join(line) for line in tokens]
    return scores, text, text, tokens, [], []


def _train(config: Path, seconds: float) -> None:
    """Train by JoeyNMT's own loop, for as long as the other one is given."""
    step, end = training.TrainManager._train_step, time.monotonic() + seconds
    training.predict = _scored

    def bounded(self: Any, batch: Any) -> Any:
        if time.monotonic() > end:
            raise EnoughError
        return step(self, batch)

    training.TrainManager._train_step = bounded
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    try:
        training.train(rank=0, world_size=None, cfg=load_config(config), skip_test=True)
    except EnoughError:
        return


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
