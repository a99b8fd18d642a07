"""The real network: what it sees, that it learns, and that a resumed training is the same one."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.trainer import builders

from mt_contract.defaults import PRESETS
from mt_trainer import device, tokenizer
from mt_trainer.checkpoint import Position, Store
from mt_trainer.device import Device
from mt_trainer.encoded import Batch, Encoded
from mt_trainer.tokenizer import BOS, EOS, PAD
from mt_trainer.train import Plan, fit

device.quiet_environment()
tf = pytest.importorskip("tensorflow")
ALONE = Device()


@dataclass(frozen=True)
class Case:
    """Text, and a recipe to train on it."""

    encoded: Encoded
    vocabulary: int


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    encoded, model = builders.text(tmp_path_factory.mktemp("text"))
    return Case(encoded, tokenizer.load(model).vocab_size())


def learner(case: Case, over: dict[str, Any] | None = None, used: Device = ALONE) -> Any:
    from mt_trainer.learner import Learner

    training = builders.decoded({"training": over or {}}).training
    return Learner(training, case.vocabulary, device=used)


def test_padding_changes_nothing(case: Case) -> None:
    model = learner(case).model
    row = case.encoded.batch(np.array([0]))
    wide = [np.pad(ids, ((0, 2), (0, 5)), constant_values=PAD) for ids in (row.source, row.given)]
    wide[0][1:, 0], wide[1][1:, 0] = EOS, BOS
    narrow, padded = model((row.source, row.given)), model(tuple(wide))
    np.testing.assert_allclose(padded[:1, : narrow.shape[1]], narrow, atol=1e-5)


def test_no_token_is_seen_before_its_time(case: Case) -> None:
    model = learner(case).model
    row = case.encoded.batch(np.array([0]))
    later = row.given.copy()
    later[:, -1] = 5
    np.testing.assert_allclose(
        model((row.source, later))[:, :-1], model((row.source, row.given))[:, :-1], atol=1e-6
    )


def test_sentences_in_one_row_see_nothing_of_each_other(case: Case) -> None:
    from mt_trainer.model import Packing

    model = learner(case).model
    alone = [case.encoded.batch(np.array([pair])) for pair in range(3)]
    row = case.encoded.batch(np.arange(3), (1, 40, 44))
    packing = []
    for side, ids in (("source", row.source), ("given", row.given)):
        lengths = [getattr(batch, side).size for batch in alone]
        left = ids.size - sum(lengths)
        packing += [
            np.concatenate([*map(np.full, lengths, (1, 2, 3)), np.zeros(left, int)])[None],
            np.concatenate([*map(np.arange, lengths), np.zeros(left, int)])[None],
        ]
    together = model((row.source, row.given), packing=Packing(*packing))
    expected = np.concatenate([model((b.source, b.given)) for b in alone], 1)
    np.testing.assert_allclose(together[:, : expected.shape[1]], expected, atol=1e-5)


@dataclass(frozen=True)
class Odd:
    """A network whose weights are all different, and rows of different lengths for it."""

    model: Any
    batch: Batch


@pytest.fixture(scope="module")
def odd() -> Odd:
    from mt_trainer import model

    network = model.build(model.Sizes(330, 2, 32, 64, 2, 0.0, 24), 1)
    chance = np.random.default_rng(1)
    for weight in network.trainable_variables:
        weight.assign(weight.numpy() + 0.05 * chance.normal(size=weight.shape))
    source, given, wanted = (chance.integers(4, 330, (5, n), np.int32) for n in (9, 7, 7))
    source[2, 5:] = given[2, 4:] = wanted[2, 4:] = PAD
    source[4, 3:] = given[4, 1:] = wanted[4, 1:] = PAD
    return Odd(network, Batch(source, given, wanted))


def plainly(odd: Odd, smoothing: float) -> tuple[np.ndarray, float]:
    """Return gradient and cross-entropy, written down as the textbook does."""
    from mt_trainer.adam import joined

    model, wanted = odd.model, odd.batch.wanted
    size = model.sizes.vocabulary
    with tf.GradientTape() as tape:
        chances = tf.nn.log_softmax(model.logits(model((odd.batch.source, odd.batch.given))))
        targets = tf.one_hot(wanted, size) * (1 - smoothing) + smoothing / size
        real = tf.cast(wanted != PAD, tf.float32)
        objective = -tf.reduce_sum(tf.reduce_sum(targets * chances, -1) * real)
    gradient = joined(tape.gradient(objective, [w.value for w in model.trainable_variables]))
    entropy = -tf.reduce_sum(tf.gather(chances, wanted, batch_dims=2) * real)
    return gradient.numpy(), float(entropy)


def test_gradients_are_those_of_the_plain_formulation(odd: Odd) -> None:
    from mt_trainer import step

    expected, entropy = plainly(odd, 0.1)
    batch, seed = odd.batch, tf.constant([1, 2], tf.int64)
    compiled = step.gradients(odd.model, 0.1, "float32", chunk=10)
    found, gradient = compiled(batch.source, batch.given, batch.wanted, seed)
    np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max())
    assert float(found) == pytest.approx(entropy, rel=1e-6)
    measured = step.entropy(odd.model, "float32", chunk=10)(batch.source, batch.given, batch.wanted)
    assert float(measured) == pytest.approx(entropy, rel=1e-6)


def test_products_in_bfloat16_point_the_same_way(odd: Odd) -> None:
    from mt_trainer import step

    expected, entropy = plainly(odd, 0.1)
    batch, seed = odd.batch, tf.constant([1, 2], tf.int64)
    compiled = step.gradients(odd.model, 0.1, "bfloat16", chunk=100)
    found, gradient = compiled(batch.source, batch.given, batch.wanted, seed)
    assert np.linalg.norm(gradient - expected) < 0.05 * np.linalg.norm(expected)
    assert float(found) == pytest.approx(entropy, rel=1e-3)


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_the_loss_is_the_same_in_any_chunks(chunk: int) -> None:
    from mt_trainer import loss

    chance = np.random.default_rng(1)
    states, embedding = (tf.constant(chance.normal(size=(n, 4)), tf.float32) for n in (7, 11))
    wanted = tf.constant([3, 3, 0, 10, 5, 3, 1])
    with tf.GradientTape() as tape:
        tape.watch([states, embedding])
        chances = tf.nn.log_softmax(tf.matmul(states, embedding, transpose_b=True))
        targets = tf.one_hot(wanted, 11) * 0.8 + 0.2 / 11
        objective = -tf.reduce_sum(targets * chances)
    of_states, of_embedding = tape.gradient(objective, [states, embedding])
    found = loss.gradients(states, embedding, wanted, 0.2, chunk, "float32")
    entropy = -tf.reduce_sum(tf.gather(chances, wanted, batch_dims=1))
    for one, other in zip(found, (entropy, of_states, of_embedding), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(loss.entropy(states, embedding, wanted, chunk), entropy, rtol=1e-5)


def test_micro_batches_add_up_to_the_batch(case: Case) -> None:
    over = {"architecture": {"dropout": "0"}}
    batch = case.encoded.batch(np.arange(40))
    whole = learner(case, over, Device(micro_batch_tokens=10**6))
    parts = learner(case, over, Device(micro_batch_tokens=64, workers=2))
    results = [one.learn(batch, 0.01, 1) for one in (whole, parts)]
    assert results[0][1] == results[1][1]
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)
    first, second = (one.state()["adam/first"] for one in (whole, parts))
    np.testing.assert_allclose(second, first, atol=1e-6 * np.abs(first).max())
    assert parts.validate([batch]) == pytest.approx(whole.validate([batch]), rel=1e-4)


def test_a_step_is_traced_once_for_all_shapes(case: Case) -> None:
    found = learner(case)
    for number, rows in enumerate(([0], [1, 2], range(30)), 1):
        found.learn(case.encoded.batch(np.array(rows)), 0.01, number)
    assert found.traces == 2


def test_dropout_follows_from_its_seed_and_keeps_the_mean() -> None:
    from mt_trainer.fused import Drop

    ones = tf.ones([400, 100])
    drops = [Drop(0.3, tf.constant(seed, tf.int64), 2) for seed in ([1, 2], [1, 2], [1, 3])]
    (first, second), again, other = [
        [(drop(ones) * drop.scale).numpy() for _ in range(2)] for drop in drops
    ]
    assert first.mean() == pytest.approx(1, abs=0.01)
    assert (first == 0).mean() == pytest.approx(0.3, abs=0.01)
    np.testing.assert_array_equal(first, again[0])
    for different in (second, other[0]):
        assert (first == different).mean() == pytest.approx(0.3**2 + 0.7**2, abs=0.02)


def test_clipping_bounds_a_step(case: Case) -> None:
    from mt_trainer.adam import Adam

    weight = tf.Variable([1.0, 2.0])

    class Weight:
        value, shape = weight, weight.shape

    adam = Adam([Weight], clip=1.0)
    norm = adam.apply(tf.constant([3e6, 4e6]), tf.constant(0.1), tf.constant(1.0))
    assert float(norm) == pytest.approx(5e6)
    np.testing.assert_allclose(adam.first.numpy(), [0.06, 0.08], rtol=1e-5)
    np.testing.assert_allclose(weight.numpy(), [0.9, 1.9], rtol=1e-4)
    np.testing.assert_allclose(adam.mean.numpy(), weight.numpy(), rtol=1e-6)


@pytest.mark.slow
def test_killed_in_mid_epoch_it_ends_with_the_same_losses(case: Case, tmp_path: Path) -> None:
    whole = run(case, tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        run(case, tmp_path / "b", killed_after=5)
    resumed = run(case, tmp_path / "b")
    assert resumed == {step: whole[step] for step in resumed}
    assert set(resumed) == set(range(4, max(whole) + 1))
    assert whole[max(whole)] < whole[1]


def run(case: Case, folder: Path, killed_after: int = 0) -> dict[int, float | None]:
    """Train two epochs with a checkpoint after each third step; return the curve."""
    curve: dict[int, float | None] = {}

    def report(position: Position, ended: bool) -> None:
        curve[position.step] = position.last if ended else position.smoothed
        if position.step == killed_after:
            raise KeyboardInterrupt

    ticks = iter(range(10**6))
    training = builders.decoded().training
    plan = Plan(
        training,
        case.encoded,
        case.encoded,
        3,
        threading.Event(),
        report,
        lambda: float(next(ticks)),
    )
    side_by_side = Device(micro_batch_tokens=64, workers=2)
    fit(learner(case, used=side_by_side), plan, Store(folder, "id"))
    return curve


def test_a_batch_is_what_the_pairs_are(case: Case) -> None:
    batch: Batch = case.encoded.batch(np.array([3, 8]))
    for row in range(2):
        given, wanted = batch.given[row], batch.wanted[row]
        words = wanted[wanted > EOS]
        assert given[0] == BOS
        np.testing.assert_array_equal(given[1 : len(words) + 1], words)
        assert wanted[len(words)] == EOS
        assert set(batch.source[row][batch.source[row] <= EOS]) <= {EOS, PAD}


@pytest.mark.slow
def test_bfloat16_learns_what_float32_learns(case: Case) -> None:
    import keras

    losses = {}
    for policy in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        try:
            found = learner(case)
            for number in range(1, 61):
                rows = np.arange(40) + 40 * (number % 3)
                found.learn(case.encoded.batch(rows), 0.005, number)
            losses[policy] = found.validate([case.encoded.batch(np.arange(120))])
        finally:
            keras.config.set_dtype_policy("float32")
        assert {v.dtype for v in found.model.trainable_variables} == {"float32"}
    assert losses["float32"] < 2.5
    assert losses["mixed_bfloat16"] == pytest.approx(losses["float32"], rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "weights"),
    [
        pytest.param("Tutorial", 1_851_904 + 128 * 8000, id="Tutorial"),
        pytest.param("Base", 44_140_544 + 512 * 8000, id="Base"),
    ],
)
def test_a_preset_takes_a_step(preset: str, weights: int) -> None:
    from mt_trainer.learner import Learner

    training = builders.decoded({"training": {"architecture": PRESETS[preset]}}).training
    found = Learner(training, 8000)
    assert sum(int(np.prod(w.shape)) for w in found.model.trainable_variables) == weights
    ids = np.random.default_rng(1).integers(4, 8000, (2, 9), np.int32)
    losses = [found.learn(Batch(ids, ids, ids), 1e-3, number)[0] for number in (1, 2)]
    assert losses[1] < losses[0]
