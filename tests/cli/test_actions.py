"""Every action: its target found by itself, refused where it makes no sense, waited for."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cli.builders import (
    BLESSED,
    CANDIDATE,
    DEGRADED,
    NOT_BLESSED,
    PAUSED,
    PREVIOUS,
    READY,
    REJECTED,
    STALLED,
    SUCCEEDED,
    condition,
    in_canary,
    model,
    run,
)
from tests.cli.fake import FakeCluster, cli, refusal

from mt_cli.errors import Code

Tree = dict[str, Any]
PATH = "/apis/translation.kubeflow.org/v1alpha1/namespaces/team-a/translationmodels/pt-en"
GROUP = "translation.kubeflow.org"
STAMP = "20261121T120000000000Z"
WAITING = {"stage": "AwaitingApproval", "step": 0, "weight": 0}
MOVING = {"step": 2}
TRAINING = {"revision": None, "stage": "Training", "rollout": None, "weight": None}
OLD = {"revision": "r-11111111", "run": "pt-en-a", "reason": "GateFailed", "message": "chrF"}
TWO = [OLD, REJECTED]
JUDGED = {"evaluation": {"verdict": "Failed", "scores": {"chrF": "31"}}}


def suspended(found: Tree) -> Tree:
    return found | {"spec": found["spec"] | {"suspend": True}}


def cluster_of(found: Tree, *runs: Tree) -> FakeCluster:
    cluster = FakeCluster()
    cluster.add("translationmodels", found)
    cluster.add("trainingruns", *runs)
    return cluster


ASKED = [
    pytest.param("promote pt-en", in_canary(), "r-9ad0e51c", id="promote ends a timed pause"),
    pytest.param("promote pt-en", in_canary(step=3), "r-9ad0e51c", id="promote ends an open pause"),
    pytest.param("promote pt-en", in_canary(**WAITING), "r-9ad0e51c", id="promote approves"),
    pytest.param(
        "promote pt-en", in_canary(READY, PAUSED, **MOVING, paused=True), "r-9ad0e51c",
        id="promote ends a pause by hand",
    ),
    pytest.param(
        "promote pt-en --full", in_canary(**MOVING), "full/r-9ad0e51c", id="full skips the steps"
    ),
    pytest.param("abort pt-en", in_canary(), "r-9ad0e51c", id="abort ends a canary"),
    pytest.param("abort pt-en", in_canary(**TRAINING), "pt-en-b81qz", id="abort ends a training"),
    pytest.param("pause pt-en", in_canary(**MOVING), "r-9ad0e51c", id="pause holds the candidate"),
    pytest.param(
        "resume pt-en", in_canary(READY, PAUSED, paused=True), "r-9ad0e51c", id="resume lets it go"
    ),
    pytest.param(
        "retry pt-en", model(READY, DEGRADED, rejected=TWO), "r-9ad0e51c", id="retry takes the last"
    ),
    pytest.param(
        "retry pt-en pt-en-a", model(READY, DEGRADED, rejected=TWO), "r-11111111",
        id="retry of a run names its revision",
    ),
    pytest.param(
        "rollback pt-en", model(previous=PREVIOUS), "r-33333333", id="rollback takes the newest"
    ),
    pytest.param(
        "rollback pt-en r-22222222", model(previous=PREVIOUS), "r-22222222",
        id="rollback takes the one that is named",
    ),
    pytest.param(
        "rollback pt-en", model(previous=PREVIOUS, rejected=[{"revision": "r-33333333"}]),
        "r-22222222", id="rollback passes over what was rejected since",
    ),
    pytest.param("retrain pt-en", model(), "manual", id="retrain names no one"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "found", "target"), ASKED)
def test_one_annotation_is_written(line: str, found: Tree, target: str) -> None:
    cluster = cluster_of(found)
    result = cli(cluster, line)
    assert result.code == Code.DONE, result.err
    annotation = {f"{GROUP}/{line.split()[0]}": f"{target}/{STAMP}"}
    assert cluster.patches == [(PATH, {"metadata": {"annotations": annotation}})]
    assert target in result.out


REFUSED = [
    pytest.param("promote pt-en", model(), "has no candidate", id="promote without a candidate"),
    pytest.param(
        "promote pt-en", in_canary(**TRAINING), "has to pass its gates", id="promote a training"
    ),
    pytest.param(
        "promote pt-en", in_canary(**MOVING), "waits for nobody", id="promote what goes on"
    ),
    pytest.param(
        "promote pt-en --full", in_canary(stage="ServingCheck", step=0, weight=0),
        "serving check, which nobody can skip", id="promote past the serving check",
    ),
    pytest.param(
        "promote pt-en --full", in_canary(stage="RollingBack", weight=0), "is being rolled back",
        id="promote what is rolled back",
    ),
    pytest.param("abort pt-en", model(), "nothing to abort", id="abort without a candidate"),
    pytest.param(
        "abort pt-en", model(READY, DEGRADED, STALLED, rejected=[REJECTED]), "retry pt-en",
        id="abort what was rejected names retry",
    ),
    pytest.param(
        "abort pt-en", in_canary(stage="RollingBack"), "rolled back already", id="abort twice"
    ),
    pytest.param("pause pt-en", in_canary(paused=True), "paused already", id="pause twice"),
    pytest.param("pause pt-en", model(), "nothing to pause", id="pause without a candidate"),
    pytest.param("resume pt-en", in_canary(), "nothing to resume", id="resume what is not paused"),
    pytest.param(
        "resume pt-en", in_canary(READY, condition("Paused", "True", "NoData", "no requests came")),
        "no requests came", id="resume what waits for data",
    ),
    pytest.param(
        "resume pt-en", suspended(in_canary(READY, PAUSED)), "spec.suspend is set",
        id="resume what is suspended",
    ),
    pytest.param("retry pt-en", model(), "nothing to retry", id="retry without a rejection"),
    pytest.param("rollback pt-en", model(), "no earlier production", id="rollback without a way"),
    pytest.param(
        "rollback pt-en r-4c1f90ab", model(previous=PREVIOUS), "is in production",
        id="rollback to production",
    ),
    pytest.param(
        "rollback pt-en r-33333333",
        model(previous=PREVIOUS, rejected=[{"revision": "r-33333333"}]), "retry pt-en r-33333333",
        id="rollback to what was rejected since",
    ),
    pytest.param("retrain pt-en", suspended(model()), "spec.suspend", id="retrain suspended"),
    pytest.param(
        "retrain pt-en",
        model(READY, condition("Stalled", "True", "NotSupportedYet", "spec.retrain (remove it)")),
        "spec.retrain", id="retrain what asks for an unsupported field",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "found", "why"), REFUSED)
def test_what_makes_no_sense_now_is_refused_and_nothing_is_written(
    line: str, found: Tree, why: str
) -> None:
    cluster = cluster_of(found)
    result = cli(cluster, line)
    assert (result.code, cluster.patches) == (Code.NOT_NOW, [])
    assert why in result.err


@pytest.mark.parametrize(
    ("line", "known"),
    [
        pytest.param("retry pt-en r-00000000", "r-9ad0e51c, r-11111111", id="retry"),
        pytest.param("rollback pt-en r-00000000", "r-33333333, r-22222222", id="rollback"),
    ],
)
def test_an_unknown_target_is_not_found_and_the_known_ones_are_named(line: str, known: str) -> None:
    cluster = cluster_of(model(READY, DEGRADED, rejected=TWO, previous=PREVIOUS))
    result = cli(cluster, line)
    assert (result.code, cluster.patches) == (Code.NOT_FOUND, [])
    assert known in result.err


@pytest.mark.parametrize("line", ["bless pt-en-x", "bless pt-en pt-en-x"])
def test_bless_annotates_the_model_of_the_run(line: str) -> None:
    cluster = cluster_of(model(READY), run("pt-en-x", SUCCEEDED, NOT_BLESSED, **JUDGED))
    assert cli(cluster, line).code == Code.DONE
    annotation = {f"{GROUP}/bless": f"pt-en-x/{STAMP}"}
    assert cluster.patches == [(PATH, {"metadata": {"annotations": annotation}})]


FAILED = condition("Failed", "True", "DataInvalid", "train.tsv has 12 pairs.")
NOT_TO_BLESS = [
    pytest.param("bless x", run("x", SUCCEEDED, BLESSED), Code.NOT_NOW, "passed all", id="passed"),
    pytest.param("bless x", run("x"), Code.NOT_NOW, "not evaluated yet", id="not evaluated"),
    pytest.param("bless x", run("x", FAILED), Code.NOT_NOW, "has 12 pairs", id="failed"),
    pytest.param(
        "bless x", run("x", spec={"candidate": False}), Code.NOT_NOW, "experiment", id="experiment"
    ),
    pytest.param("bless y", run("x"), Code.NOT_FOUND, "no TrainingRun y", id="no such run"),
    pytest.param(
        "bless de-en x", run("x", SUCCEEDED, NOT_BLESSED, **JUDGED), Code.USAGE, "of pt-en",
        id="of another model",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "found", "code", "why"), NOT_TO_BLESS)
def test_bless_overrides_verdicts_only(line: str, found: Tree, code: Code, why: str) -> None:
    cluster = cluster_of(model(READY), found)
    result = cli(cluster, line)
    assert (result.code, cluster.patches) == (code, [])
    assert why in result.err


def operator_says(status: str, told: str) -> Any:
    """Return a moment at which the operator handles the newest token of abort."""

    def handle(cluster: FakeCluster) -> None:
        found = cluster.objects[PATH]
        token = found["metadata"]["annotations"][f"{GROUP}/abort"]
        reason = "ActionTaken" if status == "True" else "ActionIgnored"
        accepted = condition("ActionAccepted", status, reason, f"abort={token}{told}")
        found["status"] = found["status"] | {
            "handled": {"abort": token},
            "candidate": CANDIDATE | {"stage": "RollingBack", "weight": 0, "reason": "Aborted"},
            "conditions": [*found["status"]["conditions"], accepted],
        }

    return handle


def idle(cluster: FakeCluster) -> None:
    """Let a moment pass."""


def test_wait_tells_what_became_of_it() -> None:
    cluster = cluster_of(in_canary())
    cluster.ticks = [idle, operator_says("True", " is done.")]
    result = cli(cluster, "abort pt-en --wait")
    assert (result.code, result.err) == (Code.DONE, "")
    assert result.out == ("abort of r-9ad0e51c is done. Now: rolling back r-9ad0e51c: aborted\n")


def test_wait_tells_that_it_was_ignored_and_why() -> None:
    cluster = cluster_of(in_canary())
    cluster.ticks = [operator_says("False", ": r-9ad0e51c is not the candidate.")]
    result = cli(cluster, "abort pt-en --wait")
    assert result.code == Code.NOT_NOW
    assert "r-9ad0e51c is not the candidate" in result.err


def test_wait_ends_when_no_operator_is_at_work() -> None:
    cluster = cluster_of(in_canary())
    cluster.ticks = [idle] * 5
    result = cli(cluster, "abort pt-en --wait --timeout 5")
    assert result.code == Code.TIMEOUT
    assert "kubectl translation doctor" in result.err


def test_programs_get_the_token() -> None:
    cluster = cluster_of(in_canary())
    assert cli(cluster, "abort pt-en -o json").tree == {
        "model": "pt-en",
        "action": "abort",
        "target": "r-9ad0e51c",
        "token": f"r-9ad0e51c/{STAMP}",
        "handled": False,
    }


def test_an_admission_policy_that_refuses_is_quoted() -> None:
    cluster = cluster_of(in_canary())
    told = "annotation promote needs the verb promote: ask for ClusterRole translation-promoter"
    cluster.answers = [lambda r: refusal(403, told) if r.method == "PATCH" else None]
    result = cli(cluster, "promote pt-en")
    assert result.code == Code.FORBIDDEN
    assert told in result.err
