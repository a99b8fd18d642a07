"""Who may promote and bless: the admission policy and the roles, on a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from tests.cli.installed import MODELS, Installed, model
from tests.crds.apiserver import ROOT

pytestmark = pytest.mark.apiserver
NUMBERS = count()
FREE = ("abort", "retry", "pause", "resume", "retrain")


@pytest.fixture
def name(installed: Installed) -> Iterator[str]:
    """Yield the name of a model that has an old promote and an old bless."""
    found = f"model-{next(NUMBERS)}"
    installed.model(found, promote="r-old/1", bless="run-old/1", abort="r-old/1")
    yield found
    installed.send("DELETE", f"{MODELS}/{found}")


JUDGED = [
    pytest.param("writer", "promote", "r-1/2", "promote", id="promote without the verb"),
    pytest.param("writer", "promote", "full/r-1/2", "promote", id="promote in full without it"),
    pytest.param("writer", "rollback", "r-1/2", "promote", id="rollback without the verb"),
    pytest.param("writer", "bless", "run-1/2", "bless", id="bless without the verb"),
    pytest.param("editor", "bless", "run-1/2", "bless", id="an editor may not bless"),
    pytest.param("editor", "promote", "r-1/2", None, id="an editor may promote"),
    pytest.param("editor", "rollback", "r-1/2", None, id="an editor may roll back"),
    pytest.param("admin", "promote", "full/r-1/2", None, id="an admin may promote"),
    pytest.param("admin", "bless", "run-1/2", None, id="an admin may bless"),
    *(pytest.param("writer", free, "r-1/2", None, id=f"{free} is free") for free in FREE),
]


@pytest.mark.parametrize(("user", "action", "token", "missing"), JUDGED)
def test_an_action_needs_its_verb(
    installed: Installed, name: str, user: str, action: str, token: str, missing: str | None
) -> None:
    answer = installed.annotate(name, user, **{action: token})
    if missing is None:
        assert answer.status_code == 200, answer.text
        return
    assert answer.status_code == 403
    told = answer.json()["message"]
    assert f"needs the verb {missing}" in told
    assert f"translation.kubeflow.org/{action}" in told
    assert f"which {user} does not have: ask an administrator of the namespace" in told


def test_both_at_once_are_judged_each_by_itself(installed: Installed, name: str) -> None:
    answer = installed.annotate(name, "editor", promote="r-1/2", bless="run-1/2")
    assert answer.status_code == 403
    assert "verb bless" in answer.json()["message"]


@pytest.mark.parametrize("action", ["promote", "bless"])
def test_removing_an_action_needs_nothing(installed: Installed, name: str, action: str) -> None:
    answer = installed.annotate(name, "writer", **{action: None})
    assert answer.status_code == 200, answer.text
    assert f"translation.kubeflow.org/{action}" not in answer.json()["metadata"]["annotations"]


def test_other_changes_of_an_annotated_model_need_nothing(installed: Installed, name: str) -> None:
    patch = {"metadata": {"annotations": {"note": "x"}}, "spec": {"suspend": True}}
    answer = installed.send("PATCH", f"{MODELS}/{name}", patch, user="writer")
    assert answer.status_code == 200, answer.text


CREATED = [
    pytest.param("writer", "promote", 403, id="not without the verb"),
    pytest.param("editor", "bless", 403, id="not by an editor who blesses"),
    pytest.param("admin", "bless", 201, id="by an admin"),
    pytest.param("writer", "abort", 201, id="with a free action"),
]


@pytest.mark.parametrize(("user", "action", "status"), CREATED)
def test_a_model_may_be_made_with_an_action(
    installed: Installed, user: str, action: str, status: int
) -> None:
    body = model(f"made-{next(NUMBERS)}", **{action: "r-1/1"})
    answer = installed.send("POST", MODELS, body, user=user, dryRun="All")
    assert answer.status_code == status, answer.text


def test_a_model_without_annotations_needs_nothing(installed: Installed) -> None:
    bare = model("bare") | {"metadata": {"name": "bare"}}
    answer = installed.send("POST", MODELS, bare, user="writer", dryRun="All")
    assert answer.status_code == 201, answer.text


def test_the_overlay_installs_it(installed: Installed) -> None:
    overlay = str(ROOT / "manifests" / "overlays" / "standalone")
    told = installed.kubectl("apply", "--dry-run=server", "-k", overlay)
    assert "validatingadmissionpolicy.admissionregistration.k8s.io/translation-actions" in told
    assert "validatingadmissionpolicybinding" in told
