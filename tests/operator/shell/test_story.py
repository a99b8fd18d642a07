"""The whole story on a real API server: first deployment, canary, a bad candidate; and its cost."""

from __future__ import annotations

import asyncio

import pytest
from tests.operator.shell.stage import Stage, condition, model, rejected, until, up_to_date

from mt_contract import names
from mt_operator.shell.api import Object

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(300)]


async def test_first_deployment_canary_and_bad_candidate(stage: Stage) -> None:
    stage.world.scenario.scores = {1: 48.0, 2: 52.0, 3: 20.0}
    stage.operator().start()
    await stage.kube.put(model(stage.namespace, seed=1))
    first = await stage.until(up_to_date)
    assert first["status"]["production"]["scores"]["chrF"] == "48.00"

    stage.mark()
    await stage.change(training={"seed": 2})
    second = await stage.until(up_to_date)
    await stage.settled()
    assert second["status"]["production"]["scores"]["chrF"] == "52.00"
    writes = stage.writes()
    assert writes["update translationmodels/status"] <= 11, writes
    assert writes["update trainingruns/status"] <= 9, writes
    assert writes["patch httproutes"] <= 5, writes
    assert writes["create jobs"] == 3, writes
    assert writes["create trainingruns"] == 1, writes
    assert writes["patch inferenceservices"] == 1, writes
    assert writes["delete inferenceservices"] == 1, writes

    await stage.change(training={"seed": 3})
    third = await stage.until(rejected)
    assert third["status"]["production"] == second["status"]["production"]
    assert condition(third, "Degraded")["reason"] == "GateFailed"
    assert "quality" in condition(third, "Degraded")["message"]
    assert len(await stage.all("InferenceService")) == 1


async def test_candidate_that_never_gets_ready_or_answers_differently(stage: Stage) -> None:
    stage.world.scenario.never_ready = {2}
    stage.world.scenario.agreement = {3: "0.5"}
    stage.operator().start()
    asked = model(stage.namespace, seed=1)
    asked["spec"]["rollout"]["servingCheck"] = {"maxLoad": "3s"}
    await stage.kube.put(asked)
    first = await stage.until(up_to_date)

    for seed in (2, 3):
        await stage.change(training={"seed": seed})
        turned_down = await stage.until(rejected)
        await stage.settled()
        assert turned_down["status"]["production"] == first["status"]["production"]
        assert condition(turned_down, "Degraded")["reason"] == "ServingCheckFailed"
        (service,) = await stage.all("InferenceService")
        assert first["status"]["production"]["revision"] in service["metadata"]["name"]


async def test_lost_result_is_collected(stage: Stage) -> None:
    stage.world.scenario.silent = {names.Stage.TRAIN}
    stage.operator().start()
    await stage.kube.put(model(stage.namespace))
    await stage.until(up_to_date)
    jobs = stage.created("jobs")
    assert [name for name in jobs if "-collect-train-" in name], jobs


async def test_steady_state_and_restart_write_nothing(stage: Stage) -> None:
    operator = stage.operator()
    operator.start()
    await stage.kube.put(model(stage.namespace))
    await stage.until(up_to_date)
    await stage.settled()
    await asyncio.sleep(1.0)
    stage.mark()
    assert operator.stop() == 0
    operator.start()
    await operator.looked(names.MODEL_KIND, 1)
    await operator.looked(names.RUN_KIND, 1)
    await asyncio.sleep(1.0)
    assert not stage.writes()


async def test_deleted_model_leaves_nothing_behind(stage: Stage) -> None:
    stage.world.scenario.held = {names.Stage.TRAIN}
    operator = stage.operator()
    operator.start()
    await stage.kube.put(model(stage.namespace))

    async def training() -> bool:
        return bool(await stage.all("Pod"))

    await until(training, 30)
    await stage.kube.remove(names.MODEL_KIND, stage.namespace, "pt-en")
    await stage.gone(names.RUN_KIND, "Job", "Pod")
    assert "Traceback" not in operator.log.read_text()


async def test_training_on_several_nodes_keeps_what_the_job_says(stage: Stage) -> None:
    """What decides how pods are tried again is newer than Jobs are: none of it may be dropped."""
    stage.world.scenario.held = {names.Stage.TRAIN}
    stage.operator().start()
    await stage.kube.put(model(stage.namespace, training={"nodes": 3, "backoffLimit": 2}))

    async def training() -> bool:
        return bool(await stage.all("Pod"))

    await until(training, 60)
    (job,) = await stage.all("Job")
    (service,) = await stage.all("Service")
    spec = job["spec"]
    assert (spec["completions"], spec["parallelism"]) == (3, 3)
    assert (spec["backoffLimitPerIndex"], spec["maxFailedIndexes"]) == (2, 0)
    assert spec["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}
    assert spec["podReplacementPolicy"] == "Failed"
    assert service["spec"]["clusterIP"] == "None"
    assert spec["template"]["spec"]["subdomain"] == service["metadata"]["name"]
    created = [each["metadata"]["creationTimestamp"] for each in (service, job)]
    assert created == sorted(created)

    stage.world.scenario.held = set()
    await stage.until(up_to_date)
    await stage.gone("Service")


async def test_model_made_elsewhere_is_imported_and_rolled_out(stage: Stage) -> None:
    stage.operator().start()
    await stage.kube.put(model(stage.namespace))
    first = await stage.until(up_to_date)
    spec = {"modelRef": {"name": "pt-en"}, "candidate": True}
    meta = {"name": "from-elsewhere", "namespace": stage.namespace}
    run = {"apiVersion": names.API_VERSION, "kind": names.RUN_KIND, "metadata": meta}
    await stage.kube.put({**run, "spec": {**spec, "import": {"uri": "pvc://models/elsewhere"}}})

    def promoted(found: Object) -> bool:
        production = found["status"]["production"]
        return production["run"] == "from-elsewhere" and up_to_date(found)

    second = await stage.until(promoted)
    assert second["status"]["production"]["artifact"] != first["status"]["production"]["artifact"]
    imported = await stage.kube.get(names.RUN_KIND, stage.namespace, "from-elsewhere")
    assert imported is not None
    assert condition(imported, "Trained")["reason"] == "Imported"
    assert [name for name in stage.created("jobs") if name.startswith("from-elsewhere-import-")]
