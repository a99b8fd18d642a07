"""What this machine lets a training use: cores, a GPU, bfloat16."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_log = logging.getLogger(__name__)
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Device:
    """Where and how the network is computed."""

    gpus: int
    policy: str  # Keras' name of the precision


def cpu_limit(root: Path = _CGROUPS) -> int:
    """Return how many cores may be used: the container's limit, rounded up."""
    allowed = len(os.sched_getaffinity(0))
    quota = _quota(root)
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def _quota(root: Path) -> float | None:
    """Return the limit in cores that cgroup v2 or v1 states, or None."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (root / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    return None if quota in ("max", "-1") else int(quota) / int(period)


def quiet_environment() -> None:
    """Set what TensorFlow reads when it is imported: Keras' backend, and silence below errors."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("absl", "tensorflow"):
        logging.getLogger(name).setLevel(logging.ERROR)


def prepare(precision: str) -> Device:
    """Set up TensorFlow for this machine; called once, before anything is computed.

    Args:
        precision: Auto, Float32 or BFloat16, as the recipe has it.
    """
    quiet_environment()
    with _silent():
        import keras
        import tensorflow as tf

        tf.config.list_physical_devices()
    threads = cpu_limit()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    wanted = precision == "BFloat16" or (
        precision == "Auto" and bool(gpus) and all(map(_has_bfloat16, gpus))
    )
    device = Device(len(gpus), "mixed_bfloat16" if wanted else "float32")
    keras.config.set_dtype_policy(device.policy)
    _log.info(
        "training on %s, %s", f"{len(gpus)} GPU" if gpus else f"{threads} CPU cores", device.policy
    )
    return device


@contextmanager
def _silent() -> Iterator[None]:
    """Keep off the terminal what TensorFlow's C++ side prints before its own log settings count."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def full_precision() -> None:
    """Compute in float32 from here on: what is exported is compared number by number."""
    import keras

    keras.config.set_dtype_policy("float32")


def _has_bfloat16(gpu: object) -> bool:
    import tensorflow as tf

    capability = tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
    return bool(capability >= (8, 0))
