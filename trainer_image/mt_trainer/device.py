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

from mt_contract.errors import ConfigurationError
from mt_contract.resource import Architecture, Training

_log = logging.getLogger(__name__)
_CGROUPS = Path("/sys/fs/cgroup")
CPU_MICRO_BATCH = 2048  # tokens: enough for efficient products, few enough to stay in the cache
CPU_LOGITS = 1 << 22  # 16 MiB, which is about what a core has of the cache
GPU_LOGITS = 1 << 26
_OVERRIDE = "MICRO_BATCH_TOKENS"


@dataclass(frozen=True)
class Device:
    """Where and how the network is computed.

    Attributes:
        gpus: how many there are.
        policy: Keras' name of the precision.
        micro_batch_tokens: most tokens on either side, padding counted, that are computed at once;
            a larger batch is computed in micro-batches, whose gradients are added up.
        workers: how many micro-batches are computed side by side.
        logits: how many of a micro-batch exist at once.
    """

    gpus: int = 0
    policy: str = "float32"
    micro_batch_tokens: int = CPU_MICRO_BATCH
    workers: int = 1
    logits: int = CPU_LOGITS


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


def prepare(training: Training) -> Device:
    """Set up TensorFlow for this machine; called once, before anything is computed.

    Raises:
        ConfigurationError: MICRO_BATCH_TOKENS is no number.
    """
    quiet_environment()
    with silent():
        import keras
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    cores = cpu_limit()
    able = all(map(_has_bfloat16, gpus)) if gpus else cpu_has_bfloat16()
    policy = policy_of(training.precision, able)
    tokens = _override() or (
        gpu_micro_batch(_gpu_memory(), training.architecture) if gpus else CPU_MICRO_BATCH
    )
    workers = 1 if gpus else min(cores, -(-training.optimizer.batch_tokens // tokens))
    # A core works alone on a micro-batch of its own where there is one for each.
    tf.config.threading.set_intra_op_parallelism_threads(-(-cores // workers))
    tf.config.threading.set_inter_op_parallelism_threads(cores)
    keras.config.set_dtype_policy(policy)
    _log.info("training on %s, %s", f"{len(gpus)} GPU" if gpus else f"{cores} CPU cores", policy)
    return Device(len(gpus), policy, tokens, workers, GPU_LOGITS if gpus else CPU_LOGITS)


def policy_of(precision: str, able: bool) -> str:
    """Return Keras' name of a recipe's precision, on devices that are able of bfloat16 or not."""
    wanted = precision == "BFloat16" or (precision == "Auto" and able)
    return "mixed_bfloat16" if wanted else "float32"


def cpu_has_bfloat16(cpus: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether every core multiplies in bfloat16 (Zen 4, Cooper Lake, and what followed)."""
    try:
        lines = cpus.read_text().splitlines()
    except OSError:
        return False
    flags = [set(line.split()) for line in lines if line.startswith("flags")]
    return bool(flags) and all(own & {"avx512_bf16", "amx_bf16"} for own in flags)


def _override() -> int | None:
    """Return the micro-batch's tokens that the environment asks for, or None."""
    text = os.environ.get(_OVERRIDE)
    if text is None:
        return None
    if not text.isdigit() or not int(text):
        raise ConfigurationError(f"{_OVERRIDE} is {text!r}: a number of tokens is expected")
    return int(text)


def gpu_micro_batch(memory: int, shape: Architecture) -> int:
    """Return how many tokens a GPU's memory takes at once, with half of it for all else.

    A token leaves behind, in each layer of either side, some sixteen vectors of the model's
    dimension, two of the feed-forward's, and twice a row of attention for each head.
    """
    numbers = 16 * shape.model_dimension + 2 * shape.feed_forward_dimension
    numbers += 2 * shape.heads * shape.max_tokens
    of_token = 4 * 3 * shape.layers * numbers  # bytes; the decoder's layers attend twice
    return max(256, memory // 2 // of_token)


def _gpu_memory() -> int:
    """Return the bytes that TensorFlow may use of the smallest GPU."""
    from tensorflow.python.client import device_lib

    found = device_lib.list_local_devices()
    return min(int(one.memory_limit) for one in found if one.device_type == "GPU")


@contextmanager
def silent() -> Iterator[None]:
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
