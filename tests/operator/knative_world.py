"""A small world in KServe's Knative mode: it does what was seen on a real cluster, traps and all.

KServe, Knative's configuration, its pods and its route act one after another, each on what the one
before it has written; a test may let any of them act next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.operator.model_builders import MODEL, SPEC, WEIGHTS, Thing, World

from mt_contract import names
from mt_contract.defaults import merge
from mt_operator.core.observed import (
    Cluster,
    KnativeRevision,
    KnativeTarget,
    KnativeView,
    ServiceView,
)
from mt_operator.core.plan import Child

CLUSTER = Cluster(gateway_api=False, knative=True, default_mode="Knative")
NAME = names.shared_service_name(MODEL)
DARK = "networking.knative.dev/visibility"


@dataclass
class Made:
    """A revision of Knative."""

    name: str
    template: str
    revision: str  # ours
    inputs: str
    bounds: tuple[int, int]
    ready: bool = False
    pods: int = 0


@dataclass
class Knative:
    """A Service of Knative, and what KServe keeps of it in its own status."""

    template: Mapping[str, Any] = field(default_factory=dict)
    asked: tuple[tuple[str, int], ...] = ()  # revision's name, or "" for the latest ready; percent
    made: list[Made] = field(default_factory=list)
    ready: str = ""
    routed: tuple[KnativeTarget, ...] = ()
    # As the InferenceService's status shows it.
    created: str = ""
    shown_ready: str = ""
    shown: tuple[KnativeTarget, ...] = ()
    rolled_out: str = ""
    previous: str = ""
    refused: bool = False

    def of(self, name: str) -> Made:
        return next(each for each in self.made if each.name == name)


@dataclass
class KnativeWorld(World):
    """A world whose cluster has Knative."""

    cluster: Cluster = CLUSTER
    knative: Knative = field(default_factory=Knative)
    dead: set[str] = field(
        default_factory=set
    )  # revisions of ours whose pods crash again and again
    refuses: bool = False  # Knative's webhook refuses what KServe sends
    granted: dict[str, int] = field(default_factory=dict)  # the highest weight of each revision

    def live(self) -> bool:
        """Let the cluster go on: what is not about an InferenceService as in any world."""
        services, self.services = self.services, {}
        changed = super().live()
        self.services = services
        acted = [self.act(step) for step in ("kserve", "configure", "pods", "route", "kserve")]
        return changed or any(acted)

    def look(self) -> Any:
        before = self.production.get("revision")
        plan = super().look()
        candidate = self.candidate
        if before != self.production.get("revision"):
            self.granted.pop(before or "", None)
        if candidate.get("revision"):
            name, weight = candidate["revision"], candidate.get("weight", 0)
            fresh = candidate["stage"] == "Deploying" and not self.weights().get(name)
            self.granted[name] = weight if fresh else max(weight, self.granted.get(name, 0))
        return plan

    def act(self, step: str) -> bool:
        """Let one part of the cluster act once; return whether that changed anything."""
        before = repr(self.knative)
        thing = self.services.get(NAME)
        if thing is None:
            self.knative = Knative()
            return repr(self.knative) != before
        getattr(self, f"_{step}")(thing)
        self._nobody_gets_too_much(thing)
        return repr(self.knative) != before

    def weights(self) -> dict[str, int]:
        """Return what each revision of ours really gets, without what gets nothing."""
        found: dict[str, int] = {}
        for target in self.knative.routed:
            if target.percent > 0:
                name = self.knative.of(target.name).revision
                found[name] = found.get(name, 0) + target.percent
        return found

    def service_of(self, build: Mapping[str, Any]) -> str:
        """Return what ``unready`` and ``dead`` know a revision by."""
        return str(build["revision"])

    def percent(self) -> int | None:
        """Return the percentage of the InferenceService."""
        predictor = self.services[NAME].manifest["spec"]["predictor"]
        found: int | None = predictor.get("canaryTrafficPercent")
        return found

    def _apply(self, child: Child) -> None:
        if child.key[0] == "InferenceService":
            assert child.key[1] == NAME, "one InferenceService for the whole model"
            percent = child.manifest["spec"]["predictor"]["canaryTrafficPercent"]
            assert 0 <= percent <= 100
        super()._apply(child)

    def _kserve(self, thing: Thing) -> None:
        """Write Knative's Service as KServe does, and take over what that says of itself."""
        k, predictor = self.knative, thing.manifest["spec"]["predictor"]
        percent = predictor.get("canaryTrafficPercent")
        asked: tuple[tuple[str, int], ...] = (("", 100),)
        if percent is not None and k.rolled_out:
            asked = (("", percent), *([(k.rolled_out, 100 - percent)] if percent < 100 else []))
        k.refused = self.refuses
        if not self.refuses:
            k.template, k.asked = _template(thing), asked
            self._configure(thing)  # long before the route follows; 30 of 30 times
        self._propagate()

    def _propagate(self) -> None:
        k = self.knative
        k.created = k.made[-1].name if k.made else ""
        parts: dict[str, int] = {}
        for target in k.routed:
            parts[target.name] = parts.get(target.name, 0) + target.percent
        for target in k.routed:
            if not target.latest or target.name != k.ready:
                continue
            if k.rolled_out != k.ready:
                if target.percent == 100:
                    k.previous, k.rolled_out = k.rolled_out, k.ready
            elif k.ready == k.created and target.percent < 100 and parts[target.name] == 100:
                # "It was rolled out and is taken back": to whatever was there before.
                k.rolled_out = k.previous or k.rolled_out
        k.shown_ready, k.shown = k.ready, k.routed

    def _configure(self, thing: Thing) -> None:
        k = self.knative
        if not k.template:
            return
        text = json.dumps(k.template, sort_keys=True, default=str)
        if k.made and k.made[-1].template == text:
            return
        predictor, metadata = k.template["predictor"], k.template["metadata"]
        made = Made(
            name=f"{NAME}-predictor-{len(k.made) + 1:05}",
            template=text,
            revision=metadata["labels"][names.LABEL_REVISION],
            inputs=metadata["annotations"][names.ANNOTATION_TEMPLATE],
            bounds=(predictor["minReplicas"], predictor["maxReplicas"]),
        )
        k.made.append(made)

    def _pods(self, thing: Thing) -> None:
        """Let what loads get ready; what nothing leads to goes, whatever its minimum."""
        k = self.knative
        led = {target.name for target in k.routed} | {name for name, _ in k.asked}
        for made in k.made:
            wanted = made.name in led or made is k.made[-1]
            well = made.revision not in self.unready | self.dead
            made.pods = max(1, made.bounds[0]) if wanted and well else 0
            made.ready = made.ready or (made.pods > 0 and made.revision not in self.unready)

    def _route(self, thing: Thing) -> None:
        k = self.knative
        ready = [made.name for made in k.made if made.ready]
        k.ready = ready[-1] if ready else ""
        if k.ready:
            k.routed = tuple(
                KnativeTarget(name or k.ready, percent, not name) for name, percent in k.asked
            )

    def _service(self, thing: Thing) -> ServiceView:
        k = self.knative
        revisions = {
            made.name: KnativeRevision(
                made.revision,
                made.inputs,
                made.ready,
                made.pods,
                *made.bounds,
                waiting="" if made.pods else self.waiting,
            )
            for made in k.made
        }
        well = bool(k.created) and k.created == k.shown_ready and not k.refused
        view = KnativeView(k.created, k.shown_ready, k.rolled_out, k.shown, revisions)
        return ServiceView(
            thing.meta(),
            well,
            thing.manifest["spec"]["predictor"],
            message="" if well else self.waiting,
            failed=k.refused,
            url=f"http://{NAME}-predictor.example.com" if k.rolled_out else "",
            knative=view if k.created else None,
        )

    def _nobody_gets_too_much(self, thing: Thing) -> None:
        """Nothing but production has more than it was ever given, unless nobody can see it."""
        production = self.production.get("revision")
        dark = DARK in thing.manifest["metadata"]["labels"]
        for name, share in self.weights().items():
            if name == production or (production is None and dark):
                continue
            told = f"{name} gets {share} %, was given {self.granted.get(name, 0)}: {self.knative}"
            assert share <= self.granted.get(name, 0), told


def knative_served(**changes: Any) -> KnativeWorld:
    """Return a world in which a first revision is in production, with no step to wait at."""
    world = KnativeWorld(spec=merge(SPEC, {"rollout": {"steps": WEIGHTS}} | changes))
    world.run_until("UpToDate")
    world.settle()
    world.writes.clear()
    world.events.clear()
    world.stages.clear()
    return world


def knative_upgraded(**changes: Any) -> KnativeWorld:
    """Return a world in production whose second recipe is about to be trained."""
    world = knative_served(**changes)
    world.change(training={"seed": 7})
    return world


def _template(thing: Thing) -> Mapping[str, Any]:
    """Return what Knative's template is made of: all but the percentage and the visibility."""
    metadata, predictor = thing.manifest["metadata"], thing.manifest["spec"]["predictor"]
    return {
        "predictor": {k: v for k, v in predictor.items() if k != "canaryTrafficPercent"},
        "metadata": {
            "labels": {k: v for k, v in metadata["labels"].items() if k != DARK},
            "annotations": metadata["annotations"],
        },
    }
