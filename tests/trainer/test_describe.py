from __future__ import annotations

from pathlib import Path

import numpy as np

from mt_contract import report
from mt_contract.report import TrainResult
from mt_trainer import describe
from mt_trainer.clean import FileCount, Reject
from mt_trainer.data import Corpus, TestText
from mt_trainer.encoded import Encoded


def test_anomalies_of_long_foreign_names_fit_into_a_termination_message() -> None:
    count = FileCount("語" * 900)
    for why in Reject:
        count.reject(why, 3, "理由" * 200)
    corpus = Corpus(Path(), Path(), 1, 1, "sha256:" + "0" * 64, (count,) * 4, (), TestText())
    encoded = Encoded(np.zeros(0, np.uint16), np.zeros(1, int), np.ones((1, 2), int), over_long=5)
    found = describe.anomalies(corpus, encoded, vocabulary=300, wanted=8000)
    assert found[0].startswith("4 rows rejected as broken (first: 語")
    assert "vocabulary lowered from 8000 to 300" in found[-1]
    told = TrainResult(
        artifact={"uri": "pvc://" + "a" * 500, "digest": "sha256:" + "0" * 64, "sizeBytes": 1},
        dataset={"digest": corpus.digest, "pairs": 1, "rejectedPairs": 1, "anomalies": found},
    )
    assert len(report.encode(told).encode()) <= report.MAX_BYTES
