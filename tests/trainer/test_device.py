from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from mt_contract.errors import ConfigurationError
from mt_contract.resource import Architecture
from mt_trainer import device


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        pytest.param({"cpu.max": "200000 100000\n"}, 2, id="a limit of two cores"),
        pytest.param({"cpu.max": "150000 100000\n"}, 2, id="one and a half are two"),
        pytest.param({"cpu.max": "10000 100000\n"}, 1, id="a tenth is one"),
        pytest.param({"cpu.max": "max 100000\n"}, 4, id="no limit"),
        pytest.param({"cpu.max": "9900000 100000\n"}, 4, id="more than the machine has"),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3, id="version 1"
        ),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
            4,
            id="version 1 without a limit",
        ),
        pytest.param({}, 4, id="no control groups"),
    ],
)
def test_threads_follow_the_containers_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str], cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert device.cpu_limit(tmp_path) == cores


@pytest.mark.parametrize(
    ("cpuinfo", "able"),
    [
        pytest.param("flags\t: fpu avx512_bf16 sse\n" * 2, True, id="both cores"),
        pytest.param("flags\t: fpu amx_bf16\n", True, id="with matrix registers"),
        pytest.param("flags\t: fpu avx512_bf16\nflags\t: fpu\n", False, id="one of two cores"),
        pytest.param("flags\t: fpu avx512f\n", False, id="an older processor"),
        pytest.param("Features\t: fp asimd bf16\n", False, id="another kind of processor"),
        pytest.param(None, False, id="nothing is known"),
    ],
)
def test_a_cpu_has_bfloat16_where_every_core_says_so(
    tmp_path: Path, cpuinfo: str | None, able: bool
) -> None:
    path = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        path.write_text(cpuinfo)
    assert device.cpu_has_bfloat16(path) is able


@pytest.mark.parametrize(
    ("shape", "tokens"),
    [
        pytest.param((4, 128, 512, 8), 34_952, id="Tutorial"),
        pytest.param((6, 512, 2048, 8), 8_192, id="Base"),
        pytest.param((6, 1024, 4096, 16), 4_096, id="Big"),
        pytest.param((96, 8192, 32768, 64), 256, id="too large for it: as little as makes sense"),
    ],
)
def test_a_micro_batch_follows_from_the_gpus_memory(
    shape: tuple[int, int, int, int], tokens: int
) -> None:
    layers, dimension, feed_forward, heads = shape
    network = Architecture(layers, dimension, feed_forward, heads, Decimal("0.1"), 128)
    assert device.gpu_micro_batch(16 * 2**30, network) == pytest.approx(tokens, rel=0.02)


@pytest.mark.parametrize("text", ["many", "0", "-1", "1.5", ""])
def test_a_micro_batch_that_is_no_number_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("MICRO_BATCH_TOKENS", text)
    with pytest.raises(ConfigurationError, match="MICRO_BATCH_TOKENS"):
        device._override()
