"""``traffic``: held-out sentences at a steady rate, where users are too few to judge a canary by.

  the clock ─▶ the same sentence to every endpoint, in turn ─▶ its queue ─▶ its workers

Open loop: a slow endpoint is not asked less, so that revisions meet the same load. What they
answer is counted by themselves. It goes on until it is stopped, whatever becomes of an endpoint.
"""

from __future__ import annotations

import json
import logging
import queue
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from typing import NoReturn

from mt_contract.errors import ConfigurationError
from mt_predictor import settings
from mt_predictor.asking import Client, UnreachableError, read_held_out
from mt_predictor.settings import Environment

MAX_WORKERS = 64  # requests under way at once, of each endpoint
LOG_SECONDS = 60.0
STOPPED = 128 + signal.SIGTERM  # not 0: a Job whose pod was evicted has not done its work
_log = logging.getLogger(__name__)


def run(env: Environment) -> NoReturn:
    """Ask until SIGTERM.

    Raises:
        ProgramError: there is nothing to send, or nobody to send it to.
        SystemExit: it was stopped.
    """
    folder = settings.local(settings.required(env, "MT_OUTPUT"), "MT_OUTPUT", env)
    rate = settings.required_int(env, "MT_RATE", 1)
    model = settings.required(env, "MT_MODEL")
    urls = _urls(settings.required(env, "MT_URLS"))
    workers = min(MAX_WORKERS, max(4, rate))
    targets = [Target(url, model, workers) for url in urls]
    texts = [one.source for one in read_held_out(folder)]
    random.Random(0).shuffle(texts)  # a test set's slices stand one after the other
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    _log.info("%d sentences, %d requests/s to each of %s", len(texts), rate, ", ".join(urls))
    send(texts, targets, 1 / rate, stop.wait)
    report(targets)
    raise SystemExit(STOPPED)


def _urls(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not found or not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ConfigurationError(
            f"MT_URLS is {text!r}: give the base URL of each revision as a JSON list of strings"
        )
    return found


class Target:
    """An endpoint, with the workers that ask it."""

    def __init__(self, url: str, model: str, workers: int) -> None:
        self.url = url
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._texts: queue.Queue[str] = queue.Queue(workers)
        for _ in range(workers):
            client = Client(url, model, "MT_URLS")
            # Daemons: an answer that nobody waits for does not delay the end.
            threading.Thread(target=self._work, args=(client,), daemon=True).start()

    def offer(self, text: str) -> None:
        """Have ``text`` sent, unless too many wait for their answers already."""
        try:
            self._texts.put_nowait(text)
        except queue.Full:
            self._count("held back")

    def _work(self, client: Client) -> None:
        while True:
            self._count(outcome(client, self._texts.get()))

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1


def outcome(client: Client, text: str) -> str:
    """Send ``text`` and return what became of it, in a word."""
    try:
        reply = client.ask(text)
    except UnreachableError:
        return "unreachable"
    except Exception as error:  # whatever it is: the next request may fare better
        return type(error).__name__
    finally:
        client.close()  # a kept connection never sees the pods that come later
    return "answered" if reply.translation is not None else "refused"


def send(
    texts: Iterable[str],
    targets: Sequence[Target],
    interval: float,
    stopped: Callable[[float], bool],
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Offer each of ``texts``, over and over, to all ``targets`` every ``interval`` seconds.

    Args:
        texts: what is sent.
        targets: who is asked; their turns are spread over the interval.
        interval: in seconds.
        stopped: waits so many seconds, and returns whether it is time to stop.
        now: the time in seconds.
    """
    begun = told = now()
    turns = ((text, target) for text in cycle(texts) for target in targets)
    for number, (text, target) in enumerate(turns):
        moment = now()
        due = begun + number * interval / len(targets)
        if stopped(max(0.0, due - moment)):
            return
        target.offer(text)
        if moment - told >= LOG_SECONDS:
            told = moment
            report(targets)


def report(targets: Iterable[Target]) -> None:
    """Log what became of the requests so far."""
    for target in targets:
        counts = ", ".join(f"{count} {what}" for what, count in sorted(target.counts.items()))
        _log.info("%s: %s", target.url, counts or "nothing yet")
