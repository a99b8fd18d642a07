"""Two operators, foreign objects, missing rights and missing kinds."""

from __future__ import annotations

import asyncio

import pytest
from tests.operator.shell.cluster import ROOT, documents
from tests.operator.shell.conftest import served
from tests.operator.shell.stage import Stage, condition, model, up_to_date

from mt_operator.shell.api import Object

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(300)]
WAITING = "WaitingForKServe"


def looked_at(found: Object) -> bool:
    return bool(found.get("status", {}).get("conditions"))


async def test_only_one_of_two_acts_and_the_other_takes_over(stage: Stage) -> None:
    first, second = stage.operator("mt-operator-a"), stage.operator("mt-operator-b")
    first.start()
    await stage.kube.put(model(stage.namespace))
    await stage.until(looked_at)
    second.start()
    await stage.until(up_to_date)
    counted = await second.metrics()
    assert counted["mt_operator_leading"] == 0
    assert not [name for name in counted if name.startswith("mt_operator_writes_total")]
    assert set(stage.created("jobs").values()) == {1}

    first.kill()
    await stage.change(training={"seed": 2})
    await stage.until(up_to_date)
    assert (await second.metrics())["mt_operator_leading"] == 1
    assert set(stage.created("jobs").values()) == {1}


async def test_stopped_operator_gives_the_lease_back(stage: Stage) -> None:
    first, second = stage.operator("mt-operator-a"), stage.operator("mt-operator-b")
    first.start()
    await stage.kube.put(model(stage.namespace))
    await stage.until(looked_at)
    assert first.stop() == 0
    lease = await stage.kube.get("Lease", "translation-system", "mt-operator")
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == ""
    second.start()
    await stage.until(up_to_date)


async def test_foreign_object_of_a_childs_name_is_not_touched(stage: Stage) -> None:
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "pt-en-split", "namespace": stage.namespace},
        "spec": {"hostnames": ["mine.example.com"]},
    }
    made = await stage.kube.put(route)
    stage.operator().start()
    await stage.kube.put(model(stage.namespace))
    found = await stage.until(lambda found: condition(found, "Stalled") != {})
    assert condition(found, "Stalled")["reason"] == "NameTaken"
    assert "pt-en-split" in condition(found, "Stalled")["message"]
    kept = await stage.kube.get("HTTPRoute", stage.namespace, "pt-en-split")
    assert kept is not None
    assert kept["spec"] == made["spec"]
    await asyncio.sleep(2.0)
    stage.mark()
    await asyncio.sleep(4.0)
    assert not stage.writes()

    await stage.kube.remove("HTTPRoute", stage.namespace, "pt-en-split")
    healed = await stage.until(up_to_date)
    assert condition(healed, "Stalled") == {}


async def test_missing_right_is_named_and_its_return_is_enough(stage: Stage) -> None:
    role, _ = documents(ROOT / "manifests/base/rbac/operator.yaml")
    rules = [rule for rule in role["rules"] if rule["resources"] != ["httproutes"]]
    reading = {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"]}
    await stage.kube.put(role | {"rules": [*rules, reading | {"verbs": ["get", "list", "watch"]}]})
    try:
        stage.operator().start()
        await stage.kube.put(model(stage.namespace))
        found = await stage.until(lambda found: condition(found, "Stalled") != {})
        assert condition(found, "Stalled")["reason"] == "Refused"
        assert "httproutes" in condition(found, "Stalled")["message"]
    finally:
        await stage.kube.put(role)
    await stage.until(up_to_date)


async def test_kserve_and_gateway_may_be_installed_later(
    stage: Stage, foreign_definitions: list[dict[str, object]]
) -> None:
    for definition in foreign_definitions:
        await stage.kube.remove_definition(definition)
    try:
        operator = stage.operator()
        operator.start()
        await stage.kube.put(model(stage.namespace))
        await stage.until(lambda found: condition(found, "UpToDate").get("reason") == WAITING)
    finally:
        for definition in foreign_definitions:
            await stage.kube.put(definition)
        await served(stage.kube, stage.namespace)
    assert await operator.ended() == 0, "to be started anew, with more to watch"
    operator.start()
    await stage.until(up_to_date)
