"""The evaluation Job, from its environment to its files and its last words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sacrebleu import corpus_chrf
from tests.predictor.builders import build_artifact, job

from mt_contract import report
from mt_contract.artifact import read_manifest
from mt_contract.errors import BadArtifactError, ConfigurationError, DataError, StorageError
from mt_contract.report import EvaluationResult
from mt_predictor import evaluate, report_page
from mt_predictor.translator import Options, Translator


@pytest.fixture(scope="session")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("baseline") / "model"
    return {"uri": str(folder), "digest": build_artifact(folder, seed=2)}


def said(env: dict[str, str]) -> EvaluationResult:
    message = report.decode(Path(env["MT_TERMINATION_LOG"]).read_text())
    assert isinstance(message, EvaluationResult)
    return message


def test_it_scores_what_the_engine_says(
    artifact_folder: Path, translator: Translator, tmp_path: Path
) -> None:
    env = job(tmp_path, artifact_folder)
    evaluate.run(env)
    result = said(env)
    lines = [
        json.loads(line)
        for line in (tmp_path / "run/evaluation/translations.jsonl").read_text().splitlines()
    ]
    expected = translator.translate([line["source"] for line in lines], Options(2))
    assert [line["translation"] for line in lines] == [one.text for one in expected]
    assert [line["slice"] for line in lines] == ["general"] * 25 + ["legal"] * 15
    official = corpus_chrf(
        [line["translation"] for line in lines], [[line["reference"] for line in lines]]
    )
    assert result.scores["chrF"] == f"{official.score:.4f}"
    assert result.examples == 40
    assert result.baseline is None
    assert result.signatures.keys() == {"chrF", "BLEU", "TER"}
    rows = [(row.metric, row.slice, row.examples, row.delta) for row in result.comparisons]
    assert rows == [
        ("chrF", None, 40, None),
        ("BLEU", "legal", 15, None),
        ("EmptyFraction", None, 40, None),
    ]
    document = json.loads((tmp_path / "run/evaluation/report.json").read_text())
    assert document["slices"]["legal"]["examples"] == 15
    assert result.report == f"{tmp_path}/run/evaluation/report.json"
    assert report.decode((tmp_path / "run/evaluation/result.json").read_text()) == result


def test_a_baseline_is_compared_on_the_same_sentences(
    artifact_folder: Path, baseline: dict[str, Any], tmp_path: Path
) -> None:
    engine = {"engine": "CTranslate2", "precision": "Float32", "beamSize": 1}
    env = job(tmp_path, artifact_folder, MT_BASELINE=baseline | {"run": "r0", "engine": engine})
    evaluate.run(env)
    result = said(env)
    assert result.baseline is not None
    assert result.baseline["digest"] == baseline["digest"]
    row = result.comparisons[0]
    assert row.delta is not None
    assert row.low is not None
    assert row.high is not None
    theirs = float(result.baseline["scores"]["chrF"])
    assert float(row.value) - theirs == pytest.approx(float(row.delta), abs=1e-3)
    assert float(row.low) <= float(row.delta) <= float(row.high)


def test_the_model_against_itself(artifact_folder: Path, tmp_path: Path) -> None:
    itself = {"uri": str(artifact_folder), "digest": read_manifest(artifact_folder)[1]}
    env = job(tmp_path, artifact_folder, MT_BASELINE=itself)
    evaluate.run(env)
    assert {(row.delta, row.low, row.high) for row in said(env).comparisons} == {
        ("0.0000", "0.0000", "0.0000"),
        ("0.000000", "0.000000", "0.000000"),
    }


def test_again_is_the_same_at_once(
    artifact_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    env = job(tmp_path, artifact_folder)
    evaluate.run(env)
    first, printed = said(env), capsys.readouterr().out
    assert f"chrF={first.scores['chrF']}\n" in printed
    Path(env["MT_TERMINATION_LOG"]).write_text("")
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "translated", None)  # nothing is translated again
        evaluate.run(env)
    assert said(env) == first
    assert capsys.readouterr().out == printed, "whoever reads the lines of this attempt needs them"


@pytest.mark.parametrize(
    "change", ["other data", "other seed", "broken result", "lost translations"]
)
def test_anything_else_is_evaluated_anew(
    artifact_folder: Path, tmp_path: Path, change: str
) -> None:
    env = job(tmp_path, artifact_folder)
    evaluate.run(env)
    if change == "other data":
        (tmp_path / "a.tsv").write_text("ba do\tki\n")
    elif change == "other seed":
        env["MT_EVALUATION"] = env["MT_EVALUATION"].replace('"seed": 4', '"seed": 5')
    elif change == "broken result":
        (tmp_path / "run/evaluation/result.json").write_text('{"kind": "Evaluat')
    (tmp_path / "run/evaluation/translations.jsonl").unlink()
    evaluate.run(env)
    assert (tmp_path / "run/evaluation/translations.jsonl").exists()
    assert said(env).examples == (16 if change == "other data" else 40)


def test_other_bounds_of_gates_are_shown_without_another_evaluation(
    artifact_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gates(rule: str) -> dict[str, Any]:
        return {"gates": [{"name": "quality", "metric": "chrF", "rule": rule}]}

    evaluate.run(job(tmp_path, artifact_folder, evaluation=gates("min 11")))
    monkeypatch.setattr(evaluate, "translated", None)  # nothing is translated again
    evaluate.run(env := job(tmp_path, artifact_folder, evaluation=gates("min 12")))
    assert said(env).examples == 40
    document = json.loads((tmp_path / "run/evaluation/report.json").read_text())
    page = (tmp_path / "run/evaluation/report.html").read_text()
    assert document["gates"] == gates("min 12")["gates"]
    assert ("min 12" in page, "min 11" in page) == (True, False)


def test_the_page_is_what_the_report_says(
    artifact_folder: Path, baseline: dict[str, Any], tmp_path: Path
) -> None:
    evaluate.run(job(tmp_path, artifact_folder, MT_BASELINE=baseline))
    document = json.loads((tmp_path / "run/evaluation/report.json").read_text())
    assert (tmp_path / "run/evaluation/report.html").read_text() == report_page.page(document)
    parts = {part["slice"]: part for part in document["parts"]}
    assert parts.keys() == {None, "general", "legal"}
    told = parts[None]["metrics"]["chrF"]
    row = document["result"]["comparisons"][0]
    assert told["delta"] == {"value": row["delta"], "low": row["low"], "high": row["high"]}
    assert told["candidate"]["value"] == row["value"]
    assert sum(one["examples"] for one in document["lengths"]["bins"]) == 40
    assert document["attention"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        pytest.param({"MT_RUN": ""}, ConfigurationError, "MT_RUN is not set", id="no run"),
        pytest.param(
            {"MT_ARTIFACT": "{"}, ConfigurationError, "MT_ARTIFACT is not JSON", id="JSON"
        ),
        pytest.param({"MT_ARTIFACT": "{}"}, ConfigurationError, "uri: is required", id="no uri"),
        pytest.param({"MT_OUTPUT": "s3://b/r"}, ConfigurationError, "reads pvc://", id="s3"),
        pytest.param(
            {"MT_ENGINE": {"engine": "Marian", "precision": "Int8", "beamSize": 4}},
            ConfigurationError,
            "'Marian': use one of CTranslate2, TensorFlow",
            id="another engine",
        ),
        pytest.param(
            {"MT_ENGINE": {"engine": "TensorFlow", "precision": "Int8", "beamSize": 4}},
            ConfigurationError,
            "'Int8': use one of Float32, which TensorFlow has",
            id="another engine's precision",
        ),
        pytest.param(
            {"evaluation": {"comparisons": [{"metric": "COMET"}]}},
            ConfigurationError,
            "'COMET' is unknown: use chrF, BLEU",
            id="unknown metric",
        ),
        pytest.param(
            {"evaluation": {"confidence": "95"}}, ConfigurationError, "0.5 to below 1", id="95"
        ),
        pytest.param({"evaluation": {"test": []}}, DataError, "no test data", id="no test data"),
        pytest.param(
            {"evaluation": {"test": [{"uri": "/nowhere/t.tsv"}]}},
            DataError,
            "/nowhere/t.tsv does not exist",
            id="missing test data",
        ),
    ],
)
def test_what_is_wrong_is_named(
    artifact_folder: Path,
    tmp_path: Path,
    changes: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        evaluate.run(job(tmp_path, artifact_folder, **changes))


def test_a_changed_artifact_is_not_evaluated(artifact_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(artifact_folder, tmp_path / "copy"))
    env = job(tmp_path, copy)
    (copy / "ctranslate2/config.json").write_text("{}")
    with pytest.raises(BadArtifactError, match=r"config\.json differs"):
        evaluate.run(env)


def test_storage_that_cannot_be_written_is_named(artifact_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="cannot be written"):
        evaluate.run(job(tmp_path, artifact_folder))


def test_a_result_of_other_inputs_is_gone_before_work_begins(
    artifact_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = job(tmp_path, artifact_folder)
    evaluate.run(env)
    (tmp_path / "a.tsv").write_text("ba do\tki\n")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "translated", killed)
    with pytest.raises(KeyboardInterrupt):
        evaluate.run(env)
    assert not (tmp_path / "run/evaluation/result.json").exists()
