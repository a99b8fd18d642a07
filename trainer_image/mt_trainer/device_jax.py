"""What this machine lets a training on JAX use; ``device`` is the same for TensorFlow."""

from __future__ import annotations

import importlib
import logging
import os

from mt_trainer.device import Device, cpu_limit, policy_of, silent

_log = logging.getLogger(__name__)


def choose() -> None:
    """Have Keras compute with JAX; to be called before either is imported."""
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["NPROC"] = str(cpu_limit())  # threads that XLA starts: it knows no container's limit
    for name in ("absl", "tensorflow", "jax"):
        logging.getLogger(name).setLevel(logging.ERROR)


def prepare(precision: str) -> Device:
    """Set Keras up for the devices of this machine; several nodes have connected before.

    Args:
        precision: Auto, Float32 or BFloat16, as the recipe has it.
    """
    with silent():
        import jax
        import keras

        importlib.import_module("tensorflow")  # Keras does it later, and not in silence
        devices = jax.local_devices()
    gpus = [device for device in devices if device.platform == "gpu"]
    able = bool(gpus) and all(map(_has_bfloat16, gpus))
    device = Device(len(gpus), policy_of(precision, able))
    keras.config.set_dtype_policy(device.policy)
    used = f"{len(gpus)} GPU" if gpus else f"{cpu_limit()} CPU cores"
    _log.info("training with JAX on %s, %s", used, device.policy)
    return device


def _has_bfloat16(gpu: object) -> bool:
    return float(getattr(gpu, "compute_capability", "0")) >= 8.0
