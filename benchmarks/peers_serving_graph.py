"""The same weights as a graph of TensorFlow, with cached keys and values: our ``saved_model/``.

``python -m benchmarks.peers_serving_graph MODEL TEXT`` runs in the environment of the predictor
with TensorFlow. The graph is called as it is, on sentences of like length, without an engine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
import tensorflow_text  # noqa: F401  # registers the operations that the graph needs

from benchmarks import peers_serving_laps


def main(model: Path, text: Path) -> None:
    """Translate when told to."""
    threads = len(os.sched_getaffinity(0))
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    graph: Any = tf.saved_model.load(str(model / "saved_model"))

    def translated(texts: Sequence[str], beam: int) -> list[str]:
        given = tf.constant([one.encode() for one in texts], tf.string)
        found = (
            graph.translate(given) if beam == 1 else graph.translate_beam(given, tf.constant(beam))
        )
        return [one.decode() for one in found["text"].numpy()]

    def one_pass(texts: Sequence[str], setting: Mapping[str, Any], beam: int) -> Sequence[str]:
        rows = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        size = setting["batch"]
        batches = [rows[begin : begin + size] for begin in range(0, len(rows), size)]
        with ThreadPoolExecutor(setting["callers"]) as callers:
            found = callers.map(
                lambda batch: translated([texts[row] for row in batch], beam), batches
            )
            texts_found = [one for batch in found for one in batch]
        answers = dict(zip(rows, texts_found, strict=True))
        return [answers[row] for row in range(len(texts))]

    peers_serving_laps.run(text, one_pass)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
