"""What the operator would say of an object, by its own decisions: they are pure, so they run here.

The platform's settings are not known offline. Unless a file of them is given, every image, gateway,
query and receiver that a spec names counts as known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mt_cli.errors import CliError, Code
from mt_cli.lint.finding import Finding
from mt_contract import names
from mt_contract.codec import DecodeError
from mt_contract.defaults import Images
from mt_operator.core.model.decide import decide_model
from mt_operator.core.observed import Cluster, Meta, ModelView, ObservedModel, ObservedRun
from mt_operator.core.plan import Plan
from mt_operator.core.run.decide import decide_run
from mt_operator.settings import Gateway, Prometheus, Query, Receiver, Settings, load

Tree = Mapping[str, Any]
UID = "00000000-0000-4000-8000-000000000000"
NAMESPACE = "default"
NOW = datetime(2000, 1, 1, tzinfo=UTC)  # nothing that is said depends on it
LOOKS = 3  # until the first run of a model is due


def settings_of(file: str | None, specs: list[Tree]) -> Settings:
    """Return the platform's settings; without a file, those that know whatever ``specs`` name.

    Raises:
        CliError: the file is no settings file.
    """
    if file is None:
        return _permissive(specs)
    try:
        return load(Path(file))
    except OSError as error:
        raise CliError(f"cannot read the settings: {error}", Code.NOT_FOUND) from error
    except (DecodeError, ValueError) as error:
        raise CliError(f"{file} is no settings file of the operator: {error}") from error


def _permissive(specs: list[Tree]) -> Settings:
    rollouts = [spec.get("rollout") or {} for spec in specs]
    gateways = {str(rollout.get("gateway", "default")) for rollout in rollouts}
    metrics = [m for r in rollouts for m in (r.get("analysis") or {}).get("metrics") or ()]
    alerts = [alert for spec in specs for alert in spec.get("alerts") or ()]
    return Settings(
        Images("trainer", "predictor", "predictor-tensorflow"),
        allowed_images=("*",),
        gateways={name: Gateway(name, "gateways", "{model}-{namespace}") for name in gateways},
        prometheus=Prometheus("http://prometheus"),
        queries={str(m["query"]): Query("up") for m in metrics if m.get("query")},
        receivers={str(alert["receiver"]): Receiver("http://receiver") for alert in alerts},
    )


def of_model(document: Tree, settings: Settings) -> Iterator[Finding]:
    """Yield what keeps a model from doing anything."""
    meta, spec = _meta(document), document["spec"]
    mode = (spec.get("serving") or {}).get("deploymentMode")
    cluster = Cluster(knative=mode == "Knative")  # it has what is asked for
    status: Tree = {}
    for _ in range(LOOKS):
        observed = ObservedModel(NOW, meta, spec, status, settings, cluster)
        plan = decide_model(observed)
        stalled = list(_stalled(plan))
        if stalled:
            yield from stalled
            return
        for child in plan.apply:
            if child.manifest["kind"] == names.RUN_KIND:
                yield from _of_child(child.manifest, meta, spec, settings)
                return
        status = plan.status or status


def of_run(document: Tree, models: Mapping[str, Tree], settings: Settings) -> Iterator[Finding]:
    """Yield what keeps a run from beginning.

    Args:
        document: the TrainingRun.
        models: by name, those that are known here; a run of another is not judged.
        settings: the platform's.
    """
    spec = document["spec"]
    reference = (spec.get("modelRef") or {}).get("name")
    if reference is not None and reference not in models:
        return
    model = models.get(reference) if reference else None
    view = ModelView(_meta(model), model["spec"], {}) if model else None
    meta = replace(_meta(document), uid=UID.replace("4", "5", 1))
    observed = ObservedRun(NOW, meta, spec, {}, settings, view)
    yield from _stalled(decide_run(observed))


def _of_child(child: Tree, owner: Meta, spec: Tree, settings: Settings) -> Iterator[Finding]:
    """Yield what keeps the run that a model makes from beginning."""
    annotations = child["metadata"].get("annotations") or {}
    meta = replace(_meta(child), owner=owner.uid, annotations=annotations)
    view = ModelView(owner, spec, {})
    yield from _stalled(decide_run(ObservedRun(NOW, meta, child["spec"], {}, settings, view)))


def _stalled(plan: Plan) -> Iterator[Finding]:
    for condition in (plan.status or {}).get("conditions") or ():
        if condition["type"] == "Stalled" and condition["status"] == "True":
            yield Finding("spec", f"{condition['reason']}: {condition['message']}", by="operator")


def _meta(document: Tree) -> Meta:
    found = document.get("metadata") or {}
    name = found.get("name") or f"{found.get('generateName', '')}xxxxx"
    return Meta(str(name), str(found.get("namespace") or NAMESPACE), UID)
