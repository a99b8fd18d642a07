"""What of an audit log counts as a write, and under which name."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcluster import audit
from localcluster.__main__ import moment


def event(verb: str = "patch", **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "stage": "ResponseComplete",
        "requestURI": "/apis/batch/v1/namespaces/n/jobs/j?fieldManager=x",
        "verb": verb,
        "user": {"username": "system:serviceaccount:s:operator"},
        "userAgent": "mt-operator/1.0 python",
        "objectRef": {"resource": "jobs", "namespace": "n", "name": "j", "apiGroup": "batch"},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-01-31T12:00:00.000000Z",
    }
    return made | changes


def logged(tmp_path: Path, *events: dict[str, Any], rest: str = "") -> Path:
    log = tmp_path / "audit.log"
    log.write_text("".join(json.dumps(each) + "\n" for each in events) + rest)
    return log


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        pytest.param(event("create"), True, id="a creation"),
        pytest.param(event("deletecollection"), True, id="a deletion of many"),
        pytest.param(event(responseStatus={"code": 409}), True, id="one that was refused"),
        pytest.param(event("get"), False, id="a read"),
        pytest.param(event("watch"), False, id="a watch"),
        pytest.param(event(stage="ResponseStarted"), False, id="half an answer"),
        pytest.param(
            event(requestURI="/apis/batch/v1/namespaces/n/jobs/j?dryRun=All"),
            False,
            id="one that was only tried",
        ),
        pytest.param(
            event(
                "create",
                objectRef={"resource": "tokenreviews", "apiGroup": "authentication.k8s.io"},
            ),
            False,
            id="a question who somebody is",
        ),
        pytest.param(event("create", objectRef=None), False, id="a path that is no object"),
    ],
)
def test_what_counts_as_a_write(given: dict[str, Any], counts: bool) -> None:
    assert audit.is_write(given) is counts


def test_a_write_is_told_by_who_what_and_when() -> None:
    status = {
        "resource": "translationmodels",
        "apiGroup": "translation.kubeflow.org",
        "subresource": "status",
        "namespace": "n",
        "name": "m",
    }
    found = audit.write(event(objectRef=status, responseStatus={"code": 409}))
    assert found.kind == "translationmodels.translation.kubeflow.org/status"
    assert (found.agent, found.verb, found.name) == ("mt-operator", "patch", "m")
    assert found.at == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert found.refused
    pod = audit.write(event(objectRef={"resource": "pods"}))
    assert (pod.kind, pod.namespace, pod.refused) == ("pods", "", False)


def test_writes_are_counted_from_a_time_on(tmp_path: Path) -> None:
    late = event(requestReceivedTimestamp="2026-01-31T12:00:01.500000Z")
    log = logged(tmp_path, event(), event("get"), late, late, event("create"))
    since = datetime(2026, 1, 31, 12, 0, 1, tzinfo=UTC)
    who = ("system:serviceaccount:s:operator", "mt-operator")
    assert audit.counted(audit.writes(log, since)) == Counter({(*who, "patch", "jobs.batch"): 2})
    assert audit.counted(audit.writes(log)).total() == 4


def test_the_table_tells_what_was_refused(tmp_path: Path) -> None:
    refused = event("create", responseStatus={"code": 409})
    log = logged(tmp_path, event("create"), refused, event(), event(), event())
    patched, created = audit.table(audit.writes(log)).splitlines()
    assert patched.split()[0] == "3"
    assert "refused" not in patched
    assert created.split()[0] == "2"
    assert created.endswith("create  jobs.batch  (1 refused)")


def test_a_line_that_is_being_written_waits_for_its_end(tmp_path: Path) -> None:
    log = logged(tmp_path, event(), rest='{"verb": "cre')
    assert len(list(audit.writes(log))) == 1


def test_a_moment_is_a_time_or_seconds_ago() -> None:
    assert moment("2026-01-31T12:00:00Z") == datetime(2026, 1, 31, 12, tzinfo=UTC)
    ago = timedelta(seconds=90)
    before = datetime.now(UTC)
    assert before - ago <= moment("90") <= datetime.now(UTC) - ago
