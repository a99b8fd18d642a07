"""Work in a process of its own, which can be ended at any time, whatever it waits for.

On TensorFlow it has no GPU, which this process may hold: what is exported there, and how it is
checked, is the same whatever the network was trained with.
"""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from mt_contract.errors import ProgramError
from mt_trainer import device

T = TypeVar("T")
_OWN = {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def on_tensorflow(function: Callable[..., T], *arguments: Any) -> T:
    """Return what ``function`` returns in a process that runs TensorFlow on the CPU.

    Raises:
        Exception: as ``run`` does.
    """
    found: T = run(_on_tensorflow, function, *arguments, environment=_OWN)
    return found


def _on_tensorflow(function: Callable[..., T], *arguments: Any) -> T:
    device.quiet_environment()
    with device.silent():
        importlib.import_module("tensorflow")
    return function(*arguments)


def run(
    function: Callable[..., T], *arguments: Any, environment: Mapping[str, str] | None = None
) -> T:
    """Return what ``function`` returns in another process; plain values go in and come back.

    Args:
        function: of a module.
        arguments: for it.
        environment: what the process has besides this one's.

    Raises:
        Exception: what ``function`` raised, or that the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    hearing, telling = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(telling, function, arguments), daemon=True)
    before = {name: os.environ.get(name) for name in environment or {}}
    os.environ.update(environment or {})  # read by what is imported there, before all else
    try:
        process.start()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    telling.close()
    try:
        error, found = hearing.recv()
    except EOFError:
        process.join()
        raise RuntimeError(
            f"the process of {function.__name__} ended with {process.exitcode}"
        ) from None
    finally:
        process.kill()
        process.join()
    if error is not None:
        raise error
    return found  # type: ignore[no-any-return]


def _work(telling: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        telling.send((None, function(*arguments)))
    except ProgramError as error:  # told by who waits for it
        telling.send((error, None))
    except Exception as error:
        logging.getLogger(__name__).exception("in a process of its own")
        telling.send((error, None))
