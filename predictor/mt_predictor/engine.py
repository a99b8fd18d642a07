"""CTranslate2 and SentencePiece over a verified artifact: tokens in, tokens out.

Consumer: translator.py. How a sentence has to be fed is said in docs/architecture.md, "The
artifact"; another way runs as well and translates worse.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import ctranslate2
import sentencepiece

from mt_contract import artifact
from mt_contract.artifact import TRAINED_HERE, ArtifactError, Manifest
from mt_contract.errors import BadArtifactError, ConfigurationError, StorageError
from mt_predictor.cpu import Threads
from mt_predictor.settings import EngineSettings

Source = tuple[str, ...]  # pieces, end mark included if the engine does not append it itself
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hypothesis:
    """The translation of one segment."""

    pieces: tuple[str, ...]
    log_probability: float  # sum over all tokens
    tokens: int  # the end mark counted, if it came
    finished: bool  # False: the position table ended before the translation did


class Processors(NamedTuple):
    """The SentencePiece processors of both sides; mostly one and the same."""

    source: Any
    target: Any


class Engine:
    """A loaded model. Its methods may be called from several threads at a time."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        processors: Processors,
        translator: Any,
        workers: int,
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.workers = workers
        tokens = manifest.tokens or TRAINED_HERE
        self.ending = () if tokens.end is None else (tokens.end,)  # of each source
        self._added = tokens.added
        self._processors = processors
        self._translator = translator

    @property
    def limit(self) -> int:
        """Return how many pieces a segment may have, without end mark."""
        return self.manifest.max_tokens - len(self.ending) - self._added

    def encode(self, text: str) -> list[str]:
        """Return the pieces of ``text``; none if it is blank."""
        return list(self._processors.source.encode(text, out_type=str)) if text.strip() else []

    def decode(self, pieces: Sequence[str]) -> str:
        """Return the text of ``pieces``."""
        return str(self._processors.target.decode(list(pieces)))

    def run(
        self, sources: Sequence[Source], beam_size: int, batch_tokens: int = 0
    ) -> list[Hypothesis]:
        """Translate ``sources``.

        Args:
            sources: at most ``limit`` pieces each, then ``ending``.
            beam_size: 1 is greedy.
            batch_tokens: tokens of the batches that the engine makes itself; 0: all are one batch.

        Raises:
            RuntimeError: the engine cannot translate one of them.
        """
        results = self._results(sources, beam_size, batch_tokens, return_scores=True)
        return [_hypothesis(result, self.manifest.max_tokens) for result in results]

    def attention(
        self, sources: Sequence[Source], beam_size: int
    ) -> list[tuple[tuple[str, ...], list[list[float]]]]:
        """Return pieces of each translation, and how much each looked at each piece of its source.

        Args:
            sources: as of ``run``.
            beam_size: 1 is greedy.

        Raises:
            RuntimeError: the engine cannot translate one of them.
        """
        found = []
        # One at a time: beside a longer sentence, a beam's first step looks at padding as well.
        for source in sources:
            [result] = self._results([source], beam_size, 0, return_attention=True)
            found.append((tuple(result.hypotheses[0]), result.attention[0]))
        return found

    def _results(
        self, sources: Sequence[Source], beam_size: int, batch_tokens: int, **asked: bool
    ) -> list[Any]:
        if not sources:
            return []
        longest = self.manifest.max_tokens
        results: list[Any] = self._translator.translate_batch(
            [list(source) for source in sources],
            beam_size=beam_size,
            max_batch_size=batch_tokens,
            batch_type="tokens" if batch_tokens else "examples",
            max_input_length=longest,
            max_decoding_length=longest,
            **asked,
        )
        return results


def _hypothesis(result: Any, longest: int) -> Hypothesis:
    pieces = tuple(result.hypotheses[0])
    finished = len(pieces) < longest
    tokens = len(pieces) + finished
    return Hypothesis(pieces, float(result.scores[0]) * tokens, tokens, finished)


def load(folder: Path, digest: str | None, settings: EngineSettings, threads: Threads) -> Engine:
    """Verify the artifact in ``folder``, every file of it, and load it.

    Args:
        folder: the artifact, a run's ``model/``.
        digest: that was evaluated and blessed; None takes any artifact that is whole.
        settings: precision; the files are float32, the engine quantises while it loads.
        threads: workers and threads of each.

    Raises:
        BadArtifactError: it is not whole, not the one asked for, or not loadable.
        ConfigurationError: this CPU has no such precision.
        StorageError: the storage failed while reading.
    """
    compute_type = settings.compute_type
    supported = ctranslate2.get_supported_compute_types("cpu")
    if compute_type not in supported:
        known = ", ".join(sorted(supported))
        raise ConfigurationError(
            f"precision {settings.precision} is not offered by this CPU (it has {known}): "
            "set serving.precision to Int8 or Float32"
        )
    try:
        manifest = artifact.verify(folder, digest)
        translator = ctranslate2.Translator(
            str(folder / artifact.CTRANSLATE2),
            device="cpu",
            compute_type=compute_type,
            inter_threads=threads.inter,
            intra_threads=threads.intra,
        )
        processors = _processors(folder, manifest)
    except ArtifactError as error:
        raise BadArtifactError(str(error)) from error
    except OSError as error:
        raise StorageError(f"{folder} could not be read ({error}): try again") from error
    except (RuntimeError, ValueError) as error:
        raise BadArtifactError(
            f"{folder} is whole, but no model that this release loads ({error}): train it again"
        ) from error
    _log.info("loaded %s of run %s as %s, %s", folder, manifest.run, compute_type, threads)
    return Engine(folder, manifest, processors, translator, threads.inter)


def _processors(folder: Path, manifest: Manifest) -> Processors:
    """Return the processors that the manifest names, of files that it knows.

    Raises:
        ArtifactError: it names a file that is not one of its own.
    """
    source = _processor(folder / artifact.VOCABULARY)
    name = (manifest.tokens or TRAINED_HERE).target_vocabulary
    if name is None:
        return Processors(source, source)
    if name not in manifest.files:
        raise ArtifactError(f"{folder}: the manifest names {name}, which is no file of it")
    return Processors(source, _processor(folder / name))


def _processor(path: Path) -> Any:
    return sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
