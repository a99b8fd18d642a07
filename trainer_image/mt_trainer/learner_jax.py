"""The network while it learns on JAX: one program for all devices of all nodes.

Arrays are global. A batch is divided among the devices by rows, and all else is the same on each;
the compiler puts in the sums over devices. Dropout's masks follow from a place in the global batch,
so any number of nodes learns what one node learns. A row may hold several sentences, which see
nothing of each other. State has the names and the order that it has on TensorFlow: a checkpoint of
either is read by both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mt_contract.resource import Training
from mt_trainer import model
from mt_trainer import weights as weights_by_name
from mt_trainer.checkpoint import Arrays
from mt_trainer.encoded import Batch
from mt_trainer.schedule import BETA_1, BETA_2, EPSILON, ETA
from mt_trainer.tokenizer import BOS, EOS, PAD


class State(NamedTuple):
    """All that changes while it learns.

    Attributes:
        weights: all weights as one vector, in the network's order.
        first: running mean of the gradients.
        second: running mean of their squares.
        mean: running mean of the weights, which is validated and exported.
        random: where dropout's random numbers go on.
    """

    weights: Any
    first: Any
    second: Any
    mean: Any
    random: list[Any]


class Learner:
    """A network, its optimizer, and the two compiled steps."""

    def __init__(self, training: Training, vocabulary: int, start: Arrays | None = None) -> None:
        """Make a network: with the weights of ``start``, by name, or else with fresh ones.

        Fresh ones follow from the recipe's seed.
        """
        self.model = model.build(model.Sizes.of(training.architecture, vocabulary), training.seed)
        if start is not None:
            weights_by_name.start_from(self.model, start)
        mesh = Mesh(np.array(jax.devices()), ("rows",))
        self._everywhere = NamedSharding(mesh, PartitionSpec())
        self._by_rows = NamedSharding(mesh, PartitionSpec("rows"))
        weights = _joined([np.asarray(w.value) for w in self.model.trainable_variables])
        zeros = np.zeros_like(weights)
        random = [np.asarray(v.value) for v in self.model.non_trainable_variables]
        self._state = self._placed(State(weights, zeros, zeros, weights, random))
        clip, smoothing = training.optimizer.gradient_clip, training.optimizer.label_smoothing
        self._train = _train_step(self.model, float(clip), float(smoothing))
        self._measure = _loss_step(self.model)
        self._norm = 0.0

    @property
    def devices(self) -> int:
        """Return how many devices share a batch, on all nodes together."""
        return int(self._by_rows.mesh.size)

    def learn(self, batch: Batch, rate: float, number: int) -> tuple[float, int]:
        """Take step ``number`` (from 1); return the batch's cross-entropy sum and its tokens."""
        self._state, entropy, tokens, self._norm = self._train(
            self._state, self._divided(batch), np.float32(rate), np.float32(number)
        )
        return float(entropy), int(tokens)

    @property
    def gradient_norm(self) -> float:
        """Return the norm of the last step's gradient (nats per token), before it was clipped."""
        return float(self._norm)

    def validate(self, batches: Iterable[Batch]) -> float:
        """Return the cross-entropy per token (nats), with the mean of the weights."""
        entropy, tokens = 0.0, 0
        for batch in batches:
            total, count = self._measure(self._state.mean, self._divided(batch))
            entropy, tokens = entropy + float(total), tokens + int(count)
        return entropy / tokens

    def state(self) -> dict[str, np.ndarray]:
        """Return all that decides what follows: weights, dropout's random state, optimizer."""
        values = _Values(self.model, self._state.weights, self._state.random)
        variables = {f"model/{i:04d}": values[v] for i, v in enumerate(self.model.variables)}
        optimizer = {name: getattr(self._state, name) for name in ("first", "second", "mean")}
        arrays = variables | {f"adam/{name}": vector for name, vector in optimizer.items()}
        return {name: np.asarray(array) for name, array in arrays.items()}

    def restore(self, arrays: Arrays) -> None:
        """Set everything that ``state`` returned, here or on TensorFlow."""
        found = {id(v): arrays[f"model/{i:04d}"] for i, v in enumerate(self.model.variables)}
        weights = _joined([found[id(w)] for w in self.model.trainable_variables])
        # TensorFlow counts its random numbers in another type.
        random = [found[id(v)].astype(v.dtype) for v in self.model.non_trainable_variables]
        first, second, mean = (arrays[f"adam/{name}"] for name in ("first", "second", "mean"))
        self._state = self._placed(State(weights, first, second, mean, random))

    def mean_weights(self) -> dict[str, np.ndarray]:
        """Return the running mean of the weights, which is what is validated and exported."""
        return {"mean": np.asarray(self._state.mean)}

    def _placed(self, state: State) -> State:
        """Return the state on every device of this node; the nodes have it alike."""

        def placed(array: np.ndarray) -> Any:
            return jax.make_array_from_callback(array.shape, self._everywhere, lambda _: array)

        found: State = jax.tree.map(placed, state)
        return found

    def _divided(self, batch: Batch) -> list[Any]:
        """Return the batch, of which each device holds some rows; empty ones fill it up."""
        missing = -len(batch.source) % self.devices
        firsts = ((batch.source, EOS), (batch.given, BOS), (batch.wanted, PAD))
        return [
            jax.make_array_from_callback(
                (len(ids) + missing, ids.shape[1]), self._by_rows, _filled(ids, first, missing)
            )
            for ids, first in firsts
        ]


def _filled(ids: np.ndarray, first: int, missing: int) -> Callable[[Any], np.ndarray]:
    """Return what gives parts of ``ids`` with rows added that begin with ``first``."""
    rows = np.full((missing, ids.shape[1]), PAD, ids.dtype)
    rows[:, 0] = first
    whole = np.concatenate([ids, rows]) if missing else ids
    return lambda index: whole[index]


class _Values:
    """What the network's variables are in a compiled step, where they do not hold it themselves."""

    def __init__(self, network: model.Transformer, weights: Any, random: list[Any]) -> None:
        sizes = [int(np.prod(w.shape)) for w in network.trainable_variables]
        parts = jnp.split(weights, np.cumsum(sizes)[:-1])
        self.weights = [
            part.reshape(w.shape)
            for part, w in zip(parts, network.trainable_variables, strict=True)
        ]
        variables = [*network.trainable_variables, *network.non_trainable_variables]
        self._of = {id(v): x for v, x in zip(variables, [*self.weights, *random], strict=True)}

    def __getitem__(self, variable: Any) -> Any:
        return self._of[id(variable)]


def _losses(
    network: model.Transformer,
    weights: list[Any],
    random: list[Any],
    batch: list[Any],
    smoothing: float,
    training: bool,
) -> tuple[Any, tuple[Any, Any, list[Any]]]:
    """Return the objective per token, and (cross-entropy sum, tokens, dropout's next state).

    The objective with smoothing is that of loss.py, which says where it comes from.
    """
    source, given, wanted = batch
    mapping = [
        *zip(network.trainable_variables, weights, strict=True),
        *zip(network.non_trainable_variables, random, strict=True),
    ]
    with keras.StatelessScope(state_mapping=mapping) as scope:
        states = network((source, given), training=training, packing=_packing(source, given))
        chances = jax.nn.log_softmax(network.logits(states).astype(jnp.float32))
        embedding = jnp.asarray(network.embedding)
    new = [scope.get_current_value(v) for v in network.non_trainable_variables]
    real = (wanted != PAD).astype(jnp.float32)
    entropy = -jnp.sum(jnp.take_along_axis(chances, wanted[..., None], -1)[..., 0] * real)
    tokens = real.sum()
    objective = entropy
    if smoothing and training:
        gap = embedding[wanted] - embedding.mean(0)
        objective += smoothing * jnp.sum(jnp.sum(states.astype(jnp.float32) * gap, -1) * real)
    return objective / tokens, (
        entropy,
        tokens,
        [x if x is not None else y for x, y in zip(new, random, strict=True)],
    )


def _packing(source: Any, given: Any) -> model.Packing:
    """Return where tokens belong: EOS ends each sentence of the source, BOS begins each target."""
    after_end = jnp.pad(source[:, :-1] == EOS, ((0, 0), (1, 0)), constant_values=True)
    return model.Packing(*_segments(source, after_end), *_segments(given, given == BOS))


def _segments(ids: Any, begins: Any) -> tuple[Any, Any]:
    """Return the number of each token's sentence, from 1, and its place in it; 0 for padding."""
    columns = jnp.arange(ids.shape[1])
    places = columns - jax.lax.cummax(jnp.where(begins, columns, 0), axis=1)
    real = ids != PAD
    return jnp.where(real, jnp.cumsum(begins, 1), 0), jnp.where(real, places, 0)


def _train_step(network: model.Transformer, clip: float, smoothing: float) -> Callable[..., Any]:
    """Return the compiled (state, batch, rate, number) → (state, entropy sum, tokens, norm)."""

    def objective(weights: list[Any], random: list[Any], batch: list[Any]) -> Any:
        return _losses(network, weights, random, batch, smoothing, training=True)

    def step(state: State, batch: list[Any], rate: Any, number: Any) -> tuple[Any, ...]:
        weights = _Values(network, state.weights, state.random).weights
        gradients, (entropy, tokens, random) = jax.grad(objective, has_aux=True)(
            weights, state.random, batch
        )
        gradient = jnp.concatenate([g.reshape(-1) for g in gradients])
        norm = jnp.linalg.norm(gradient)
        if clip:
            gradient *= jnp.minimum(1.0, clip / (norm + 1e-12))
        moved = _moved(state, gradient, rate, number)
        return moved._replace(random=random), entropy, tokens, norm

    return jax.jit(step, donate_argnums=0)  # type: ignore[no-any-return]


def _moved(state: State, gradient: Any, rate: Any, number: Any) -> State:
    """Return the state after a step of Adam; see adam.py."""
    first = BETA_1 * state.first + (1 - BETA_1) * gradient
    second = BETA_2 * state.second + (1 - BETA_2) * jnp.square(gradient)
    scale = rate * jnp.sqrt(1 - BETA_2**number) / (1 - BETA_1**number)
    weights = state.weights - scale * first / (jnp.sqrt(second) + EPSILON)
    mean = state.mean + (weights - state.mean) * ((ETA + 1) / (number + ETA))
    return State(weights, first, second, mean, state.random)


def _loss_step(network: model.Transformer) -> Callable[..., Any]:
    """Return the compiled measure: (weights, batch) → (cross-entropy sum, tokens)."""
    random = [np.asarray(v.value) for v in network.non_trainable_variables]

    def step(weights: Any, batch: list[Any]) -> tuple[Any, Any]:
        values = _Values(network, weights, random)
        _, (entropy, tokens, _) = _losses(
            network, values.weights, random, batch, 0.0, training=False
        )
        return entropy, tokens

    return jax.jit(step)  # type: ignore[no-any-return]


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(array).reshape(-1) for array in arrays])
