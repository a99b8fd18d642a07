"""The predictor's Prometheus metrics, by the names that dashboards and analysis rely on.

What the operator's own probes send is counted apart and nowhere else: users' errors, latencies
and features must not be diluted by it. It is counted by the same measures, so that a revision
that no user asks can be judged as well.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mt_predictor.features import Bounds, bucket, features, labels
from mt_predictor.translator import Translation

CLIENT_GONE = 499  # nobody is sent it: the client hung up
_CODES = ("200", "400", "404", "413", "499", "500", "503")
_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5)
_DURATIONS = (*_SECONDS, 10, 20, 30, 60)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_USERS, _SYNTHETIC = "translation", "translation_synthetic"

# Counters of users' requests and of the operator's own: name, meaning, labels.
_OF_BOTH = {
    "requests": ("Requests by HTTP status; 499: the client gave up; 503: shed.", "revision code"),
    "tokens": ("Tokens.", "direction"),
    "instances": ("Texts that were translated.", ""),
    "empty": ("Texts whose translation was empty.", ""),
    "copy": ("Texts that came back as they were.", ""),
}
_OF_USERS = {
    "truncated": ("Translations that did not end within the model's limit.", ""),
    "request_log": ("Events of the request log by what became of them.", "outcome"),
    "feature_bucket": ("Texts by feature and bucket, named by its upper bound.", "feature bucket"),
}
_GAUGES = {
    "requests_in_progress": ("Requests being read or answered.", ""),
    "queue_length": ("Requests that wait for a worker.", ""),
    "model_info": (
        "The model that serves.",
        "revision run source target engine precision beam_size digest",
    ),
}


class _Requests:
    """What is counted of users' requests, and just so of the operator's own."""

    def __init__(self, prefix: str, registry: CollectorRegistry, revision: str) -> None:
        self._revision = revision
        self._counters = _counters(prefix, _OF_BOTH, registry)
        self._seconds = Histogram(
            f"{prefix}_request_duration_seconds",
            "From the request's last byte to the answer, of requests answered 200.",
            ["revision"],
            buckets=_DURATIONS,
            registry=registry,
        )
        # Every series is shown from the start: a rate needs a first value.
        self._seconds.labels(revision)
        for code in _CODES:
            self._counters["requests"].labels(revision, code)
        for direction in ("source", "target"):
            self._counters["tokens"].labels(direction)

    def request(self, code: int, seconds: float) -> None:
        self._counters["requests"].labels(self._revision, str(code)).inc()
        if code == 200:
            self._seconds.labels(self._revision).observe(seconds)

    def translated(self, source: str, translation: Translation) -> None:
        count = self._counters
        count["tokens"].labels("source").inc(translation.source_tokens)
        count["tokens"].labels("target").inc(translation.tokens)
        count["instances"].inc()
        count["empty"].inc(not translation.text.strip())
        count["copy"].inc(translation.text.split() == source.split())


class Metrics:
    """All metrics of one predictor process."""

    def __init__(self, registry: CollectorRegistry, revision: str, bounds: Bounds) -> None:
        self.revision = revision
        self._bounds = bounds
        self._users = _Requests(_USERS, registry, revision)
        self._synthetic = _Requests(_SYNTHETIC, registry, revision)
        self._of_users = _counters(_USERS, _OF_USERS, registry)
        gauges = {
            name: Gauge(f"{_USERS}_{name}", meaning, of.split(), registry=registry)
            for name, (meaning, of) in _GAUGES.items()
        }
        self.in_progress = gauges["requests_in_progress"]
        self.queue_length = gauges["queue_length"]
        self._info = gauges["model_info"]
        self.batch_size = Histogram(
            f"{_USERS}_batch_size",
            "Sentences translated together.",
            buckets=_BATCHES,
            registry=registry,
        )
        for feature, limits in bounds.items():
            for label in labels(limits):
                self._of_users["feature_bucket"].labels(feature, label)

    def request(self, code: int, seconds: float, synthetic: bool) -> None:
        """Count one request and, if it was answered, its duration."""
        self._of(synthetic).request(code, seconds)

    def translated(self, source: str, translation: Translation, synthetic: bool) -> None:
        """Count one text that is not blank; its features only if a user sent it."""
        self._of(synthetic).translated(source, translation)
        if synthetic:
            return
        self._of_users["truncated"].inc(translation.truncated)
        for feature, value in features(translation).items():
            found = bucket(self._bounds[feature], value)
            self._of_users["feature_bucket"].labels(feature, found).inc()

    def request_log(self, outcome: str, events: int) -> None:
        """Count events of the request log; the first count of an outcome makes its series."""
        self._of_users["request_log"].labels(outcome).inc(events)

    def model(self, **labels_of_model: str) -> None:
        """Say which model serves."""
        self._info.labels(revision=self.revision, **labels_of_model).set(1)

    def _of(self, synthetic: bool) -> _Requests:
        return self._synthetic if synthetic else self._users


def _counters(
    prefix: str, table: dict[str, tuple[str, str]], registry: CollectorRegistry
) -> dict[str, Counter]:
    return {
        name: Counter(f"{prefix}_{name}_total", meaning, of.split(), registry=registry)
        for name, (meaning, of) in table.items()
    }
