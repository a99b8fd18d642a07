"""Jobs as they are sent: names, what the containers are given, and what they may not do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from tests.operator.builders import (
    DIGEST,
    MODEL_REFERENCE,
    MODEL_UID,
    RUN,
    RUN_UID,
    SETTINGS,
    model_view,
    observed_run,
    run_meta,
    spec_with,
)

from mt_contract.codec import from_json
from mt_contract.names import Stage, job_name
from mt_contract.resource import ArtifactRef, Placement, Recipe
from mt_operator.core.children.collect_job import collect_task
from mt_operator.core.children.evaluate_job import evaluate_task
from mt_operator.core.children.pod import Task, job
from mt_operator.core.children.probe_job import probe_job, probe_job_name
from mt_operator.core.children.traffic_job import traffic_job, traffic_job_name
from mt_operator.core.children.train_job import train_task
from mt_operator.core.observed import Meta, ObservedRun
from mt_operator.core.plan import Mode
from mt_operator.core.run.decide import decide_run
from mt_operator.core.run.inputs import Work, work_of

FOLDER = f"pvc://models/pt-en/{RUN}-{RUN_UID[:8]}"
ARTIFACT = ArtifactRef(f"{FOLDER}/model", DIGEST)
BASELINE: dict[str, Any] = {
    "run": "pt-en-old",
    "uri": "pvc://archive/old/model",
    "digest": DIGEST,
    "engine": {"engine": "CTranslate2", "precision": "Int8", "beamSize": 4, "image": "p:0"},
}


def started(**changes: Any) -> tuple[ObservedRun, Work]:
    """A run whose inputs are stored, and what its Jobs are made from."""
    fresh = observed_run(MODEL_REFERENCE | spec_with(**changes), model=model_view())
    status = dict(decide_run(fresh).status or {})
    status["attempts"] = {"train": 1, "evaluate": 1}
    return observed_run(fresh.spec, model=fresh.model, status=status), work_of(status)


def train(**changes: Any) -> Task:
    return train_task(*started(**changes))


def evaluate(baseline: Mapping[str, Any] | None = None, **changes: Any) -> Task:
    observed, work = started(**changes)
    inputs = dict(work.raw_inputs) | ({"baseline": baseline} if baseline else {})
    work = work_of({"recipe": work.recipe, "inputs": inputs})
    return evaluate_task(observed, work, ARTIFACT)


def collect() -> Task:
    observed, work = started()
    return collect_task(observed, work, Stage.COLLECT_TRAIN, 1)


def pod(task: Task) -> dict[str, Any]:
    return dict(job(task).manifest["spec"]["template"]["spec"])


def container(task: Task) -> dict[str, Any]:
    (only,) = pod(task)["containers"]
    return dict(only)


def env(task: Task) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in container(task)["env"]}


def mounts(task: Task) -> dict[str, bool]:
    """Claim by claim: may it be written?"""
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in pod(task)["volumes"]
        if "persistentVolumeClaim" in volume
    }
    found = {m["name"]: m for m in container(task)["volumeMounts"] if m["name"] in claims}
    assert all(m["mountPath"] == f"/mnt/pvc/{claims[name]}" for name, m in found.items())
    return {claims[name]: not m.get("readOnly", False) for name, m in found.items()}


ALL = {"train": train, "evaluate": evaluate, "collect": collect}


@pytest.mark.parametrize("make", ALL.values(), ids=ALL.keys())
def test_every_pod_passes_pod_security_restricted(make: Any) -> None:
    task = make()
    security, ours = pod(task)["securityContext"], container(task)["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == 65532
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert ours == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert pod(task)["automountServiceAccountToken"] is False
    kinds = [set(volume) - {"name"} for volume in pod(task)["volumes"]]
    assert all(kind in ({"emptyDir"}, {"persistentVolumeClaim"}) for kind in kinds)
    assert {"name": "tmp", "mountPath": "/tmp"} in container(task)["volumeMounts"]
    assert env(task)["HOME"] == "/tmp"


@pytest.mark.parametrize("make", ALL.values(), ids=ALL.keys())
def test_every_job_is_the_runs_own_and_created_once(make: Any) -> None:
    task = make()
    child = job(task)
    metadata = child.manifest["metadata"]
    assert child.mode is Mode.CREATE
    assert child.key == ("Job", job_name(RUN, RUN_UID, task.stage, 1))
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "translation.kubeflow.org/v1alpha1",
            "kind": "TrainingRun",
            "name": RUN,
            "uid": RUN_UID,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert metadata["labels"]["translation.kubeflow.org/stage"] == task.stage
    assert metadata["labels"]["translation.kubeflow.org/run"] == RUN
    assert metadata["labels"]["translation.kubeflow.org/model"] == "pt-en"


@pytest.mark.parametrize("make", ALL.values(), ids=ALL.keys())
def test_no_mesh_sidecar_keeps_a_job_from_ending(make: Any) -> None:
    metadata = job(make()).manifest["spec"]["template"]["metadata"]
    assert metadata["labels"]["sidecar.istio.io/inject"] == "false"
    assert metadata["annotations"]["sidecar.istio.io/inject"] == "false"


def test_exit_codes_that_would_come_again_fail_the_job_and_disruptions_are_not_counted() -> None:
    spec = job(train()).manifest["spec"]
    codes = {"containerName": "main", "operator": "In", "values": [2, 3, 4]}
    assert spec["podFailurePolicy"]["rules"] == [
        {"action": "FailJob", "onExitCodes": codes},
        {
            "action": "Ignore",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        },
    ]
    assert container(train())["name"] == "main"  # the rule names it
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # the policy demands it
    assert spec["podReplacementPolicy"] == "Failed"  # never two pods in one folder
    assert spec["backoffLimit"] == 3
    assert "ttlSecondsAfterFinished" not in spec  # its result must not vanish unread


def test_the_trainer_is_given_the_recipe_and_the_test_data() -> None:
    task = train(data={"validation": [{"uri": "pvc://corpora/validation.tsv"}]})
    given = env(task)
    recipe = from_json(Recipe, json.loads(given["MT_RECIPE"]))
    assert recipe.training.architecture.layers == 4
    assert recipe.data.test == ()  # test data is no part of the recipe
    assert json.loads(given["MT_TEST"]) == [{"uri": "pvc://corpora/test.tsv"}]
    assert (given["MT_RUN"], given["MT_OUTPUT"]) == (RUN, FOLDER)
    assert "MT_PARENT" not in given
    assert container(task)["image"] == "registry/trainer:1"
    assert container(task)["args"] == ["train"]
    assert mounts(task) == {"models": True, "corpora": False}


def test_the_evaluator_is_given_what_gates_name_and_bounds_only_to_show() -> None:
    gates = [
        {"name": "a", "metric": "chrF", "min": "40"},
        {"name": "b", "metric": "chrF", "minDelta": "-0.5"},
        {"name": "c", "metric": "BLEU", "min": "15", "slice": "legal"},
    ]
    test = [{"uri": "pvc://corpora/legal.tsv", "slice": "legal"}]
    task = evaluate(evaluation={"gates": gates}, data={"test": test}, serving={"beamSize": 1})
    given = env(task)
    assert json.loads(given["MT_EVALUATION"]) == {
        "test": test,
        "format": "Auto",
        "fields": {"source": "source", "target": "target"},
        "confidence": "0.95",
        "comparisons": [{"metric": "chrF"}, {"metric": "BLEU", "slice": "legal"}],
        "gates": [
            {"name": "a", "metric": "chrF", "rule": "min 40"},
            {"name": "b", "metric": "chrF", "rule": "minDelta -0.5"},
            {"name": "c", "metric": "BLEU", "slice": "legal", "rule": "min 15"},
        ],
        "seed": 42,
    }
    assert json.loads(given["MT_ARTIFACT"]) == {"uri": ARTIFACT.uri, "digest": DIGEST}
    engine = {"engine": "CTranslate2", "precision": "Int8", "beamSize": 1}
    assert json.loads(given["MT_ENGINE"]) == engine
    assert given["MT_LANGUAGES"] == "pt-en"
    assert "MT_BASELINE" not in given
    assert container(task)["image"] == "registry/predictor:1"


def test_the_baseline_is_read_from_wherever_it_stands() -> None:
    task = evaluate(baseline=BASELINE)
    given = json.loads(env(task)["MT_BASELINE"])
    assert given["uri"] == "pvc://archive/old/model"
    assert given["engine"] == {"engine": "CTranslate2", "precision": "Int8", "beamSize": 4}
    assert mounts(task) == {"models": True, "archive": False, "corpora": False}


def test_the_judge_has_the_engines_of_both() -> None:
    theirs = {**BASELINE["engine"], "engine": "TensorFlow", "image": "with-tensorflow:0"}
    assert container(evaluate(baseline=BASELINE))["image"] == "registry/predictor:1"
    assert container(evaluate(baseline={**BASELINE, "engine": theirs}))["image"] == (
        "with-tensorflow:0"
    )


def test_a_claim_that_is_written_and_read_is_mounted_once() -> None:
    task = train(storage={"uri": "pvc://corpora/runs"})
    assert mounts(task) == {"corpora": True}


def test_placement_is_passed_on_to_the_train_job_alone() -> None:
    training: dict[str, Any] = {
        "resources": {"limits": {"nvidia.com/gpu": 1, "memory": "16Gi"}},
        "nodeSelector": {"gpu": "a100"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "priorityClassName": "batch",
        "backoffLimit": 0,
        "activeDeadline": "1h30m",
        "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "envFrom": [{"secretRef": {"name": "s"}}],
    }
    task = train(training=training)
    assert container(task)["resources"] == training["resources"]
    assert container(task)["envFrom"] == training["envFrom"]
    assert container(task)["env"][0] == training["env"][0]
    assert pod(task)["nodeSelector"] == {"gpu": "a100"}
    assert pod(task)["tolerations"] == training["tolerations"]
    assert pod(task)["priorityClassName"] == "batch"
    spec = job(task).manifest["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 5400)
    judge = evaluate(training=training)
    # Test data lies where training data does; the judge needs no more than to read it.
    assert container(judge)["envFrom"] == training["envFrom"]
    assert container(judge)["env"][0] == training["env"][0]
    assert "activeDeadlineSeconds" not in job(judge).manifest["spec"]
    assert "nodeSelector" not in pod(judge)
    assert "nvidia.com/gpu" not in container(judge)["resources"]["limits"]


def test_with_a_queue_the_train_job_waits_for_it() -> None:
    manifest = job(train(training={"queueName": "mt"})).manifest
    assert manifest["spec"]["suspend"] is True
    assert manifest["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "mt"
    plain = job(train()).manifest
    assert "suspend" not in plain["spec"]
    assert "kueue.x-k8s.io/queue-name" not in plain["metadata"]["labels"]


def test_jobs_that_do_not_train_fit_beside_what_serves() -> None:
    for task in (evaluate(), collect()):
        assert container(task)["resources"]["requests"]["cpu"] in ("100m", "250m")


def test_collecting_only_reads() -> None:
    task = collect()
    assert container(task)["args"] == ["collect", "train"]
    assert (env(task)["MT_RUN"], env(task)["MT_OUTPUT"]) == (RUN, FOLDER)
    assert mounts(task) == {"models": False}


def test_the_probe_is_the_models_own_and_named_by_its_attempt() -> None:
    model = Meta("pt-en", "team-a", MODEL_UID)
    child = probe_job(
        model,
        revision="r-4c1f90ab",
        run=RUN,
        folder=FOLDER,
        url="http://pt-en-r-4c1f90ab-predictor.team-a.svc.cluster.local",
        image="registry/predictor:1",
        requests=50,
        seed=42,
        attempt=2,
        service_account="translation",
        pull_policy=SETTINGS.image_pull_policy,
        deadline=timedelta(minutes=5),
    )
    spec = child.manifest["spec"]
    (only,) = spec["template"]["spec"]["containers"]
    assert child.key == ("Job", probe_job_name(model, "r-4c1f90ab", 2))
    assert child.key != ("Job", probe_job_name(model, "r-4c1f90ab", 1))
    assert child.manifest["metadata"]["ownerReferences"][0]["kind"] == "TranslationModel"
    assert {e["name"]: e["value"] for e in only["env"]} == {
        "HOME": "/tmp",
        "MT_OUTPUT": FOLDER,
        "MT_URL": "http://pt-en-r-4c1f90ab-predictor.team-a.svc.cluster.local",
        "MT_MODEL": "pt-en",
        "MT_REQUESTS": "50",
        "MT_SEED": "42",
    }
    assert only["args"] == ["probe"]
    assert spec["activeDeadlineSeconds"] == 300
    assert spec["template"]["spec"]["serviceAccountName"] == "translation"


def test_the_traffic_goes_on_until_it_is_deleted_and_its_failures_are_retried() -> None:
    model = Meta("pt-en", "team-a", MODEL_UID)
    urls = ["http://pt-en-r-new-predictor.team-a", "http://pt-en-r-old-predictor.team-a"]
    child = traffic_job(
        model,
        revision="r-new",
        run=RUN,
        folder=FOLDER,
        urls=urls,
        image="registry/predictor:1",
        rate=2,
        service_account="translation",
        pull_policy=SETTINGS.image_pull_policy,
    )
    spec = child.manifest["spec"]
    pod_spec = spec["template"]["spec"]
    (only,) = pod_spec["containers"]
    assert child.key == ("Job", traffic_job_name(model, "r-new"))
    assert child.key != ("Job", traffic_job_name(model, "r-old"))
    assert {e["name"]: e["value"] for e in only["env"]} == {
        "HOME": "/tmp",
        "MT_OUTPUT": FOLDER,
        "MT_URLS": json.dumps(urls, separators=(",", ":")),
        "MT_MODEL": "pt-en",
        "MT_RATE": "2",
    }
    assert only["args"] == ["traffic"]
    assert "activeDeadlineSeconds" not in spec
    assert spec["backoffLimit"] == 6
    labels = spec["template"]["metadata"]["labels"]
    assert labels["translation.kubeflow.org/stage"] == "traffic"
    assert labels["translation.kubeflow.org/revision"] == "r-new"
    claim = {"name": "claim-0", "mountPath": "/mnt/pvc/models", "readOnly": True}
    assert claim in only["volumeMounts"]


OF_RUNS = [stage for stage in Stage if stage not in (Stage.PROBE, Stage.TRAFFIC)]


@pytest.mark.parametrize("stage", OF_RUNS)
def test_names_fit_whatever_the_run_is_called(stage: Stage) -> None:
    long = run_meta(name="m" * 63)
    task = Task(
        owner=long,
        owner_kind="TrainingRun",
        run=long.name,
        stage=stage,
        attempt=1,
        image="i",
        args=(),
        env={},
        service_account="s",
        pull_policy="Always",
        reads=("pvc://" + "c" * 253 + "/x",),
        placement=Placement(),
    )
    assert len(task.name) <= 63
    assert all(len(volume["name"]) <= 63 for volume in pod(task)["volumes"])
