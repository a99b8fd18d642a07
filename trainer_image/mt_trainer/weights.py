"""Weights by name: read, written and set, whatever the backend.

A name is the path of layers to a variable (``decoder_0/cross_attention/query/kernel``), so it says
what the numbers are and stays the same however many networks a process made before. A file is
float32 safetensors: other programs read it, and no code is ever loaded from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mt_contract import storage
from mt_contract.errors import BadArtifactError
from mt_trainer.checkpoint import metadata
from mt_trainer.model import Sizes, Transformer


def variables(layer: Any, path: str = "") -> dict[str, Any]:
    """Return the weights below a layer by name; the whole network's with an empty path."""
    found: dict[str, Any] = {}
    for child in layer._flatten_layers(include_self=False, recursive=False):
        found |= variables(child, f"{path}{child.name}/")
    inherited = {id(variable) for variable in found.values()}
    own = (v for v in layer.trainable_variables if id(v) not in inherited)
    return found | {f"{path}{v.name}": v for v in own}


def assign(network: Transformer, vector: np.ndarray) -> None:
    """Set all weights from one vector: their values one after the other, in the network's order."""
    begin = 0
    for variable in network.trainable_variables:
        end = begin + int(np.prod(variable.shape))
        variable.assign(np.reshape(vector[begin:end], variable.shape))
        begin = end
    assert begin == len(vector), "a vector of another network"


def write(network: Transformer, path: Path, versions: Mapping[str, str]) -> None:
    """Write all weights, and in the file's header the sizes and versions that they were made with.

    Raises:
        OSError: it cannot be written.
    """
    arrays = {
        name: np.asarray(variable.numpy(), np.float32)
        for name, variable in sorted(variables(network).items())
    }
    header = {"architecture": asdict(network.sizes), "versions": dict(versions)}
    storage.write_aside(
        path, save(arrays, {key: json.dumps(value) for key, value in header.items()})
    )


def read(path: Path, sizes: Sizes) -> dict[str, np.ndarray]:
    """Return what ``write`` wrote of a network of ``sizes``.

    Raises:
        BadArtifactError: the file is damaged, or holds other sizes than the manifest beside it.
    """
    try:
        data = path.read_bytes()
        written = json.loads(metadata(data)["architecture"])
        arrays = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BadArtifactError(f"{path} holds no weights of ours ({error})") from error
    different = [name for name, size in asdict(sizes).items() if written.get(name) != size]
    if set(different) - {"dropout"}:
        raise BadArtifactError(
            f"{path} is of a network with another {different[0]} than the manifest beside it says"
        )
    return dict(arrays)


def start_from(network: Transformer, arrays: Mapping[str, np.ndarray]) -> None:
    """Set every weight of ``network`` by name.

    Raises:
        BadArtifactError: a name is missing or too many, or an array has another shape.
    """
    known = variables(network)
    if odd := sorted(known.keys() ^ arrays.keys()):
        raise BadArtifactError(
            f"{len(odd)} weights have no counterpart, the first is {odd[0]}: the model was made "
            "by another release; train without warmStartFrom, or from a run of this release"
        )
    for name, variable in known.items():
        if tuple(variable.shape) != arrays[name].shape:
            raise BadArtifactError(
                f"{name} is {arrays[name].shape} in the file and {tuple(variable.shape)} here"
            )
        variable.assign(arrays[name])
