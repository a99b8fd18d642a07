"""The story: first deployment, canary under load, bad candidate, changes that start nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.e2e import toy
from tests.e2e.stage import Stage

from demo import story
from demo.judge import MIN_REQUESTS
from demo.kube import KubeError, Object, wait

STEPS = [
    {"setWeight": 10},
    {"pause": {"duration": "56s"}},
    {"setWeight": 50},
    {"pause": {"duration": "56s"}},
    {"setWeight": 100},
]
SELECTOR = "translation.kubeflow.org/model=toy"


def test_a_model_goes_from_yaml_to_an_endpoint(stage: Stage) -> None:
    assert stage.play.translate(["o gato branco vê o livro hoje"])[0].startswith("the ")
    run = str(story.production(read(stage))["run"])
    assert stage.witness.stages(run) == {(run, "train"): 1, (run, "evaluate"): 1, (run, "probe"): 1}


def test_the_training_got_the_gpu_that_it_asked_for(stage: Stage) -> None:
    (job,) = [j for j in stage.witness.jobs.values() if "-train-" in j["metadata"]["name"]]
    limits = job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert str(limits["nvidia.com/gpu"]) == "1"
    assert job["status"]["succeeded"] == 1


def test_every_pod_is_restricted(stage: Stage) -> None:
    """The namespace enforces it; so no event may tell of a pod that was refused."""
    name = str(stage.kube.namespace)
    namespace = stage.kube.get("namespace", name) or {}
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    events = stage.kube.list("events")
    assert not [e["message"] for e in events if "violates PodSecurity" in e.get("message", "")]
    for each in ("translation-system", name):
        warned = stage.kube.run(
            *("label", "namespace", each, "--dry-run=server", "--overwrite"),
            "pod-security.kubernetes.io/enforce=restricted",
        )
        assert "violate" not in warned


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"serving": {"maxQueue": 300}}, id="an option of serving"),
        pytest.param({"training": {"resources": {"limits": {"memory": "5Gi"}}}}, id="a limit"),
        pytest.param({"training": {"queueName": "nightly"}}, id="a queue"),
        pytest.param({"training": {"queueName": None}}, id="no queue again"),
        pytest.param({"serving": {"replicas": {"min": 2, "max": 2}}}, id="more replicas"),
        pytest.param({"serving": {"replicas": {"min": 1, "max": 1}}}, id="one replica again"),
    ],
)
def test_a_change_of_placement_or_options_trains_nothing(
    stage: Stage, change: dict[str, Any]
) -> None:
    before, jobs = story.production(read(stage)), set(stage.witness.jobs)
    stage.kube.patch("translationmodel", "toy", {"spec": change})
    model = until(stage, lambda m: story.holds(m, "UpToDate"), "the change to be in force")
    after = story.production(model)
    assert (after["run"], after["revision"]) == (before["run"], before["revision"])
    assert set(stage.witness.jobs) == jobs


def test_a_canary_under_load_loses_nothing_and_splits_as_asked(stage: Stage) -> None:
    play = stage.play
    stage.kube.patch("translationmodel", "toy", {"spec": {"rollout": {"steps": STEPS}}})
    until(stage, lambda m: story.holds(m, "UpToDate"), "the new steps to be seen")
    play.start_load()
    model = play.better_recipe({"spec": {"training": {"seed": 43}}}, "another seed")
    new = story.production(model)["revision"]
    wait("enough requests after the promotion", lambda: promoted(stage, str(new)), 600)
    play.bad_candidate({"spec": {"data": toy.data("toy/train-misaligned.tsv")}}, "misaligned")
    findings = play.stop_load()
    assert [f.phase.weight for f in findings if f.phase.is_step] == [10, 50, 100]
    assert [problem for found in findings for problem in found.problems] == []


def promoted(stage: Stage, revision: str) -> bool:
    assert stage.play.load
    answers = [sample.revision for sample in stage.play.load.samples[-MIN_REQUESTS:]]
    return len(answers) == MIN_REQUESTS and set(answers) == {revision}


def test_the_bad_candidate_is_explained(stage: Stage) -> None:
    model = read(stage)
    degraded = story.condition(model, "Degraded")
    assert degraded["reason"] == "GateFailed"
    assert "quality" in degraded["message"]
    assert "chrF" in degraded["message"]
    assert "GateFailed" in stage.kube.run("get", "translationmodel", "toy", "--output", "wide")
    (entry,) = model["status"]["rejected"]
    assert entry["reason"] == "GateFailed"


def test_every_stage_of_every_run_had_one_job(stage: Stage) -> None:
    repeated = {what: count for what, count in stage.witness.stages().items() if count != 1}
    assert repeated == {}


# What a client may send, and what it must be told; the endpoint answers a good request after each.
@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        pytest.param("toy:predict", b"{", 400, "JSON", id="wrong JSON"),
        pytest.param("toy:predict", b'{"instances": "text"}', 400, "instances", id="no list"),
        pytest.param("toy:predict", b'{"instances": [{}]}', 400, "text", id="no text"),
        pytest.param("toy:predict", b'{"instances": ["\xff\xfe"]}', 400, "UTF-8", id="not UTF-8"),
        pytest.param("other:predict", b'{"instances": ["o"]}', 404, "other", id="another model"),
    ],
)
def test_a_bad_request_gets_a_clear_answer(
    stage: Stage, path: str, body: bytes, status: int, words: str
) -> None:
    answer = post(stage, path, body)
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert stage.play.translate(["o gato branco vê o livro hoje"])


def test_a_sentence_of_a_megabyte_is_answered(stage: Stage) -> None:
    body = b'{"instances": ["' + b"gato " * 200_000 + b'"]}'
    answer = post(stage, "toy:predict", body)
    assert answer.status_code in (200, 400, 413), answer.text[:300]
    assert answer.json().get("predictions") or answer.json().get("error")
    assert stage.play.translate(["o gato branco vê o livro hoje"])


def post(stage: Stage, path: str, body: bytes) -> httpx.Response:
    target = stage.play.target()
    headers = {"host": target.host, "content-type": "application/json"}
    return httpx.post(f"{target.url}/v1/models/{path}", content=body, headers=headers, timeout=120)


def test_an_unknown_field_is_refused_by_name(stage: Stage) -> None:
    wrong = toy.model("wrong", rollout={"stepz": []})
    with pytest.raises(KubeError, match="stepz"):
        stage.kube.apply(wrong)
    assert stage.kube.get("translationmodel", "wrong") is None


def test_an_artifact_with_a_flipped_byte_is_not_served(stage: Stage) -> None:
    """The file changes between evaluation and loading; the predictor refuses, production stays."""
    before = story.production(read(stage))
    known = set(stage.folders["models"].glob("toy/*"))
    check = {"requests": 20, "minAgreement": "0.9", "maxLoad": "30s"}
    good = toy.data("toy/train.tsv")
    stage.kube.patch(
        "translationmodel",
        "toy",
        {"spec": {"data": good, "training": {"seed": 44}, "rollout": {"servingCheck": check}}},
    )
    judged = wait_for_file(stage, known, "evaluation/result.json")
    victim = next((judged.parents[1] / "model/ctranslate2").glob("model.bin"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    model = until(stage, story.rejected, "the damaged candidate to be rejected")
    degraded = story.condition(model, "Degraded")
    assert degraded["reason"] == "ServingCheckFailed", degraded
    assert "model.bin" in degraded["message"], degraded
    assert story.production(model)["revision"] == before["revision"]
    assert stage.play.translate(["o gato branco vê o livro hoje"])


def wait_for_file(stage: Stage, known: set[Any], name: str) -> Any:
    def look() -> Any:
        folders = set(stage.folders["models"].glob("toy/*")) - known
        return next((f / name for f in folders if (f / name).exists()), None)

    return wait(f"{name} of the new run", look, 600, interval=0.05)


def test_deletion_leaves_nothing_but_the_volume(stage: Stage) -> None:
    stage.kube.delete("translationmodel", "toy")
    kinds = "trainingruns,jobs,pods,inferenceservices,httproutes,deployments,services"

    def gone() -> bool:
        return not stage.kube.list(kinds, SELECTOR)

    wait("all that the model had to be gone", gone, 300)
    assert list(stage.folders["models"].glob("toy/*/model/manifest.json"))
    assert stage.kube.get("persistentvolumeclaim", "models")


def read(stage: Stage) -> Object:
    model = stage.kube.get("translationmodel", "toy")
    assert model
    return model


def until(stage: Stage, test: Callable[[Object], bool], what: str) -> Object:
    return story.follow(stage.kube, "toy", test, what, 900)
