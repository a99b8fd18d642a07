"""KServe's ModelServer, with its traps closed: errors, limits, drain, and no remote unloading.

How it ends:  SIGTERM ─▶ not ready any more, but answers all, for ``drain_seconds``
                      ─▶ takes no new connection, answers what is under way
                      ─▶ sends what its request log still holds, for two seconds ─▶ exit 0
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import fastapi
import uvicorn
import uvloop
from kserve import Model, ModelServer
from kserve.constants.constants import (
    FASTAPI_APP_IMPORT_STRING,
    INFERENCE_CONTENT_LENGTH_HEADER,
)
from kserve.errors import InvalidInput
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import RESTServer

from mt_contract.errors import ConfigurationError
from mt_predictor import VERSION, connections, http_errors
from mt_predictor.grpc_endpoint import GrpcEndpoint
from mt_predictor.guard import Draining, Guard
from mt_predictor.http_errors import BadRequest, Forbidden
from mt_predictor.kserve_model import UnreadV2
from mt_predictor.metrics import Metrics
from mt_predictor.protocol import V1_HINT
from mt_predictor.request_log import over_grpc
from mt_predictor.request_log.log import RequestLog
from mt_predictor.request_log.over_http import Recorder
from mt_predictor.rest import RestProtocol

LINGER_SECONDS = 0.5
FINISH_SECONDS = 22  # for what is under way; with drain and linger below a pod's 30 seconds
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ports:
    """Where the server listens."""

    http: int
    grpc: int  # 0: nowhere


class _Repository(ModelRepositoryExtension):  # type: ignore[misc]  # the SDK ships no types
    """The SDK lets every client unload the model; here what is served is the operator's to say."""

    async def load(self, model_name: str) -> None:
        raise Forbidden("models are loaded and unloaded by their TranslationModel: change that")

    async def unload(self, model_name: str) -> None:
        await self.load(model_name)


class _DataPlane(DataPlane):  # type: ignore[misc]  # the SDK ships no types
    """Decodes any body strictly, and says "not ready" while it drains."""

    def __init__(self, registry: Any, draining: Draining, request_log: RequestLog | None) -> None:
        super().__init__(registry)
        self._draining = draining
        self._request_log = request_log

    def metadata(self) -> dict[str, Any]:
        extensions = ["binary_tensor_data", "parameters"]
        return {"name": "mt-predictor", "version": VERSION, "extensions": extensions}

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        found = await super().model_metadata(model_name)
        model = self.get_model_from_registry(model_name)
        return {**found, "platform": model.platform, "versions": [model.version]}

    async def ready(self) -> bool:
        return not self._draining.begun and bool(await super().ready())

    async def model_ready(
        self, model_name: str, disable_predictor_health_check: bool = False
    ) -> bool:
        ready = bool(await super().model_ready(model_name, disable_predictor_health_check))
        # Inference asks with that flag set: it is answered as long as anything is.
        return ready and (disable_predictor_health_check or not self._draining.begun)

    async def infer(self, model_name: str, request: Any, headers: Any = None) -> Any:
        answering = super().infer(model_name, request, headers)
        if self._request_log is None or not getattr(request, "from_grpc", False):
            return await answering  # what comes over HTTP is recorded there
        return await over_grpc.recorded(self._request_log, request, headers or {}, answering)

    def decode(self, body: Any, headers: Any, **protocol: Any) -> Any:
        raw = isinstance(body, bytes)
        if raw and not protocol and "ce-specversion" not in headers:
            return body, {}  # V1: the model decodes it, whatever content type it claims
        if raw and protocol:
            length = headers.get(INFERENCE_CONTENT_LENGTH_HEADER)
            return UnreadV2(body, length, protocol["model_name"]), {}  # as well
        try:
            return super().decode(body, headers, **protocol)
        except InvalidInput as error:
            raise BadRequest(str(error)) from error
        except Exception as error:  # the SDK lets whatever its libraries raise through
            raise BadRequest(
                f"the body is no CloudEvent ({type(error).__name__}): {V1_HINT}"
            ) from error


class _Uvicorn(uvicorn.Server):
    """Leaves signals to us, whose handler does not stop listening at once; closes gently."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port first, and only a while later connections that are silent.

        The client of a connection that was just made is about to send its request.
        """
        for _ in range(3):  # take those who have connected while the loop was busy
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        await asyncio.sleep(LINGER_SECONDS)
        await super().shutdown(sockets)


class _RestServer(RESTServer):  # type: ignore[misc]  # the SDK ships no types
    """The SDK's REST server with our guard and our answers to errors."""

    def __init__(self, server: Server, port: int) -> None:
        super().__init__(
            FASTAPI_APP_IMPORT_STRING,
            server.dataplane,
            server.model_repository_extension,
            port,
            grace_period=FINISH_SECONDS,
        )
        self._guarding = (server.metrics, server.draining)
        self._request_log = server.request_log
        self.config.http = connections.Connection
        self.uvicorn = self._server = _Uvicorn(self.config)

    def _add_middlewares(self, app: fastapi.FastAPI) -> None:
        metrics, draining = self._guarding
        app.add_middleware(RestProtocol, version=metrics.revision)
        if self._request_log is not None:
            app.add_middleware(Recorder, log=self._request_log)
        app.add_middleware(Guard, metrics=metrics, draining=draining)

    def _add_exception_handlers(self, app: fastapi.FastAPI) -> None:
        http_errors.register(app)


class Server(ModelServer):  # type: ignore[misc]  # the SDK ships no types
    """Serves one model until it is told to stop."""

    def __init__(
        self,
        ports: Ports,
        metrics: Metrics,
        drain_seconds: float,
        request_log: RequestLog | None = None,
    ) -> None:
        super().__init__(
            http_port=ports.http,
            grpc_port=ports.grpc,
            enable_grpc=bool(ports.grpc),
            enable_latency_logging=False,
        )
        self.metrics = metrics
        self.draining = Draining()
        self.request_log = request_log
        self._drain_seconds = drain_seconds
        self.dataplane = _DataPlane(self.registered_models, self.draining, request_log)
        self.model_repository_extension = _Repository(self.registered_models)

    def start(self, models: list[Model]) -> None:
        """Serve ``models`` and return when all is answered."""
        for model in models:
            self.register_model(model)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve_and_tell())
        except SystemExit as error:  # how the HTTP server says that it cannot listen
            raise ConfigurationError(
                f"port {self.http_port} cannot be listened on: is another program there?"
            ) from error

    async def _serve_and_tell(self) -> None:
        log = self.request_log
        async with contextlib.nullcontext() if log is None else log.sending():
            await self._serve()

    async def _serve(self) -> None:
        connections.allow_files()
        rest = _RestServer(self, self.http_port)
        tasks = [asyncio.create_task(rest.start())]
        grpc = None
        if self.enable_grpc:
            grpc = GrpcEndpoint(
                self.grpc_port,
                self.dataplane,
                self.model_repository_extension,
                self.metrics.revision,
            )
            tasks.append(asyncio.create_task(grpc.serve()))
        stop = asyncio.create_task(self._stop(rest, grpc))
        await asyncio.wait({stop, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        if self.draining.begun:
            await stop
        stop.cancel()
        await asyncio.gather(*tasks)

    async def _stop(self, rest: _RestServer, grpc: GrpcEndpoint | None) -> None:
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, told.set)
        await told.wait()
        self.draining.begun = True
        _log.info("told to stop: answering for another %g s", self._drain_seconds)
        told.clear()
        with contextlib.suppress(TimeoutError):  # told twice: no need to wait
            await asyncio.wait_for(told.wait(), self._drain_seconds)
        rest.uvicorn.should_exit = True
        if grpc is not None:
            await grpc.stop(FINISH_SECONDS)
