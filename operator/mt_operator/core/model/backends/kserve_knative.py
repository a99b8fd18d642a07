"""Backend KServeKnative: one InferenceService; Knative makes a revision of each template it gets.

A percentage says what the latest ready revision gets; the rest goes to the last one that had all
requests. What is safe was seen, and is all that this module ever does:

    production at 100 ── template of the candidate, 0 ──▶ loading, all to production
    candidate ready   ── 20, 50, 100: the percentage alone ──▶ promoted
    way back          ── 0 alone ──▶ nothing to the candidate ── template of production, 0 ──▶
                         loading, all to what production was ── 100 alone, once it is ready

Template and percentage are never taken back at once: until the old template is ready again, the
latest ready revision is the bad one, and it would get everything. Nor does the template that all
requests go to already get a percentage: KServe would then send the rest to what was there before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mt_contract import names
from mt_operator.core.children.knative_service import (
    MODE,
    Exposure,
    exposed,
    is_public,
    knative_service,
    percent_of,
    template_inputs,
)
from mt_operator.core.model.backends.knative_seen import (
    Seen,
    complaint,
    seen,
    serving,
    shares,
    template_of,
)
from mt_operator.core.model.endpoint import Place
from mt_operator.core.model.state import ModelStatus, Revision, Stage
from mt_operator.core.model.traffic import Traffic
from mt_operator.core.model.turn import Situation, backend_name
from mt_operator.core.observed import ObservedModel, ServiceView
from mt_operator.core.plan import Child

KIND = "InferenceService"


@dataclass(frozen=True)
class Step:
    """What the InferenceService should be now: whose template, and which percentage."""

    build: Revision | None  # None: the template stays as it is
    percent: int


def observe(o: ObservedModel) -> Traffic:
    """Return what the InferenceService tells of the revisions that Knative made."""
    view = our_service(o)
    if view is None:
        return Traffic()
    found, told = seen(view), complaint(view)
    there = serving(view, found)
    if found is None:
        return Traffic(there, complaint=told)
    parts = {f"{o.meta.name}-{name}-predictor": part for name, part in shares(found).items()}
    return Traffic(there, parts, found.settled, complaint=told)


def weights(s: Situation, status: ModelStatus) -> Mapping[str, int]:
    """Return the share of production and candidate; they sum to 100, or there are none."""
    production, trying = status.production, _trying(status)
    given = _given(s, status)
    parts: dict[str, int] = {}
    if production is not None:
        parts[backend_name(s.meta, production)] = 100 - given
    if trying is not None and given:
        parts[backend_name(s.meta, trying)] = given
    return parts


def children(s: Situation, status: ModelStatus) -> tuple[Child, ...]:
    """Return the InferenceService, if it is not as it should be just now."""
    view = s.observed.services.get(names.shared_service_name(s.meta.name))
    if not s.observed.cluster.kserve or not claims(s, status):
        return ()
    if view is not None and (view.meta.owner != s.meta.uid or view.meta.deleting):
        return ()
    step = _step(s, status, view)
    exposure = Exposure(step.percent, public=status.production is not None)
    if step.build is not None:
        settings, limit = s.observed.settings, s.rollout.serving_check.max_load
        mode = view.meta.annotations.get(MODE) if view else s.observed.cluster.knative_name
        return (knative_service(s.meta, step.build, exposure, settings, limit, mode or "Knative"),)
    if view is None or (percent_of(view), is_public(view)) == (step.percent, exposure.public):
        return ()
    return (exposed(s.meta, view, exposure),)


def claims(s: Situation, status: ModelStatus) -> tuple[tuple[str, str], ...]:
    """Return the name of the one InferenceService, as long as there is anything to serve."""
    needed = status.production or _trying(status)
    return ((KIND, names.shared_service_name(s.meta.name)),) if needed else ()


needs = claims


def dark_host(s: Situation, build: Revision) -> str:
    """Return the host of a revision by the tag that Knative gives it.

    The candidate is the latest ready one, production beside it what was rolled out before. The
    first one is all that the service has, which nobody outside reaches before it is promoted.
    """
    name = f"{names.shared_service_name(s.meta.name)}-predictor"
    serving = (s.observed.status.get("production") or {}).get("revision")
    tag = "" if serving is None else "prev-" if serving == build.revision else "latest-"
    return f"{tag}{name}.{s.meta.namespace}.svc.cluster.local"


def endpoint(s: Situation) -> Place:
    """Return where KServe says that the model is reached, or said last."""
    view = our_service(s.observed)
    return Place((view.url if view else "") or s.observed.status.get("url"))


def our_service(o: ObservedModel) -> ServiceView | None:
    """Return the model's InferenceService, if it is there to stay and ours."""
    view = o.services.get(names.shared_service_name(o.meta.name))
    if view is None or view.meta.owner != o.meta.uid or view.meta.deleting:
        return None
    return view


def _step(s: Situation, status: ModelStatus, view: ServiceView | None) -> Step:
    production, trying = status.production, _trying(status)
    if view is None or production is None:
        first = production or trying
        assert first is not None, "nothing to serve"
        return Step(_changed(s, view, first), 100)
    found, there = seen(view), template_of(view)
    back = status.candidate is not None and status.candidate.stage is Stage.ROLLING_BACK
    wanted = production if trying is None or back else trying
    if found and there != production.revision and _mistaken(production, found):
        return Step(production, 0)
    if there == wanted.revision:
        percent = _home(production, view, found) if wanted is production else _given(s, status)
        settled = wanted is production or (found is not None and _beside(production, found))
        changed = _changed(s, view, wanted) if settled else None
        # A new template never raises a percentage.
        return Step(changed, min(percent, max(0, percent_of(view))) if changed else percent)
    if there == production.revision:
        beside = found is not None and found.build_of(found.knative.rolled_out) == there
        return Step(wanted, 0) if beside else Step(None, _home(production, view, found))
    if percent_of(view) != 0 or found is None or _wait(s, status, found, back):
        return Step(None, 0)
    return Step(wanted, 0)


def _wait(s: Situation, status: ModelStatus, found: Seen, back: bool) -> bool:
    """Return whether the template of what is given up, which is at 0, still has to stay."""
    production, parts = status.production, shares(found)
    assert production is not None, "there is a way back"
    if parts.get(template_of(found.view), 0) > 0:
        return True  # the 0 is not in force
    if back and found.settled and parts == {production.revision: 100}:
        return True  # it is; the status says so first
    # KServe has not acted on it: a template that all requests go to already must not get the 0.
    created = found.knative.revisions.get(found.knative.created)
    same = created is not None and created.inputs == template_inputs(s.meta, production)
    return not found.acted and same and (back or _trying(status) is None)


def _beside(production: Revision, found: Seen) -> bool:
    """Return whether what the template does not get goes to production, and is not all."""
    rest = found.build_of(found.knative.rolled_out)
    return percent_of(found.view) < 100 and rest == production.revision


def _mistaken(production: Revision, found: Seen) -> bool:
    """Return whether what the template does not get goes to another revision than production.

    One that had all requests and then got another template is not taken for rolled back at 0, and
    production may be, if KServe sees Knative's traffic before Knative's new revision. What puts it
    right is production, rolled out anew.
    """
    rest = found.knative.rolled_out
    known = found.build_of(rest) not in ("", production.revision)
    return found.acted and known and rest != found.knative.created


def _home(production: Revision, view: ServiceView, found: Seen | None) -> int:
    """Return the percentage of production's template: 100, once that leads to production alone."""
    if found is None or not found.knative.rolled_out:
        return 100  # there is nothing to split with
    if found.loaded:
        return 100
    loading = percent_of(view) == 100 and found.build_of(found.knative.ready) == production.revision
    return 100 if loading else 0


def _changed(s: Situation, view: ServiceView | None, build: Revision) -> Revision | None:
    """Return ``build`` if the template is not, or no longer, as it says."""
    if view is None:
        return build
    inputs = view.meta.annotations.get(names.ANNOTATION_TEMPLATE)
    return build if inputs != template_inputs(s.meta, build) else None


def _trying(status: ModelStatus) -> Revision | None:
    return status.candidate.build if status.candidate else None


def _given(s: Situation, status: ModelStatus) -> int:
    candidate, build = status.candidate, _trying(status)
    return candidate.weight if candidate and build and s.ready(build) else 0
