"""What has to be read just now: asked before anything is, so that nothing is read for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from mt_contract import names
from mt_contract.codec import from_json
from mt_contract.resource import Analysis
from mt_operator.core.observed import Meta, Tree
from mt_operator.settings import Settings

STAGES = frozenset({"ServingCheck", "AwaitingApproval", "Canary", "Promoting"})
KNATIVE = "KServeKnative"  # one InferenceService for all revisions


@dataclass(frozen=True)
class Watch:
    """What the shell has to read for one model."""

    candidate: str  # its revision
    production: str | None  # its revision
    services: Mapping[str, str]  # InferenceService by revision
    provider: str  # Pods | Prometheus
    interval: timedelta
    # PromQL by name of the query and revision, filled in; only what the settings know.
    queries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def revisions(self) -> tuple[str, ...]:
        """Return the revisions to read, the candidate first."""
        return (self.candidate,) if self.production is None else (self.candidate, self.production)


def watch(meta: Meta, status: Tree, settings: Settings) -> Watch | None:
    """Return what has to be read of a model, or None.

    Args:
        meta: the model's.
        status: as stored.
        settings: the operator's.

    Raises:
        DecodeError: somebody else wrote to the status; the message names the field.
    """
    candidate = status.get("candidate") or {}
    tree = (candidate.get("rollout") or {}).get("analysis")
    if candidate.get("stage") not in STAGES or not candidate.get("revision") or tree is None:
        return None
    analysis = from_json(Analysis, tree, "status.candidate.rollout.analysis")
    production = (status.get("production") or {}).get("revision")
    revisions = [candidate["revision"], *([production] if production else [])]
    shared = status.get("trafficBackend") == KNATIVE
    own, one = names.inference_service_name, names.shared_service_name(meta.name)
    return Watch(
        candidate=candidate["revision"],
        production=production,
        services={revision: one if shared else own(meta.name, revision) for revision in revisions},
        provider=analysis.provider,
        interval=analysis.interval,
        queries={
            name: {revision: fill(promql, meta, revision) for revision in revisions}
            for name, promql in _asked(analysis, settings).items()
        },
    )


def fill(promql: str, meta: Meta, revision: str) -> str:
    """Return a query with its placeholders filled in, as values inside double quotes."""
    values = {"revision": revision, "namespace": meta.namespace, "model": meta.name}
    for name, value in values.items():
        promql = promql.replace("{{" + name + "}}", _escaped(value))
    return promql


def _asked(analysis: Analysis, settings: Settings) -> dict[str, str]:
    wanted = [measure.query for measure in analysis.metrics if measure.query is not None]
    return {name: settings.queries[name].promql for name in wanted if name in settings.queries}


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
