"""How often a sentence's translation differs in company from what it is alone: the trials.

``python -m benchmarks.peers_serving_flips MODEL PLAN PRECISION`` runs in the predictor's
environment. PLAN is JSON (``benchmarks.flips.Plan``); each of its batches goes to the predictor's
batcher at once, a request a sentence, and the batcher makes of it what it makes of such requests.
Prints JSON: for each beam and kind of company, of every watched sentence [trials, flips]; nothing,
``{}``, where the processor does not have this precision.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers_serving_ours import Served, load
from mt_contract.errors import ConfigurationError
from mt_predictor.engine import Search

ALONE = "alone"  # with nobody: what is no company's fault


async def trials(served: Served, plan: Mapping[str, Any], beam: int) -> dict[str, list[list[int]]]:
    """Return [trials, flips] of every watched sentence, for each kind of company."""
    watched, search = plan["watched"], Search(beam)
    batcher = served.batcher()

    async def translated(texts: Sequence[str]) -> list[str]:
        requests = (served.request(batcher, [text], search) for text in texts)
        return [answer for (answer,) in await asyncio.gather(*requests)]

    alone = [(await translated([text]))[0] for text in watched]
    again = [(await translated([text]))[0] for text in watched]
    counts = {ALONE: [[1, int(a != b)] for a, b in zip(alone, again, strict=True)]}
    for kind, batches in plan["batches"].items():
        counts[kind] = [[0, 0] for _ in watched]
        for batch in batches:
            texts = [watched[one] if isinstance(one, int) else one for one in batch]
            for one, text in zip(batch, await translated(texts), strict=True):
                if isinstance(one, int):
                    counts[kind][one][0] += 1
                    counts[kind][one][1] += text != alone[one]
    return counts


def main(model: Path, plan: Path, precision: str) -> None:
    """Print what the trials come to."""
    told = json.loads(plan.read_text(encoding="utf-8"))
    try:
        served = Served(load(model, precision))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        print("{}")
        return
    found = {beam: asyncio.run(trials(served, told, beam)) for beam in told["beams"]}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
