from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.trainer import builders

from mt_contract import report
from mt_contract.errors import DataError
from mt_contract.report import TrainResult
from mt_trainer import config, describe, pipeline
from mt_trainer.clean import FileCount, Reject, Sample
from mt_trainer.data import Corpus
from mt_trainer.encoded import Encoded
from mt_trainer.profile import profile
from mt_trainer.statistics import Statistics
from mt_trainer.survey import TestText

PLACES = Sample(3, detail="理由" * 200)


def prepared(
    folder: Path, rows: list[tuple[str, str]], over: dict[str, Any] | None = None
) -> dict[str, Any]:
    path = builders.recipe_file(folder, over)
    builders.write(folder / "train.tsv", rows)
    job = config.from_file(path, folder / "out", {})
    for name in ("out", "work"):
        (folder / name).mkdir()
    pipeline.prepare(job, folder / "work")
    found: dict[str, Any] = json.loads((folder / "out" / "dataset.json").read_text())
    return found


def test_anomalies_of_long_foreign_names_fit_into_a_termination_message() -> None:
    count = FileCount("語" * 900)
    for why in Reject:
        count.reject(why, PLACES)
    statistics = Statistics()
    statistics.add("<b>x</b> www.x.org\tだ\n", np.array([0]))
    corpus = Corpus(
        *(Path(), Path(), 1, 1, "sha256:" + "0" * 64, (count,) * 4, (), TestText(), statistics)
    )
    encoded = Encoded(np.zeros(0, np.uint16), np.zeros(1, int), np.ones((1, 2), int), over_long=5)
    told = describe.text(corpus, None, None)
    known = profile(encoded)
    found = describe.dataset(corpus, told, encoded, encoded, known, vocabulary=300, wanted=8000)[
        "anomalies"
    ]
    assert found[0].startswith("4 rows rejected as broken (first: 語")
    assert len(found) == 6
    result = TrainResult(
        artifact={"uri": "pvc://" + "a" * 500, "digest": "sha256:" + "0" * 64, "sizeBytes": 1},
        dataset={"digest": corpus.digest, "pairs": 1, "rejectedPairs": 1, "anomalies": found},
    )
    assert len(report.encode(result).encode()) <= report.MAX_BYTES


def test_what_was_found_in_the_files_is_told(tmp_path: Path) -> None:
    rows = builders.pairs(300)
    rows[7] = ("one", "x" * 500)
    rows[9:12] = [("", "unu")] * 3
    over = {"data": {"checks": {"minPairs": 10, "maxEmptyFraction": "0.5"}}}
    found = prepared(tmp_path, rows, over)
    (file,) = found["files"]
    assert file["rows"] == 300
    assert file["rejected"] == {"overLong": 1, "empty": 3}
    assert file["first"]["empty"] == "train.tsv line 10; then 11, 12"
    assert file["samples"]["overLong"] == [{"line": 8, "source": "one", "target": "x" * 79 + "…"}]
    assert found["pairs"] + found["validationPairs"] == 296
    assert found["rejectedPairs"] == 4
    assert found["divergence"] == {
        "checked": False,
        "why": "there is no run before this one",
        "limit": None,
    }
    assert found["schema"]["source"]["scripts"] == ["Latin"]


def test_tokens_are_counted_as_the_network_takes_them(tmp_path: Path) -> None:
    found = prepared(tmp_path, builders.pairs(300))
    tokens = found["statistics"]["tokens"]
    assert sum(tokens["source"]["counts"]) == found["pairs"]
    assert found["lengths"]["source"]["max"] == tokens["source"]["max"]
    assert tokens["source"]["byteFallback"] == 0
    assert sum(tokens["lengthRatio"]["counts"]) == found["pairs"]


def test_text_unlike_the_last_run_ends_the_run_and_leaves_its_statistics(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    prepared(tmp_path / "before", builders.pairs(300))
    longer = [(f"{a} {a} {a}", f"{b} {b} {b}") for a, b in builders.pairs(300)]
    folder = tmp_path / "now"
    (folder / "out").mkdir(parents=True)
    over = {"data": {"checks": {"minPairs": 10, "maxDivergence": "0.2"}}}
    path = builders.recipe_file(folder, over)
    builders.write(folder / "train.tsv", longer)
    job = config.from_file(path, folder / "out", {"MT_PREVIOUS": str(tmp_path / "before" / "out")})
    with pytest.raises(DataError, match=r"Characters has a Jensen-Shannon .* allows 0\.2"):
        pipeline.prepare(job, folder)
    found = json.loads((folder / "out" / "dataset.json").read_text())
    assert found["divergence"]["features"]["sourceCharacters"] > 0.2
    assert found["divergence"]["features"]["sourceScripts"] == 0
