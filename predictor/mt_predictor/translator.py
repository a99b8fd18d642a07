"""Text in, translations out, without a word of HTTP.

Consumers: serving, evaluation and the command line, so that what was evaluated is what serves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mt_predictor.engine import Engine, Hypothesis, Search, Source
from mt_predictor.segments import Part, Plan, Segment, byte_pieces, join, split

MAX_TEXT_BYTES = 1 << 20
MAX_TEXT_TOKENS = 1 << 16  # some 250 kB of prose: minutes of work, which one request may ask for
_WARM_UP = "1, 2, 3"


class TextRefusedError(ValueError):
    """A text that is not translated; the message says why and what to send."""


class TextTooLongError(TextRefusedError):
    """A text above the stated limit."""


@dataclass(frozen=True)
class Options:
    """How to translate."""

    beam_size: int
    batch_tokens: int = 4096


@dataclass(frozen=True)
class Prepared:
    """A text, cut into what the engine translates."""

    plan: Plan
    sources: tuple[Source, ...]

    @property
    def source_tokens(self) -> int:
        """Return the tokens of all segments, end marks included."""
        return sum(map(len, self.sources))


@dataclass(frozen=True)
class Alternative:
    """Another translation of a text."""

    text: str
    score: float  # as of Translation
    tokens: int


@dataclass(frozen=True)
class Translation:
    """What became of one text."""

    text: str
    score: float  # mean log-probability of a token; 0 for an empty text
    tokens: int  # of the translation, end marks counted
    source_tokens: int  # end marks counted
    source_pieces: int  # without end marks, as the next one
    target_pieces: int
    fallback_share: float  # of the source's pieces: bytes of what the vocabulary cannot express
    truncated: bool  # the model did not come to an end within its limit
    segments: tuple[tuple[Source, Hypothesis], ...] = ()  # where pieces are asked for
    alternatives: tuple[Alternative, ...] = ()  # the next best; of a text of one segment only


NOTHING = Translation("", 0.0, 0, 0, 0, 0, 0.0, False)


class Translator:
    """Prepares texts for an engine, and makes translations of its results."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def prepare(self, text: str) -> Prepared:
        """Return ``text`` cut into segments.

        Raises:
            TextTooLongError: it is longer than one text may be.
            TextRefusedError: it is no Unicode text.
        """
        size = _size(text)
        if size > MAX_TEXT_BYTES:
            raise TextTooLongError(
                f"a text has {size:,} bytes, at most {MAX_TEXT_BYTES:,} are translated at once: "
                "send it in parts"
            )
        plan: list[Part] = []
        sources: list[Source] = []
        tokens = 0
        for part in split(text, self.engine.encode, self.engine.limit):
            plan.append(part)
            if isinstance(part, Segment):
                sources.append((*part.pieces, *self.engine.ending))
                tokens += len(sources[-1])
            if tokens > MAX_TEXT_TOKENS:
                raise TextTooLongError(
                    f"a text of {size:,} bytes has more than {MAX_TEXT_TOKENS:,} tokens, which is "
                    "what is translated at once: send it in parts"
                )
        return Prepared(tuple(plan), tuple(sources))

    def finish(
        self, prepared: Prepared, hypotheses: Sequence[Hypothesis], pieces: bool = False
    ) -> Translation:
        """Return the translation of a prepared text.

        Args:
            prepared: the text.
            hypotheses: of its segments, in order.
            pieces: whether they are told, too.
        """
        if not prepared.sources:
            return NOTHING
        tokens = sum(hypothesis.tokens for hypothesis in hypotheses)
        source_pieces = prepared.source_tokens - len(prepared.sources) * len(self.engine.ending)
        texts = [self.engine.decode(hypothesis.pieces) for hypothesis in hypotheses]
        return Translation(
            text=join(prepared.plan, texts),
            score=sum(hypothesis.log_probability for hypothesis in hypotheses) / tokens,
            tokens=tokens,
            source_tokens=prepared.source_tokens,
            source_pieces=source_pieces,
            target_pieces=sum(len(hypothesis.pieces) for hypothesis in hypotheses),
            fallback_share=sum(map(byte_pieces, prepared.sources)) / source_pieces,
            truncated=not all(hypothesis.finished for hypothesis in hypotheses),
            segments=tuple(zip(prepared.sources, hypotheses, strict=True)) if pieces else (),
            alternatives=self._alternatives(prepared, hypotheses),
        )

    def _alternatives(
        self, prepared: Prepared, hypotheses: Sequence[Hypothesis]
    ) -> tuple[Alternative, ...]:
        if len(hypotheses) != 1:
            return ()
        return tuple(
            Alternative(
                join(prepared.plan, [self.engine.decode(other.pieces)]),
                other.log_probability / other.tokens,
                other.tokens,
            )
            for other in hypotheses[0].others
        )

    def translate(self, texts: Sequence[str], options: Options) -> list[Translation]:
        """Translate ``texts``, in order; equal lengths are batched together.

        Raises:
            TextRefusedError: one of them cannot be translated.
        """
        prepared = [self.prepare(text) for text in texts]
        sources = [source for one in prepared for source in one.sources]
        search = Search(options.beam_size)
        found = iter(self.engine.run(sources, search, options.batch_tokens))
        return [self.finish(one, [next(found) for _ in one.sources]) for one in prepared]

    def warm_up(self, beam_size: int) -> None:
        """Translate on each worker, so that the first user does not pay for it.

        Greedily as well, which a request may ask for: TensorFlow has another graph for it.
        """
        for _ in range(self.engine.workers):
            for size in {beam_size, 1}:
                self.translate([_WARM_UP], Options(size))


def _size(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise TextRefusedError(
            f"a text holds half of a surrogate pair at character {error.start}: send Unicode text"
        ) from error
