"""A small world around one model: it keeps what plans write, and plays KServe, gateway and runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.operator.traffic_builders import Users

from mt_contract import names
from mt_contract.defaults import Images, merge
from mt_contract.report import (
    Comparison,
    EvaluationResult,
    Failure,
    Message,
    ProbeResult,
    TrainResult,
)
from mt_operator.core.model.decide import decide_model
from mt_operator.core.observed import (
    Cluster,
    JobState,
    JobView,
    Meta,
    ModelView,
    ObservedModel,
    ObservedRun,
    RouteView,
    RunView,
    ServiceView,
)
from mt_operator.core.plan import Child, Event, Mode, Plan, Ref
from mt_operator.core.run.decide import decide_run
from mt_operator.settings import Gateway, Settings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MODEL, NAMESPACE, UID = "pt-en", "team-a", "5b1d3c9e-2f4a-4d6b-8c7e-9a0b1c2d3e4f"
IMAGES = Images("registry/trainer:1", "registry/predictor:1")
SETTINGS = Settings(IMAGES, gateways={"default": Gateway("shared", "gateways")})
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)

SPEC: Mapping[str, Any] = {
    "sourceLanguage": "pt",
    "targetLanguage": "en",
    "storage": {"uri": "pvc://models/pt-en"},
    "data": {
        "train": [{"uri": "pvc://corpora/train.tsv"}],
        "test": [{"uri": "pvc://corpora/test.tsv"}],
    },
    "evaluation": {"gates": [{"name": "quality", "metric": "chrF", "min": "40"}]},
}
WEIGHTS = [{"setWeight": 10}, {"setWeight": 50}, {"setWeight": 100}]
PAUSED = [
    {"setWeight": 10},
    {"pause": {"duration": "5m"}},
    {"setWeight": 50},
    {"pause": {"duration": "5m"}},
    {"setWeight": 100},
]


class CrashError(Exception):
    """The operator was killed between two writes."""


@dataclass
class Thing:
    """An object of the API server."""

    manifest: Mapping[str, Any]
    uid: str
    created: datetime
    generation: int = 1
    accepted: int = 0  # generation that the gateway answered
    status: Mapping[str, Any] = field(default_factory=dict)
    ready: bool = False
    replicas: int = 0
    state: JobState = JobState.ACTIVE
    message: Message | None = None
    jobs: dict[str, JobView] = field(default_factory=dict)  # of a run
    links: dict[str, Meta] = field(default_factory=dict)  # of a run: Services between its pods

    def meta(self) -> Meta:
        tree = self.manifest["metadata"]
        owners = tree.get("ownerReferences") or [{}]
        return Meta(
            name=tree["name"],
            namespace=NAMESPACE,
            uid=self.uid,
            generation=self.generation,
            created=self.created,
            labels=tree.get("labels") or {},
            annotations=tree.get("annotations") or {},
            owner=owners[0].get("uid"),
        )


@dataclass
class World:
    """What exists, and how it behaves; a test turns the knobs."""

    spec: dict[str, Any] = field(default_factory=lambda: dict(SPEC))
    settings: Settings = SETTINGS
    cluster: Cluster = field(default_factory=Cluster)
    now: datetime = NOW
    generation: int = 1
    annotations: dict[str, str] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, Thing] = field(default_factory=dict)
    services: dict[str, Thing] = field(default_factory=dict)
    routes: dict[str, Thing] = field(default_factory=dict)
    jobs: dict[str, Thing] = field(default_factory=dict)
    # Knobs.
    chrf: str = "48.2"  # of the next evaluation
    data_broken: bool = False
    agreement: str = "1"
    probe: Message | None = None  # instead of a result
    lose_probes: bool = False
    unready: set[str] = field(default_factory=set)  # services whose pods do not get ready
    waiting: str = ""
    gateway_works: bool = True
    crash_after: int | None = None  # writes
    users: Users = field(default_factory=Users)
    # What was seen.
    writes: Counter[str] = field(default_factory=Counter)
    events: list[Event] = field(default_factory=list)
    stages: list[str | None] = field(default_factory=list)
    restarts: int = 0
    made: int = 0
    asked: int = 0  # actions

    def observe(self) -> ObservedModel:
        meta = Meta(MODEL, NAMESPACE, UID, self.generation, NOW, annotations=self.annotations)
        return ObservedModel(
            now=self.now,
            meta=meta,
            spec=self.spec,
            status=self.status,
            settings=self.settings,
            cluster=self.cluster,
            runs=self._run_views(),
            services={name: self._service(thing) for name, thing in self.services.items()},
            routes={name: self._route(thing) for name, thing in self.routes.items()},
            jobs={name: _job(thing) for name, thing in self.jobs.items()},
            readings=self.users.readings(self.now, self.weights(), self.candidate.get("revision")),
        )

    def look(self) -> Plan:
        """Let the operator look once, and carry out its plan."""
        plan = decide_model(self.observe())
        for child in plan.apply:
            self._write(child.key[0])
            self._apply(child)
        for ref in plan.delete:
            self._write(f"delete {ref.kind}")
            self._delete(ref)
        if plan.status is not None:
            self._write("status")
            self.status = dict(plan.status)
            self.events += plan.events
            self.stages.append((self.status.get("candidate") or {}).get("stage"))
        return plan

    def live(self) -> bool:
        """Let the cluster go on by itself a little; return whether anything changed."""
        changed = [self._live_run(thing) for thing in self.runs.values()]
        for name, thing in self.services.items():
            least, ready = (
                thing.manifest["spec"]["predictor"]["minReplicas"],
                name not in self.unready,
            )
            replicas = max(least, thing.replicas) if ready else 0
            changed.append((thing.ready, thing.replicas) != (ready, replicas))
            thing.ready, thing.replicas = ready, replicas
        for thing in self.routes.values():
            changed.append(self.gateway_works and thing.accepted != thing.generation)
            thing.accepted = thing.generation if self.gateway_works else thing.accepted
        for thing in self.jobs.values():
            changed.append(thing.state is JobState.ACTIVE)
            if thing.state is JobState.ACTIVE:
                failed = isinstance(self.probe, Failure)
                thing.state = JobState.FAILED if failed else JobState.COMPLETE
                thing.message = None if self.lose_probes else self.probe or self._probed()
        return any(changed)

    def settle(self, limit: int = 80) -> Plan:
        """Go on without letting time pass until nothing changes any more."""
        for _ in range(limit):
            plan = self.look()
            busy = self.live()
            if plan.status is None and not plan.apply and not plan.delete and not busy:
                return plan
        raise AssertionError(f"no rest after {limit} looks: {self.status}")

    def run_until(self, done: str, limit: int = 40) -> None:
        """Go on, and let time pass to where the operator wants to look again, until ``done``."""
        for _ in range(limit):
            plan = self.settle()
            if self.condition(done) == "True" and not plan.requeue_after:
                return
            assert plan.requeue_after is not None, f"it waits for nothing: {self.status}"
            self.now += plan.requeue_after
        raise AssertionError(f"not {done} after {limit} looks: {self.status}")

    def until_weight(self, weight: int) -> None:
        """Go on until the candidate's weight is ``weight``, and in force."""
        for _ in range(80):
            plan, busy = self.look(), self.live()
            if self.candidate.get("weight") == weight and weight in self.weights().values():
                return
            if plan.status is None and not busy:
                assert plan.requeue_after is not None, f"it waits for nothing: {self.status}"
                self.now += plan.requeue_after
        raise AssertionError(f"never at {weight}: {self.status}")

    def to_stage(self, stage: str) -> World:
        """Go on until the candidate is in ``stage``."""
        for _ in range(40):
            if self.candidate.get("stage") == stage:
                return self
            self.look()
            self.live()
        raise AssertionError(f"never {stage}: {self.status}")

    def change(self, **changes: Any) -> None:
        """Edit the spec, as a user does."""
        self.spec = merge(self.spec, changes)
        self.generation += 1

    def ask(self, action: str, target: str) -> str:
        """Annotate the model, as people and tools do; return the token."""
        self.asked += 1
        token = f"{target}/{self.asked}"
        self.annotations[f"{names.GROUP}/{action}"] = token
        return token

    def create_run(self, name: str, spec: Mapping[str, Any]) -> None:
        """Create a run of the model, as a user does."""
        manifest = {
            "metadata": {"name": name},
            "spec": {"modelRef": {"name": MODEL}} | dict(spec),
        }
        self.made += 1
        self.runs[name] = Thing(manifest, f"{self.made:08}-{name}", self.now + SECOND)

    def condition(self, type: str) -> str | None:
        """Return the status of a condition."""
        return self.told(type).get("status")

    def told(self, type: str) -> Mapping[str, Any]:
        """Return a condition."""
        found = (c for c in self.status.get("conditions") or () if c["type"] == type)
        return next(found, {})

    @property
    def candidate(self) -> Mapping[str, Any]:
        return self.status.get("candidate") or {}

    @property
    def production(self) -> Mapping[str, Any]:
        return self.status.get("production") or {}

    @property
    def rejected(self) -> Mapping[str, Any]:
        """Return the last rejection."""
        return (self.status.get("rejected") or [{}])[-1]

    def weights(self) -> dict[str, int]:
        """Return the route's weights by revision, without what has none."""
        route = self.routes.get(names.route_name(MODEL))
        backends = _weights(route) if route else {}
        return {
            name.removeprefix(f"{MODEL}-").removesuffix("-predictor"): weight
            for name, weight in backends.items()
            if weight
        }

    def service_of(self, build: Mapping[str, Any]) -> str:
        """Return the name of a revision's InferenceService."""
        return names.inference_service_name(MODEL, build["revision"])

    def _write(self, what: str) -> None:
        if self.crash_after is not None:
            self.crash_after -= 1
            if self.crash_after < 0:
                raise CrashError(what)
        self.writes[what] += 1

    def _apply(self, child: Child) -> None:
        kind, name = child.key
        things = self._things(kind)
        old = things.get(name)
        if old is None:
            assert child.mode is Mode.CREATE or "ownerReferences" in child.manifest["metadata"]
            self.made += 1
            things[name] = Thing(child.manifest, f"{self.made:08}-{name}", self.now)
        elif child.mode is Mode.APPLY and kind == names.RUN_KIND:
            metadata = dict(old.manifest["metadata"])
            annotations = dict(metadata["annotations"])
            annotations.pop(f"{names.GROUP}/superseded", None)
            metadata["annotations"] = annotations | child.manifest["metadata"].get(
                "annotations", {}
            )
            spec = old.manifest["spec"] | child.manifest["spec"]
            old.manifest = dict(old.manifest) | {"metadata": metadata, "spec": spec}
        elif child.mode is Mode.APPLY:
            if kind == "InferenceService" and _template(old.manifest) != _template(child.manifest):
                self.restarts += 1
            old.manifest, old.generation = child.manifest, old.generation + 1

    def _delete(self, ref: Ref) -> None:
        things = self._things(ref.kind)
        assert things[ref.name].uid == ref.uid
        del things[ref.name]

    def _things(self, kind: str) -> dict[str, Thing]:
        return {
            names.RUN_KIND: self.runs,
            "InferenceService": self.services,
            "HTTPRoute": self.routes,
            "Job": self.jobs,
        }[kind]

    def _service(self, thing: Thing) -> ServiceView:
        predictor = thing.manifest["spec"]["predictor"]
        waiting = "" if thing.ready else self.waiting
        # KServe's Ready follows the Deployment's, which is not there while pods are added.
        complete = thing.ready and thing.replicas >= predictor["minReplicas"]
        return ServiceView(
            thing.meta(), complete, predictor, ready_replicas=thing.replicas, waiting=waiting
        )

    def _route(self, thing: Thing) -> RouteView:
        in_force = thing.accepted == thing.generation
        return RouteView(thing.meta(), _weights(thing), in_force)

    def _run_views(self) -> tuple[RunView, ...]:
        return tuple(RunView(t.meta(), t.manifest["spec"], t.status) for t in self.runs.values())

    def _probed(self) -> Message:
        return ProbeResult(requests=50, agreement=self.agreement, failures=0)

    def _live_run(self, thing: Thing) -> bool:
        """Let a run go on as the operator would have it, with Jobs that end at once."""
        if thing.status.get("completionTime") and not thing.links:
            return False
        model = ModelView(Meta(MODEL, NAMESPACE, UID), self.spec, self.status)
        observed = ObservedRun(
            now=self.now,
            meta=thing.meta(),
            spec=thing.manifest["spec"],
            status=thing.status,
            settings=self.settings,
            model=model,
            jobs=thing.jobs,
            services=thing.links,
            runs=self._run_views(),
        )
        plan = decide_run(observed)
        for child in plan.apply:
            kind, name = child.key
            meta = Meta(name, NAMESPACE, f"uid-{name}", owner=thing.uid)
            if kind == "Service":
                thing.links[name] = meta
                continue
            stage = child.manifest["metadata"]["labels"][names.LABEL_STAGE]
            thing.jobs[name] = self._ended(meta, stage, thing)
        gone = [ref.name for ref in plan.delete if thing.links.pop(ref.name, None)]
        thing.status = plan.status if plan.status is not None else thing.status
        return bool(plan.apply or gone) or plan.status is not None

    def _ended(self, meta: Meta, stage: str, thing: Thing) -> JobView:
        if stage == names.Stage.TRAIN and self.data_broken:
            broken = Failure("DataInvalid", "train.tsv: 0 of 12 pairs are usable.")
            return JobView(meta, JobState.FAILED, message=broken, failure="PodFailurePolicy: 3")
        digest = "sha256:" + names.short(thing.uid, length=64)
        trained = TrainResult({"uri": "", "digest": digest, "sizeBytes": 9}, {"digest": digest})
        scores = {"chrF": self.chrf}
        judged = EvaluationResult(
            scores, (Comparison("chrF", None, 500, self.chrf),), {"chrF": "nrefs:1"}, 500, "pvc://r"
        )
        publishes = stage in (names.Stage.TRAIN, names.Stage.IMPORT)
        message = trained if publishes else judged
        return JobView(meta, JobState.COMPLETE, message=message)


def served(**changes: Any) -> World:
    """Return a world in which a first revision is in production, with no step to wait at."""
    world = World(spec=merge(SPEC, {"rollout": {"steps": WEIGHTS}} | changes))
    world.run_until("UpToDate")
    world.writes.clear()
    world.events.clear()
    world.stages.clear()
    return world


def upgraded(**changes: Any) -> World:
    """Return a world in production whose second recipe is about to be trained."""
    world = served(**changes)
    world.change(training={"seed": 7})
    return world


def another(settings: Settings = SETTINGS) -> Settings:
    """Return the settings of another release: other images, another drain."""
    images = Images("registry/trainer:2", "registry/predictor:2")
    return replace(
        settings, images=images, drain=settings.drain * 2, allowed_images=("registry/*",)
    )


def _template(manifest: Mapping[str, Any]) -> Any:
    predictor = manifest["spec"]["predictor"]
    pods = {k: v for k, v in predictor.items() if k not in ("minReplicas", "maxReplicas")}
    return pods, manifest["metadata"]["labels"], manifest["metadata"]["annotations"]


def _weights(thing: Thing) -> dict[str, int]:
    refs = thing.manifest["spec"]["rules"][0]["backendRefs"]
    return {ref["name"]: ref["weight"] for ref in refs}


def _job(thing: Thing) -> JobView:
    return JobView(thing.meta(), thing.state, message=thing.message)
