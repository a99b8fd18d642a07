"""The real predictor, but ``serve`` misbehaves towards users, in the way that a file names.

The operator's own requests are answered well, so that a faulty revision passes its serving check
and only live judgement can find it. All other subcommands are what they always are.

  errors   one user in twenty is told 500          steady   takes 0.4 s longer: what slow is
  empty    users get empty translations                     compared with
  crash    the process dies once it has six        slow     takes 0.8 s longer, so twice as long
           users a second                          unready  never becomes ready
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

ERRORS = 0.05
STEADY_SECONDS = 0.4
CRASH_USERS, CRASH_SECONDS = 24, 4.0
_answers_a_user: ContextVar[bool] = ContextVar("answers_a_user", default=False)
_arrivals: deque[float] = deque(maxlen=CRASH_USERS)


async def before(fault: str) -> None:
    """Do to a user's request what the fault does before it is answered."""
    match fault:
        case "errors" if random.random() < ERRORS:
            raise RuntimeError("one of the faults that a canary may have")
        case "steady":
            await asyncio.sleep(STEADY_SECONDS)
        case "slow":
            await asyncio.sleep(2 * STEADY_SECONDS)
        case "crash":
            _arrivals.append(monotonic())
            if len(_arrivals) == CRASH_USERS and _arrivals[-1] - _arrivals[0] < CRASH_SECONDS:
                os._exit(1)


def misbehave(fault: str) -> None:
    """Make the model of this process misbehave towards users."""
    from mt_predictor.kserve_model import TranslationModel, is_synthetic
    from mt_predictor.translator import Translator

    predict, finish = TranslationModel.predict, Translator.finish

    async def faulty_predict(
        self: TranslationModel, payload: Any, headers: Mapping[str, str] | None = None
    ) -> Any:
        user = not is_synthetic(headers)
        _answers_a_user.set(user)
        if user:
            await before(fault)
        return await predict(self, payload, headers)

    def faulty_finish(self: Translator, *rest: Any) -> Any:
        translation = finish(self, *rest)
        empty = fault == "empty" and _answers_a_user.get()
        return replace(translation, text="") if empty else translation

    # To stand in for the real ones is the point.
    TranslationModel.predict = faulty_predict  # type: ignore[method-assign]
    Translator.finish = faulty_finish  # type: ignore[assignment, method-assign]


def main() -> int:
    """Run the predictor's command line, faulty where it serves."""
    fault = Path(__file__).with_name("fault").read_text().strip()
    if sys.argv[1:2] == ["serve"]:
        if fault == "unready":
            threading.Event().wait()
        misbehave(fault)
    from mt_predictor.__main__ import main as predictor

    return predictor()


if __name__ == "__main__":
    sys.exit(main())
