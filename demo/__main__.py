"""``make demo``: the whole story on a real cluster, told live; fails if a promise was broken."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

import httpx
import yaml

from demo import cluster, corpus, faults, install, story, tables
from demo.cluster import ROOT, Place
from demo.judge import Finding
from demo.kube import Kubectl, KubeError, Object
from demo.narrator import Narrator
from demo.play import Play
from demo.story import BrokenPromiseError
from localcluster.errors import ClusterError
from localcluster.progress import Progress
from mt_contract import names

NAMESPACE = "translation-demo"
SAMPLE = ROOT / "manifests/samples/pt-en.yaml"
BETTER = {"spec": {"training": {"budget": {"maxEpochs": 10}}}}
# With the budget of the first recipe, which passed: only the text is bad.
MISALIGNED = {
    "spec": {
        "data": {"train": [{"uri": "pvc://corpora/pt-en/train-misaligned.tsv"}]},
        "training": {"budget": {"maxEpochs": 6}},
    }
}
FAULT = "empty"
FAILING = {
    "spec": {
        "data": {"train": [{"uri": "pvc://corpora/pt-en/train.tsv"}]},
        "training": {"budget": {"maxEpochs": 10}},
        "serving": {"image": faults.image(FAULT)},
    }
}
SHOWN_SENTENCES = 5
GPU = "nvidia.com/gpu"


def main() -> int:
    """Tell the story; return 0 if every promise was kept."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    narrator = Narrator()
    try:
        place = find_place(narrator)
    except (ClusterError, KubeError) as error:
        narrator.bad(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    try:
        problems = tell_in(place, narrator)
    except (ClusterError, BrokenPromiseError, RuntimeError, httpx.HTTPError) as error:
        problems = [str(error)]
    except KeyboardInterrupt:
        narrator.bad("interrupted")
        return say_goodbye(narrator, 130)
    return finish(problems, narrator)


def tell_in(place: Place, narrator: Narrator) -> list[str]:
    """Prepare the cluster, tell the story, end what it started; return every broken promise."""
    made = corpus.make()
    kube = prepare(place, made, narrator)
    with tempfile.TemporaryDirectory() as scratch:
        play = Play(kube, narrator, place.gateway_url, made.folder, Path(scratch))
        try:
            return tell(play, narrator, local=place.instance is not None)
        finally:
            play.close()


def find_place(narrator: Narrator) -> Place:
    """Return the cluster to play in."""
    if os.environ.get("CLUSTER") == "current":
        return cluster.current(os.environ, ask=os.environ.get("YES") != "1")
    narrator.act("A cluster")
    place = cluster.local(os.environ.get("NAME", "demo"), Progress(narrator.console))
    narrator.say(f"Kubernetes, KServe and a gateway are up: {place.gateway_url}")
    return place


def prepare(place: Place, made: corpus.Corpus, narrator: Narrator) -> Kubectl:
    """Install the operator, and make the namespace and its volumes."""
    narrator.act("The operator")
    if place.instance:
        progress = Progress(narrator.console)
        cluster.build_images(progress)
        cluster.load_images(place, progress)
        faults.provide(place, progress, [FAULT])
    narrator.command(f"kubectl apply -k {place.overlay.relative_to(ROOT)}")
    install.install_operator(place)
    narrator.good("the operator runs")
    kube = install.make_namespace(place.kube, NAMESPACE)
    install.provide_volumes(place, kube, install.corpus_files(made.folder))
    sizes = ", ".join(f"{count} {name}" for name, count in made.pairs.items())
    narrator.say(f"namespace {NAMESPACE} (Pod Security restricted) holds the corpus: {sizes}")
    return kube


def tell(play: Play, narrator: Narrator, local: bool) -> list[str]:
    """Play the acts, show the tables, and return every broken promise.

    Args:
        play: the model's story.
        narrator: who is told.
        local: whether the cluster has the release that fails its users.
    """
    narrator.act("From YAML to an endpoint")
    narrator.command(f"kubectl apply -f {SAMPLE.relative_to(ROOT)}")
    model = play.first_deployment(sample(play.kube, narrator))
    report_gpu(play, model, narrator)
    report_promotion(play, model, narrator)
    narrator.act("A better recipe, under load")
    play.start_load()
    narrator.say("20 requests a second from now on, through the gateway")
    model = play.better_recipe(BETTER, "10 epochs")
    report_promotion(play, model, narrator)
    narrator.good("the old revision was removed after its traffic had gone")
    narrator.act("A bad candidate")
    narrator.say("the training file is replaced by one whose translations stand in wrong lines")
    model = play.bad_candidate(MISALIGNED, "6 epochs, misaligned pairs")
    report_rejection(play, model, narrator)
    narrator.good("it never got traffic; production is what it was")
    if local:
        narrator.act("A release that fails its users")
        narrator.say("the text is good again; a release of the predictor tells users nothing")
        model = play.bad_release(FAILING, "10 epochs, a bad predictor")
        report_rejection(play, model, narrator)
        narrator.good("its canary was found and rolled back; production is what it was")
    findings = play.stop_load()
    show_tables(play, model, findings, narrator)
    return [problem for found in findings for problem in found.problems]


def sample(kube: Kubectl, narrator: Narrator) -> Object:
    """Return the sample; where no node has a GPU, it does not ask for one."""
    manifest: Object = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))
    nodes = kube.list("nodes")
    if not any(int(node["status"]["allocatable"].get(GPU, "0")) for node in nodes):
        manifest["spec"]["training"]["resources"]["limits"].pop(GPU)
        narrator.say(f"no node has {GPU}, so the training does not ask for it")
    return manifest


def report_gpu(play: Play, model: Object, narrator: Narrator) -> None:
    """Say where the training ran, and what it was given."""
    run = story.production(model)["run"]
    for pod in play.kube.list("pods", f"{names.LABEL_RUN}={run},{names.LABEL_STAGE}=train"):
        limits = pod["spec"]["containers"][0].get("resources", {}).get("limits", {})
        asked = ", ".join(f"{name}: {count}" for name, count in limits.items())
        narrator.say(f"the training asked for {asked}, and ran on {pod['spec'].get('nodeName')}")


def report_promotion(play: Play, model: Object, narrator: Narrator) -> None:
    """Say what was promoted, and which gates it passed."""
    production = story.production(model)
    run = play.kube.get("trainingrun", str(production["run"])) or {}
    for gate in run.get("status", {}).get("evaluation", {}).get("gates", []):
        narrator.say(f"gate {gate['name']}: {outcome(gate)}")
    narrator.good(f"{production['revision']} of {production['run']} is in production")
    narrator.say(f"it answers at {model['status'].get('url')}")


def outcome(gate: Object) -> str:
    """Return in words how a gate went."""
    rule, interval = str(gate.get("rule", "")), gate.get("interval")
    if "Delta" in rule and not interval:
        return f"{gate['verdict']}: nothing is in production to compare with"
    between = f", between {interval[0]} and {interval[1]}" if interval else ""
    return f"{gate['verdict']}: {gate['metric']} {gate.get('value')}{between} (asked: {rule})"


def report_rejection(play: Play, model: Object, narrator: Narrator) -> None:
    """Show what a person sees who asks why."""
    narrator.command(f"kubectl get translationmodel {play.model} --output wide")
    narrator.show(play.kube.run("get", "translationmodel", play.model, "--output", "wide"))
    degraded = story.condition(model, "Degraded")
    narrator.say(f"{degraded.get('reason')}: {degraded.get('message')}")


def show_tables(play: Play, model: Object, findings: list[Finding], narrator: Narrator) -> None:
    """Show candidates, traffic and translations."""
    narrator.act("What happened")
    narrator.table(tables.candidates(story.candidates(play.kube, model, play.recipes)))
    verdicts = play.verdicts.found if play.verdicts else {}
    narrator.table(tables.traffic(findings, verdicts))
    lines = (play.corpus / "test.tsv").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t") for line in lines[:SHOWN_SENTENCES]]
    english = play.translate([source for source, _ in pairs])
    rows = [(source, ours, target) for (source, target), ours in zip(pairs, english, strict=True)]
    narrator.table(tables.translations(rows))


def finish(problems: list[str], narrator: Narrator) -> int:
    """Say how it went, and return the exit code."""
    narrator.console.print()
    for problem in problems:
        narrator.bad(problem)
    if not problems:
        narrator.good("every promise was kept")
    return say_goodbye(narrator, 1 if problems else 0)


def say_goodbye(narrator: Narrator, code: int) -> int:
    """Say what stays, and return the exit code."""
    if os.environ.get("CLUSTER") == "current":
        narrator.say(f"`kubectl delete namespace {NAMESPACE}` removes what the story left")
    else:
        narrator.say("the cluster stays up: `make kubeconfig` to look around, `make cluster-down`")
    return code


if __name__ == "__main__":
    sys.exit(main())
