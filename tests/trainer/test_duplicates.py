from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt_trainer import duplicates
from mt_trainer.duplicates import first_of_each


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 5), max_size=200), st.data())
def test_the_first_of_each_value_is_found_however_many_parts_there_are(
    values: list[int], data: st.DataObject
) -> None:
    part = data.draw(st.integers(1, 250))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(duplicates, "_PART", part)
        mask = first_of_each(np.array(values, np.int64), Path(folder) / "mask")
        seen: set[int] = set()
        naive = [value not in seen and not seen.add(value) for value in values]  # type: ignore[func-returns-value]
        assert mask.tolist() == naive
        assert [path.name for path in Path(folder).iterdir()] == ["mask"] * bool(values)


def test_values_whose_low_bits_are_alike_are_spread_over_the_parts() -> None:
    values = np.arange(100_000, dtype=np.uint64) << np.uint64(32)
    sizes = np.bincount(duplicates._part(values, 16), minlength=16)
    assert sizes.max() < 1.1 * sizes.mean()
