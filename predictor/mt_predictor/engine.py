"""A verified artifact, loaded: pieces in, pieces out, whatever computes it.

Consumer: translator.py. How a sentence has to be fed is said in docs/architecture.md, "The
artifact"; another way runs as well and translates worse. What computes is a ``Network``, that of
on_ctranslate2.py or of on_tensorflow.py: each imports its library where it is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mt_contract import artifact
from mt_contract.artifact import TRAINED_HERE, ArtifactError, Manifest
from mt_contract.errors import BadArtifactError, StorageError
from mt_predictor import tokenizer
from mt_predictor.cpu import Threads
from mt_predictor.settings import EngineSettings
from mt_predictor.tokenizer import Tokenizer

Source = tuple[str, ...]  # pieces, end mark included if the engine does not append it itself
Attention = Sequence[
    Sequence[float]
]  # of each piece of a translation, for each token of its source
_log = logging.getLogger(__name__)


class UnsupportedSearchError(ValueError):
    """The engine cannot look for translations in this way; the message names it."""


@dataclass(frozen=True)
class Search:
    """How translations are looked for; the sentences of a batch have it in common."""

    beam_size: int  # 1 is greedy
    n_best: int = 1  # hypotheses that are wanted of each sentence
    attention: bool = False  # whether that of the best is wanted


@dataclass(frozen=True)
class Hypothesis:
    """The translation of one segment."""

    pieces: tuple[str, ...]
    log_probability: float  # sum over all tokens
    tokens: int  # the end mark counted, if it came
    finished: bool  # False: the position table ended before the translation did
    attention: Attention | None = None  # None: not asked for, or of no use (see on_tensorflow.py)
    others: tuple[Hypothesis, ...] = ()  # the next best, where more than one is wanted


class Network(Protocol):
    """What an engine computes with. Its methods may be called from several threads at a time."""

    def translate(
        self, sources: Sequence[Source], search: Search, batch_tokens: int
    ) -> list[Hypothesis]:
        """Return the best hypothesis of each of ``sources``; as of ``Engine.run``."""

    def refusal(self, search: Search) -> str | None:
        """Return what of ``search`` this engine cannot do and what to do instead, or None."""


Open = Callable[[Path, Manifest, Tokenizer], Network]  # a verified artifact; its folder first


@dataclass(frozen=True)
class Engine:
    """A loaded model. Its methods may be called from several threads at a time."""

    folder: Path
    manifest: Manifest
    tokenizer: Tokenizer
    network: Network
    workers: int  # batches that are translated side by side

    @property
    def ending(self) -> Source:
        """Return what has to follow the pieces of each source."""
        end = (self.manifest.tokens or TRAINED_HERE).end
        return () if end is None else (end,)

    @property
    def limit(self) -> int:
        """Return how many pieces a segment may have, without end mark."""
        added = (self.manifest.tokens or TRAINED_HERE).added
        return self.manifest.max_tokens - len(self.ending) - added

    def encode(self, text: str) -> list[str]:
        """Return the pieces of ``text``; none if it is blank."""
        return self.tokenizer.encode(text)

    def decode(self, pieces: Sequence[str]) -> str:
        """Return the text of ``pieces``."""
        return self.tokenizer.decode(pieces)

    def check(self, search: Search) -> None:
        """Refuse what this engine cannot do.

        Raises:
            UnsupportedSearchError: with what to do instead.
        """
        message = self.network.refusal(search)
        if search.n_best > search.beam_size:
            message = (
                f"a beam of {search.beam_size} finds {search.beam_size} translations, not "
                f"{search.n_best}: ask for a beam_size of at least n_best"
            )
        if message:
            raise UnsupportedSearchError(message)

    def run(
        self, sources: Sequence[Source], search: Search, batch_tokens: int = 0
    ) -> list[Hypothesis]:
        """Translate ``sources``.

        Args:
            sources: at most ``limit`` pieces each, then ``ending``.
            search: how.
            batch_tokens: tokens of the batches that the engine makes itself; 0: all are one batch.

        Raises:
            UnsupportedSearchError: the engine cannot do what ``search`` asks for.
            RuntimeError: the engine cannot translate one of them.
        """
        self.check(search)
        return self.network.translate(sources, search, batch_tokens) if sources else []


def load(folder: Path, digest: str | None, settings: EngineSettings, threads: Threads) -> Engine:
    """Verify the artifact in ``folder``, every file of it, and load it.

    Args:
        folder: the artifact, a run's ``model/``.
        digest: that was evaluated and blessed; None takes any artifact that is whole.
        settings: engine and precision; the files are float32, the engine quantises while it loads.
        threads: workers and threads of each.

    Raises:
        BadArtifactError: it is not whole, not the one asked for, or not loadable.
        ConfigurationError: there is no such engine or precision here.
        StorageError: the storage failed while reading.
    """
    opened = _opener(settings, threads)
    try:
        manifest = artifact.verify(folder, digest)
        pieces = tokenizer.load(folder, manifest)
        network = opened(folder, manifest, pieces)
    except ArtifactError as error:
        raise BadArtifactError(str(error)) from error
    except OSError as error:
        raise StorageError(f"{folder} could not be read ({error}): try again") from error
    except (RuntimeError, ValueError) as error:
        raise BadArtifactError(
            f"{folder} is whole, but no model that this release loads ({error}): train it again"
        ) from error
    told = (folder, manifest.run, settings.engine, settings.compute_type, threads)
    _log.info("loaded %s of run %s for %s as %s, %s", *told)
    return Engine(folder, manifest, pieces, network, threads.inter)


def _opener(settings: EngineSettings, threads: Threads) -> Open:
    # Imported late: TensorFlow takes seconds, and is not in every image.
    if settings.engine == "TensorFlow":
        from mt_predictor import on_tensorflow

        return on_tensorflow.opener(settings, threads)
    from mt_predictor import on_ctranslate2

    return on_ctranslate2.opener(settings, threads)
