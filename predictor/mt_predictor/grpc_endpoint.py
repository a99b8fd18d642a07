"""The gRPC side of the Open Inference Protocol, with the SDK's messages and our answers to errors.

The SDK's server logs each call and, with its stack, the message of each error, which may hold a
user's text; errors that it has no status for end as UNKNOWN. What is a 413 over HTTP is
RESOURCE_EXHAUSTED here, as gRPC itself calls a message that is too large.
"""

from __future__ import annotations

from typing import Any, NoReturn

import grpc  # type: ignore[import-untyped]  # it ships no types
from grpc_interceptor import AsyncExceptionToStatusInterceptor
from kserve.constants.constants import GRPC_CONTENT_DATATYPE_MAPPINGS
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady, ServerNotReady
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import (
    add_GRPCInferenceServiceServicer_to_server as add_to_server,
)
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

from mt_predictor.guard import MAX_BODY_BYTES
from mt_predictor.http_errors import (
    BadRequest,
    NotFound,
    Overloaded,
    RequestRefused,
    log_unforeseen,
)
from mt_predictor.protocol_v2 import HINT
from mt_predictor.rest import unknown_version

_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_BODY_BYTES),
    ("grpc.max_send_message_length", -1),  # as over HTTP, where the request bounds its answer
]
_MAX_CALLS = 512  # more end as RESOURCE_EXHAUSTED, before their message is read
# How gRPC says Retry-After, in milliseconds (its proposal A6, "client retries").
_PUSHBACK = "grpc-retry-pushback-ms"
_STATUS = (
    (ModelNotFound, grpc.StatusCode.NOT_FOUND),
    ((ModelNotReady, ServerNotReady), grpc.StatusCode.UNAVAILABLE),
    (NotImplementedError, grpc.StatusCode.UNIMPLEMENTED),
    (InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
)


class GrpcEndpoint:
    """Serves the protocol until it is stopped."""

    def __init__(
        self, port: int, data_plane: DataPlane, repository: ModelRepositoryExtension, version: str
    ) -> None:
        self._address = f"[::]:{port}"
        self._servicer = _Servicer(data_plane, repository, version)
        self._server: Any = None

    async def serve(self) -> None:
        """Return when it was stopped."""
        self._server = grpc.aio.server(
            interceptors=[_Interceptor()], options=_OPTIONS, maximum_concurrent_rpcs=_MAX_CALLS
        )
        add_to_server(self._servicer, self._server)
        self._server.add_insecure_port(self._address)
        await self._server.start()
        await self._server.wait_for_termination()

    async def stop(self, seconds: float) -> None:
        """Take no new call, and give those under way ``seconds`` to end."""
        if self._server is not None:
            await self._server.stop(grace=seconds)


class _Servicer(InferenceServicer):  # type: ignore[misc]  # the SDK ships no types
    """Knows versions, which the SDK's does not."""

    def __init__(
        self, data_plane: DataPlane, repository: ModelRepositoryExtension, version: str
    ) -> None:
        super().__init__(data_plane, repository)
        self._version = version

    @classmethod
    def validate_grpc_request(cls, request: Any) -> None:
        """Refuse what the SDK cannot read."""
        super().validate_grpc_request(request)
        for tensor in request.inputs:
            if tensor.datatype not in GRPC_CONTENT_DATATYPE_MAPPINGS:
                raise BadRequest(f'input "{tensor.name[:64]}" has to have datatype BYTES: {HINT}')

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._check(request.version)
        found = await self._data_plane.model_metadata(model_name=request.name)
        return messages.ModelMetadataResponse(**found)

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._check(request.version)
        return await super().ModelReady(request, context)

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._check(request.model_version)
        return await super().ModelInfer(request, context)

    def _check(self, version: str) -> None:
        if version not in ("", self._version):
            raise NotFound(unknown_version(self._version))


class _Interceptor(AsyncExceptionToStatusInterceptor):
    """Turns every exception into its status, and logs no message."""

    async def handle_exception(
        self, ex: Exception, request_or_iterator: Any, context: Any, method_name: str
    ) -> NoReturn:
        if isinstance(ex, Overloaded):
            context.set_trailing_metadata(((_PUSHBACK, str(1000 * ex.retry_after)),))
        if isinstance(ex, RequestRefused):
            await context.abort(ex.status_code, ex.message)
        for kinds, status in _STATUS:
            if isinstance(ex, kinds):
                await context.abort(status, str(ex) or "this server does not offer that")
        log_unforeseen(ex)
        await context.abort(grpc.StatusCode.INTERNAL, "internal error: see the predictor's log")
        raise ex  # ``abort`` has raised
