"""Snapshots of what exists: plain values, decoded once by the shell, that both decisions read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from mt_contract.report import Message
from mt_operator.settings import Settings

Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Meta:
    """Metadata of an object."""

    name: str
    namespace: str
    uid: str
    generation: int = 1
    created: datetime | None = None
    deleting: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None  # UID of the controlling owner


class JobState(StrEnum):
    """Where a Job is."""

    SUSPENDED = "Suspended"
    ACTIVE = "Active"  # its pods may be pending, running, or between two attempts
    COMPLETE = "Complete"
    FAILED = "Failed"


@dataclass(frozen=True)
class JobView:
    """A Job with what its newest pod tells."""

    meta: Meta
    state: JobState
    # Decoded termination message of the newest ended container, if it is readable.
    message: Message | None = None
    # The Job's own reason and message (BackoffLimitExceeded, DeadlineExceeded, PodFailurePolicy).
    failure: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    # Why the newest pod does not run: "Unschedulable: …", "ImagePullBackOff: …".
    waiting: str = ""
    running: bool = False
    progress: Tree | None = None  # GET :9090/progress of a running trainer
    started: datetime | None = None
    finished: datetime | None = None


@dataclass(frozen=True)
class KnativeRevision:
    """A Revision of Knative: a template of the InferenceService that pods were made from."""

    revision: str  # ours, that its label names
    inputs: str  # digest of what its template was made from
    ready: bool = True
    ready_replicas: int = 0  # pods of it that are ready now
    min_scale: int = 1
    max_scale: int = 0  # 0: no bound
    waiting: str = ""  # why a pod of it does not get ready, or what Knative says


@dataclass(frozen=True)
class KnativeTarget:
    """One entry of what Knative says of the traffic."""

    name: str  # of Knative's revision
    percent: int
    latest: bool  # the latest ready revision, whichever it is


@dataclass(frozen=True)
class KnativeView:
    """What an InferenceService in Knative mode tells of its revisions, by Knative's names."""

    created: str = ""  # the latest that was made
    ready: str = ""  # the latest that got ready
    rolled_out: str = ""  # the last that had all traffic: what a percentage is taken from
    traffic: tuple[KnativeTarget, ...] = ()
    revisions: Mapping[str, KnativeRevision] = field(default_factory=dict)


@dataclass(frozen=True)
class ServiceView:
    """An InferenceService."""

    meta: Meta
    ready: bool
    predictor: Tree  # spec.predictor as it is
    reason: str = ""
    message: str = ""
    ready_replicas: int = 0  # pods of its predictor that are ready now
    # Why a pod of it does not get ready, as in JobView; its Failure's message when it crashed.
    waiting: str = ""
    failed: bool = False  # it says so; what is only not ready yet is on its way
    url: str = ""
    knative: KnativeView | None = None  # in Knative mode, once Knative has answered


@dataclass(frozen=True)
class RouteView:
    """Our HTTPRoute."""

    meta: Meta
    weights: Mapping[str, int]  # by backend Service
    in_force: bool  # Accepted and ResolvedRefs at the current generation, by our Gateway
    message: str = ""  # what the gateway says when not
    since: datetime | None = None  # when the gateway accepted the current generation


@dataclass(frozen=True)
class FrontView:
    """Our Service in front of one revision, where traffic cannot be split."""

    meta: Meta
    selector: Mapping[str, str]


@dataclass(frozen=True)
class RunView:
    """A TrainingRun as its model sees it."""

    meta: Meta
    spec: Tree  # as written
    status: Tree


@dataclass(frozen=True)
class ModelView:
    """A TranslationModel as its run sees it."""

    meta: Meta
    spec: Tree
    status: Tree


@dataclass(frozen=True)
class Counters:
    """What one predictor process has counted of its requests since it started."""

    codes: Mapping[str, int] = field(default_factory=dict)  # requests by HTTP status
    # Durations of requests answered 200: how many took at most so many seconds ("0.05", "+Inf").
    seconds: Mapping[str, int] = field(default_factory=dict)
    instances: int = 0  # texts translated
    empty: int = 0  # of these, with an empty translation
    copies: int = 0  # of these, that came back as they were
    source_tokens: int = 0
    target_tokens: int = 0
    # Texts by feature and bucket, which is named by its upper bound.
    features: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class PodReading:
    """One predictor pod, read at one moment."""

    uid: str
    # Names the process: counters of another one began at 0 again. Empty: the pod is there, but its
    # counters could not be read; what was read of it last stays true.
    process: str
    # Of its containers, as the kubelet counts them; one more for a pod that has failed (evicted,
    # out of memory) rather than been deleted.
    restarts: int = 0
    users: Counters = Counters()
    synthetic: Counters = Counters()  # the operator's own requests, which users' exclude


@dataclass(frozen=True)
class Reading:
    """What predictors and named queries told at one moment; what could not be had is left out."""

    time: datetime
    pods: Mapping[str, tuple[PodReading, ...]] = field(default_factory=dict)  # by revision
    queries: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # name -> revision


@dataclass(frozen=True)
class Cluster:
    """What this cluster offers."""

    kserve: bool = True
    gateway_api: bool = True
    knative: bool = False
    # Of KServe's ConfigMap inferenceservice-config; empty and None where it cannot be read.
    default_mode: str = ""
    gateway_enabled: bool | None = None

    @property
    def knative_name(self) -> str:
        """Return what this KServe calls the Knative mode: before 0.17, Serverless."""
        return "Serverless" if self.default_mode == "Serverless" else "Knative"


@dataclass(frozen=True)
class ObservedRun:
    """All that a decision about one TrainingRun may depend on."""

    now: datetime
    meta: Meta
    spec: Tree
    status: Tree
    settings: Settings
    model: ModelView | None = None  # of spec.modelRef, if it exists
    jobs: Mapping[str, JobView] = field(
        default_factory=dict
    )  # every Job of ours by name, and any that has a name we need
    services: Mapping[str, Meta] = field(
        default_factory=dict
    )  # ours, by which pods that train together find each other
    claims: Mapping[str, bool] = field(
        default_factory=dict
    )  # PersistentVolumeClaims that the spec names: exists?
    # Runs of the same model, itself too: read only where what came of one of them is asked for.
    runs: tuple[RunView, ...] = ()


@dataclass(frozen=True)
class ObservedModel:
    """All that a decision about one TranslationModel may depend on."""

    now: datetime
    meta: Meta
    spec: Tree
    status: Tree
    settings: Settings
    cluster: Cluster = Cluster()
    runs: tuple[RunView, ...] = ()  # runs whose modelRef names this model
    services: Mapping[str, ServiceView] = field(default_factory=dict)
    routes: Mapping[str, RouteView] = field(default_factory=dict)
    fronts: Mapping[str, FrontView] = field(default_factory=dict)
    jobs: Mapping[str, JobView] = field(default_factory=dict)  # probe Jobs
    # Oldest first. Only the last is sure to be there: earlier ones are what this process has seen
    # since it started, and make a verdict sharper, never possible.
    readings: tuple[Reading, ...] = ()
