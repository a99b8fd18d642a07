"""kopf watches; its handlers only wake keys. It writes nothing: no annotation, finalizer or event.

Whatever is watched leads to the objects that may decide differently now. Wake-ups carry no state:
one too many costs a look, and a lost one is made up for by the next.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import kopf

from mt_contract import names
from mt_operator.core.observed import Tree
from mt_operator.shell.queue import Key

log = logging.getLogger(__name__)
Wake = Callable[[Key], None]
OURS = f"app.kubernetes.io/managed-by={names.FIELD_MANAGER}"
# What is watched: group, version, plural; and the selector that the API server filters by.
CHILDREN = (
    ("batch", "v1", "jobs"),
    ("", "v1", "pods"),
    ("", "v1", "services"),
    ("serving.kserve.io", "v1beta1", "inferenceservices"),
    ("gateway.networking.k8s.io", "v1", "httproutes"),
)


class Wakeups:
    """From an event to the keys that it wakes; remembers which runs wait for which model."""

    def __init__(self, wake: Wake) -> None:
        """Call ``wake`` for every key."""
        self._wake = wake
        self._followers: dict[Key, set[Key]] = {}
        self._generations: dict[Key, int] = {}

    def model(self, change: str | None, found: Tree) -> None:
        """A TranslationModel: itself; its runs where its spec came, changed or went."""
        key = _key(names.MODEL_KIND, found)
        generation = found["metadata"].get("generation", 0)
        self._wake(key)
        if change != "MODIFIED" or self._generations.get(key) != generation:
            for run in sorted(self._followers.get(key, ())):
                self._wake(run)
        self._generations[key] = generation
        if change == "DELETED":
            del self._generations[key]

    def run(self, change: str | None, found: Tree) -> None:
        """A TrainingRun: itself and its model."""
        key = _key(names.RUN_KIND, found)
        self._wake(key)
        model = ((found.get("spec") or {}).get("modelRef") or {}).get("name")
        if model:
            owner = Key(names.MODEL_KIND, key.namespace, model)
            followers = self._followers.setdefault(owner, set())
            (followers.discard if change == "DELETED" else followers.add)(key)
            if not followers:
                del self._followers[owner]
            self._wake(owner)

    def child(self, found: Tree) -> None:
        """A child, or a child's pod: whom it belongs to."""
        for key in belongs_to(found):
            self._wake(key)


def belongs_to(found: Tree) -> Iterator[Key]:
    """Return the objects that an owner reference or, on pods, our labels name."""
    meta = found["metadata"]
    for reference in meta.get("ownerReferences") or ():
        if reference.get("controller") and reference["apiVersion"].startswith(f"{names.GROUP}/"):
            yield Key(reference["kind"], meta["namespace"], reference["name"])
            return
    labels = meta.get("labels") or {}
    for kind, label in ((names.RUN_KIND, names.LABEL_RUN), (names.MODEL_KIND, names.LABEL_MODEL)):
        if labels.get(label):
            yield Key(kind, meta["namespace"], labels[label])


async def watch(
    wake: Wake, namespaces: Sequence[str], stop: asyncio.Event, ready: asyncio.Event
) -> None:
    """Watch until ``stop`` is set, or the process gets a signal.

    Args:
        wake: is called for every object that has to be looked at.
        namespaces: to watch; none means all.
        stop: ends it.
        ready: is set once kopf has started, and has taken the signals.

    Raises:
        Exception: what kopf could not cope with; the process has to start anew.
    """
    await kopf.operator(
        registry=registry(Wakeups(wake)),
        settings=settings(bool(namespaces)),
        clusterwide=not namespaces,
        namespaces=namespaces,
        standalone=True,
        stop_flag=stop,
        ready_flag=ready,
    )


def registry(wakeups: Wakeups) -> kopf.OperatorRegistry:
    """Return the handlers: one for each kind, and nothing of kopf's own defaults."""
    handlers = kopf.OperatorRegistry()
    login = kopf.login_with_kubeconfig if os.environ.get("KUBECONFIG") else login_in_pod
    kopf.on.login(registry=handlers)(login)

    def on_model(event: Any, **_: Any) -> None:
        wakeups.model(event["type"], event["object"])

    def on_run(event: Any, **_: Any) -> None:
        wakeups.run(event["type"], event["object"])

    def on_child(event: Any, **_: Any) -> None:
        wakeups.child(event["object"])

    kopf.on.event(names.GROUP, names.VERSION, names.MODEL_PLURAL, registry=handlers)(on_model)
    kopf.on.event(names.GROUP, names.VERSION, names.RUN_PLURAL, registry=handlers)(on_run)
    for group, version, plural in CHILDREN:
        kopf.on.event(group, version, plural, registry=handlers)(on_child)
    return handlers


def settings(namespaced: bool) -> kopf.OperatorSettings:
    """Return kopf's settings: it posts nothing, and its names on objects are ours alone."""
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    # A server that is away for long must not end the process: it would come back slower each time.
    chosen.networking.error_backoffs = (1, 2, 3, *[5] * 1000)
    # A kopf operator removes the finalizer of its own name from what it watches: let it be one
    # that no other operator uses.
    chosen.persistence.finalizer = f"{names.GROUP}/unused"
    chosen.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=names.GROUP)
    chosen.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=names.GROUP)
    # Cluster-wide it follows CRDs, so KServe may be installed later; in namespaces it may not.
    chosen.scanning.disabled = namespaced
    for _, _, plural in CHILDREN:
        chosen.watching.label_selectors[plural] = OURS
    return chosen


def login_in_pod(**_: Any) -> kopf.ConnectionInfo:
    """Return how a pod reaches the API server; kopf's own way would need the cluster's DNS.

    Raises:
        kopf.LoginError: this is no pod, or it has no token.
    """
    account = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    try:
        host, port = (os.environ[f"KUBERNETES_SERVICE_{part}"] for part in ("HOST", "PORT"))
        token = (account / "token").read_text(encoding="utf-8").strip()
    except (KeyError, OSError) as error:
        text = f"no access to an API server ({error}): set KUBECONFIG, or run it in a pod"
        raise kopf.LoginError(text) from error
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return kopf.ConnectionInfo(server=server, ca_path=str(account / "ca.crt"), token=token)


def _key(kind: str, found: Tree) -> Key:
    return Key(kind, found["metadata"]["namespace"], found["metadata"]["name"])
