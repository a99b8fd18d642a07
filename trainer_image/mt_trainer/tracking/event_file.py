"""TensorBoard's event files, written without TensorFlow, which a training on JAX does not load.

An event file is a row of records, each ``length, crc(length), data, crc(data)``; the data is an
``Event`` in the encoding of protocol buffers. Formats: tensorflow/core/lib/io/record_writer.h,
tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from mt_contract import storage
from mt_trainer.tracking.line import Line

_VERSION = b"brain.Event:2"
_START = 1  # SessionLog.START: readers drop what they hold from this event's step on
_MASK = 0xA282EAD8
_POLYNOMIAL = 0x82F63B78  # of CRC-32C (Castagnoli), reflected


class EventFile:
    """Writes one event file that holds the whole training; a Record."""

    def __init__(self, folder: Path) -> None:
        """Write to ``folder``."""
        self._folder = folder
        self._path = folder  # once begun, the file in it

    def begin(self, history: Sequence[Line]) -> None:
        """Write a new file in place of those of earlier attempts, so that no step is there twice.

        A new name, because a TensorBoard that has the last one open would read on in the middle.
        That one stays, empty: TensorBoard goes to the next file only from one that is there.
        """
        earlier = sorted(self._folder.glob("events.out.tfevents.*"))
        number = int(earlier[-1].name.split(".")[3]) + 1 if earlier else 1
        self._path = self._folder / f"events.out.tfevents.{number:010d}.mt-trainer"
        now = history[0].time.timestamp() if history else 0.0
        data = record(_event(now, 0, 3, _VERSION)) + record(_session_start(now))
        data += b"".join(record(scalars(line)) for line in history)
        storage.retried(lambda: self._write_first(data))
        for path in earlier[:-1]:
            path.unlink(missing_ok=True)
        if earlier:
            storage.retried(lambda: storage.write_aside(earlier[-1], b""))

    def add(self, line: Line) -> None:
        """Append the line's numbers."""
        storage.retried(lambda: storage.append(self._path, record(scalars(line))))

    def _write_first(self, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        storage.write_aside(self._path, data)


def scalars(line: Line) -> bytes:
    """Return the Event of a line: each metric a scalar at its step."""
    summary = b"".join(
        _bytes(1, _bytes(1, name.encode()) + _tag(2, 5) + struct.pack("<f", value))
        for name, value in line.metrics.items()
    )
    return _event(line.time.timestamp(), line.step, 5, summary)


def record(data: bytes) -> bytes:
    """Return ``data`` as one record of the file."""
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _session_start(time: float) -> bytes:
    return _event(time, 0, 7, _tag(1, 0) + _varint(_START))


def _event(time: float, step: int, field: int, content: bytes) -> bytes:
    """Return an Event: wall_time, step, and one more field."""
    head = _tag(1, 1) + struct.pack("<d", time) + _tag(2, 0) + _varint(step)
    return head + _bytes(field, content)


def _bytes(field: int, content: bytes) -> bytes:
    return _tag(field, 2) + _varint(len(content)) + content


def _tag(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _varint(number: int) -> bytes:
    low = bytearray()
    while number > 0x7F:
        low.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*low, number])


def _checksum(data: bytes) -> bytes:
    """Return the masked CRC-32C of ``data``, four bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF)


def _remainder(number: int) -> int:
    for _ in range(8):
        number = number >> 1 ^ (_POLYNOMIAL if number & 1 else 0)
    return number


_TABLE: Sequence[int] = [_remainder(byte) for byte in range(256)]
