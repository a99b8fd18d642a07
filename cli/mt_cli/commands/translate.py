"""translate: a few sentences through the model's endpoint."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from mt_cli.cluster import status_of
from mt_cli.command import Command, model_name
from mt_cli.errors import CliError, Code
from mt_cli.output import Answer, Table, Text
from mt_cli.session import Session

Tree = Mapping[str, Any]
TIMEOUT = 60.0
SHOWN = 300  # characters of an answer that is no translation


def run(session: Session, args: Namespace) -> Code:
    """Translate texts."""
    found = session.cluster.model(args.name)
    url = status_of(found).get("url")
    if not url:
        raise CliError(
            f"{args.name} has no endpoint before a revision is in production: "
            f"`kubectl translation status {args.name}` shows how far it is.",
            Code.NOT_NOW,
        )
    told = predict(args.name, str(url), args.url, args.text, session.transport)
    translations = [str(entry.get("translation", "")) for entry in told]
    if len(args.text) == 1:
        session.out.show(Answer(told, (Text(translations[0]),)))
        return Code.DONE
    rows = tuple(zip(args.text, translations, strict=True))
    session.out.show(Answer(told, (Table(("text", "translation"), rows),)))
    return Code.DONE


def predict(
    name: str,
    url: str,
    instead: str | None,
    texts: Sequence[str],
    transport: httpx.BaseTransport | None,
) -> list[Tree]:
    """Return what the endpoint makes of each text.

    Args:
        name: of the model.
        url: of its endpoint.
        instead: another address that leads to it; it is asked for the endpoint's host.
        texts: to be translated.
        transport: to the endpoint; None: the network.

    Raises:
        CliError: it cannot be reached, or refuses.
    """
    address = f"{(instead or url).rstrip('/')}/v1/models/{name}:predict"
    headers = {"Host": urlsplit(url).netloc} if instead else {}
    try:
        with httpx.Client(timeout=TIMEOUT, transport=transport) as client:
            answer = client.post(address, json={"instances": list(texts)}, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CliError(
            f"cannot reach {instead or url}: {error}. Where its name does not resolve, name an "
            "address of the gateway by --url, such as http://127.0.0.1:8080."
        ) from error
    try:
        told = answer.json()
        predictions: list[Tree] = list(told["predictions"])
        if answer.is_success and len(predictions) == len(texts):
            return predictions
    except (ValueError, KeyError, TypeError):
        pass
    hint = " Too much at once: try again." if answer.status_code == 503 else ""
    raise CliError(f"{address} answered {answer.status_code}: {answer.text[:SHOWN]}.{hint}")


def _arguments(parser: ArgumentParser) -> None:
    model_name(parser)
    parser.add_argument("text", nargs="+", metavar="TEXT", help="in quotes, each")
    parser.add_argument("--url", help="an address that leads to the endpoint, where DNS does not")


COMMAND = Command(
    "translate",
    "translate texts through the model's endpoint",
    run,
    ('translate pt-en "Olá mundo"', 'translate pt-en "Bom dia" --url http://127.0.0.1:8080'),
    _arguments,
    names="translationmodels",
)
