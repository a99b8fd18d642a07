"""The real network: what it sees, that it learns, and that a resumed training is the same one."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.trainer import builders

from mt_trainer import device, tokenizer
from mt_trainer.checkpoint import Position, Store
from mt_trainer.encoded import Batch, Encoded
from mt_trainer.tokenizer import BOS, EOS, PAD
from mt_trainer.train import Plan, fit

device.quiet_environment()
tf = pytest.importorskip("tensorflow")


@dataclass(frozen=True)
class Case:
    """Text, and a recipe to train on it."""

    encoded: Encoded
    vocabulary: int


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    encoded, model = builders.text(tmp_path_factory.mktemp("text"))
    return Case(encoded, tokenizer.load(model).vocab_size())


def learner(case: Case, over: dict[str, Any] | None = None) -> Any:
    from mt_trainer.learner import Learner

    return Learner(builders.decoded({"training": over or {}}).training, case.vocabulary)


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


def test_label_smoothing_is_that_of_one_hot_targets(case: Case) -> None:
    from mt_trainer import step

    model = learner(case).model
    batch = case.encoded.batch(np.arange(5))
    states = model((batch.source, batch.given))
    objective, entropy, tokens = step.losses(model, states, batch.wanted, 0.1)
    chances = tf.nn.log_softmax(model.logits(states)).numpy()
    size = model.sizes.vocabulary
    targets = np.eye(size)[batch.wanted] * 0.9 + 0.1 / size
    real = batch.wanted != PAD
    assert float(tokens) == real.sum()
    assert float(objective) == pytest.approx(-(targets * chances).sum(-1)[real].sum(), rel=1e-4)
    plain = np.take_along_axis(chances, batch.wanted[..., None], -1)[..., 0]
    assert float(entropy) == pytest.approx(-plain[real].sum(), rel=1e-4)


def test_clipping_bounds_a_step(case: Case) -> None:
    from mt_trainer.adam import Adam

    weight = tf.Variable([1.0, 2.0])

    class Weight:
        value, shape = weight, weight.shape

    adam = Adam([Weight], clip=1.0)
    adam.apply([tf.constant([3e6, 4e6])], tf.constant(0.1), tf.constant(1.0))
    np.testing.assert_allclose(adam.first.numpy(), [0.06, 0.08], rtol=1e-5)
    np.testing.assert_allclose(weight.numpy(), [0.9, 1.9], rtol=1e-4)
    np.testing.assert_allclose(adam.mean.numpy(), weight.numpy(), rtol=1e-6)


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
    fit(learner(case), plan, Store(folder, "id"))
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
