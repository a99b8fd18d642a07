"""Wires translator, batcher, metrics and KServe's server together, and serves."""

from __future__ import annotations

import argparse
import logging
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from socket import gethostname

from prometheus_client import REGISTRY, disable_created_metrics, start_http_server

from mt_contract import artifact
from mt_predictor.batching import Batcher, Limits
from mt_predictor.engine import Engine
from mt_predictor.features import read_bounds
from mt_predictor.kserve_model import Helpers, TranslationModel
from mt_predictor.metrics import Metrics
from mt_predictor.request_log.events import Origin
from mt_predictor.request_log.log import RequestLog
from mt_predictor.request_log.settings import request_log_settings
from mt_predictor.server import Ports, Server
from mt_predictor.settings import EngineSettings, Environment, ServingSettings
from mt_predictor.translator import Translator

_log = logging.getLogger(__name__)


def listen(
    arguments: argparse.Namespace,
    env: Environment,
    translator: Translator,
    wanted: EngineSettings,
    serving: ServingSettings,
    drain_seconds: float,
) -> None:
    """Serve a translator that is warm, until SIGTERM and until all is answered.

    Args:
        arguments: ``model_name``, ``http_port``, ``grpc_port``, ``metrics_port``.
        env: ``MT_REVISION``, ``MT_RUN`` and ``MT_ARTIFACT_DIGEST`` name what serves.
        translator: of the verified artifact.
        wanted: beam size of requests that name none.
        serving: bounds of batches and queue.
        drain_seconds: between SIGTERM and the closing of the ports.

    Raises:
        ConfigurationError: a port is taken, or MT_REQUEST_LOG is amiss.
    """
    warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")  # the SDK's use of it
    # They double the page, and the process's start is on it already.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # it is not annotated
    engine = translator.engine
    bounds = read_bounds(engine.folder / artifact.PROFILE)
    metrics = Metrics(REGISTRY, env.get("MT_REVISION") or "none", bounds)
    metrics.model(**_labels(env, translator, wanted))
    limits = _limits(serving, engine)
    with (
        ThreadPoolExecutor(engine.workers, "translate") as workers,
        ThreadPoolExecutor(2, "small") as small,
        ThreadPoolExecutor(1, "large") as large,
    ):
        batcher = Batcher(engine.run, limits, workers, metrics.batch_size.observe)
        metrics.queue_length.set_function(lambda: batcher.waiting)
        model = TranslationModel(
            arguments.model_name,
            translator,
            batcher,
            Helpers(small, large),
            metrics,
            wanted.beam_size,
            platform=wanted.engine.lower(),
        )
        if arguments.metrics_port:
            start_http_server(arguments.metrics_port)
        ports = Ports(arguments.http_port, arguments.grpc_port)
        log = _request_log(arguments.model_name, env, metrics)
        Server(ports, metrics, drain_seconds, log).start([model])
    _log.info("stopped: everything was answered")


def _limits(serving: ServingSettings, engine: Engine) -> Limits:
    return Limits(
        workers=engine.workers,
        max_tokens=max(serving.max_batch_tokens, engine.manifest.max_tokens),
        max_delay=serving.max_batch_delay / timedelta(seconds=1),
        max_queue=serving.max_queue,
    )


def _request_log(model: str, env: Environment, metrics: Metrics) -> RequestLog | None:
    settings = request_log_settings(env)
    if settings is None:
        return None
    service, namespace = settings.inference_service, settings.namespace
    origin = Origin(gethostname(), service or model, namespace, model, metrics.revision)
    return RequestLog(settings, origin, metrics.request_log)


def _labels(env: Environment, translator: Translator, wanted: EngineSettings) -> dict[str, str]:
    manifest = translator.engine.manifest
    return {
        "run": env.get("MT_RUN") or manifest.run,
        "source": manifest.source_language,
        "target": manifest.target_language,
        "engine": wanted.engine,
        "precision": wanted.precision,
        "beam_size": str(wanted.beam_size),
        "digest": env.get("MT_ARTIFACT_DIGEST") or "",
    }
