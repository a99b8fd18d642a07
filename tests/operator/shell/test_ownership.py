"""Who owns which fields of a child: what others write stays theirs, what we take away goes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from tests.operator.serving_builders import OWNER, build
from tests.operator.shell.cluster import Kube
from tests.operator.shell.stage import Stage

from mt_contract.defaults import Images
from mt_contract.names import FIELD_MANAGER, LABEL_REVISION
from mt_operator.core.children.knative_service import DARK, Exposure, exposed, knative_service
from mt_operator.core.plan import Manifest
from mt_operator.settings import Settings
from mt_operator.shell.views import service_view

SETTINGS, LOAD = Settings(Images("t", "p")), timedelta(minutes=5)
THEIRS = {"argocd.argoproj.io/instance": "theirs"}


def placed(manifest: Manifest, stage: Stage) -> dict[str, Any]:
    """Return a manifest in the test's namespace, without its owner, which is not there."""
    metadata = dict(manifest["metadata"]) | {"namespace": stage.namespace}
    del metadata["ownerReferences"]
    return dict(manifest) | {"metadata": metadata}


async def fields_of(kube: Kube, stage: Stage, name: str) -> Mapping[str, Any]:
    """Return the fields that the operator owns of an InferenceService."""
    found = await kube.get("InferenceService", stage.namespace, name)
    assert found
    (entry,) = [
        entry
        for entry in found["metadata"]["managedFields"]
        if (entry["manager"], entry["operation"]) == (FIELD_MANAGER, "Apply")
    ]
    return dict(entry["fieldsV1"])


@pytest.mark.apiserver
async def test_percentage_alone_takes_nothing_of_others_and_gives_nothing_away(
    kube: Kube, stage: Stage
) -> None:
    template = knative_service(OWNER, build(), Exposure(0, public=False), SETTINGS, LOAD)
    name = template.manifest["metadata"]["name"]
    await kube.apply(placed(template.manifest, stage))
    before = await fields_of(kube, stage, name)
    theirs = {"metadata": {"labels": THEIRS}, "spec": {"predictor": {"containerConcurrency": 3}}}
    await kube.merge("InferenceService", stage.namespace, name, theirs)
    found = await kube.get("InferenceService", stage.namespace, name)
    assert found
    change = exposed(OWNER, service_view(found, []), Exposure(50, public=True))
    await kube.apply(placed(change.manifest, stage))
    found = await kube.get("InferenceService", stage.namespace, name)
    assert found
    labels, predictor = found["metadata"]["labels"], found["spec"]["predictor"]
    assert predictor["canaryTrafficPercent"] == 50
    assert THEIRS.items() <= labels.items()
    assert not DARK.items() & labels.items()
    after = await fields_of(kube, stage, name)
    assert set(after["f:metadata"]["f:labels"]) == {
        label for label in before["f:metadata"]["f:labels"] if label.removeprefix("f:") not in DARK
    }
    assert f"f:{LABEL_REVISION}" in after["f:metadata"]["f:labels"]
    assert set(before["f:spec"]["f:predictor"]) <= set(after["f:spec"]["f:predictor"])
