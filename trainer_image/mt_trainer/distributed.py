"""Several nodes as one training: what they agree on after each step, and what only the first does.

All nodes run the same loop over the same batches. Whatever decides how it goes on is therefore the
same on each: the losses are, being sums over all devices; time and the wish to stop are agreed on
here; and checkpoints are read and written by the first node alone.
"""

from __future__ import annotations

import json
import logging
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

import jax
import numpy as np
from jax.experimental.multihost_utils import broadcast_one_to_all, process_allgather
from safetensors.numpy import load, save

from mt_contract.errors import DivergedError, NodesError
from mt_trainer.checkpoint import Arrays, Position, Store, metadata
from mt_trainer.config import Node
from mt_trainer.signals import StoppedError, Stopper

_HEARTBEAT_SECONDS = 30  # without a sign of life from a node, after which all others end
_CONNECT_SECONDS = 60  # for all to connect, once they have met
_GOODBYE_SECONDS = 20  # for all to say that they are done
_PIECE = 1 << 24  # bytes sent at once
_REPORT = struct.Struct("<ddB")  # what a node says after a step: time, processor time, signal
_log = logging.getLogger(__name__)
Found = tuple[dict[str, np.ndarray], Position]


def connect(node: Node, address: str) -> None:
    """Join the nodes that have met; to be called before anything is computed.

    Raises:
        NodesError: one of them has gone again.
    """
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM from us
    try:
        jax.distributed.initialize(
            address,
            node.count,
            node.index,
            cluster_detection_method="deactivate",
            initialization_timeout=_CONNECT_SECONDS,
            heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=_GOODBYE_SECONDS,
        )
    except RuntimeError as error:
        raise _lost(error) from error
    _log.info("node %d of %d, %d devices in all", node.index, node.count, jax.device_count())


@contextmanager
def together() -> Iterator[None]:
    """Turn what a lost node does to the others into an error; part where all come to an end.

    Raises:
        NodesError: a node was lost.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        # A broken connection is told of as a ValueError where a result had not been asked for yet.
        ours = isinstance(error, ValueError) and "Gloo" not in str(error)
        if ours or "RESOURCE_EXHAUSTED" in str(error):
            raise
        raise _lost(error) from error
    except (StoppedError, DivergedError):
        _part()
        raise
    _part()


def _part() -> None:
    """Leave together, so that no node takes another for lost; too late is no fault any more."""
    try:
        jax.distributed.shutdown()
    except RuntimeError as error:
        _log.warning("the nodes did not part together: %s", error)


def _lost(error: Exception) -> NodesError:
    return NodesError(
        f"another node was lost ({str(error).splitlines()[0][:200]}): all go on from the last "
        "checkpoint when it is back; its own pod or log says why"
    )


class Agreement:
    """Time and the wish to stop, the same on all nodes; asked for by all of them at the same point.

    In a ``train.Plan``, its methods take the places of the clock and of the processor's time, and
    it is the wish itself.
    """

    def __init__(
        self,
        stopper: Stopper,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        """Take part with this node's wish, and, if it is the first, with its time."""
        self._stopper, self._clock, self._cpu = stopper, clock, cpu
        self._cpu_of_all = 0.0
        self._signal = 0

    def clock(self) -> float:
        """Return the first node's time; hear meanwhile what else the nodes have to say."""
        code = self._stopper.code if self._stopper.event.is_set() else 0
        mine = np.frombuffer(_REPORT.pack(self._clock(), self._cpu(), code), np.uint8)
        reports = [_REPORT.unpack(row.tobytes()) for row in process_allgather(mine)]
        self._cpu_of_all = sum(cpu for _, cpu, _ in reports)
        self._signal = max(signal for *_, signal in reports)
        return float(reports[0][0])

    def cpu(self) -> float:
        """Return the processor time of all nodes, when they last agreed."""
        return self._cpu_of_all

    def is_set(self) -> bool:
        """Return whether one of the nodes was asked to stop; this one then ends as that one."""
        if self._signal:
            self._stopper.code = self._signal
        return bool(self._signal)


class SharedStore:
    """Checkpoints that the first node keeps, and that all nodes go on from."""

    def __init__(self, own: Store, leads: bool) -> None:
        """Share ``own``, which only the node that ``leads`` reads and writes."""
        self._own, self._leads = own, leads

    def latest(self) -> Found | None:
        """Return the newest checkpoint of the first node, or None."""
        found = self._own.latest() if self._leads else None
        said = broadcast(_packed(found))
        return found if self._leads else _unpacked(said)

    def save(self, arrays: Arrays, position: Position) -> None:
        """Write a checkpoint on the first node."""
        if self._leads:
            self._own.save(arrays, position)

    def clear(self) -> None:
        """Remove what another training left there."""
        if self._leads:
            self._own.clear()

    def save_best(self, arrays: Arrays) -> None:
        """Keep the weights that validated best, on the first node."""
        if self._leads:
            self._own.save_best(arrays)


def broadcast(data: bytes) -> bytes:
    """Return what the first node gives, on every node; piece by piece, it may be large."""
    said = broadcast_one_to_all(np.frombuffer(struct.pack("<q", len(data)), np.uint8))
    (size,) = struct.unpack("<q", np.asarray(said).tobytes())
    pieces = []
    for first in range(0, size, _PIECE):
        piece = np.zeros(_PIECE, np.uint8)
        own = np.frombuffer(data[first : first + _PIECE], np.uint8)
        piece[: len(own)] = own
        pieces.append(np.asarray(broadcast_one_to_all(piece)).tobytes())
    return b"".join(pieces)[:size]


def _packed(found: Found | None) -> bytes:
    if found is None:
        return b""
    arrays, position = found
    return save(arrays, {"position": json.dumps(asdict(position))})


def _unpacked(data: bytes) -> Found | None:
    if not data:
        return None
    return load(data), Position(**json.loads(metadata(data)["position"]))
