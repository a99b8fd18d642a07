"""The TrainingRuns that name a model, whoever made them."""

from __future__ import annotations

from mt_contract import names
from mt_operator.core.observed import RunView, Tree
from mt_operator.shell.api import Api, Object
from mt_operator.shell.errors import RefusedError
from mt_operator.shell.views import meta_of


async def runs_of(api: Api, namespace: str, model: str) -> list[Object]:
    """Return the runs that name the model, the oldest first."""
    try:
        fields = f"spec.modelRef.name={model}"
        found = await api.list(names.RUN_KIND, namespace, fields=fields)
    except RefusedError:  # an API server before 1.32 cannot select by a field of a custom resource
        found = await api.list(names.RUN_KIND, namespace)
    runs = [r for r in found or () if (r["spec"].get("modelRef") or {}).get("name") == model]
    return sorted(runs, key=_age)


def run_view(run: Object) -> RunView:
    """Return a run as decisions see it."""
    return RunView(meta_of(run), run.get("spec") or {}, run.get("status") or {})


def finished(status: Tree) -> bool:
    """Return whether a run has ended: it reads nothing any more."""
    conditions = status.get("conditions") or ()
    return any(c["type"] in ("Succeeded", "Failed") and c["status"] == "True" for c in conditions)


def _age(run: Object) -> tuple[str, str]:
    return str(run["metadata"]["creationTimestamp"]), str(run["metadata"]["name"])
