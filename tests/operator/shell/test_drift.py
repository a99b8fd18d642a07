"""GitOps: what a user applied stays the user's; the operator writes status, and nothing drifts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.gitops.kstatus import kstatus
from tests.operator.shell.cluster import Kube
from tests.operator.shell.stage import Stage, holds, model, rejected, until, up_to_date
from tests.operator.shell.world import KINDS

from mt_contract import names
from mt_operator.shell.api import RESOURCES, Object

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(300)]
ARGO_CD = "argocd-controller"
TRACKING = {
    "labels": {"app.kubernetes.io/instance": "translation", "team": "a"},
    "annotations": {"argocd.argoproj.io/tracking-id": "translation:x", "owner": "a@example.com"},
}


def in_git(namespace: str, seed: int) -> Object:
    """Return a model as Argo CD applies it."""
    found = model(namespace, seed=seed, history={"succeeded": 1, "failed": 1})
    return {**found, "metadata": {**found["metadata"], **TRACKING}}


def run_in_git(namespace: str) -> Object:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.RUN_KIND,
        "metadata": {"name": "by-git", "namespace": namespace, **TRACKING},
        "spec": {"modelRef": {"name": "pt-en"}, "training": {"seed": 9}},
    }


async def apply(kube: Kube, document: Object, **query: str) -> Object:
    """Apply a document as Argo CD does with ServerSideApply and ServerSideDiff."""
    meta = document["metadata"]
    path = RESOURCES[document["kind"]].path(meta["namespace"], meta["name"])
    asked = {"fieldManager": ARGO_CD, **query}
    how = "application/apply-patch+yaml"
    return await kube._send(f"apply {path}", 30, "PATCH", path, asked, document, how)


async def drift(kube: Kube, document: Object) -> dict[str, tuple[Any, Any]]:
    """Return what a server-side dry run of the same document would change."""
    meta = document["metadata"]
    live = await kube.get(document["kind"], meta["namespace"], meta["name"])
    assert live is not None
    again = await apply(kube, document, dryRun="All")  # not forced: a conflict raises
    then, now = without_managers(live), without_managers(again)
    keys = then.keys() | now.keys()
    return {key: (then.get(key), now.get(key)) for key in keys if then.get(key) != now.get(key)}


def without_managers(found: Object) -> Object:
    metadata = {k: v for k, v in found["metadata"].items() if k != "managedFields"}
    return {**found, "metadata": metadata}


def owned_by_others(found: Object) -> Iterator[str]:
    """Yield the fields besides status that anybody but Argo CD owns."""
    for entry in found["metadata"]["managedFields"]:
        if entry["manager"] != ARGO_CD:
            yield from (
                f"{entry['manager']} {key}" for key in entry["fieldsV1"] if key != "f:status"
            )


async def test_nothing_of_the_operator_ever_shows_as_drift(stage: Stage) -> None:
    stage.world.scenario.scores = {1: 48.0, 2: 52.0, 3: 20.0, 4: 53.0, 9: 47.0}
    kube, namespace = stage.kube, stage.namespace
    await apply(kube, in_git(namespace, 1), force="true")
    await apply(kube, run_in_git(namespace), force="true")
    for kind, name in ((names.MODEL_KIND, "pt-en"), (names.RUN_KIND, "by-git")):
        fresh = await kube.get(kind, namespace, name)
        assert fresh is not None
        assert kstatus(fresh) == "InProgress"  # although nobody has looked at it yet
    stage.operator().start()
    await stage.until(up_to_date)
    for seed, ends in ((2, up_to_date), (3, rejected), (4, up_to_date)):
        await apply(kube, in_git(namespace, seed), force="true")
        found = await stage.until(ends)
        assert kstatus(found) == ("Failed" if ends is rejected else "Current")
        assert await drift(kube, in_git(namespace, seed)) == {}
        assert list(owned_by_others(found)) == []
    await stage.settled()
    token = {f"{names.GROUP}/retrain": "now/1"}  # as Argo CD's action sets it
    await kube.merge(names.MODEL_KIND, namespace, "pt-en", {"metadata": {"annotations": token}})
    assert await drift(kube, in_git(namespace, 4)) == {}
    await check_run_of_git(stage)
    await check_children(stage)


async def check_run_of_git(stage: Stage) -> None:
    """Three runs came after it, of which history keeps two: the one of Git is no part of that."""

    async def over() -> bool:
        found = await stage.kube.get(names.RUN_KIND, stage.namespace, "by-git")
        return found is not None and holds(found, "Succeeded")

    await until(over, 60)
    run = await stage.kube.get(names.RUN_KIND, stage.namespace, "by-git")
    assert run is not None
    assert "ownerReferences" not in run["metadata"]
    assert list(owned_by_others(run)) == []
    assert await drift(stage.kube, run_in_git(stage.namespace)) == {}
    made = stage.created("trainingruns")
    kept = {found["metadata"]["name"] for found in await stage.all(names.RUN_KIND)}
    assert "by-git" in kept
    assert len(made) >= 4, made  # seeds 1 to 4
    assert len(kept - {"by-git"}) < len(made), kept


async def check_children(stage: Stage) -> None:
    """What Argo CD tracks by is not copied: children would be pruned as orphans of the app."""
    for kind in KINDS:
        for child in await stage.all(kind):
            if "ownerReferences" not in child["metadata"]:
                continue
            marks: Mapping[str, str] = {
                **child["metadata"].get("labels", {}),
                **child["metadata"].get("annotations", {}),
            }
            assert not {"app.kubernetes.io/instance", "team", "owner"} & marks.keys(), child
            assert not any(key.startswith("argocd.argoproj.io/") for key in marks), child
    jobs = [job for job in await stage.all("Job") if "by-git" in job["metadata"]["name"]]
    assert jobs
    assert all("ttlSecondsAfterFinished" not in job["spec"] for job in jobs)
