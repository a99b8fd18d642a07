"""The scripted world: plays kubelet, Job controller, KServe, gateway and garbage collector.

On a real API server it brings about what a scenario says, as quickly as it can, so that a whole
rollout takes seconds and no image.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.operator.shell.cluster import Kube
from tests.operator.shell.predictors import Predictors

from mt_contract import names
from mt_contract.names import Stage
from mt_contract.report import (
    Comparison,
    EvaluationResult,
    Failure,
    Message,
    ProbeResult,
    TrainResult,
    encode,
)
from mt_operator.shell.api import Object
from mt_operator.shell.errors import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    ThrottledError,
    UnavailableError,
)
from mt_operator.shell.nodes import INDEX
from mt_operator.shell.observe_model import POD_SERVICE

KINDS = (
    names.MODEL_KIND,
    names.RUN_KIND,
    "Job",
    "Pod",
    "InferenceService",
    "HTTPRoute",
)
PERIOD = 0.05
ENDED = ("Complete", "Failed")
RACES = (ConflictError, NotFoundError, AlreadyExistsError)
AWAY = (UnavailableError, ThrottledError)


@dataclass
class Scenario:
    """What the programs in the containers would do."""

    scores: dict[int, float] = field(default_factory=dict)  # by seed of the training; else 50
    agreement: dict[int, str] = field(default_factory=dict)  # of the probe, by seed; else 1
    never_ready: set[int] = field(default_factory=set)  # seeds whose predictors stay unready
    failing: dict[Stage, Failure] = field(default_factory=dict)  # Jobs that fail
    silent: set[Stage] = field(default_factory=set)  # Jobs that complete without a message
    held: set[Stage] = field(default_factory=set)  # Jobs that run and do not end
    training_seconds: float = 0.0


class World:
    """Everything in one namespace that is not the operator."""

    def __init__(self, kube: Kube, namespace: str, scenario: Scenario) -> None:
        self.kube = kube
        self.namespace = namespace
        self.scenario = scenario
        self.predictors = Predictors()
        self._seeds: dict[str, int] = {}  # by artifact digest
        self._begun: dict[str, float] = {}  # Jobs, by UID

    async def run(self) -> None:
        while True:
            with contextlib.suppress(*RACES, *AWAY):  # the operator was quicker, or no server
                await self.step()
            await asyncio.sleep(PERIOD)

    async def step(self) -> None:
        found = {kind: await self.kube.list(kind, self.namespace) or [] for kind in KINDS}
        alive = {each["metadata"]["uid"] for kind in KINDS for each in found[kind]}
        for kind in KINDS:
            for each in found[kind]:
                owners = each["metadata"].get("ownerReferences") or []
                if owners and not any(owner["uid"] in alive for owner in owners):
                    await self.kube.remove(kind, self.namespace, each["metadata"]["name"])
        pods = {pod["metadata"]["name"]: pod for pod in found["Pod"]}
        for job in found["Job"]:
            name = job["metadata"]["name"]
            numbers = range(job["spec"].get("completions") or 1)
            await self._job(job, [pods.get(f"{name}-{number}") for number in numbers])
        for service in found["InferenceService"]:
            await self._service(service, pods)
        for route in found["HTTPRoute"]:
            if "ownerReferences" in route["metadata"]:  # others are no business of the gateway
                await self._route(route)
                refs = route["spec"]["rules"][0]["backendRefs"]
                self.predictors.serve({ref["name"]: ref.get("weight", 1) for ref in refs})

    async def _job(self, job: Object, pods: Sequence[Object | None]) -> None:
        """Bring a Job and its pods a step further; the first of several says what comes of it."""
        conditions = job.get("status", {}).get("conditions") or []
        if job["spec"].get("suspend") or any(
            c["type"] in ("Complete", "Failed") for c in conditions
        ):
            return
        stage = Stage(job["metadata"]["labels"][names.LABEL_STAGE])
        uid = job["metadata"]["uid"]
        missing = [number for number, pod in enumerate(pods) if pod is None]
        if missing:
            for number in missing:
                await self._make_pod(job, "Job", "batch/v1", job["spec"]["template"], number)
            await self._status("Job", job, {"startTime": now(), "active": len(pods)})
            return
        there = [pod for pod in pods if pod is not None]
        pending = [pod for pod in there if pod.get("status", {}).get("phase") != "Running"]
        if pending:
            self._begun[uid] = asyncio.get_running_loop().time()
            for pod in pending:
                await self._status("Pod", pod, {"phase": "Running", "podIP": "127.0.0.1"})
        elif stage not in self.scenario.held and self._over(uid, stage):
            await self._end(job, there[0], stage)

    def _over(self, uid: str, stage: Stage) -> bool:
        began = self._begun.setdefault(uid, asyncio.get_running_loop().time())
        seconds = self.scenario.training_seconds if stage is Stage.TRAIN else 0.0
        return asyncio.get_running_loop().time() - began >= seconds

    async def _end(self, job: Object, pod: Object, stage: Stage) -> None:
        failure = self.scenario.failing.get(stage)
        message = failure or self._result(stage, environment(job))
        text = "" if stage in self.scenario.silent else encode(message)
        ended = {"exitCode": 3 if failure else 0, "finishedAt": now(), "message": text}
        status = {
            "name": "main",
            "image": "i",
            "imageID": "i",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": ended | {"reason": "Error" if failure else "Completed"}},
        }
        phase = "Failed" if failure else "Succeeded"
        await self._status("Pod", pod, {"phase": phase, "containerStatuses": [status]})
        await self._status("Job", job, failed(job) if failure else complete(job))

    def _result(self, stage: Stage, env: Mapping[str, str]) -> Message:
        if stage in (Stage.TRAIN, Stage.IMPORT, Stage.COLLECT_TRAIN):
            digest = "sha256:" + hashlib.sha256(env["MT_RUN"].encode()).hexdigest()
            if stage is Stage.TRAIN:
                self._seeds[digest] = json.loads(env["MT_RECIPE"])["training"]["seed"]
            artifact = {"uri": f"{env['MT_OUTPUT']}/model", "digest": digest, "sizeBytes": 9}
            dataset = {"digest": "sha256:" + "0" * 64, "pairs": 5000, "rejectedPairs": 1}
            return TrainResult(artifact, dataset, {"loss": "2.1"}, {"cpuSeconds": 5})
        if stage is Stage.PROBE:
            seed = self._seed_of_run(env["MT_OUTPUT"])
            agreement = self.scenario.agreement.get(seed, "1")
            return ProbeResult(int(env["MT_REQUESTS"]), agreement, 0)
        return self._evaluation(env)

    def _evaluation(self, env: Mapping[str, str]) -> EvaluationResult:
        asked = json.loads(env["MT_EVALUATION"])
        score = self._score(json.loads(env["MT_ARTIFACT"])["digest"])
        other = json.loads(env["MT_BASELINE"]) if "MT_BASELINE" in env else None
        rows = []
        for row in asked["comparisons"]:
            delta = score - self._score(other["digest"]) if other else None
            bounds = [None] * 3 if delta is None else [delta, delta - 0.2, delta + 0.2]
            texts = [None if bound is None else f"{bound:.2f}" for bound in bounds]
            rows.append(Comparison(row["metric"], row.get("slice"), 500, f"{score:.2f}", *texts))
        baseline = None
        if other:
            scores = {"chrF": f"{self._score(other['digest']):.2f}"}
            baseline = {"digest": other["digest"], "scores": scores}
        report = f"{env['MT_OUTPUT']}/evaluation/report.json"
        return EvaluationResult(
            {"chrF": f"{score:.2f}"}, tuple(rows), {"chrF": "nrefs:1"}, 500, report, baseline
        )

    def _score(self, digest: str) -> float:
        return self.scenario.scores.get(self._seeds.get(digest, 0), 50.0)

    def _seed_of_run(self, folder: str) -> int:
        run = folder.rsplit("/", 1)[1].rsplit("-", 1)[0]
        return self._seeds.get("sha256:" + hashlib.sha256(run.encode()).hexdigest(), 0)

    async def _service(self, service: Object, pods: Mapping[str, Object]) -> None:
        meta, predictor = service["metadata"], service["spec"]["predictor"]
        env = {e["name"]: e.get("value", "") for e in predictor["containers"][0]["env"]}
        seed = self._seeds.get(env["MT_ARTIFACT_DIGEST"], 0)
        ready = seed not in self.scenario.never_ready
        for number in range(int(predictor.get("minReplicas", 1))):
            pod = pods.get(f"{meta['name']}-{number}")
            if pod is None:
                labels = {**meta["labels"], POD_SERVICE: meta["name"]}
                spec = {"containers": [{"name": "kserve-container", "image": "i"}]}
                template = {"metadata": {"labels": labels}, "spec": spec}
                made = ("InferenceService", "serving.kserve.io/v1beta1", template, number)
                await self._make_pod(service, *made)
            elif (pod.get("status", {}).get("phase") == "Running") is False:
                condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": now()}
                status = {"phase": "Running", "conditions": [condition]}
                if self.predictors.requests:
                    place = (pod["metadata"]["name"], env["MT_REVISION"], seed)
                    status["podIP"] = await self.predictors.address(*place)
                await self._status("Pod", pod, status)
        told = {c["type"]: c["status"] for c in service.get("status", {}).get("conditions", [])}
        if told.get("Ready") != str(ready):
            condition = {"type": "Ready", "status": str(ready), "reason": "Scripted"}
            await self._status("InferenceService", service, {"conditions": [condition]})

    async def _route(self, route: Object) -> None:
        generation = route["metadata"]["generation"]
        parents = route.get("status", {}).get("parents") or []
        seen = [c["observedGeneration"] for parent in parents for c in parent["conditions"]]
        if seen and all(number == generation for number in seen):
            return
        common = {
            "status": "True",
            "observedGeneration": generation,
            "lastTransitionTime": now(),
            "message": "",
        }
        parent = {
            "parentRef": route["spec"]["parentRefs"][0],
            "controllerName": "example.com/scripted",
            "conditions": [
                {"type": "Accepted", "reason": "Accepted", **common},
                {"type": "ResolvedRefs", "reason": "ResolvedRefs", **common},
            ],
        }
        await self._status("HTTPRoute", route, {"parents": [parent]})

    async def _make_pod(
        self, owner: Object, kind: str, version: str, template: Object, number: int
    ) -> None:
        meta = owner["metadata"]
        indexed = owner["spec"].get("completionMode") == "Indexed"
        reference = {
            "apiVersion": version,
            "kind": kind,
            "name": meta["name"],
            "uid": meta["uid"],
            "controller": True,
        }
        container = {"name": template["spec"]["containers"][0]["name"], "image": "i"}
        await self.kube.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"{meta['name']}-{number}",
                    "namespace": self.namespace,
                    "labels": template["metadata"]["labels"],
                    "annotations": {INDEX: str(number)} if indexed else {},
                    "ownerReferences": [reference],
                },
                "spec": {"containers": [container], "restartPolicy": "Never"},
            }
        )

    async def _status(self, kind: str, found: Object, status: Mapping[str, Any]) -> None:
        name = found["metadata"]["name"]
        await self.kube.merge(kind, self.namespace, name, {"status": status}, "status")


def environment(job: Object) -> dict[str, str]:
    """Return the variables of a Job's container."""
    container = job["spec"]["template"]["spec"]["containers"][0]
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def complete(job: Object) -> dict[str, Any]:
    """Return the status of a Job that is complete."""
    reason = "SuccessPolicy" if "successPolicy" in job["spec"] else "CompletionsReached"
    indexes = {"completedIndexes": "0"} if job["spec"].get("completions", 1) > 1 else {}
    return (
        _ended(job, "SuccessCriteriaMet", "Complete", reason)
        | indexes
        | {
            "completionTime": now(),
            "succeeded": 1,
        }
    )


def failed(job: Object) -> dict[str, Any]:
    """Return the status of a Job that failed for good."""
    return _ended(job, "FailureTarget", "Failed", "PodFailurePolicy") | {"failed": 1}


def _ended(job: Object, before: str, last: str, reason: str) -> dict[str, Any]:
    common = {
        "status": "True",
        "reason": reason,
        "message": "scripted",
        "lastTransitionTime": now(),
    }
    conditions = [{"type": kind, **common} for kind in (before, last)]
    started = job.get("status", {}).get("startTime") or now()
    return {"startTime": started, "active": 0, "ready": 0, "conditions": conditions}
