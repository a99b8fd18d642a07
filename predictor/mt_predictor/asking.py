"""Requests of our own: held-out sentences, one a request, marked so that no user's metric has them.

Consumers: the probe, and the traffic that stands in for users where there are few.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from mt_contract import names
from mt_contract.errors import ConfigurationError, StorageError

SYNTHETIC_HEADER = "x-translation-synthetic"
ANSWER_SECONDS = 30.0
_HEADERS = {"Content-Type": "application/json", SYNTHETIC_HEADER: "true"}
_NOT_NOW = (502, 503, 504)


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


class UnreachableError(Exception):
    """No connection, or no worker, for now."""


class Client:
    """Asks one model at one endpoint, over a connection that is kept."""

    def __init__(self, base_url: str, model: str, variable: str) -> None:
        """Ask ``model`` below ``base_url``, which the environment's ``variable`` names.

        Raises:
            ConfigurationError: it is no URL of a host.
        """
        self.url = f"{base_url.rstrip('/')}/v1/models/{quote(model, safe='')}:predict"
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"{variable} has {base_url!r}: give http://host[:port]")
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(parts.hostname, parts.port, timeout=ANSWER_SECONDS)
        self._path = parts.path

    def ask(self, text: str) -> Reply:
        """Return the translation of ``text``, or why there is none.

        Raises:
            UnreachableError: nobody answered, or nobody who could.
        """
        body = json.dumps({"instances": [text]}, ensure_ascii=False).encode(errors="replace")
        try:
            self._connection.request("POST", self._path, body, _HEADERS)
            response = self._connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise UnreachableError(f"{type(error).__name__}: {error}") from error
        if response.status in _NOT_NOW:
            raise UnreachableError(f"status {response.status}")
        return read_reply(response.status, data)

    def close(self) -> None:
        """Let go of the connection; the next request makes another."""
        self._connection.close()


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


def read_held_out(run_folder: Path) -> list[HeldOut]:
    """Return the sentences that a run was evaluated on, with what came out.

    Raises:
        StorageError: they cannot be read just now.
        ConfigurationError: they are missing or damaged.
    """
    path = run_folder / names.TRANSLATIONS
    try:
        with path.open(encoding="utf-8") as lines:
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
