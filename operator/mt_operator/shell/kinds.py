"""Whether all kinds can be watched: those that were just defined appear a moment later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from mt_contract import names
from mt_operator.shell.api import RESOURCES, Api
from mt_operator.shell.errors import ApiError, RefusedError

log = logging.getLogger(__name__)
OWN = (names.MODEL_KIND, names.RUN_KIND)
OPTIONAL = ("InferenceService", "HTTPRoute")
SECONDS, LATER_SECONDS = 1.0, 15.0  # between two looks: at the start, and from then on


async def wait_for_kinds(api: Api) -> None:
    """Wait until our own kinds are served, and those of others wherever they are defined.

    kopf looks for kinds when it starts and when a definition changes; one that is served a moment
    after that would not be watched at all. For the same reason, see ``new_kind``.
    """
    while waiting := await _missing(api):
        log.warning("waiting until the API server serves %s", ", ".join(waiting))
        await asyncio.sleep(SECONDS)


async def served_kinds(api: Api) -> frozenset[str]:
    """Return which kinds of others are served."""
    unserved = await _unserved(api, OPTIONAL)
    return frozenset(map(definition_of, OPTIONAL)) - frozenset(unserved)


async def new_kind(api: Api, known: frozenset[str]) -> str:
    """Wait until a kind of others is served that was not ``known`` to be, and return it."""
    while True:
        await asyncio.sleep(LATER_SECONDS)
        try:
            new = await served_kinds(api) - known
        except ApiError as error:
            log.debug("the API server cannot be asked for its kinds: %s", error)
            continue
        if new:
            return min(new)


async def _missing(api: Api) -> list[str]:
    try:
        return [*await _unserved(api, OWN), *await _unserved(api, await _defined(api))]
    except ApiError as error:
        log.warning("the API server cannot be asked for its kinds: %s", error)
        return ["its kinds"]


async def _defined(api: Api) -> list[str]:
    try:
        found = await api.definitions()
    except RefusedError:  # limited to namespaces
        return []
    return [kind for kind in OPTIONAL if definition_of(kind) in found]


async def _unserved(api: Api, kinds: Iterable[str]) -> list[str]:
    return [
        definition_of(kind)
        for kind in kinds
        if RESOURCES[kind].plural not in await api.served(RESOURCES[kind].api_version)
    ]


def definition_of(kind: str) -> str:
    """Return the name of the CustomResourceDefinition of a kind."""
    resource = RESOURCES[kind]
    return f"{resource.plural}.{resource.api_version.partition('/')[0]}"
