"""Every field of both resources: what is accepted, at its bounds too, and what is refused."""

from __future__ import annotations

from typing import Any

from tests.crds.cases import (
    Field,
    below_one,
    choice,
    decimal,
    duration,
    field,
    fraction,
    image,
    label,
    location,
    many,
    number,
    prose,
    quantities,
    text,
    truth,
    url,
)

LARGE = 10_000_000_000
LEAST = "-999999999"
STORES = ("pvc", "s3", "gs")
SOURCES = ("pvc", "s3", "gs", "hf", "http", "https")
METRICS = ("chrF", "BLEU", "TER", "LengthRatio", "EmptyFraction", "CopyFraction")
DELTA, QUALITY = "evaluation.gates[1]", "retrain.onQuality.gates[0]"
GATE = {"name": "g", "metric": "chrF", "min": "1"}
ONE_HEAD = {"training.architecture.heads": 1}
LABELS: list[tuple[Any, str]] = [
    ({"a": "b" * 64}, "Too long"),
    ({"a": 1}, "must be of type string"),
    ({f"k{n}": "" for n in range(17)}, "must have at most 16"),
]


def source(path: str) -> list[Field]:
    """Return the lines of one entry of a list of files."""
    # Of the two sides of format Parallel; elsewhere targetUri is refused (see test_rules).
    parallel = {"data.format": "Auto", "data.fields": {}}
    target = location(f"{path}.targetUri", SOURCES)
    return [
        location(f"{path}.uri", SOURCES),
        field(target.path, target.good, target.bad, also=parallel),
    ]


def name_of(n: int) -> dict[str, Any]:
    return GATE | {"name": f"g{n}"}


def tolerations(path: str) -> list[Field]:
    """Return the lines of a list of tolerations."""
    first = f"{path}[0]"
    string = (3, "must be of type string")
    return [
        many(path, {"operator": "Exists"}, 16),
        field(f"{first}.key", ["", "nvidia.com/gpu", "a" * 316], [("a" * 317, "Too long"), string]),
        choice(f"{first}.operator", "Exists", "Equal"),
        field(f"{first}.value", ["", "a" * 63], [("a" * 64, "Too long"), string]),
        choice(f"{first}.effect", "NoSchedule", "PreferNoSchedule", "NoExecute"),
        field(
            f"{first}.tolerationSeconds",
            [0, 2**40],
            [(-1, "should be greater than or equal to 0"), ("1", "must be of type integer")],
        ),
    ]


def reference(path: str, *, key: bool) -> list[Field]:
    """Return the lines of a reference to a Secret or ConfigMap."""
    keys = [prose(f"{path}.key", 253)] if key else []
    return [prose(f"{path}.name", 253), *keys, truth(f"{path}.optional")]


LANGUAGE_BAD = ["", "p", "english", "pt_BR", "pt-", "-pt", "pt BR", "pt-abcdefghi", "12"]
LANGUAGES = [
    text(f"{side}Language", ["pt", "ast", "pt-BR", "zh-Hant-TW", "en-x-plain"], LANGUAGE_BAD,
         longest="pt-abcdefgh-abcdefgh-abcdefgh-abcde")
    for side in ("source", "target")
]  # fmt: skip
DATA = [
    choice("data.format", "Auto", "JSONL", "Parquet"),  # TSV and Parallel: see test_rules
    *(prose(f"data.fields.{key}", 128) for key in ("source", "target", "slice")),
    many("data.train", {"uri": "pvc://a/b"}, 64, least=1),
    many("data.validation", {"uri": "pvc://a/b"}, 64),
    many("data.test", {"uri": "pvc://a/b", "slice": "legal"}, 16, least=1),
    *source("data.train[0]"),
    *source("data.validation[0]"),
    *source("data.test[0]"),
    text("data.test[0].slice", ["general", "A.b_c-1"], ["", "-a", "a-", "a b", "é"], "a" * 32),
    number("data.checks.minPairs", 1, LARGE),
    fraction("data.checks.maxEmptyFraction"),
    fraction("data.checks.maxDuplicateFraction"),
    fraction("data.checks.maxCopyFraction"),
    fraction("data.checks.maxTestOverlap"),
    fraction("data.checks.maxDivergence"),
    field(
        "data.checks.maxLengthRatio",
        ["1", "9", "2.5", "123456789.123456789"],
        [*((v, "should match") for v in ("0", "0.9", "-2", "")), (9, "must be of type string")],
    ),
]
TRAINING = [
    choice("training.preset", "Tutorial", "Base", "Big"),
    number("training.architecture.layers", 1, 64),
    number("training.architecture.modelDimension", 2, 8192, also=ONE_HEAD),
    number("training.architecture.feedForwardDimension", 1, 65536),
    number("training.architecture.heads", 1, 128),
    below_one("training.architecture.dropout"),
    number("training.architecture.maxTokens", 8, 8192),
    choice("training.vocabulary.algorithm", "Unigram", "BPE"),
    number("training.vocabulary.size", 64, 1_000_000),
    truth("training.vocabulary.shared"),
    field(
        "training.optimizer.learningRate",
        ["0.000000001", "0.001", "1", "9.999999999"],
        [
            *((v, "should match") for v in ("", "10", "-0.1", "1e-3", "1.")),
            *((v, "must be more than 0") for v in ("0", "0.000")),
            (0.001, "must be of type string"),
        ],
    ),
    number("training.optimizer.warmupSteps", 0, 10_000_000),
    below_one("training.optimizer.labelSmoothing"),
    number("training.optimizer.batchTokens", 1, 100_000_000),
    decimal("training.optimizer.gradientClip"),
    number("training.budget.maxEpochs", 1, 1_000_000),
    number("training.budget.maxSteps", 1, LARGE),
    duration("training.budget.maxDuration"),
    choice("training.budget.earlyStopping.metric", "loss"),
    number("training.budget.earlyStopping.patience", 1, 1000),
    choice("training.precision", "Auto", "Float32", "BFloat16"),
    choice("training.warmStartFrom", "None", "Production", "LatestBlessed"),
    number("training.seed", 0, 2**31 - 1),
    image("training.image"),
    number("training.nodes", 1, 64),
    quantities("training.resources.limits"),
    quantities("training.resources.requests"),
    field("training.nodeSelector", [{}, {"a": "b" * 63}], LABELS),
    *tolerations("training.tolerations"),
    text("training.priorityClassName", ["a.b-1"], ["", "A", "-a", "a-"], longest="a" * 253),
    label("training.queueName"),
    number("training.backoffLimit", 0, 100),
    duration("training.activeDeadline"),
    many("training.env", lambda n: {"name": f"A{n}", "value": ""}, 32),
    text("training.env[0].name", ["a", "_A1"], ["", "1A", "A-B", "A B"], longest="A" * 128),
    field(
        "training.env[0].value",
        ["", "x" * 4096],
        [("x" * 4097, "Too long"), (1, "must be of type string")],
    ),
    *reference("training.env[1].valueFrom.secretKeyRef", key=True),
    *reference("training.env[2].valueFrom.configMapKeyRef", key=True),
    many("training.envFrom", {"secretRef": {"name": "a"}}, 16),
    text("training.envFrom[0].prefix", ["a", "S3_"], ["", "1A", "A-B"], longest="A" * 128),
    *reference("training.envFrom[0].secretRef", key=False),
    *reference("training.envFrom[1].configMapRef", key=False),
]
EVALUATION = [
    choice("evaluation.baseline", "Production", "LatestBlessed"),  # None: see test_rules
    field(
        "evaluation.confidence",
        ["0.5", "0.95", "0.999999"],
        [*((v, "should match") for v in ("0.49", "1", "95", "", "0.")), (0.9, "must be of type")],
    ),
    many("evaluation.gates", name_of, 24, least=1),
    label("evaluation.gates[0].name"),
    choice("evaluation.gates[0].metric", *METRICS),
    decimal("evaluation.gates[0].min", signed=True),
    decimal("evaluation.gates[0].max", signed=True, also={"evaluation.gates[0].min": LEAST}),
    decimal("evaluation.gates[1].minDelta", signed=True),
    decimal("evaluation.gates[1].maxDelta", signed=True, also={f"{DELTA}.minDelta": LEAST}),
    text("evaluation.gates[2].slice", ["legal"], ["", "-a", "a b"], longest="a" * 32),
    number("evaluation.gates[0].minExamples", 1, LARGE),
]
ENGINE = [
    choice("serving.engine", "Auto", "CTranslate2", "TensorFlow"),
    choice("serving.precision", "Auto", "Float32", "BFloat16", "Float16", "Int8"),
    number("serving.beamSize", 1, 64),
    image("serving.image"),
]
TRACKING = [
    url("tracking.mlflow.trackingUri"),
    prose("tracking.mlflow.experiment", 256),
    url("tracking.modelRegistry.url"),
]
ACCOUNT = [
    text(
        "serviceAccountName", ["default", "a.b-1"], ["", "A", "-a", "a-", "a/b"], longest="a" * 253
    )
]
STORAGE = [
    location("storage.uri", STORES, longest=256),
    field("storage.uri", [], [(f"{s}://a/b", "should match") for s in ("hf", "https", "http")]),
    field("storage.uri", [], [("s3://a/b?c", "should match"), ("s3://a/b#c", "should match")]),
]
SHARED = [*LANGUAGES, *ACCOUNT, *STORAGE, *DATA, *TRAINING, *EVALUATION, *ENGINE, *TRACKING]

CRON_BAD = ["", "* * * *", "* * * * * *", "@daily", "a * * * *", "0 3 * * ?", "5  4 * * *"]
CRON_GOOD = ["* * * * *", "*/5 0-6,22 1,15 JAN-MAR sun", "0 3 * * 1"]


def cron(path: str) -> Field:
    wrong = [(value, "must be five fields") for value in CRON_BAD]
    return field(path, CRON_GOOD, [*wrong, ("0," * 50 + "0 0 * * *", "Too long"), (3, "type")])


def zone(path: str) -> Field:
    good = ["UTC", "Europe/Lisbon", "America/Argentina/Buenos_Aires", "Etc/GMT+1"]
    return text(path, good, ["", "/UTC", "Europe/", "a b", "../etc"], longest="a" * 64)


SERVING = [
    number("serving.maxBatchTokens", 1, 10_000_000),
    duration("serving.maxBatchDelay", zero=True),
    number("serving.maxQueue", 1, 1_000_000),
    number("serving.replicas.min", 0, 10_000, also={"serving.replicas.max": 10_000}),
    number("serving.replicas.max", 1, 10_000),
    choice("serving.replicas.metric", "cpu", "memory", "concurrency", "rps"),
    number("serving.replicas.target", 1, 1_000_000),
    choice("serving.deploymentMode", "Auto", "Standard", "Knative"),
    quantities("serving.resources.limits"),
    quantities("serving.resources.requests"),
    field("serving.nodeSelector", [{}, {"a": "b" * 63}], LABELS),
    *tolerations("serving.tolerations"),
    duration("serving.timeout"),
    text(
        "serving.requestLog.sink",
        [
            "http://a",
            "https://log.mt.svc:65535/a/@b?c=d#e",
            "http://10.0.0.1?c",
            "http://[fe::1]:8",
        ],
        [
            *("", "a:5000", "ftp://a", "http://", "http://-a", "http://a b", "http://a/ b"),
            *("http://user:word@a", "http://a:65536", "http://a:0", "http://a:", "http://é"),
        ],
        longest="http://" + "a" * 1017,
    ),
    choice("serving.requestLog.mode", "All", "Request", "Response"),
    fraction("serving.requestLog.sample"),
]
ROLLOUT = [
    label("rollout.gateway"),
    duration("rollout.scaleDownDelay", zero=True),
    field(
        "rollout.steps",
        [
            [{"setWeight": 100}],
            [*({"setWeight": n} for n in range(1, 24)), {"setWeight": 100}],
            [{"pause": {}}, {"setWeight": 100}],
        ],
        [
            ([], "should have at least 1 items"),
            ([*({"setWeight": n} for n in range(1, 25)), {"setWeight": 100}], "at most 24 items"),
            ({}, "must be of type array"),
        ],
    ),
    field(
        "rollout.steps[0].setWeight",
        [1, 49],
        [
            (0, "should be greater than or equal to 1"),
            (101, "should be less than or equal to 100"),
            ("5", "must be of type integer"),
        ],
    ),
    duration("rollout.steps[1].pause.duration"),
    choice("rollout.approval", "Automatic", "Required"),
    number("rollout.servingCheck.requests", 1, 10_000),
    fraction("rollout.servingCheck.minAgreement"),
    duration("rollout.servingCheck.maxLoad"),
    duration("rollout.analysis.interval"),
    number("rollout.analysis.minRequests", 1, 10_000_000),
    choice("rollout.analysis.onNoData", "Pause", "Fail", "Pass"),
    number("rollout.analysis.failureLimit", 1, 100),
    number("rollout.analysis.syntheticTraffic.requestsPerSecond", 1, 1000),
    choice("rollout.analysis.provider", "Pods", "Prometheus"),
    many("rollout.analysis.metrics", lambda n: {"name": f"m{n}", "query": "q", "max": "1"}, 16),
    label("rollout.analysis.metrics[0].name"),
    choice("rollout.analysis.metrics[0].builtin",
           "ErrorRate", "LatencyP99", "EmptyFraction", "CopyFraction", "Restarts"),
    label("rollout.analysis.metrics[2].query"),
    decimal("rollout.analysis.metrics[2].min", signed=True),
    decimal("rollout.analysis.metrics[0].max", signed=True),
    decimal("rollout.analysis.metrics[1].maxRatio"),
    truth("rollout.analysis.metrics[2].dryRun"),
    duration("rollout.progressDeadline"),
    number("rollout.rollbackWindow", 0, 16),
]  # fmt: skip
RETRAIN = [
    duration("retrain.minInterval", zero=True),
    cron("retrain.schedule.cron"),
    zone("retrain.schedule.timeZone"),
    duration("retrain.schedule.startingDeadline"),
    duration("retrain.onDataChange.pollInterval"),
    number("retrain.onDataChange.minNewPairs", 1, LARGE),
    decimal("retrain.onDrift.threshold"),
    duration("retrain.onDrift.window"),
    number("retrain.onDrift.minSamples", 1, LARGE),
    choice("retrain.onDrift.action", "Alert", "Retrain"),
    many("retrain.onQuality.data", {"uri": "pvc://a/b"}, 16, least=1),
    location("retrain.onQuality.data[0].uri", SOURCES),
    location("retrain.onQuality.data[0].targetUri", SOURCES),
    text("retrain.onQuality.data[0].slice", ["legal"], ["", "-a", "a b"], longest="a" * 32),
    cron("retrain.onQuality.cron"),
    zone("retrain.onQuality.timeZone"),
    many("retrain.onQuality.gates", GATE, 24, least=1),
    label("retrain.onQuality.gates[0].name"),
    choice("retrain.onQuality.gates[0].metric", *METRICS),
    decimal("retrain.onQuality.gates[0].min", signed=True, also={f"{QUALITY}.max": "999999999"}),
    decimal("retrain.onQuality.gates[0].max", signed=True, also={f"{QUALITY}.min": LEAST}),
    text("retrain.onQuality.gates[0].slice", ["legal"], ["", "-a", "a b"], longest="a" * 32),
    number("retrain.onQuality.gates[0].minExamples", 1, LARGE),
]
ALERTS = [
    many("alerts", lambda n: {"receiver": f"r{n}", "on": ["RunFailed"]}, 16),
    label("alerts[0].receiver"),
    field(
        "alerts[0].on",
        [
            ["RolledBack", "DriftDetected", "GateFailed", "GateInconclusive", "DataInvalid"],
            ["RunFailed", "ServingCheckFailed", "AnalysisFailed", "ProgressDeadlineExceeded"],
            ["Aborted"],
        ],
        [
            ([], "should have at least 1 items"),
            (["Party"], "Unsupported value"),
            (["RunFailed", "RunFailed"], "Duplicate value"),
            ("RunFailed", "must be of type array"),
        ],
    ),
]
MODEL = [
    *SHARED,
    truth("suspend"),
    *SERVING,
    *ROLLOUT,
    *RETRAIN,
    *ALERTS,
    number("history.succeeded", 0, 1000),
    number("history.failed", 0, 1000),
]
RUN = [
    *SHARED,
    text("modelRef.name", ["a", "pt-en"], ["", "1a", "A", "a-", "a.b"], longest="a" * 42),
    truth("candidate"),
    truth("suspend"),
]
IMPORT = [
    location("import.uri", SOURCES),
    text("import.digest", [], ["", "sha256:0", "0" * 64, "sha256:" + "G" * 64],
         longest="sha256:" + "0" * 64),
]  # fmt: skip
