"""report, compare, logs, translate: one run or two, its pods, and the endpoint."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from tests.cli.builders import BLESSED, NOT_BLESSED, SUCCEEDED, condition, model, run
from tests.cli.fake import FakeCluster, cli, refusal

from mt_cli.errors import Code

Tree = dict[str, Any]
RECIPE = {
    "digest": "sha256:1",
    "sourceLanguage": "pt",
    "training": {"seed": 42, "optimizer": {"learningRate": "0.001"}},
    "data": {"train": [{"uri": "pvc://c/a.tsv"}]},
}
GATE = {
    "name": "no-regression",
    "metric": "chrF",
    "rule": "minDelta -0.5",
    "value": "+0.7",
    "interval": ["+0.1", "+1.3"],
    "verdict": "Passed",
    "message": "gate no-regression: chrF differs by +0.7",
}
FLOOR = {
    "name": "quality",
    "metric": "chrF",
    "rule": "min 40",
    "value": "48.9",
    "verdict": "Passed",
}
EVALUATION = {
    "scores": {"chrF": "48.9", "BLEU": "28.4", "TER": "55.1"},
    "baseline": {"run": "pt-en-a", "scores": {"chrF": "48.2"}},
    "signatures": {"chrF": "nrefs:1"},
    "gates": [FLOOR, GATE],
    "verdict": "Passed",
    "report": "pvc://models/pt-en/x/evaluation/report.json",
}
WHOLE = run(
    "pt-en-b",
    SUCCEEDED,
    BLESSED,
    cause="Schedule",
    startTime="2026-11-21T10:00:00Z",
    completionTime="2026-11-21T11:30:00Z",
    usage={"cpuSeconds": 21000, "gpuSeconds": 5400},
    dataset={"digest": "sha256:9", "pairs": 65952, "rejectedPairs": 12, "anomalies": ["one empty"]},
    recipe=RECIPE,
    inputs={"folder": "pvc://models/pt-en/x", "engine": {"precision": "Int8", "beamSize": 4}},
    artifact={"uri": "pvc://models/pt-en/x/model", "digest": "sha256:2", "sizeBytes": 9123456},
    evaluation=EVALUATION,
)
OTHER = run(
    "pt-en-a",
    SUCCEEDED,
    NOT_BLESSED,
    cause="Spec",
    dataset={"pairs": 60000},
    recipe=RECIPE | {"training": {"seed": 7, "optimizer": {"learningRate": "0.001"}}},
    inputs={"engine": {"precision": "Int8", "beamSize": 2}},
    evaluation={
        "scores": {"chrF": "48.2", "BLEU": "28.4", "TER": "54.0"},
        "gates": [FLOOR | {"value": "39", "verdict": "Failed", "message": "is 39, below min 40"}],
        "verdict": "Failed",
    },
)
FAILED = run("pt-en-f", condition("Failed", "True", "DataInvalid", "12 pairs are too few."))

WARM = run(
    "pt-en-w",
    SUCCEEDED,
    BLESSED,
    inputs={"parent": {"run": "pt-en-a", "uri": "x"}, "previous": {"run": "pt-en-b", "uri": "y"}},
)
IMPORTED = run(
    "pt-en-i",
    SUCCEEDED,
    BLESSED,
    recipe={"sourceLanguage": "pt", "import": {"uri": "pvc://models/elsewhere"}},
)

REPORT = """\
run:             team-a/pt-en-b
model:           pt-en
cause:           Schedule
state:           over
blessed:         yes: All gates passed (2).
began:           2h ago
took:            1h
processor time:  5h
GPU time:        1h

data:
pairs:     65952
left out:  12
digest:    sha256:9
odd:       one empty

recipe:
digest:                           sha256:1
sourceLanguage:                   pt
training.seed:                    42
training.optimizer.learningRate:  0.001
data.train[0].uri:                pvc://c/a.tsv
serving.precision:                Int8
serving.beamSize:                 4

scores:
SCORE  THIS RUN  BASELINE PT-EN-A  SIGNATURE
BLEU   28.4      -                 -
TER    55.1      -                 -
chrF   48.9      48.2              nrefs:1

gates:
GATE           METRIC  SLICE  RULE           VALUE  INTERVAL      VERDICT  WHY
quality        chrF    -      min 40         48.9   -             Passed   -
no-regression  chrF    -      minDelta -0.5  +0.7   +0.1 to +1.3  Passed   -

verdict:  Passed

files:
folder:  pvc://models/pt-en/x
model:   pvc://models/pt-en/x/model
size:    9.1 MB
digest:  sha256:2
report:  pvc://models/pt-en/x/evaluation/report.html
"""
COMPARISON = """\
scores:
      PT-EN-A  PT-EN-B  DIFFERENCE
BLEU  28.4     28.4     +0.0
TER   54.0     55.1     +1.1
chrF  48.2     48.9     +0.7

gates:
GATE           PT-EN-A             PT-EN-B
quality        Failed: 39, min 40  Passed: 48.9, min 40
no-regression  -                   Passed: +0.7 (+0.1 to +1.3), minDelta -0.5

data, time, size:
                PT-EN-A  PT-EN-B
cause           Spec     Schedule
verdict         Failed   Passed
pairs           60000    65952
left out        -        12
data digest     -        sha256:9
took            -        1h
processor time  -        5h
size            -        9.1 MB

what is different:
RECIPE            PT-EN-A  PT-EN-B
training.seed     7        42
serving.beamSize  2        4
"""


def cluster_of(*runs: Tree) -> FakeCluster:
    cluster = FakeCluster()
    cluster.add("trainingruns", *runs)
    cluster.add("translationmodels", model())
    return cluster


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("report pt-en-b", REPORT, id="report"),
        pytest.param("compare pt-en-a pt-en-b", COMPARISON, id="compare"),
    ],
)
def test_what_people_read(line: str, expected: str) -> None:
    result = cli(cluster_of(WHOLE, OTHER), line)
    assert (result.out, result.err, result.code) == (expected, "", Code.DONE)


def test_a_report_of_a_run_that_failed_says_why_and_where_to_look() -> None:
    out = cli(cluster_of(FAILED), "report pt-en-f").out
    assert "Failed: DataInvalid: 12 pairs are too few." in out
    assert "kubectl translation logs pt-en-f" in out


def test_a_report_says_what_a_training_began_from() -> None:
    lines = cli(cluster_of(WARM), "report pt-en-w").out.splitlines()
    assert "starts from:         pt-en-a" in lines
    assert "data compared with:  pt-en-b" in lines


def test_a_report_says_what_was_imported() -> None:
    out = cli(cluster_of(IMPORTED), "report pt-en-i").out
    assert "import.uri:      pvc://models/elsewhere" in out
    assert "pairs" not in out


def test_a_failed_gate_says_why() -> None:
    assert "is 39, below min 40" in cli(cluster_of(OTHER), "report pt-en-a").out


def test_runs_of_the_same_recipe_are_said_to_be() -> None:
    assert "are the same" in cli(cluster_of(WHOLE), "compare pt-en-b pt-en-b").out


def test_programs_get_the_differences() -> None:
    tree = cli(cluster_of(WHOLE, OTHER), "compare pt-en-a pt-en-b -o json").tree
    assert tree["differences"] == {"training.seed": ["7", "42"], "serving.beamSize": ["2", "4"]}
    assert [scores["chrF"] for scores in tree["scores"]] == ["48.2", "48.9"]


# logs


def pod(name: str, stage: str, created: str, phase: str = "Succeeded") -> Tree:
    labels = {"translation.kubeflow.org/run": "pt-en-b", "translation.kubeflow.org/stage": stage}
    meta = {"name": name, "namespace": "team-a", "labels": labels, "creationTimestamp": created}
    return {"metadata": meta, "status": {"phase": phase}}


TRAIN = pod("train-1", "train", "2026-11-21T10:00:00Z")
EVALUATE = pod("evaluate-1", "evaluate", "2026-11-21T11:00:00Z")
LOG = "/api/v1/namespaces/team-a/pods/{}/log"


def with_pods(*pods: Tree, over: bool = True) -> FakeCluster:
    cluster = cluster_of(WHOLE if over else run("pt-en-b"))
    cluster.add("pods", *pods, prefix="/api/v1")
    cluster.logs = {
        LOG.format("train-1"): ["step 1", "step \x1b[2J2"],
        LOG.format("evaluate-1"): ["chrF 48.9"],
    }
    return cluster


def test_logs_come_in_order_and_steer_no_terminal() -> None:
    result = cli(with_pods(EVALUATE, TRAIN), "logs pt-en-b")
    assert result.out.splitlines() == [
        "==> train train-1 <==",
        "step 1",
        "step \ufffd[2J2",
        "==> evaluate evaluate-1 <==",
        "chrF 48.9",
    ]


def test_logs_of_one_stage() -> None:
    result = cli(with_pods(EVALUATE, TRAIN), "logs pt-en-b --stage evaluate")
    assert result.out.splitlines() == ["==> evaluate evaluate-1 <==", "chrF 48.9"]


def test_logs_follow_one_pod_after_the_other_until_the_run_is_over() -> None:
    cluster = with_pods(pod("train-1", "train", "2026-11-21T10:00:00Z", "Pending"), over=False)

    def finished(now: FakeCluster) -> None:
        now.add("trainingruns", WHOLE)

    cluster.ticks = [
        lambda now: now.add("pods", TRAIN, prefix="/api/v1"),
        lambda now: now.add("pods", EVALUATE, prefix="/api/v1"),
        finished,
        lambda now: None,
    ]
    result = cli(cluster, "logs pt-en-b --follow")
    assert result.code == Code.DONE
    assert [line for line in result.out.splitlines() if "==>" in line] == [
        "==> train train-1 <==",
        "==> evaluate evaluate-1 <==",
    ]


def test_a_pod_whose_log_cannot_be_read_does_not_hide_the_others() -> None:
    cluster = with_pods(EVALUATE, TRAIN)
    cluster.answers = [lambda r: refusal(400, "gone") if "train-1/log" in r.url.path else None]
    out = cli(cluster, "logs pt-en-b").out
    assert "(no log: the API server refused it (400): gone.)" in out
    assert "chrF 48.9" in out


NO_LOGS = [
    pytest.param("logs pt-en-b", Code.NOT_NOW, "report pt-en-b", id="no pods"),
    pytest.param("logs nope", Code.NOT_FOUND, "no TrainingRun nope", id="no run"),
    pytest.param("logs pt-en-b -o json", Code.USAGE, "leave out -o", id="as JSON"),
]


@pytest.mark.parametrize(("line", "code", "why"), NO_LOGS)
def test_no_logs(line: str, code: Code, why: str) -> None:
    result = cli(with_pods(), line)
    assert result.code == code
    assert why in result.err


# translate


def endpoint(request: httpx.Request) -> httpx.Response:
    """Answer as a predictor does: upper case is its translation."""
    texts = json.loads(request.content)["instances"]
    where = f"{request.url.host} as {request.headers['host']} {request.url.path}"
    told = [{"translation": text.upper(), "where": where} for text in texts]
    return httpx.Response(200, json={"predictions": told})


PREDICT = "/v1/models/pt-en:predict"


@pytest.mark.parametrize(
    ("line", "where"),
    [
        pytest.param(
            'translate pt-en "bom dia" -o json',
            f"pt-en-team-a.example.com as pt-en-team-a.example.com {PREDICT}",
            id="at the endpoint",
        ),
        pytest.param(
            'translate pt-en "bom dia" --url http://127.0.0.1:8080/ -o json',
            f"127.0.0.1 as pt-en-team-a.example.com {PREDICT}",
            id="through an address, by the endpoint's host",
        ),
    ],
)
def test_a_translation_is_asked_for(line: str, where: str) -> None:
    result = cli(cluster_of(), line, endpoint=endpoint)
    assert result.tree == [{"translation": "BOM DIA", "where": where}]


def test_one_text_is_answered_by_a_line_and_more_by_a_table() -> None:
    assert cli(cluster_of(), 'translate pt-en "bom dia"', endpoint=endpoint).out == "BOM DIA\n"
    out = cli(cluster_of(), "translate pt-en um dois", endpoint=endpoint).out
    assert out.splitlines() == ["TEXT  TRANSLATION", "um    UM", "dois  DOIS"]


def away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("name does not resolve")


BAD = [
    pytest.param(away, "address of the gateway by --url", id="out of reach"),
    pytest.param(
        lambda r: httpx.Response(404, text="no model"), "answered 404: no model", id="404"
    ),
    pytest.param(lambda r: httpx.Response(503, text="full"), "try again", id="overload"),
    pytest.param(lambda r: httpx.Response(200, json={"predictions": []}), "200", id="too few"),
]


@pytest.mark.parametrize(("answer", "why"), BAD)
def test_an_endpoint_that_does_not_translate(answer: Any, why: str) -> None:
    result = cli(cluster_of(), "translate pt-en um", endpoint=answer)
    assert result.code == Code.ERROR
    assert why in result.err


def test_there_is_no_endpoint_before_production() -> None:
    cluster = FakeCluster()
    cluster.add("translationmodels", model(url=None, production=None))
    result = cli(cluster, "translate pt-en um", endpoint=endpoint)
    assert (result.code, result.out) == (Code.NOT_NOW, "")
