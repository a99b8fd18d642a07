"""What an InferenceService in Knative mode says, by our revisions: percentages, readiness, why not.

Knative's own revisions are told apart by the label that they have from their template. Of one of
ours there may be several: a way back, and an option changed in place, make another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mt_contract import names
from mt_operator.core.children.knative_service import percent_of
from mt_operator.core.model.traffic import Serving
from mt_operator.core.observed import KnativeRevision, KnativeView, ServiceView

ANY_NUMBER = 10_000  # pods that a revision without a bound may have
RETRIED = "the object has been modified"  # two wrote at once; KServe tries again
# What the platform has to switch on in the ConfigMap config-features, by what Knative says.
FEATURES = {
    "ersistent volume claim support is disabled": "kubernetes.podspec-persistent-volume-claim",
    "spec.template.spec.nodeSelector": "kubernetes.podspec-nodeselector",
    "spec.template.spec.tolerations": "kubernetes.podspec-tolerations",
}


@dataclass(frozen=True)
class Seen:
    """An InferenceService that Knative has answered."""

    view: ServiceView
    knative: KnativeView

    @property
    def acted(self) -> bool:
        """Return whether the latest revision was made from the template that stands there now."""
        created = self.knative.revisions.get(self.knative.created)
        wanted = self.view.meta.annotations.get(names.ANNOTATION_TEMPLATE)
        return created is not None and created.inputs == wanted

    @property
    def loaded(self) -> bool:
        """Return whether that revision is ready, so that percentages are about it."""
        return self.acted and self.knative.created == self.knative.ready

    @property
    def settled(self) -> bool:
        """Return whether template and percentage are in force as they stand there.

        While a template loads, the traffic shows its percentage at the old revision; a percentage
        that was patched a moment ago still shows the old number.
        """
        latest = [target for target in self.knative.traffic if target.latest]
        given = sum(target.percent for target in latest)
        known = all(target.name == self.knative.created for target in latest)
        return self.loaded and known and self.view.ready and given == percent_of(self.view)

    def build_of(self, name: str) -> str:
        """Return which of our revisions one of Knative's was made for."""
        found = self.knative.revisions.get(name)
        return found.revision if found else ""


def seen(view: ServiceView | None) -> Seen | None:
    """Return what Knative has answered, if it has."""
    if view is None or view.knative is None or not view.knative.created:
        return None
    return Seen(view, view.knative)


def template_of(view: ServiceView) -> str:
    """Return which of our revisions the template stands for."""
    return view.meta.labels.get(names.LABEL_REVISION, "")


def shares(found: Seen) -> Mapping[str, int]:
    """Return what each of our revisions gets of the requests now, in percent."""
    parts: dict[str, int] = {}
    for target in found.knative.traffic:
        if target.percent > 0:
            name = found.build_of(target.name)
            parts[name] = parts.get(name, 0) + target.percent
    return parts


def serving(view: ServiceView, found: Seen | None) -> Mapping[str, Serving]:
    """Return the predictors of our revisions.

    One is ready when requests are led to it and a pod of it is there. How many there may be is
    Knative's autoscaler's affair: it follows the requests, and keeps those that came too early.
    """
    told = Serving(False, waiting=complaint(view))
    there = {template_of(view): told} if template_of(view) else {}
    if found is None:
        return there
    for build in sorted({each.revision for each in found.knative.revisions.values()}):
        there[build] = _serving(found, build, told)
    return there


def complaint(view: ServiceView) -> str:
    """Return what KServe or Knative says when something is not well, and what to do about it.

    What is only on its way, or is tried again at once, changes from second to second: not told.
    """
    if not view.failed or RETRIED in view.message:
        return ""
    told = " ".join(view.message.split())
    advice = [
        f"Set {flag} to enabled in the ConfigMap config-features of Knative Serving."
        for words, flag in FEATURES.items()
        if words in told
    ]
    return " ".join((f"{told.rstrip('.')}.", *advice)) if told else ""


def _serving(found: Seen, build: str, told: Serving) -> Serving:
    of_build = dict(_made_for(found, build))
    routed = {target.name for target in found.knative.traffic} & set(of_build)
    alive = any(of_build[name].ready_replicas or not of_build[name].min_scale for name in routed)
    # Its share tells that it was ready before another template of it began to load.
    known = shares(found).get(build, 0) > 0 or found.loaded
    if routed and alive and known:
        bounds = [each.max_scale or ANY_NUMBER for each in of_build.values()]
        return Serving(True, max(bounds))
    newest = of_build.get(found.knative.created)
    waiting = newest.waiting if newest else next((r.waiting for r in of_build.values()), "")
    return Serving(False, waiting=waiting or (told.waiting if newest else ""))


def _made_for(found: Seen, build: str) -> Iterator[tuple[str, KnativeRevision]]:
    for name, each in found.knative.revisions.items():
        if each.revision == build:
            yield name, each
