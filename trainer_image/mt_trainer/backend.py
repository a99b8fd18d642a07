"""On what the network learns: TensorFlow, or JAX, which also does it on several nodes together.

The loop, the order of the batches, the checkpoints and the artifact are the same on each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mt_trainer import device, device_jax, rendezvous, shapes
from mt_trainer.checkpoint import Arrays, Position, Store
from mt_trainer.config import Node
from mt_trainer.shapes import Shape
from mt_trainer.signals import Stopper
from mt_trainer.train import Keeps, Plan, fit

_ROWS = 8  # by which a batch's rows are divisible: on 1, 2, 4 or 8 devices batches are the same


@dataclass(frozen=True)
class Work:
    """One attempt at a training.

    Attributes:
        plan: what to train on, and for how long.
        vocabulary: its size.
        store: of the checkpoints.
        facts: what all nodes must have alike before they begin.
        start: gives the weights to begin with, or None, once it has looked for a checkpoint.
        stopper: knows whether the process is asked to end.
    """

    plan: Plan
    vocabulary: int
    store: Store
    facts: Mapping[str, str]
    start: Callable[[Keeps], Arrays | None]
    stopper: Stopper


@dataclass(frozen=True)
class Trained:
    """How a training ended, and how many GPUs it had in all."""

    position: Position
    gpus: int


def is_jax(environment: Mapping[str, str], node: Node) -> bool:
    """Return whether JAX is asked for, or needed: Keras on TensorFlow trains on one node only."""
    return node.count > 1 or environment.get("KERAS_BACKEND") == "jax"


def on_tensorflow(work: Work) -> Trained:
    """Train on this machine."""
    used = device.prepare(work.plan.training)
    # Imported only now: this loads TensorFlow, which bad data and a bad recipe need not wait for.
    from mt_trainer.learner import Learner

    with work.stopper.patient():
        learner = Learner(work.plan.training, work.vocabulary, work.start(work.store), used)
        return Trained(fit(learner, work.plan, work.store), used.gpus)


def on_jax(work: Work, node: Node) -> Trained:
    """Train as one of the nodes, or as the only one.

    Raises:
        DataError: the nodes have not read the same.
        NodesError: one of them did not come, or was lost.
    """
    device_jax.choose()
    if node.count == 1:
        used = device_jax.prepare(work.plan.training.precision)
        return Trained(_fit(work, work.plan, work.store), used.gpus)
    found = work.store.latest()
    if found and found[1].finished:
        # The others may have ended long ago, and nothing is left that needs them.
        used = device_jax.prepare(work.plan.training.precision)
        return Trained(found[1], used.gpus * node.count)
    address = rendezvous.meet(node, work.facts)
    from mt_trainer import distributed

    distributed.connect(node, address)
    with distributed.together():
        used = device_jax.prepare(work.plan.training.precision)
        agreed = distributed.Agreement(work.stopper)
        plan = replace(work.plan, stop=agreed, clock=agreed.clock, cpu=agreed.cpu)
        store = distributed.SharedStore(work.store, node.leads)
        return Trained(_fit(work, plan, store), used.gpus * node.count)


def _fit(work: Work, plan: Plan, store: Keeps) -> Position:
    from mt_trainer.learner_jax import Learner

    with work.stopper.patient():
        learner = Learner(plan.training, work.vocabulary, work.start(store))
        return fit(learner, replace(plan, shape=_shape(plan, learner.devices)), store)


def _shape(plan: Plan, devices: int) -> Shape:
    """Return the shape of all batches, whose rows the devices can share."""
    counts = shapes.histogram(plan.train.lengths, plan.validation.lengths)
    tokens = plan.training.optimizer.batch_tokens
    return shapes.choose(counts, tokens, math.lcm(_ROWS, devices))
