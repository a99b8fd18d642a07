"""The predictor's Prometheus metrics, by the names that dashboards and analysis rely on.

What the operator's own probes send is counted apart and nowhere else: users' errors, latencies
and features must not be diluted by it.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mt_predictor.features import Bounds, bucket, features, labels
from mt_predictor.translator import Translation

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5)
CLIENT_GONE = 499  # nobody is sent it: the client hung up
_CODES = ("200", "400", "404", "413", "499", "500", "503")


class Metrics:
    """All metrics of one predictor process."""

    def __init__(self, registry: CollectorRegistry, revision: str, bounds: Bounds) -> None:
        self.revision = revision
        self._bounds = bounds
        self._requests = Counter(
            "translation_requests_total",
            "Requests by HTTP status; 499: the client gave up; 503: shed on purpose.",
            ["revision", "code"],
            registry=registry,
        )
        self._synthetic = Counter(
            "translation_synthetic_requests_total",
            "Requests of the operator's own probes, counted in no other metric of requests.",
            ["revision", "code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "translation_request_duration_seconds",
            "From the request's last byte to the answer, of requests answered 200.",
            ["revision"],
            buckets=(*_SECONDS, 10, 20, 30, 60),
            registry=registry,
        )
        self._tokens = Counter(
            "translation_tokens_total", "Tokens.", ["direction"], registry=registry
        )
        self.batch_size = Histogram(
            "translation_batch_size",
            "Sentences translated together.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=registry,
        )
        self.in_progress = Gauge(
            "translation_requests_in_progress",
            "Requests being read or answered.",
            registry=registry,
        )
        self.queue_length = Gauge(
            "translation_queue_length", "Requests that wait for a worker.", registry=registry
        )
        self._instances = Counter(
            "translation_instances_total", "Texts that were translated.", registry=registry
        )
        self._empty = Counter(
            "translation_empty_total", "Texts whose translation was empty.", registry=registry
        )
        self._copy = Counter(
            "translation_copy_total", "Texts that came back as they were.", registry=registry
        )
        self._truncated = Counter(
            "translation_truncated_total",
            "Translations that did not end within the model's limit.",
            registry=registry,
        )
        self._buckets = Counter(
            "translation_feature_bucket_total",
            "Texts by feature and bucket, which is named by its upper bound.",
            ["feature", "bucket"],
            registry=registry,
        )
        self._info = Gauge(
            "translation_model_info",
            "The model that serves.",
            ["revision", "run", "source", "target", "engine", "precision", "beam_size", "digest"],
            registry=registry,
        )
        self._show_zeros()

    def request(self, code: int, seconds: float, synthetic: bool) -> None:
        """Count one request and, if it was a user's and answered, its duration."""
        counter = self._synthetic if synthetic else self._requests
        counter.labels(self.revision, str(code)).inc()
        if code == 200 and not synthetic:
            self._seconds.labels(self.revision).observe(seconds)

    def translated(self, source: str, translation: Translation) -> None:
        """Count one text of a user that is not blank."""
        self._tokens.labels("source").inc(translation.source_tokens)
        self._tokens.labels("target").inc(translation.tokens)
        self._instances.inc()
        self._empty.inc(not translation.text.strip())
        self._copy.inc(translation.text.split() == source.split())
        self._truncated.inc(translation.truncated)
        for feature, value in features(translation).items():
            self._buckets.labels(feature, bucket(self._bounds[feature], value)).inc()

    def model(self, **labels_of_model: str) -> None:
        """Say which model serves."""
        self._info.labels(revision=self.revision, **labels_of_model).set(1)

    def _show_zeros(self) -> None:
        """Show every series from the start: a rate needs a first value."""
        for code in _CODES:
            self._requests.labels(self.revision, code)
        for direction in ("source", "target"):
            self._tokens.labels(direction)
        self._seconds.labels(self.revision)
        for feature, bounds in self._bounds.items():
            for label in labels(bounds):
                self._buckets.labels(feature, label)
