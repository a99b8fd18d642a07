"""list, status and runs: what people read, word for word, and what programs get."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import yaml
from tests.cli.builders import (
    ANALYSIS,
    BLESSED,
    CANARY,
    DEGRADED,
    NOT_BLESSED,
    PAUSED,
    PREVIOUS,
    READY,
    REJECTED,
    STALLED,
    SUCCEEDED,
    UP_TO_DATE,
    condition,
    event,
    in_canary,
    model,
    run,
)
from tests.cli.fake import FakeCluster, cli, refusal

from mt_cli.errors import Code

Tree = dict[str, Any]
PATH = "/apis/translation.kubeflow.org/v1alpha1/namespaces/team-a/translationmodels/pt-en"
JUDGED = {"cause": "Spec", "evaluation": {"verdict": "Passed", "scores": {"chrF": "48.9"}}}
TRAINING = condition("Reconciling", "True", "Training", "Job x is at work.")
RUNS = [
    run("pt-en-b81qz", SUCCEEDED, BLESSED, created="2026-11-21T10:00:00Z", **JUDGED),
    run(
        "pt-en-d",
        TRAINING,
        created="2026-11-21T11:00:00Z",
        progress={"progressPercentage": 42, "step": 4200},
    ),
    run("pt-en-x", SUCCEEDED, NOT_BLESSED, evaluation={"verdict": "Failed"}),
]
NEWS = [
    event("Canary", "r-9ad0e51c is to answer 10 %", "2026-11-21T11:57:00Z"),
    event("NotReady", "r-9ad0e51c is not ready", "2026-11-21T11:58:00Z", "Warning"),
    event("Other", "of another object", "2026-11-21T11:59:00Z", uid="other"),
]


def cluster_of(
    *models: Tree, runs: list[Tree] | None = None, news: list[Tree] | None = None
) -> Any:
    cluster = FakeCluster()
    cluster.add("translationmodels", *models)
    cluster.add("trainingruns", *(runs or ()))
    cluster.add("events", *(news or ()), prefix="/api/v1")
    return cluster


LIST = """\
NAMESPACE  NAME   PAIR   READY  PRODUCTION  CHRF  NOW                                                       AGE
team-a     pt-en  pt-en  True   r-4c1f90ab  48.2  canary: 10 % of the requests to r-9ad0e51c (step 2 of 5)  3d
team-b     de-en  pt-en  True   r-4c1f90ab  48.2  stalled: analysis failed                                  3d
"""  # noqa: E501
STATUS = """\
model:       team-a/pt-en, pt to en
now:         canary: 10 % of the requests to r-9ad0e51c (step 2 of 5)
production:  r-4c1f90ab of pt-en-7h2xk (BLEU 27.9, chrF 48.2), for 1d
url:         http://pt-en-team-a.example.com
traffic:     HTTPRoute

candidate:
run:            pt-en-b81qz
revision:       r-9ad0e51c
scores:         chrF 48.9
stages:         training > evaluating > deploying > serving check > [canary] > promoting
in this stage:  for 10m
weight:         [###---------------------------] 10 % of the requests

steps:
STEP  WHAT                   STATE  LEFT
1     10 % of the requests   done   -
2     pause of 10m           now    7m
3     50 % of the requests   -      -
4     pause until promoted   -      -
5     100 % of the requests  -      -

analysis:
verdict:          Failing
requests:         412
failed in a row:  1
evidence since:   3m
looked at:        30s ago

METRIC   VERDICT  CANDIDATE  PRODUCTION  BOUND         REQUESTS  EVIDENCE
errors   Failing  0.051      0.002       maxRatio 1.5  412       2.4       21 of 412 requests failed
latency  NoData   -          -           maxRatio 1.5  391       0         dry run. needs 1000 requests

conditions:
CONDITION    IS    FOR  WHY
Ready        True  5m   Serving: r-4c1f90ab is in production.
Reconciling  True  5m   Canary: r-9ad0e51c answers 10 % (step 2 of 5).

AGO  TYPE     EVENT     WHAT
3m   Normal   Canary    r-9ad0e51c is to answer 10 %
2m   Warning  NotReady  r-9ad0e51c is not ready

next: kubectl translation abort pt-en   kubectl translation logs pt-en-b81qz
"""  # noqa: E501
REJECTION = """\
model:       team-a/pt-en, pt to en
now:         stalled: analysis failed
production:  r-4c1f90ab of pt-en-7h2xk (BLEU 27.9, chrF 48.2), for 1d
before:      r-33333333, r-22222222
url:         http://pt-en-team-a.example.com
traffic:     HTTPRoute

conditions:
CONDITION  IS    FOR  WHY
Ready      True  5m   Serving: r-4c1f90ab is in production.
Degraded   True  5m   AnalysisFailed: r-9ad0e51c was rejected: errors.
Stalled    True  5m   AnalysisFailed: r-9ad0e51c was rejected: errors.

REJECTED    REASON          AGO  WHY
r-9ad0e51c  AnalysisFailed  1h   errors are 0.051, above maxRatio 1.5. Change the spec, or retry it.

next: kubectl translation report pt-en-b81qz   kubectl translation retry pt-en
"""
OF_PT_EN = """\
RUN          CAUSE  STATE          SCORES     VERDICT  FATE                      AGE
pt-en-d      -      training 42 %  -          -        -                         1h
pt-en-b81qz  Spec   succeeded      chrF 48.9  Passed   rejected: AnalysisFailed  2h
pt-en-x      -      succeeded      -          Failed   -                         3d
"""
BAD = model(READY, DEGRADED, STALLED, name="de-en", namespace="team-b", rejected=[REJECTED])
STALE = model(READY, DEGRADED, STALLED, rejected=[REJECTED], previous=PREVIOUS)
GOLDEN = [
    pytest.param("list -A", cluster_of(in_canary(), BAD), LIST, id="list in all namespaces"),
    pytest.param(
        "list", cluster_of(), "There is no TranslationModel in namespace team-a. Try -A.\n",
        id="an empty list says where it looked",
    ),
    pytest.param(
        "status pt-en", cluster_of(in_canary(analysis=ANALYSIS), news=NEWS), STATUS,
        id="status of a canary",
    ),
    pytest.param("status pt-en", cluster_of(STALE), REJECTION, id="status after a rejection"),
    pytest.param("runs pt-en", cluster_of(STALE, runs=RUNS), OF_PT_EN, id="runs, the newest first"),
    pytest.param(
        "runs pt-en", cluster_of(model()),
        "pt-en has no run yet: `kubectl translation status pt-en` says why.\n",
        id="no runs",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "cluster", "expected"), GOLDEN)
def test_what_people_read(line: str, cluster: FakeCluster, expected: str) -> None:
    result = cli(cluster, line)
    assert (result.out, result.err, result.code) == (expected, "", Code.DONE)


HEADLINES = [
    pytest.param(model() | {"status": {}}, "the operator has not seen it yet", id="new"),
    pytest.param(model(), "up to date", id="up to date"),
    pytest.param(in_canary(READY, PAUSED), "paused: canary: 10 % of", id="paused"),
    pytest.param(
        in_canary(stage="RollingBack", reason="AnalysisFailed"),
        "rolling back r-9ad0e51c: analysis failed", id="rolling back",
    ),
    pytest.param(
        in_canary(revision=None, stage="Training"), "training: pt-en-b81qz", id="training"
    ),
    pytest.param(in_canary(stage="ServingCheck"), "serving check: r-9ad0e51c", id="serving check"),
    pytest.param(
        model(READY, condition("Paused", "True", "Suspended", "suspend is set")),
        "paused: suspended", id="suspended",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("found", "expected"), HEADLINES)
def test_the_headline_says_what_happens_now(found: Tree, expected: str) -> None:
    assert f"now:         {expected}" in cli(cluster_of(found), "status pt-en").out


NEXT = [
    pytest.param(in_canary(stage="AwaitingApproval", step=0), "promote pt-en", id="approval"),
    pytest.param(in_canary(READY, PAUSED, paused=True), "resume pt-en", id="paused by hand"),
    pytest.param(in_canary(READY, PAUSED, step=3), "promote pt-en", id="an open pause"),
    pytest.param(model(spec={"suspend": True}), "spec.suspend to false", id="suspended"),
]


@pytest.mark.parametrize(("found", "expected"), NEXT)
def test_status_names_the_commands_that_make_sense_now(found: Tree, expected: str) -> None:
    assert expected in cli(cluster_of(found), "status pt-en").out.splitlines()[-1]


def test_a_training_shows_how_far_it_is() -> None:
    progress = {
        "step": 4200,
        "totalSteps": 10000,
        "progressPercentage": 42,
        "metrics": [{"name": "loss", "value": "2.31"}],
        "estimatedRemainingSeconds": 310,
    }
    found = in_canary(revision=None, stage="Training", rollout=None)
    cluster = cluster_of(found, runs=[run("pt-en-b81qz", TRAINING, progress=progress)])
    expected = "training:       42 %, step 4200 of 10000, loss 2.31, about 5m left"
    assert expected in cli(cluster, "status pt-en").out


def test_a_run_that_history_removed_does_not_harm() -> None:
    assert cli(cluster_of(in_canary()), "status pt-en").code == Code.DONE


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_programs_get_the_object_itself(form: str) -> None:
    found = in_canary()
    result = cli(cluster_of(found), f"status pt-en -o {form}")
    assert yaml.safe_load(result.out) == found


def test_programs_get_lists_as_kubectl_gives_them() -> None:
    assert [m["metadata"]["name"] for m in cli(cluster_of(BAD), "list -A -o json").tree["items"]]


def test_a_terminal_gets_colours_and_the_same_words() -> None:
    result = cli(cluster_of(in_canary(analysis=ANALYSIS), news=NEWS), "status pt-en", terminal=True)
    assert "\x1b[" in result.out
    assert all(word in result.out for word in ("r-4c1f90ab", "pause of 10m", "Failing"))


def test_nothing_in_a_message_steers_the_terminal() -> None:
    trick = condition("Ready", "True", "Serving", "\x1b]0;owned\x07 all is well")
    for terminal in (False, True):
        out = cli(cluster_of(model(trick)), "status pt-en", terminal=terminal).out
        assert "\x1b]0;" not in out
        assert "all is well" in out


def change(**status: Any) -> Any:
    """Return a moment at which the model's status changes."""

    def tick(cluster: FakeCluster) -> None:
        found = cluster.objects[PATH]
        cluster.objects[PATH] = found | {"status": found["status"] | status}

    return tick


def tell(cluster: FakeCluster) -> None:
    cluster.add("events", NEWS[1], prefix="/api/v1")


WATCHED = """\
12:00:00  pt-en: canary: 10 % of the requests to r-9ad0e51c (step 2 of 5)
12:00:04  canary: 50 % of the requests to r-9ad0e51c (step 3 of 5)
12:00:04  Reconciling is True: Canary: 50 % now.
12:00:06  analysis is Failing after 412 requests
12:00:08  event NotReady: r-9ad0e51c is not ready
12:00:10  up to date
12:00:10  UpToDate is True: UpToDate: What the spec asks for is in production.
12:00:10  Reconciling is over
"""


def test_watching_without_a_terminal_is_a_line_a_change() -> None:
    cluster = cluster_of(in_canary(), news=NEWS[:1])
    candidate = in_canary(step=2, weight=50)["status"]["candidate"]
    fifty = [READY, CANARY | {"message": "50 % now."}]
    cluster.ticks = [
        lambda cluster: None,
        change(candidate=candidate, conditions=fifty),
        change(candidate=candidate | {"analysis": ANALYSIS}),
        tell,
        change(candidate=None, conditions=[READY, UP_TO_DATE]),
    ]
    result = cli(cluster, "status pt-en --watch")
    assert result.out.rstrip("\n") == WATCHED.rstrip("\n")


def test_watching_outlives_an_api_server_that_is_away() -> None:
    cluster = cluster_of(in_canary())

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    cluster.ticks = [
        lambda c: c.answers.append(away),
        lambda c: None,
        lambda c: c.answers.clear(),
        change(candidate=None),
    ]
    result = cli(cluster, "status pt-en --watch")
    assert (result.code, result.err) == (Code.DONE, "")
    assert "up to date" not in result.out.splitlines()[0]


def test_watching_on_a_terminal_draws_the_whole_again() -> None:
    cluster = cluster_of(in_canary())
    cluster.ticks = [change(candidate=None)]
    assert cli(cluster, "status pt-en --watch", terminal=True).code == Code.DONE


ERRORS = [
    pytest.param("status nope", Code.NOT_FOUND, "no TranslationModel nope in namespace team-a"),
    pytest.param("status pt-en -A", Code.USAGE, "say which by -n"),
    pytest.param("status pt-en --watch -o json", Code.USAGE, "leave out -o"),
    pytest.param("status", Code.USAGE, "NAME"),
    pytest.param("bogus", Code.USAGE, "kubectl translation --help"),
]


@pytest.mark.parametrize(("line", "code", "why"), ERRORS)
def test_an_error_says_what_to_do(line: str, code: Code, why: str) -> None:
    result = cli(cluster_of(in_canary()), line)
    assert result.code == code
    assert why in result.err


ANSWERS = [
    pytest.param(401, Code.FORBIDDEN, "log in again", id="unauthorized"),
    pytest.param(403, Code.FORBIDDEN, "kubectl translation doctor", id="forbidden"),
    pytest.param(500, Code.ERROR, "refused it (500): it broke", id="server error"),
]


@pytest.mark.parametrize(("status", "code", "why"), ANSWERS)
def test_what_the_api_server_refuses_is_explained(status: int, code: Code, why: str) -> None:
    cluster = cluster_of()
    cluster.answers = [lambda request: refusal(status, "it broke")]
    result = cli(cluster, "list")
    assert result.code == code
    assert why in result.err


def test_a_cluster_without_the_definitions_is_told_apart_from_a_missing_model() -> None:
    result = cli(FakeCluster(kinds=set()), "status pt-en")
    assert result.code == Code.ERROR
    assert "install the operator" in result.err
