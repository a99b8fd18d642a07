"""Work in a process of its own, on TensorFlow and without the GPU, which this process may hold.

What is exported there, and how it is checked, is the same whatever the network was trained with.
"""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from mt_trainer import device

T = TypeVar("T")
_OWN = {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def on_tensorflow(function: Callable[..., T], *arguments: Any) -> T:
    """Return what ``function`` returns in another process; plain values go in and come back.

    Raises:
        Exception: what ``function`` raised, or that the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    hearing, telling = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(telling, function, arguments), daemon=True)
    own = {name: os.environ.get(name) for name in _OWN}
    os.environ.update(_OWN)  # it is read by what is imported there, before anything else is done
    try:
        process.start()
    finally:
        for name, value in own.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    telling.close()
    try:
        error, found = hearing.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"the process that exports ended with {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
    if error is not None:
        raise error
    return found  # type: ignore[no-any-return]


def _work(telling: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    device.quiet_environment()
    with device.silent():
        importlib.import_module("tensorflow")
    try:
        telling.send((None, function(*arguments)))
    except Exception as error:
        logging.getLogger(__name__).exception("in the process that exports")
        telling.send((error, None))
