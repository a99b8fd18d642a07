"""``probe``: held-out sentences through a revision, compared with what evaluation saw."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from decimal import Decimal

from mt_contract import report
from mt_contract.errors import ProbeError
from mt_contract.report import ProbeResult
from mt_predictor import settings
from mt_predictor.asking import Client, HeldOut, Reply, UnreachableError, read_held_out
from mt_predictor.settings import Environment

WAIT_SECONDS = 60  # in all, for an endpoint that refuses connections or is overloaded
_log = logging.getLogger(__name__)


def run(env: Environment) -> None:
    """Probe, and report what came back.

    Raises:
        ProgramError: nothing could be asked at all.
    """
    folder = settings.local(settings.required(env, "MT_OUTPUT"), "MT_OUTPUT", env)
    requests = settings.required_int(env, "MT_REQUESTS", 1)
    seed = settings.required_int(env, "MT_SEED", 0)
    text = env.get("MT_WAIT_SECONDS") or str(WAIT_SECONDS)
    wait = settings.required_int({"MT_WAIT_SECONDS": text}, "MT_WAIT_SECONDS", 0)
    url, model = settings.required(env, "MT_URL"), settings.required(env, "MT_MODEL")
    held_out = sample(read_held_out(folder), requests, seed)
    endpoint = Endpoint(Client(url, model, "MT_URL"), wait)
    result = compare(held_out, endpoint.translate)
    _log.info("%d requests, agreement %s", result.requests, result.agreement)
    report.write(result, settings.termination_log(env))


def sample(held_out: Sequence[HeldOut], count: int, seed: int) -> list[HeldOut]:
    """Return ``count`` of the sentences, or all of fewer, chosen by ``seed``."""
    return random.Random(seed).sample(held_out, min(count, len(held_out)))


def compare(held_out: Sequence[HeldOut], translate: Callable[[str], Reply]) -> ProbeResult:
    """Send every sentence and return how many came back as in the evaluation."""
    equal, problems = 0, []
    for sentence in held_out:
        reply = translate(sentence.source)
        if reply.translation is None:
            problems.append(reply.problem)
        equal += reply.translation == sentence.translation
    first = f"The first without an answer: {problems[0]}" if problems else ""
    share = Decimal(equal * 10_000 // len(held_out)) / 10_000  # down: never more than there is
    return ProbeResult(len(held_out), f"{share}", len(problems), first)


class Endpoint:
    """Sends one sentence after the other, and waits for the endpoint if it must."""

    def __init__(self, client: Client, wait_seconds: float) -> None:
        self._client = client
        self._deadline = time.monotonic() + wait_seconds
        self._answered = False

    def translate(self, text: str) -> Reply:
        """Return the translation of ``text``, or why there is none.

        Raises:
            ProbeError: the endpoint has never answered, and the time for that is over.
        """
        pause = 0.2
        while True:
            try:
                reply = self._client.ask(text)
                self._answered = True
                return reply
            except UnreachableError as error:
                if time.monotonic() + pause > self._deadline:
                    if self._answered:
                        return Reply(None, str(error))
                    raise ProbeError(
                        f"{self._client.url} could not be reached ({error}): "
                        "is the predictor ready?"
                    ) from error
            time.sleep(pause)
            pause = min(2 * pause, 3.0)
