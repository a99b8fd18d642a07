"""A client of the API server for plain JSON objects: reads, creates, applies, deletes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from mt_contract import names
from mt_operator.shell.errors import NotFoundError, UnavailableError, from_response

Object = dict[str, Any]
READ_SECONDS = 15.0
WRITE_SECONDS = 10.0
PAGE = 500
_JSON, _APPLY = "application/json", "application/apply-patch+yaml"
_NAMES = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@dataclass(frozen=True)
class Resource:
    """Where a kind is served."""

    api_version: str
    plural: str

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """Return the path of a collection, an object, or a part of an object."""
        root = "/apis" if "/" in self.api_version else "/api"
        parts = (root, self.api_version, "namespaces", namespace, self.plural, name, subresource)
        return "/".join(quote(part, safe="/") for part in parts if part)


RESOURCES: Mapping[str, Resource] = {
    names.MODEL_KIND: Resource(names.API_VERSION, names.MODEL_PLURAL),
    names.RUN_KIND: Resource(names.API_VERSION, names.RUN_PLURAL),
    "Job": Resource("batch/v1", "jobs"),
    "Pod": Resource("v1", "pods"),
    "Service": Resource("v1", "services"),
    "ConfigMap": Resource("v1", "configmaps"),
    "PersistentVolumeClaim": Resource("v1", "persistentvolumeclaims"),
    "InferenceService": Resource("serving.kserve.io/v1beta1", "inferenceservices"),
    "Revision": Resource("serving.knative.dev/v1", "revisions"),
    "HTTPRoute": Resource("gateway.networking.k8s.io/v1", "httproutes"),
    "Event": Resource("events.k8s.io/v1", "events"),
    "Lease": Resource("coordination.k8s.io/v1", "leases"),
}


def always() -> float:
    """Return how many seconds a write may take where nobody else writes."""
    return WRITE_SECONDS


class Api:
    """The API server, as this process may use it.

    ``fence`` is asked before every write: it returns within how many seconds the write has to be
    over, or raises NotLeadingError.
    """

    def __init__(self, client: ApiClient, fence: Callable[[], float] = always) -> None:
        """Use ``client``, whose owner closes it."""
        self._client = client
        self._fence = fence
        self.wrote: Callable[[str, str], None] = lambda verb, kind: None

    def fenced(self, fence: Callable[[], float]) -> Api:
        """Return the same client behind another fence."""
        return Api(self._client, fence)

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object as it is now, or None where there is none."""
        try:
            return await self._read(f"get {kind}", RESOURCES[kind].path(namespace, name), {})
        except NotFoundError:
            return None

    async def list(
        self, kind: str, namespace: str, *, labels: str = "", fields: str = ""
    ) -> list[Object] | None:
        """Return the objects that the selectors match; None where the kind is not served."""
        query = {"labelSelector": labels, "fieldSelector": fields, "limit": str(PAGE)}
        query = {key: value for key, value in query.items() if value}
        found: list[Object] = []
        try:
            while True:
                page = await self._read(f"list {kind}", RESOURCES[kind].path(namespace), query)
                found += page.get("items") or []
                token = page.get("metadata", {}).get("continue")
                if not token:
                    return found
                query["continue"] = token
        except NotFoundError:
            return None

    async def served(self, api_version: str) -> frozenset[str]:
        """Return the plurals of the kinds that are served under a group and version."""
        try:
            found = await self._read("list kinds", f"/apis/{api_version}", {})
        except NotFoundError:
            return frozenset()
        return frozenset(resource["name"] for resource in found.get("resources") or ())

    async def definitions(self) -> frozenset[str]:
        """Return the names of all CustomResourceDefinitions."""
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        found = await self._read("list definitions", path, {}, _NAMES)
        return frozenset(each["metadata"]["name"] for each in found.get("items") or ())

    async def create(self, manifest: Mapping[str, Any]) -> Object:
        """Create an object.

        Raises:
            AlreadyExistsError: there is one of that name.
        """
        path = RESOURCES[manifest["kind"]].path(manifest["metadata"]["namespace"])
        query = {"fieldManager": names.FIELD_MANAGER}
        return await self._write("create", manifest, "POST", path, query)

    async def apply(self, manifest: Mapping[str, Any]) -> Object:
        """Apply exactly the fields in ``manifest``, as their only owner.

        Raises:
            ConflictError: it names a UID, and the object has another one or is gone.
        """
        meta = manifest["metadata"]
        path = RESOURCES[manifest["kind"]].path(meta["namespace"], meta["name"])
        query = {"fieldManager": names.FIELD_MANAGER, "force": "true"}
        return await self._write("apply", manifest, "PATCH", path, query, _APPLY)

    async def replace(self, manifest: Mapping[str, Any], subresource: str = "") -> Object:
        """Replace an object, or its status, if it still has the manifest's resource version.

        Raises:
            ConflictError: it has changed.
        """
        meta = manifest["metadata"]
        path = RESOURCES[manifest["kind"]].path(meta["namespace"], meta["name"], subresource)
        query = {"fieldManager": names.FIELD_MANAGER}
        return await self._write("replace", manifest, "PUT", path, query)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete the object that has this UID, and what it owns; one that is gone already is fine.

        Raises:
            ConflictError: another object has the name by now.
        """
        manifest = {"kind": kind, "metadata": {"namespace": namespace, "name": name}}
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        path = RESOURCES[kind].path(namespace, name)
        try:
            await self._write("delete", manifest, "DELETE", path, {}, body=options)
        except NotFoundError:
            return

    async def _read(
        self, what: str, path: str, query: Mapping[str, str], accept: str = _JSON
    ) -> Object:
        what, seconds = f"{what} {path}", READ_SECONDS
        return await self._send(what, seconds, "GET", path, query, None, _JSON, accept)

    async def _write(
        self,
        verb: str,
        manifest: Mapping[str, Any],
        method: str,
        path: str,
        query: Mapping[str, str],
        content_type: str = _JSON,
        body: Mapping[str, Any] | None = None,
    ) -> Object:
        kind, meta = manifest["kind"], manifest["metadata"]
        what = f"{verb} {kind} {meta['namespace']}/{meta['name']}"
        seconds = min(WRITE_SECONDS, self._fence())
        self.wrote(verb, kind)
        payload = manifest if body is None else body
        return await self._send(what, seconds, method, path, query, payload, content_type)

    async def _send(
        self,
        what: str,
        seconds: float,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        content_type: str,
        accept: str = _JSON,
    ) -> Object:
        try:
            async with asyncio.timeout(seconds):
                verb, url, headers, payload, _ = await self._client.param_serialize(
                    method,
                    path,
                    query_params=list(query.items()),
                    header_params={"Content-Type": content_type, "Accept": accept},
                    body=body,
                    auth_settings=["BearerToken"],
                )
                limit = aiohttp.ClientTimeout(total=seconds)
                answer = await self._client.rest_client.request(
                    verb, url, headers=headers, body=payload, _request_timeout=limit
                )
                data: bytes = await answer.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            reason = str(error) or f"no answer within {seconds:.0f} s"
            raise UnavailableError(f"{what}: {reason}") from error
        if answer.status >= 300:
            raise from_response(what, answer.status, data, answer.headers.get("Retry-After"))
        return _decoded(what, data)


def _decoded(what: str, data: bytes) -> Object:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise UnavailableError(f"{what}: the answer is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise UnavailableError(f"{what}: the answer is no object")
    return value


@asynccontextmanager
async def connect() -> AsyncIterator[Api]:
    """Open a client: of the kubeconfig that KUBECONFIG names, or else of the pod's own account."""
    configuration = Configuration()
    if os.environ.get("KUBECONFIG"):
        await config.load_kube_config(client_configuration=configuration)
    else:
        config.load_incluster_config(client_configuration=configuration)
    async with ApiClient(configuration) as client:
        client.user_agent = names.FIELD_MANAGER
        yield Api(client)
