"""One file from its first line to its last, begun, gone on with, or found done."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from mt_contract.codec import to_json
from mt_contract.errors import ConfigurationError, StorageError
from mt_contract.storage import writing
from mt_corpus import places
from mt_corpus.reading import read_texts
from mt_predictor.bulk.container import encoded, join
from mt_predictor.bulk.parts import NAMED, Failed, Parts, Record, check_same
from mt_predictor.bulk.plan import Work
from mt_predictor.bulk.progress import Progress
from mt_predictor.bulk.stopping import Stop
from mt_predictor.bulk.survey import survey
from mt_predictor.bulk.window import Check, Done, Translate, translated
from mt_predictor.bulk.windows import SIZE, ahead, windows

Tree = Mapping[str, Any]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Model:
    """What translates."""

    told: Tree  # all that its translations depend on: digest, precision, beam, release
    load: Callable[[], tuple[Translate, Check, int]]  # and how many windows it takes at once


@dataclass(frozen=True)
class Surroundings:
    """What else a run needs; tests give another clock and smaller windows."""

    stop: Stop
    clock: Callable[[], float]
    fresh: str | None = None  # begin anew: "" always, a word once for each word
    size: int = SIZE  # of a window


def run(work: Work, model: Model, around: Surroundings) -> Tree:
    """Translate a file, as far as it is not done, and return its summary.

    Raises:
        ProgramError: it cannot be read, translated or written, or was begun otherwise.
        SystemExit: it was asked to stop; what is done is kept.
    """
    if around.stop.code:
        raise SystemExit(around.stop.code)
    parts = Parts(work.out)
    made_of, is_done = begin(work, model, parts, around)
    if is_done:
        _log.info("%s was translated already", work.name)
        with writing():
            parts.remove()
        return made_of
    done, count = _translate(work, model, parts, made_of["lines"], around)
    if done.lines < made_of["lines"]:
        if not around.stop.code:
            raise StorageError(f"{work.name} has fewer lines than it had: it was changed meanwhile")
        _log.info("stopped after %d of %d lines: begin it again", done.lines, made_of["lines"])
        raise SystemExit(around.stop.code)
    return finish(work, parts, made_of, done, count)


def begin(
    work: Work, model: Model, parts: Parts, around: Surroundings
) -> tuple[Mapping[str, Any], bool]:
    """Return what the output is made of, and whether it is whole already.

    Raises:
        ConfigurationError: it was begun otherwise, or something else stands there.
        DataError: the input holds no text.
    """
    with writing():
        begun, finished = parts.begun(), parts.finished()
        stands_there = parts.out.exists()
    before = begun or finished
    asked = made_of(work, model, around.size)
    if before is not None and not _anew(around.fresh, before):
        check_same(parts, before, asked)
        if not asked["inputVersion"]:  # of such a place only a look at all of it tells
            check_same(parts, before, _surveyed(work))
        return before, begun is None
    if before is None and stands_there and around.fresh is None:
        raise ConfigurationError(
            f"--out {parts.out} is there, and nothing says of what it was made: name another "
            "place, or begin anew with --fresh"
        )
    whole = {**asked, **_surveyed(work), "fresh": around.fresh or ""}
    with writing():
        parts.summary.unlink(missing_ok=True)
        parts.begin(whole)
    return whole, False


def made_of(work: Work, model: Model, size: int) -> Tree:
    """Return all that decides an output's bytes, as far as it is known before a look inside."""
    stamp = places.stamp(work.file.uri, work.file.location)
    return {
        "input": work.name,
        "inputSize": stamp.size,
        "inputVersion": stamp.version,
        "format": work.file.format,
        "field": work.file.fields.source,
        **model.told,
        "window": size,
    }


def _surveyed(work: Work) -> Tree:
    _log.info("looking through %s", work.name)
    found = survey(work.name, read_texts(work.file))
    return {"lines": found.lines, "text": found.digest}


def _anew(fresh: str | None, before: Tree) -> bool:
    return fresh is not None and (not fresh or before.get("fresh") != fresh)


def _translate(
    work: Work, model: Model, parts: Parts, whole: int, around: Surroundings
) -> tuple[Record, int]:
    """Translate the windows that are left; return what is known of all parts, and their number."""
    done, number = Record(), 0
    with writing():
        for record in parts.whole():
            done, number = done + record, number + 1
    if done.lines >= whole:
        return done, number
    if number:
        _log.info("%s: going on after line %d", work.name, done.lines)
    translate, check, depth = model.load()
    progress = Progress(work.name, whole, done.lines, sys.stderr, around.clock)
    since = around.clock()
    rows = islice(read_texts(work.file), done.lines, None)
    given = around.stop.until(windows(rows, around.size))
    around.stop.patient = True
    for lines in ahead(given, partial(translated, translate=translate, check=check), depth):
        now = around.clock()
        data = encoded(lines, work.how)
        record = recorded(lines, now - since, len(data))
        with writing():
            parts.put(number, data, record)
        done, number, since = done + record, number + 1, now
        progress.tell(done.lines)
    around.stop.patient = False
    return done, number


def recorded(lines: Sequence[Done], seconds: float, size: int) -> Record:
    """Return what is known of a part."""
    failures = [Failed(done.line.number, done.why) for done in lines if done.why]
    return Record(
        lines=len(lines),
        empty=sum(not done.why and not done.line.source.strip() for done in lines),
        failed=len(failures),
        truncated=sum(done.translation.truncated for done in lines),
        source_tokens=sum(done.translation.source_tokens for done in lines),
        target_tokens=sum(done.translation.tokens for done in lines),
        seconds=seconds,
        size=size,
        failures=tuple(failures[:NAMED]),
    )


def finish(work: Work, parts: Parts, made_of: Tree, done: Record, count: int) -> Tree:
    """Join ``count`` parts, and return the summary."""
    told = to_json(done)
    del told["size"]
    summary = {**made_of, "output": str(parts.out), **told, "seconds": round(done.seconds, 3)}
    with writing():
        join(map(parts.part, range(count)), parts.out, work.how)
        parts.end(summary)
    return summary
