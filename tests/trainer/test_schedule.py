from __future__ import annotations

import pytest

from mt_trainer.schedule import rate


@pytest.mark.parametrize(
    ("step", "warmup", "share"),
    [
        pytest.param(1, 100, 0.01, id="it begins with a hundredth"),
        pytest.param(50, 100, 0.5, id="it rises evenly"),
        pytest.param(100, 100, 1.0, id="it is highest at the end of the warm-up"),
        pytest.param(400, 100, 0.5, id="four times the steps halve it"),
        pytest.param(1, 0, 1.0, id="without a warm-up it begins at the top"),
    ],
)
def test_rate(step: int, warmup: int, share: float) -> None:
    assert rate(step, 0.002, warmup) == pytest.approx(0.002 * share)
