"""TensorFlow: the artifact's ``saved_model/``, which takes text and makes pieces of it by itself.

So what it is given is the text of a segment's pieces. That is cut at the longest sentence of the
model; a segment whose text has more pieces than it had itself (it began within a word, say) is
translated in halves, rather than have its end cut off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from mt_contract import artifact
from mt_contract.artifact import END, ArtifactError, Manifest
from mt_contract.errors import ConfigurationError
from mt_predictor.cpu import Threads
from mt_predictor.engine import Hypothesis, Search, Source
from mt_predictor.settings import EngineSettings
from mt_predictor.tokenizer import Tokenizer


class _Read(NamedTuple):
    """What the graph is given, and the pieces that it makes of it."""

    text: str
    pieces: Source


@dataclass(frozen=True)
class Network:
    """The functions of a SavedModel (docs/artifacts.md says what they take and return)."""

    tf: Any  # the library: nothing else may be imported where it is not installed
    model: Any
    tokenizer: Tokenizer
    longest: int  # tokens that a sentence may have on either side

    def refusal(self, search: Search) -> str | None:
        """Return what to do instead, if more than the best hypothesis is wanted."""
        if search.n_best == 1:
            return None
        return (
            "the TensorFlow engine returns the best translation only: leave n_best out, or serve "
            "the model with CTranslate2"
        )

    def translate(
        self, sources: Sequence[Source], search: Search, batch_tokens: int
    ) -> list[Hypothesis]:
        """Return the best hypothesis of each of ``sources``.

        Attention is None where the graph makes other pieces of a source's text than it had.

        Raises:
            RuntimeError: the engine cannot translate one of them.
        """
        read = [self._read(source[:-1]) for source in sources]
        every = [one for each in read for one in each]
        answers: dict[int, Hypothesis] = {}
        for rows in batches([len(one.pieces) + 1 for one in every], batch_tokens):
            found = self._found([every[row] for row in rows], search)
            answers.update(zip(rows, found, strict=True))
        found = iter([answers[row] for row in range(len(every))])
        return [
            _joined([next(found) for _ in each], exact=each[0].pieces == source[:-1])
            for each, source in zip(read, sources, strict=True)
        ]

    def _read(self, pieces: Source) -> list[_Read]:
        text = self.tokenizer.spell(pieces)
        made = tuple(self.tokenizer.encode(text))
        if len(made) < self.longest or len(pieces) == 1:
            return [_Read(text, made)]
        middle = len(pieces) // 2
        return [*self._read(pieces[:middle]), *self._read(pieces[middle:])]

    def _found(self, batch: Sequence[_Read], search: Search) -> Iterator[Hypothesis]:
        text = self.tf.constant([one.text.encode() for one in batch], self.tf.string)
        try:
            if search.beam_size == 1:
                answer = self.model.translate(text)
            else:
                answer = self.model.translate_beam(text, self.tf.constant(search.beam_size))
        except self.tf.errors.OpError as error:
            raise RuntimeError(f"TensorFlow: {error.message}") from error
        rows = (answer[name].numpy() for name in ("tokens", "scores", "attention"))
        for one, tokens, score, attention in zip(batch, *rows, strict=True):
            # The second is the end mark, or an empty one after it.
            pieces = tuple(piece for token in tokens if (piece := token.decode()) not in ("", END))
            finished = len(pieces) < self.longest
            count = len(pieces) + finished
            seen = attention[: len(pieces), : len(one.pieces) + 1].tolist()
            kept = seen if search.attention else None
            yield Hypothesis(pieces, float(score) * count, count, finished, kept)


def opener(
    settings: EngineSettings, threads: Threads
) -> Callable[[Path, Manifest, Tokenizer], Network]:
    """Return what loads a network of a verified artifact.

    It raises ArtifactError or RuntimeError where that is no model of this engine.

    Raises:
        ConfigurationError: TensorFlow is not installed here.
    """
    tf = _library(threads)

    def opened(folder: Path, manifest: Manifest, pieces: Tokenizer) -> Network:
        if f"{artifact.SAVED_MODEL}/saved_model.pb" not in manifest.files:
            raise ArtifactError(
                f"{folder} has no {artifact.SAVED_MODEL}/, as a model that was made elsewhere: "
                "set serving.engine to CTranslate2"
            )
        try:
            model = tf.saved_model.load(str(folder / artifact.SAVED_MODEL))
        except (tf.errors.OpError, OSError, KeyError, TypeError) as error:
            raise RuntimeError(f"TensorFlow: {error}") from error
        if not hasattr(model, "translate_beam"):
            raise RuntimeError("its graph has no beam search")
        return Network(tf, model, pieces, manifest.max_tokens)

    return opened


def batches(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Yield which rows are translated together, longest first; every row is in one batch.

    Args:
        lengths: tokens of each row, at least 1.
        most: tokens of a batch, padding included; a longer row stands alone. 0: no limit.
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    begin = 0
    while begin < len(order):
        fits = max(1, most // lengths[order[begin]]) if most else len(order)
        yield order[begin : begin + fits]
        begin += fits


def _joined(parts: Sequence[Hypothesis], exact: bool) -> Hypothesis:
    whole = reduce(_followed, parts)
    return whole if exact else replace(whole, attention=None)


def _followed(first: Hypothesis, second: Hypothesis) -> Hypothesis:
    return Hypothesis(
        first.pieces + second.pieces,
        first.log_probability + second.log_probability,
        first.tokens + second.tokens,
        first.finished and second.finished,
    )


def _library(threads: Threads) -> Any:
    """Return TensorFlow, with as many threads as are given; the first load of a process decides."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # silence below what ends it
    try:
        import tensorflow as tf
        import tensorflow_text  # noqa: F401  # registers the operations that the graph needs
    except ImportError as error:
        raise ConfigurationError(
            f"engine TensorFlow is not in this image ({error}): use the predictor's image with "
            "TensorFlow, or set serving.engine to CTranslate2"
        ) from error
    with suppress(RuntimeError):  # it runs already, as in a second load of one process
        tf.config.threading.set_inter_op_parallelism_threads(threads.inter)
        tf.config.threading.set_intra_op_parallelism_threads(threads.intra)
    return tf
