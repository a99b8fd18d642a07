"""From a kubeconfig to a client: addresses, certificates, tokens and credential plugins."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from mt_cli.errors import CliError, Code
from mt_cli.kube import HttpKube

TIMEOUT = 30.0  # seconds for one request
IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class Connection:
    """A cluster, and the namespace that its context names."""

    kube: HttpKube
    namespace: str


def connect(kubeconfig: str | None, context: str | None, user: str | None = None) -> Connection:
    """Return a connection to the cluster of a context; in a pod without kubeconfig, to its own.

    Args:
        kubeconfig: a file; None: where kubectl looks.
        context: one of its contexts; None: the current one.
        user: whom to act for, as ``kubectl --as``.

    Raises:
        CliError: there is no such file or context, or its credentials cannot be had.
    """
    from kubernetes import client, config  # here: reading them takes a third of a second

    settings = client.Configuration()
    try:
        if kubeconfig is None and context is None and not _has_kubeconfig(config):
            config.load_incluster_config(client_configuration=settings)
            namespace = IN_CLUSTER.read_text().strip() if IN_CLUSTER.exists() else "default"
        else:
            config.load_kube_config(kubeconfig, context, client_configuration=settings)
            namespace = _namespace(config.list_kube_config_contexts(kubeconfig), context)
    except (config.ConfigException, OSError, KeyError, TypeError) as error:
        raise CliError(
            f"no cluster to talk to: {error}. Name a kubeconfig by --kubeconfig or KUBECONFIG, and "
            "one of its contexts (`kubectl config get-contexts`) by --context.",
            Code.USAGE,
        ) from error
    return Connection(HttpKube(_client(settings, user)), namespace)


def _has_kubeconfig(config: Any) -> bool:
    places = str(config.KUBE_CONFIG_DEFAULT_LOCATION).split(":")
    return any(Path(place).expanduser().exists() for place in places if place)


def _namespace(known: tuple[list[Any], Any], context: str | None) -> str:
    """Return the namespace that a context (None: the current one) names."""
    contexts, active = known
    chosen = next((entry for entry in contexts if entry["name"] == context), active)
    return str(chosen["context"].get("namespace") or "default")


def _client(settings: Any, user: str | None) -> httpx.Client:
    verify: ssl.SSLContext | bool = False
    if settings.verify_ssl:
        verify = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    elif settings.cert_file:
        verify = ssl._create_unverified_context()  # the user's kubeconfig asks for it
    if settings.cert_file and isinstance(verify, ssl.SSLContext):
        verify.load_cert_chain(settings.cert_file, settings.key_file)
    auth = settings.auth_settings().get("BearerToken")
    headers = {"Authorization": str(auth["value"])} if auth else {}
    headers |= {"Impersonate-User": user} if user else {}
    return httpx.Client(
        base_url=settings.host,
        verify=verify,
        headers=headers,
        timeout=TIMEOUT,
        proxy=settings.proxy or None,
        trust_env=False,
    )
