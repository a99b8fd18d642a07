"""``probe``: held-out sentences through a revision, compared with what evaluation saw.

Its requests say that they are synthetic, so that no user's metric counts them.
"""

from __future__ import annotations

import http.client
import json
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote, urlsplit

from mt_contract import names, report
from mt_contract.report import ProbeResult
from mt_predictor import settings
from mt_predictor.errors import ConfigurationError, ProbeError, StorageError
from mt_predictor.settings import Environment

WAIT_SECONDS = 60  # in all, for an endpoint that refuses connections or is overloaded
ANSWER_SECONDS = 30.0
_HEADERS = {"Content-Type": "application/json", "x-translation-synthetic": "true"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeldOut:
    """A sentence and its translation in the evaluation."""

    source: str
    translation: str


@dataclass(frozen=True)
class Reply:
    """What became of one request: a translation, or why there is none."""

    translation: str | None
    problem: str = ""


class _UnreachableError(Exception):
    """No connection, or no worker, for now."""


def run(env: Environment) -> None:
    """Probe, and report what came back.

    Raises:
        PredictorError: nothing could be asked at all.
    """
    folder = settings.local(settings.required(env, "MT_OUTPUT"), "MT_OUTPUT", env)
    requests = settings.required_int(env, "MT_REQUESTS", 1)
    seed = settings.required_int(env, "MT_SEED", 0)
    text = env.get("MT_WAIT_SECONDS") or str(WAIT_SECONDS)
    wait = settings.required_int({"MT_WAIT_SECONDS": text}, "MT_WAIT_SECONDS", 0)
    url = settings.required(env, "MT_URL").rstrip("/")
    model = quote(settings.required(env, "MT_MODEL"), safe="")
    held_out = sample(_read(str(folder / names.TRANSLATIONS)), requests, seed)
    endpoint = Endpoint(f"{url}/v1/models/{model}:predict", wait)
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
    """Sends one sentence a request over one connection, and waits for the endpoint if it must."""

    def __init__(self, url: str, wait_seconds: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"MT_URL is {url!r}: give http://host[:port]")
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(parts.hostname, parts.port, timeout=ANSWER_SECONDS)
        self._url, self._path = url, parts.path
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
                return self._ask(text)
            except _UnreachableError as error:
                if time.monotonic() + pause > self._deadline:
                    if self._answered:
                        return Reply(None, str(error))
                    raise ProbeError(
                        f"{self._url} could not be reached ({error}): is the predictor ready?"
                    ) from error
            time.sleep(pause)
            pause = min(2 * pause, 3.0)

    def _ask(self, text: str) -> Reply:
        body = json.dumps({"instances": [text]}, ensure_ascii=False).encode(errors="replace")
        try:
            self._connection.request("POST", self._path, body, _HEADERS)
            response = self._connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise _UnreachableError(f"{type(error).__name__}: {error}") from error
        if response.status in (502, 503, 504):
            raise _UnreachableError(f"status {response.status}")
        self._answered = True
        return read_reply(response.status, data)


def read_reply(status: int, data: bytes) -> Reply:
    """Return the translation in a V1 answer to one instance, or what is wrong with it."""
    try:
        document = json.loads(data)
        if status != http.client.OK:
            return Reply(None, f"status {status}: {str(document.get('error', ''))[:200]}")
        prediction = document["predictions"][0]
        translation = prediction.get("translation")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return Reply(None, f"status {status} with an answer that is none of the protocol's")
    if not isinstance(translation, str):
        return Reply(None, str(prediction.get("error", "no translation"))[:200])
    return Reply(translation)


def _read(path: str) -> list[HeldOut]:
    try:
        with open(path, encoding="utf-8") as lines:
            documents = [json.loads(line) for line in lines]
        found = [HeldOut(str(one["source"]), str(one["translation"])) for one in documents]
    except FileNotFoundError as error:
        raise _missing(f"{path} does not exist") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}): try again") from error
    except (ValueError, KeyError, TypeError) as error:
        raise _missing(f"{path} is damaged ({type(error).__name__})") from error
    if not found:
        raise _missing(f"{path} is empty")
    return found


def _missing(what: str) -> ConfigurationError:
    return ConfigurationError(f"{what}: it is what the run's evaluation writes; evaluate it again")
