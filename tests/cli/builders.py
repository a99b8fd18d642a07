"""Models, runs and events in the states that commands meet."""

from __future__ import annotations

from typing import Any

Tree = dict[str, Any]
CREATED = "2026-11-18T12:00:00Z"
UID = "5b1d3c9e-2f4a-4d6b-8c7e-9a0b1c2d3e4f"
PRODUCTION: Tree = {
    "revision": "r-4c1f90ab",
    "run": "pt-en-7h2xk",
    "scores": {"chrF": "48.2", "BLEU": "27.9"},
    "since": "2026-11-20T12:00:00Z",
}
STEPS: list[Tree] = [
    {"setWeight": 10},
    {"pause": {"duration": "10m"}},
    {"setWeight": 50},
    {"pause": {}},
    {"setWeight": 100},
]
CANDIDATE: Tree = {
    "run": "pt-en-b81qz",
    "revision": "r-9ad0e51c",
    "stage": "Canary",
    "stageSince": "2026-11-21T11:50:00Z",
    "step": 1,
    "stepSince": "2026-11-21T11:57:00Z",
    "weight": 10,
    "scores": {"chrF": "48.9"},
    "rollout": {"steps": STEPS},
}
ANALYSIS: Tree = {
    "since": "2026-11-21T11:57:00Z",
    "checked": "2026-11-21T11:59:30Z",
    "verdict": "Failing",
    "failures": 1,
    "requests": 412,
    "metrics": [
        {
            "name": "errors",
            "verdict": "Failing",
            "value": "0.051",
            "reference": "0.002",
            "bound": "maxRatio 1.5",
            "evidence": 2.4,
            "requests": 412,
            "dryRun": False,
            "message": "21 of 412 requests failed",
        },
        {
            "name": "latency",
            "verdict": "NoData",
            "value": None,
            "reference": None,
            "bound": "maxRatio 1.5",
            "evidence": 0.0,
            "requests": 391,
            "dryRun": True,
            "message": "needs 1000 requests",
        },
    ],
}
REJECTED: Tree = {
    "run": "pt-en-b81qz",
    "revision": "r-9ad0e51c",
    "reason": "AnalysisFailed",
    "message": "errors are 0.051, above maxRatio 1.5. Change the spec, or retry it.",
    "time": "2026-11-21T11:00:00Z",
}
PREVIOUS: list[Tree] = [
    {"revision": "r-33333333", "run": "pt-en-c", "retired": "2026-11-20T12:00:00Z"},
    {"revision": "r-22222222", "run": "pt-en-b", "retired": "2026-11-19T12:00:00Z"},
]


def condition(kind: str, status: str, reason: str, message: str) -> Tree:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-11-21T11:55:00Z",
    }


READY = condition("Ready", "True", "Serving", "r-4c1f90ab is in production.")
UP_TO_DATE = condition("UpToDate", "True", "UpToDate", "What the spec asks for is in production.")
CANARY = condition("Reconciling", "True", "Canary", "r-9ad0e51c answers 10 % (step 2 of 5).")
DEGRADED = condition("Degraded", "True", "AnalysisFailed", "r-9ad0e51c was rejected: errors.")
STALLED = condition("Stalled", "True", "AnalysisFailed", "r-9ad0e51c was rejected: errors.")
PAUSED = condition("Paused", "True", "Paused", "r-9ad0e51c is paused by hand: resume it.")


def model(*conditions: Tree, name: str = "pt-en", namespace: str = "team-a", **status: Any) -> Tree:
    """Return a model with r-4c1f90ab in production; the keyword ``spec`` adds to its spec."""
    spec = {"sourceLanguage": "pt", "targetLanguage": "en"} | status.pop("spec", {})
    whole: Tree = {
        "observedGeneration": 1,
        "pair": "pt-en",
        "url": f"http://{name}-{namespace}.example.com",
        "trafficBackend": "HTTPRoute",
        "production": PRODUCTION,
        "conditions": list(conditions or (READY, UP_TO_DATE)),
    }
    return {
        "apiVersion": "translation.kubeflow.org/v1alpha1",
        "kind": "TranslationModel",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": UID,
            "generation": 1,
            "creationTimestamp": CREATED,
        },
        "spec": spec,
        "status": {k: v for k, v in (whole | status).items() if v is not None},
    }


def in_canary(*conditions: Tree, **changes: Any) -> Tree:
    """Return a model whose candidate is in its first pause; keywords change the candidate."""
    candidate = {k: v for k, v in (CANDIDATE | changes).items() if v is not None}
    return model(*(conditions or (READY, CANARY)), candidate=candidate)


def run(name: str, *conditions: Tree, created: str = CREATED, **status: Any) -> Tree:
    """Return a run of pt-en; ``spec`` among the keywords adds to its spec."""
    spec = {"modelRef": {"name": "pt-en"}, "candidate": True} | status.pop("spec", {})
    return {
        "apiVersion": "translation.kubeflow.org/v1alpha1",
        "kind": "TrainingRun",
        "metadata": {
            "name": name,
            "namespace": "team-a",
            "uid": f"uid-of-{name}",
            "creationTimestamp": created,
        },
        "spec": spec,
        "status": {"conditions": list(conditions)} | status,
    }


SUCCEEDED = condition("Succeeded", "True", "Completed", "The run is over.")
BLESSED = condition("Blessed", "True", "Blessed", "All gates passed (2).")
NOT_BLESSED = condition("Blessed", "False", "GateFailed", "gate quality: chrF is 31, below min 40")


def event(reason: str, message: str, time: str, kind: str = "Normal", uid: str = UID) -> Tree:
    return {
        "metadata": {"name": f"pt-en.{reason}.{time}", "namespace": "team-a"},
        "involvedObject": {"uid": uid},
        "type": kind,
        "reason": reason,
        "message": message,
        "eventTime": time,
    }
