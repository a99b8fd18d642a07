"""Both modes of KServe on one real cluster, and Prometheus: given later, and kept by a restart."""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.localcluster.real import left_behind, localcluster, node_of

from localcluster import audit, state
from localcluster.api import Api, condition
from localcluster.cache import default_cache
from localcluster.configs import PRODUCT_LABEL
from localcluster.control import Node
from localcluster.errors import ClusterError
from localcluster.images import base_image
from localcluster.instance import Instance

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="a node needs root"),
    pytest.mark.timeout(3000),
]

NAME = "self-kn"
NAMESPACE = "both"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
SERVICES = f"/apis/serving.kserve.io/v1beta1/namespaces/{NAMESPACE}/inferenceservices"
# Answers every request with the version that it was started as, and shows metrics.
SERVER = """
import os, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        text = "asked_total 1\\n" if self.path == "/metrics" else os.environ["VERSION"]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass

threading.Thread(target=ThreadingHTTPServer(("", 9464), Handler).serve_forever).start()
ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def container(name: str, *command: str, **rest: Any) -> dict[str, Any]:
    return {
        "name": name,
        "image": base_image(),
        "imagePullPolicy": "Never",
        "command": list(command),
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}},
        "securityContext": RESTRICTED,
        **rest,
    }


def predictor(version: str, percent: int | None = None) -> dict[str, Any]:
    served = container(
        "kserve-container",
        "python3",
        "-c",
        SERVER,
        env=[{"name": "VERSION", "value": version}],
        ports=[{"containerPort": 8080, "protocol": "TCP"}],
        readinessProbe={"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    )
    canary = {} if percent is None else {"canaryTrafficPercent": percent}
    return {"minReplicas": 1, "maxReplicas": 1, "containers": [served], **canary}


def inference_service(name: str, mode: str, version: str) -> dict[str, Any]:
    annotations = {
        "serving.kserve.io/deploymentMode": mode,
        "serving.kserve.io/enable-tag-routing": "true",
        "prometheus.io/port": "9464",
    }
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "annotations": annotations,
            "labels": {"translation.kubeflow.org/model": name},
        },
        "spec": {"predictor": predictor(version)},
    }


def client(instance: Instance) -> Api:
    return Api(instance.kubeconfig, instance.addresses.node)


def until(holds: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait for something; what the server refuses or does not answer meanwhile counts as no."""
    deadline = time.monotonic() + seconds
    while not _holds(holds):
        assert time.monotonic() < deadline, f"in vain waited until {what}"
        time.sleep(0.2)


def _holds(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except (OSError, ClusterError, http.client.HTTPException):
        return False


def is_ready(api: Api, name: str) -> bool:
    return condition(api.get(f"{SERVICES}/{name}"), "Ready").get("status") == "True"


def in_force(api: Api, name: str, percent: int) -> bool:
    """Tell whether the newest revision of a service is ready and has this share."""
    shown = (api.get(f"{SERVICES}/{name}") or {})["status"]["components"]["predictor"]
    newest = [entry for entry in shown["traffic"] if entry.get("latestRevision")]
    return (
        shown["latestCreatedRevision"] == shown["latestReadyRevision"]
        and [entry["revisionName"] for entry in newest] == [shown["latestCreatedRevision"]]
        and newest[0].get("percent", 0) == percent
    )


def ask(instance: Instance, host: str) -> str:
    """Return what the gateway answers for a host: the version, or the status."""
    url = urllib.parse.urlsplit(instance.gateway_url)
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=30)
    try:
        connection.request("GET", "/", headers={"Host": host})
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    return text if answer.status == http.client.OK else str(answer.status)


def split(instance: Instance, times: int = 500) -> Counter[str]:
    return Counter(ask(instance, f"kn-predictor.{NAMESPACE}.example.com") for _ in range(times))


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """A cluster of the usual kind, which is given Knative and Prometheus while it runs."""
    try:
        localcluster(NAME, "up", "--audit")
        localcluster(NAME, "load-image", base_image())
        localcluster(NAME, "up", "--knative", "--prometheus")
        made = state.require(default_cache(), NAME)
        namespace = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": NAMESPACE,
                "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
            },
        }
        client(made).apply(f"/api/v1/namespaces/{NAMESPACE}", namespace)
        yield made
    finally:
        made = state.require(default_cache(), NAME)
        localcluster(NAME, "down")
        found = left_behind(made)
        localcluster(NAME, "down", "--purge")
        assert found == []


@pytest.fixture(scope="module")
def serving(instance: Instance) -> Instance:
    """Two services with one server, one in each mode."""
    api = client(instance)
    for name, mode in (("kn", "Knative"), ("std", "Standard")):
        api.apply(f"{SERVICES}/{name}", inference_service(name, mode, f"{name}-1"))
    for name in ("kn", "std"):
        until(lambda name=name: is_ready(api, name), f"{name} is Ready")  # type: ignore[misc]
    return instance


@pytest.fixture(scope="module")
def canary(serving: Instance) -> Instance:
    """The one in Knative mode has a canary without traffic."""
    api = client(serving)
    api.merge(f"{SERVICES}/kn", {"spec": {"predictor": predictor("kn-2", 0)}})
    until(lambda: in_force(api, "kn", 0), "the canary is ready at 0 %")
    return serving


def test_both_modes_are_served_through_one_gateway(serving: Instance) -> None:
    api = client(serving)
    for name, mode in (("kn", "Knative"), ("std", "Standard")):
        shown = (api.get(f"{SERVICES}/{name}") or {})["status"]
        assert shown["deploymentMode"] == mode
        host = urllib.parse.urlsplit(shown["url"]).netloc
        until(lambda host=host, name=name: ask(serving, host) == f"{name}-1", f"{host} answers")  # type: ignore[misc]


def test_a_canary_without_traffic_is_reached_by_its_tag_alone(canary: Instance) -> None:
    until(lambda: ask(canary, f"latest-kn-predictor.{NAMESPACE}.example.com") == "kn-2", "its tag")
    assert split(canary, 100) == Counter({"kn-1": 100})


def test_a_canary_takes_its_share_and_a_restart_keeps_it(canary: Instance) -> None:
    api = client(canary)
    api.merge(f"{SERVICES}/kn", {"spec": {"predictor": {"canaryTrafficPercent": 20}}})
    until(lambda: in_force(api, "kn", 20), "20 % are in force")
    # The route is programmed a moment after the status says so.
    until(lambda: split(canary, 20)["kn-2"] > 0, "the first answers of the canary")
    assert_a_fifth(split(canary))
    localcluster(NAME, "down")
    localcluster(NAME, "up")
    until(lambda: set(split(canary, 40)) == {"kn-1", "kn-2"}, "both serve again")
    assert_a_fifth(split(canary))


def assert_a_fifth(answers: Counter[str]) -> None:
    assert set(answers) == {"kn-1", "kn-2"}, "only the two versions answer"
    # Of 500 requests, five standard deviations to each side: wrong once in a million runs.
    assert 55 <= answers["kn-2"] <= 145


@pytest.mark.parametrize(
    ("host", "versions"),
    [
        pytest.param("kn-predictor", {"kn-1", "kn-2"}, id="the split"),
        pytest.param("latest-kn-predictor", {"kn-2"}, id="the canary"),
        pytest.param("prev-kn-predictor", {"kn-1"}, id="what is in production"),
    ],
)
def test_pods_reach_revisions_by_name(canary: Instance, host: str, versions: set[str]) -> None:
    asker = f"asks-{host}"
    code = (
        "import urllib.request as u\n"
        f"url = 'http://{host}.{NAMESPACE}.svc.cluster.local/'\n"
        "print(*sorted({u.urlopen(url, timeout=30).read().decode() for _ in range(100)}))\n"
    )
    write_message = "import sys\nsys.stdout = open('/dev/termination-log', 'w')\n"
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": asker},
        "spec": {
            "restartPolicy": "OnFailure",
            "containers": [container("c", "python3", "-c", write_message + code)],
        },
    }
    api = client(canary)
    api.apply(f"{PODS}/{asker}", document)
    until(lambda: phase(api, asker) == "Succeeded", f"{host} answered a pod")
    ended = (api.get(f"{PODS}/{asker}") or {})["status"]["containerStatuses"][0]["state"]
    assert set(ended["terminated"]["message"].split()) <= versions
    assert "kn-" in ended["terminated"]["message"]


def phase(api: Api, pod: str) -> str:
    return str((api.get(f"{PODS}/{pod}") or {}).get("status", {}).get("phase"))


def test_prometheus_finds_the_products_pods_in_both_modes(canary: Instance) -> None:
    assert localcluster(NAME, "prometheus-url").strip() == canary.prometheus_url
    query = urllib.parse.quote(f'asked_total{{namespace="{NAMESPACE}"}}')

    def models() -> set[str]:
        with urllib.request.urlopen(
            f"{canary.prometheus_url}/api/v1/query?query={query}", timeout=10
        ) as answer:
            series = json.load(answer)["data"]["result"]
        return {entry["metric"][PRODUCT_LABEL] for entry in series}

    until(lambda: models() == {"kn", "std"}, "Prometheus has series of both")


def test_writes_are_counted_by_who_made_them(canary: Instance) -> None:
    since = datetime.now(UTC)
    path = f"/api/v1/namespaces/{NAMESPACE}"
    client(canary).merge(path, {"metadata": {"labels": {"seen": "1"}}})

    def mine() -> int:
        found = audit.writes(canary.audit_log, since)
        return sum((each.user, each.kind) == ("admin", "namespaces") for each in found)

    until(lambda: mine() == 1, "the one write is logged")
    assert "namespaces" in localcluster(NAME, "audit-writes", "--since", since.isoformat())


def test_a_program_that_was_stopped_leaves_the_others_alone(canary: Instance) -> None:
    before = running(canary)
    localcluster(NAME, "stop", "prometheus")
    assert running(canary) == before - {"prometheus"}
    assert set(split(canary, 40)) <= {"kn-1", "kn-2"}
    localcluster(NAME, "up")
    assert running(canary) == before


def running(instance: Instance) -> set[str]:
    return {each.name for each in Node(node_of(instance).pid).processes() if each.pid}
