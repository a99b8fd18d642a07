"""Views of the two custom resources, as frozen dataclasses.

``resolve`` in defaults.py fills in what the user left out; only a resolved spec is decoded into
these views, so a field is None here only where "not set" means something of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Storage:
    """Where runs keep their folders."""

    uri: str


@dataclass(frozen=True)
class Source:
    """One file of parallel text; ``slice`` names its part of the test set."""

    uri: str
    slice: str | None = None
    target_uri: str | None = None  # format Parallel: the target side, line by line


@dataclass(frozen=True)
class Fields:
    """Names of the columns of JSONL and Parquet."""

    source: str = "source"
    target: str = "target"
    slice: str | None = None


@dataclass(frozen=True)
class Checks:
    """Data validation, before a GPU is asked for."""

    min_pairs: int
    max_empty_fraction: Decimal
    max_duplicate_fraction: Decimal
    max_length_ratio: Decimal
    max_copy_fraction: Decimal
    max_test_overlap: Decimal
    max_divergence: Decimal | None = None


@dataclass(frozen=True)
class Data:
    """The parallel text of a recipe, and the held-out text that judges it."""

    format: str
    train: tuple[Source, ...]
    checks: Checks
    validation: tuple[Source, ...] = ()
    test: tuple[Source, ...] = ()  # never part of a recipe
    fields: Fields = Fields()


@dataclass(frozen=True)
class Architecture:
    """Sizes of the Transformer."""

    layers: int
    model_dimension: int
    feed_forward_dimension: int
    heads: int
    dropout: Decimal
    max_tokens: int


@dataclass(frozen=True)
class Vocabulary:
    """The SentencePiece model."""

    algorithm: str
    size: int
    shared: bool


@dataclass(frozen=True)
class Optimizer:
    """Adam's schedule and the batch."""

    learning_rate: Decimal
    warmup_steps: int
    label_smoothing: Decimal
    batch_tokens: int
    gradient_clip: Decimal


@dataclass(frozen=True)
class EarlyStopping:
    """Stop after ``patience`` epochs without a better ``metric``."""

    metric: str
    patience: int


@dataclass(frozen=True)
class Budget:
    """When training ends at the latest."""

    max_epochs: int
    max_steps: int
    max_duration: timedelta
    early_stopping: EarlyStopping | None = None


@dataclass(frozen=True)
class Placement:
    """Where and with what a Job runs; a change of it starts nothing."""

    nodes: int = 1
    resources: Mapping[str, Any] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    priority_class_name: str | None = None
    queue_name: str | None = None
    backoff_limit: int = 3
    active_deadline: timedelta | None = None
    env: tuple[Mapping[str, Any], ...] = ()
    env_from: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Training:
    """How a model is trained (recipe); in the API, the placement stands beside it."""

    preset: str
    architecture: Architecture
    vocabulary: Vocabulary
    optimizer: Optimizer
    budget: Budget
    precision: str
    warm_start_from: str
    seed: int
    image: str


@dataclass(frozen=True)
class Recipe:
    """What decides a training's outcome: a trainer is given it, recipe.py takes digests of it."""

    source_language: str
    target_language: str
    data: Data
    training: Training


@dataclass(frozen=True)
class Gate:
    """One condition on one metric; all must pass."""

    name: str
    metric: str
    min: Decimal | None = None
    max: Decimal | None = None
    min_delta: Decimal | None = None
    max_delta: Decimal | None = None
    slice: str | None = None
    min_examples: int = 1


@dataclass(frozen=True)
class Evaluation:
    """How a candidate is judged offline."""

    baseline: str
    confidence: Decimal
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class Replicas:
    """Bounds and target of the autoscaler."""

    min: int
    max: int
    metric: str
    target: int


@dataclass(frozen=True)
class Engine:
    """What changes translations without training: part of a revision's name."""

    engine: str
    precision: str
    beam_size: int
    image: str


@dataclass(frozen=True)
class RequestLog:
    """Where predictors send what users ask and are answered."""

    sink: str
    mode: str  # All | Request | Response
    sample: Decimal


@dataclass(frozen=True)
class ServingOptions:
    """What serves differently but translates the same: changed in place."""

    max_batch_tokens: int
    max_batch_delay: timedelta
    max_queue: int
    replicas: Replicas
    deployment_mode: str
    resources: Mapping[str, Any] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    timeout: timedelta | None = None
    request_log: RequestLog | None = None


@dataclass(frozen=True)
class Pause:
    """A wait; without a duration, until somebody promotes."""

    duration: timedelta | None = None


@dataclass(frozen=True)
class Step:
    """One step of a rollout: a weight, or a pause."""

    set_weight: int | None = None
    pause: Pause | None = None


@dataclass(frozen=True)
class ServingCheck:
    """Held-out sentences through the candidate, at weight 0."""

    requests: int
    min_agreement: Decimal
    max_load: timedelta


@dataclass(frozen=True)
class Measure:
    """One metric that is watched under traffic: a built-in, or a query that the platform named."""

    name: str
    builtin: str | None = None  # ErrorRate | LatencyP99 | EmptyFraction | CopyFraction | …
    query: str | None = None
    min: Decimal | None = None
    max: Decimal | None = None
    max_ratio: Decimal | None = None  # to production, over the same interval
    dry_run: bool = False


@dataclass(frozen=True)
class SyntheticTraffic:
    """Held-out sentences that are replayed where real traffic is thin."""

    requests_per_second: int


@dataclass(frozen=True)
class Analysis:
    """How a candidate is judged while it has traffic."""

    interval: timedelta
    min_requests: int
    on_no_data: str  # Pause | Fail | Pass
    failure_limit: int
    provider: str  # Pods | Prometheus
    metrics: tuple[Measure, ...] = ()
    synthetic_traffic: SyntheticTraffic | None = None


@dataclass(frozen=True)
class Rollout:
    """How a blessed candidate becomes production."""

    gateway: str
    scale_down_delay: timedelta
    steps: tuple[Step, ...]
    approval: str
    serving_check: ServingCheck
    progress_deadline: timedelta
    rollback_window: int
    analysis: Analysis | None = None


@dataclass(frozen=True)
class Import:
    """A model made elsewhere, instead of a training."""

    uri: str
    digest: str | None = None  # that its manifest must have; None: any that is whole


@dataclass(frozen=True)
class Mlflow:
    """An MLflow server that runs are told to."""

    tracking_uri: str
    experiment: str | None = None


@dataclass(frozen=True)
class ModelRegistry:
    """A Kubeflow Hub model registry."""

    url: str


@dataclass(frozen=True)
class Tracking:
    """Where runs are told of besides their own folders."""

    mlflow: Mlflow | None = None
    model_registry: ModelRegistry | None = None


@dataclass(frozen=True)
class History:
    """How many finished runs are kept."""

    succeeded: int
    failed: int


@dataclass(frozen=True)
class ModelSpec:
    """A TranslationModel's spec, resolved."""

    source_language: str
    target_language: str
    storage: Storage
    data: Data
    training: Training
    placement: Placement
    evaluation: Evaluation
    engine: Engine
    serving: ServingOptions
    rollout: Rollout
    history: History
    service_account_name: str
    tracking: Tracking = Tracking()
    suspend: bool = False


@dataclass(frozen=True)
class RunSpec:
    """A TrainingRun's spec, resolved against its model."""

    source_language: str
    target_language: str
    storage: Storage
    data: Data
    training: Training
    placement: Placement
    evaluation: Evaluation
    engine: Engine
    service_account_name: str
    tracking: Tracking = Tracking()
    import_: Import | None = None
    candidate: bool = False
    suspend: bool = False
    model: str | None = None


@dataclass(frozen=True)
class Condition:
    """A standard Kubernetes condition."""

    type: str
    status: str  # True | False | Unknown
    reason: str
    message: str
    observed_generation: int
    last_transition_time: datetime | None = None


@dataclass(frozen=True)
class ArtifactRef:
    """An artifact and its digest."""

    uri: str
    digest: str
    size_bytes: int | None = None
