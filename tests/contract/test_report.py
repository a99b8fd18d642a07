"""What containers say when they end: it fits, and it survives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt_contract import report
from mt_contract.report import Comparison, EvaluationResult, Failure, ProbeResult, TrainResult

DIGEST = "sha256:" + "0" * 64
TRAINED = TrainResult(
    artifact={"uri": "pvc://m/r/model", "digest": DIGEST, "sizeBytes": 9},
    dataset={"digest": DIGEST, "pairs": 10, "rejectedPairs": 1, "anomalies": ["short"]},
    metrics={"loss": "2.5"},
    usage={"cpuSeconds": 5},
)
EVALUATED = EvaluationResult(
    scores={"chrF": "48.9"},
    comparisons=(
        Comparison("chrF", None, 100, "48.9", "0.7", "0.1", "1.3"),
        Comparison("BLEU", "legal", 20, "28.4"),
    ),
    signatures={"chrF": "nrefs:1"},
    examples=100,
    report="pvc://m/r/evaluation/report.json",
    baseline={"digest": DIGEST, "scores": {"chrF": "48.2"}},
)


@pytest.mark.parametrize(
    "message",
    [
        TRAINED,
        EVALUATED,
        ProbeResult(50, "0.98", 0, "ção"),
        Failure("DataInvalid", "line 3 of x.tsv\nhas one column"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_survives(message: report.Message) -> None:
    assert report.decode(report.encode(message)) == message


def size(message: report.Message) -> int:
    return len(report.encode(message).encode())


def widest(gates: int) -> EvaluationResult:
    """Return the longest result that a spec which the CRD accepts can lead to."""
    folder = "pvc://" + "s" * 250 + "/" + "r" * 63 + "-01234567"
    metrics = ("chrF", "BLEU", "TER", "LengthRatio", "EmptyFraction", "CopyFraction")
    scores = dict.fromkeys(metrics, "100.0000")
    row = Comparison("EmptyFraction", "s" * 32, 10_000_000, "100.0000", *["-100.0000"] * 3)
    signature = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"
    return EvaluationResult(
        scores,
        (row,) * gates,
        dict.fromkeys(("chrF", "BLEU", "TER"), signature),
        10_000_000,
        folder + "/evaluation/report.json",
        {"digest": DIGEST, "scores": scores},
    )


def test_as_many_gates_as_the_crd_allows_always_fit() -> None:
    assert size(widest(24)) <= report.MAX_BYTES


def test_more_than_fits_is_an_error_not_a_cut() -> None:
    with pytest.raises(report.ReportError, match="name fewer gates and slices"):
        report.encode(widest(40))


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(Failure("DataInvalid", "x" * 5000), id="plain letters"),
        pytest.param(Failure("DataInvalid", "語" * 3000), id="letters of three bytes"),
        pytest.param(Failure("DataInvalid", '"\n' * 3000), id="letters that are escaped"),
        pytest.param(ProbeResult(50, "0.1", 3, "y" * 9000), id="a probe's text"),
    ],
)
def test_a_long_text_is_cut_and_marked(message: Failure | ProbeResult) -> None:
    decoded = report.decode(report.encode(message))
    assert 2500 < size(message) <= report.MAX_BYTES
    assert isinstance(decoded, (Failure, ProbeResult))
    assert decoded.message.endswith("…")
    assert message.message.startswith(decoded.message[:500])


def test_a_training_is_not_lost_over_a_long_list_of_anomalies() -> None:
    dataset: dict[str, Any] = dict(TRAINED.dataset) | {
        "anomalies": [f"odd {i}" for i in range(999)]
    }
    message = TrainResult(TRAINED.artifact, dataset)
    decoded = report.decode(report.encode(message))
    assert isinstance(decoded, TrainResult)
    assert decoded.artifact == TRAINED.artifact
    assert decoded.dataset["anomalies"][:3] == ["odd 0", "odd 1", "odd 2"]


def test_half_a_surrogate_pair_in_a_file_name_does_not_stop_the_message() -> None:
    decoded = report.decode(report.encode(Failure("DataInvalid", "no file b\udce9.tsv")))
    assert decoded == Failure("DataInvalid", "no file b?.tsv")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("Killed", id="not JSON"),
        pytest.param("[]", id="a list"),
        pytest.param('{"kind": "Other"}', id="unknown kind"),
        pytest.param('{"reason": "DataInvalid", "message": "x"}', id="no kind"),
        pytest.param('{"kind": "Failure", "reason": "DataInvalid"}', id="a field is missing"),
        pytest.param('{"kind": "EvaluationResult", "comparisons": [["chrF"]]}', id="a short row"),
        pytest.param('{"kind": "EvaluationResult", "comparisons": 3}', id="no rows"),
        pytest.param("[" * 4096, id="nested too deep"),
        pytest.param(report.encode(EVALUATED)[:-20], id="cut off"),
    ],
)
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(report.ReportError, match="not a result message"):
        report.decode(text)


@given(st.text())
def test_any_failure_can_be_told(text: str) -> None:
    assert isinstance(report.decode(report.encode(Failure("InternalError", text))), Failure)


def test_a_result_is_written_to_a_new_folder_and_to_a_log_that_exists(tmp_path: Path) -> None:
    log, absent, result = tmp_path / "log", tmp_path / "none", tmp_path / "new" / "result.json"
    log.write_text("old")
    report.write(TRAINED, result, log, absent)
    assert report.decode(result.read_text()) == TRAINED
    assert report.decode(log.read_text()) == TRAINED
    assert not absent.exists()
    assert [path.name for path in result.parent.iterdir()] == ["result.json"]
