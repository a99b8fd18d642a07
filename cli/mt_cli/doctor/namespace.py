"""The user's namespace: claims, nodes, and what the user may do there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mt_cli.doctor.look import Denied, Place, Row, Verdict, unknown
from mt_contract import names
from mt_operator.core.supported import values_at

Tree = Mapping[str, Any]
GPU = "nvidia.com/gpu"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
MODELS, RUNS = names.MODEL_PLURAL, names.RUN_PLURAL
# What a user does, the rights that it takes (verb, group, resource), and who gives them.
RIGHTS: tuple[tuple[str, tuple[tuple[str, str, str], ...], str], ...] = (
    (
        "look at models and runs",
        tuple((verb, names.GROUP, r) for r in (MODELS, RUNS) for verb in ("get", "list", "watch")),
        "translation-view",
    ),
    (
        "change models, and act on them",
        tuple((verb, names.GROUP, MODELS) for verb in ("create", "update", "patch", "delete")),
        "translation-edit",
    ),
    (
        "make and stop runs",
        tuple((verb, names.GROUP, RUNS) for verb in ("create", "update", "patch", "delete")),
        "translation-edit",
    ),
    ("promote and roll back", (("promote", names.GROUP, MODELS),), "translation-promoter"),
    ("bless", (("bless", names.GROUP, MODELS),), "translation-admin"),
    ("read logs", (("list", "", "pods"), ("get", "", "pods/log")), "view"),
    ("see events", (("list", "", "events"),), "view"),
)
PARTS, SIDES = ("train", "validation", "test"), ("uri", "targetUri")
LOCATIONS = ("storage.uri", *(f"data.{part}[].{side}" for part in PARTS for side in SIDES))


def rights(place: Place) -> Iterator[Row]:
    """May the user do what the commands do?"""
    for what, needed, role in RIGHTS:
        missing = [right for right in needed if not _may(place, *right)]
        check = f"you may {what}"
        if not missing:
            yield Row(check, Verdict.OK, "yes")
            continue
        told = ", ".join(f"{verb} {resource}" for verb, _, resource in missing)
        todo = f"Ask an administrator of {place.namespace} for the ClusterRole {role}."
        yield Row(check, Verdict.WARNING, f"not: {told}", todo)


def _may(place: Place, verb: str, group: str, resource: str) -> bool:
    kind, _, part = resource.partition("/")
    attributes = {"namespace": place.namespace, "verb": verb, "group": group, "resource": kind}
    attributes |= {"subresource": part} if part else {}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return bool((place.kube.post(REVIEWS, review).get("status") or {}).get("allowed"))


def storage(place: Place) -> Iterator[Row]:
    """Can the pods of a model all reach its claims?"""
    models = _models(place)
    if isinstance(models, Row):
        yield models
        return
    claims = dict.fromkeys(claim for model in models for claim in _claims(model))
    if not claims:
        yield from _classes(place)
    nodes = _nodes(place)
    for claim in claims:
        yield _claim(place, claim, len(nodes) if nodes is not None else None)


def _models(place: Place) -> Sequence[Tree] | Row:
    answer = place.look(f"/apis/{names.API_VERSION}/namespaces/{place.namespace}/{MODELS}")
    if isinstance(answer, Denied):
        return unknown("storage", f"TranslationModels in {place.namespace}")
    found: Sequence[Tree] = (answer or {}).get("items") or ()
    return found


def _claims(model: Tree) -> Iterator[str]:
    for path in LOCATIONS:
        for _, uri in values_at(model.get("spec") or {}, path):
            claim = names.claim_of(str(uri))
            if claim:
                yield claim


def _claim(place: Place, name: str, nodes: int | None) -> Row:
    check = f"claim {name}"
    path = f"/api/v1/namespaces/{place.namespace}/persistentvolumeclaims/{name}"
    found = place.look(path)
    if isinstance(found, Denied):
        return unknown(check, f"PersistentVolumeClaims in {place.namespace}")
    if found is None:
        told = f"does not exist in {place.namespace}, and a model names it"
        return Row(check, Verdict.PROBLEM, told, "Create it, or name another one.")
    phase = (found.get("status") or {}).get("phase")
    modes = found["spec"].get("accessModes") or []
    told = f"{phase}, {', '.join(modes)}"
    if phase == "Lost":
        return Row(check, Verdict.PROBLEM, told, "Its volume is gone: restore it, or train anew.")
    if {"ReadWriteMany", "ReadOnlyMany"} & set(modes) or nodes == 1:
        return Row(check, Verdict.OK, told + (" on the only node" if nodes == 1 else ""))
    if "ReadWriteOncePod" in modes:
        todo = "One pod at a time may mount it: use ReadWriteMany, or ReadWriteOnce on one node."
        return Row(check, Verdict.PROBLEM, told, todo)
    todo = "Use ReadWriteMany: else trainings and predictors all have to be on one node."
    return Row(check, Verdict.WARNING, told, todo)


def _classes(place: Place) -> Iterator[Row]:
    found = place.look("/apis/storage.k8s.io/v1/storageclasses")
    if isinstance(found, Denied):
        yield unknown("storage", "StorageClasses")
        return
    items: Sequence[Tree] = (found or {}).get("items") or ()
    told = ", ".join(str(item["metadata"]["name"]) for item in items)
    if not items:
        todo = "Install one, or make PersistentVolumes by hand: models are kept on claims."
        yield Row("storage", Verdict.WARNING, "no StorageClass", todo)
    else:
        yield Row("storage", Verdict.OK, f"no model names a claim yet; StorageClasses: {told}")


def _nodes(place: Place) -> Sequence[Tree] | None:
    found = place.look("/api/v1/nodes")
    if found is None or isinstance(found, Denied):
        return None
    items: Sequence[Tree] = found.get("items") or ()
    return items


def gpus(place: Place) -> Iterator[Row]:
    """Are there GPUs, where models ask for them?"""
    nodes, models = _nodes(place), _models(place)
    if nodes is None:
        yield unknown("GPUs", "nodes")
        return
    count = sum(int((n.get("status", {}).get("allocatable") or {}).get(GPU, 0)) for n in nodes)
    wanting = [] if isinstance(models, Row) else [m for m in models if _wants_gpu(m)]
    if wanting and not count:
        who = ", ".join(str(model["metadata"]["name"]) for model in wanting)
        todo = f"Add a node with GPUs and their device plugin, or take {GPU} out of the spec."
        yield Row("GPUs", Verdict.PROBLEM, f"none, and {who} ask for them", todo)
    elif count:
        yield Row("GPUs", Verdict.OK, f"{count} on {len(nodes)} nodes")
    else:
        yield Row("GPUs", Verdict.OK, f"none on {len(nodes)} nodes; small models train on CPUs")


def _wants_gpu(model: Tree) -> bool:
    limits = list(values_at(model.get("spec") or {}, "training.resources.limits"))
    return any(GPU in (value or {}) for _, value in limits)


def stalled(place: Place) -> Iterator[Row]:
    """Which models do nothing before a person acts?"""
    models = _models(place)
    for model in () if isinstance(models, Row) else models:
        found = [
            c
            for c in (model.get("status") or {}).get("conditions") or ()
            if c.get("type") == "Stalled" and c.get("status") == "True"
        ]
        for entry in found:
            name = f"model {model['metadata']['name']}"
            yield Row(name, Verdict.WARNING, str(entry.get("reason")), str(entry.get("message")))


CHECKS = (storage, gpus, rights, stalled)
