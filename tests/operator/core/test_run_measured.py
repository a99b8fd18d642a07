"""Which changes are judged by what was measured before, and which need another evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.operator.builders import (
    DIGEST,
    MODEL_REFERENCE,
    MODEL_UID,
    NOW,
    SPEC,
    comparison,
    model_view,
    observed_run,
    run_meta,
)
from tests.operator.model_builders import served
from tests.operator.run_builders import PRODUCTION, measuring_run, said

from mt_contract.defaults import drop, merge
from mt_operator.core.observed import ObservedRun, RunView
from mt_operator.core.plan import ImpossibleError
from mt_operator.core.run.decide import decide_run
from mt_operator.core.run.stage import RunStage, stage_of

OTHER = {"uri": "pvc://models/other/model", "digest": "sha256:" + "cd" * 32}
SERVES_ANOTHER = model_view(status={"production": PRODUCTION | {"artifact": OTHER}})
SERVES_A_THIRD = model_view(
    status={"production": PRODUCTION | {"artifact": OTHER | {"digest": "sha256:" + "ef" * 32}}}
)
COMPARED = comparison(delta="0.7", low="-0.4", high="1.3")
MIN = {"name": "quality", "metric": "chrF", "min": "45"}
DELTA = {"name": "quality", "metric": "chrF", "min": "45", "minDelta": "-0.5"}


def gated(*gates: Mapping[str, Any], **evaluation: Any) -> dict[str, Any]:
    """Return a spec with these gates."""
    return {**MODEL_REFERENCE, **merge(SPEC, {"evaluation": {"gates": list(gates)} | evaluation})}


def sliced(*gates: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec with these gates, whose test data has a slice."""
    return merge(
        gated(*gates), {"data": {"test": [{"uri": "pvc://corpora/t.tsv", "slice": "legal"}]}}
    )


def importing(*runs: RunView, spec: Mapping[str, Any] | None = None, **changes: Any) -> ObservedRun:
    """Return a run that imports what the others made, and is about to begin."""
    annotations = {"translation.kubeflow.org/artifact-digest": DIGEST}
    whole = drop(spec or gated(MIN), frozenset({"training"}))
    fresh = observed_run(whole | {"import": {"uri": "pvc://models/old/model"}})
    meta = run_meta(owner=MODEL_UID, annotations=annotations)
    return replace(fresh, meta=meta, model=model_view(), runs=runs, **changes)


def verdict(observed: ObservedRun) -> str | None:
    """Return what it comes to at once, or None: it is evaluated by a Job."""
    status = decide_run(observed).status
    assert status is not None
    if stage_of(status) is RunStage.EVALUATING:
        return None
    assert stage_of(status) is RunStage.SUCCEEDED
    assert status["attempts"] == {"train": 0, "evaluate": 0}
    found: str = status["evaluation"]["verdict"]
    return found


def self_served(run: RunView) -> Any:
    """Return the model with the artifact of ``run`` in production, as that run was judged."""
    engine = run.status["inputs"]["engine"]
    return model_view(status={"production": PRODUCTION | {"engine": engine}})


TABLE = [
    pytest.param(gated(MIN), {}, {}, "Passed", id="a higher min that is reached: passed"),
    pytest.param(gated(MIN | {"min": "49"}), {}, {}, "Failed", id="one that is not: failed"),
    pytest.param(gated(MIN | {"name": "other"}), {}, {}, "Passed", id="another name"),
    pytest.param(gated(MIN | {"minExamples": 501}), {}, {}, "Failed", id="more sentences asked"),
    pytest.param(gated(MIN | {"minExamples": 500}), {}, {}, "Passed", id="as many as there are"),
    pytest.param(gated(MIN, MIN | {"name": "b", "max": "90"}), {}, {}, "Passed", id="two of one"),
    pytest.param(gated(MIN, {"name": "b", "metric": "TER", "max": "9"}), {}, {}, None, id="TER"),
    pytest.param(
        sliced(MIN, MIN | {"name": "b", "slice": "legal"}),
        {"spec": sliced(MIN)},
        {},
        None,
        id="a slice that was not measured",
    ),
    pytest.param(
        sliced(MIN | {"slice": "legal"}),
        {
            "spec": sliced(MIN | {"slice": "legal", "min": "1"}),
            "rows": (comparison(slice="legal", value="46"),),
        },
        {},
        "Passed",
        id="a slice that was measured",
    ),
    pytest.param(gated(MIN, confidence="0.99"), {}, {}, None, id="another confidence"),
    pytest.param(gated(MIN, confidence="0.950"), {}, {}, "Passed", id="the same confidence"),
    pytest.param(gated(MIN, baseline="None"), {}, {}, "Passed", id="no baseline is asked for"),
    pytest.param(
        gated(DELTA), {}, {}, "Passed", id="a new minDelta, and still nothing in production"
    ),
    pytest.param(
        gated(DELTA),
        {},
        {"model": SERVES_ANOTHER},
        None,
        id="a new minDelta, and production was never compared with",
    ),
    pytest.param(
        gated(MIN),
        {},
        {"model": SERVES_ANOTHER},
        "Passed",
        id="production is another now, but only floors are asked for",
    ),
    pytest.param(
        gated(DELTA),
        {"spec": gated(DELTA), "model": SERVES_ANOTHER, "rows": (COMPARED,)},
        {"model": SERVES_ANOTHER},
        "Passed",
        id="minDelta, compared with what is in production",
    ),
    pytest.param(
        gated(DELTA | {"minDelta": "-0.3"}),
        {"spec": gated(DELTA), "model": SERVES_ANOTHER, "rows": (COMPARED,)},
        {"model": SERVES_ANOTHER},
        "Inconclusive",
        id="a stricter minDelta leaves it open",
    ),
    pytest.param(
        gated(DELTA | {"minDelta": "1.4"}),
        {"spec": gated(DELTA), "model": SERVES_ANOTHER, "rows": (COMPARED,)},
        {"model": SERVES_ANOTHER},
        "Failed",
        id="one that all of the interval misses: failed",
    ),
    pytest.param(
        gated(DELTA),
        {"spec": gated(DELTA), "model": SERVES_ANOTHER, "rows": (COMPARED,)},
        {"model": SERVES_A_THIRD},
        None,
        id="compared with what was in production, not with what is",
    ),
    pytest.param(
        gated(MIN),
        {"spec": gated(DELTA), "model": SERVES_ANOTHER, "rows": (COMPARED,)},
        {"model": SERVES_A_THIRD},
        "Passed",
        id="the same, but minDelta is gone",
    ),
    pytest.param(
        gated(DELTA),
        {"spec": gated(DELTA), "model": SERVES_ANOTHER, "rows": (COMPARED,)},
        {"model": model_view()},
        "Passed",
        id="compared, and nothing is in production any more: floors alone",
    ),
]


@pytest.mark.parametrize(("spec", "before", "now", "expected"), TABLE)
def test_a_change_of_bounds_is_judged_at_once_where_all_of_it_was_measured(
    spec: dict[str, Any], before: dict[str, Any], now: dict[str, Any], expected: str | None
) -> None:
    observed = importing(measuring_run(**before), spec=spec)
    assert verdict(replace(observed, **now)) == expected


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"data": {"test": [{"uri": "pvc://corpora/new.tsv"}]}}, id="test data"),
        pytest.param({"data": {"format": "TSV"}}, id="how test data is read"),
        pytest.param({"serving": {"beamSize": 1}}, id="the beam"),
        pytest.param({"serving": {"precision": "Float32"}}, id="the precision"),
        pytest.param({"serving": {"image": "registry/predictor:1-x"}}, id="the engine's image"),
    ],
)
def test_a_change_of_anything_else_is_evaluated(changes: dict[str, Any]) -> None:
    observed = importing(measuring_run(), spec=merge(gated(MIN), changes))
    settings = replace(observed.settings, allowed_images=("registry/*",))
    assert verdict(replace(observed, settings=settings)) is None


def test_nothing_differs_from_itself() -> None:
    before = measuring_run()
    observed = replace(importing(before, spec=gated(DELTA)), model=self_served(before))
    assert verdict(observed) == "Passed"
    status = decide_run(observed).status
    assert status is not None
    (gate,) = status["evaluation"]["gates"]
    assert (gate["value"], gate["interval"]) == ("48.2", ["+0", "+0"])
    assert status["evaluation"]["baseline"]["scores"] == {"chrF": "48.2", "BLEU": "27.9"}
    better = gated(DELTA | {"minDelta": "0.1"})
    assert verdict(replace(importing(before, spec=better), model=observed.model)) == "Failed"


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(
            replace(
                measuring_run(), status=drop(measuring_run().status, frozenset({"evaluation"}))
            ),
            id="it failed before it measured",
        ),
        pytest.param(replace(measuring_run(), status={}), id="it has not begun"),
        pytest.param(measuring_run(deleting=True), id="it is being deleted"),
        pytest.param(
            replace(
                measuring_run(),
                status=merge(measuring_run().status, {"evaluation": {"comparisons": [{}]}}),
            ),
            id="its rows have another shape",
        ),
        pytest.param(
            replace(measuring_run(), status=merge(measuring_run().status, {"artifact": OTHER})),
            id="it measured another artifact",
        ),
    ],
)
def test_what_another_run_did_not_measure_is_not_made_up(before: RunView) -> None:
    assert verdict(importing(before)) is None


def test_a_run_that_begins_does_not_judge_by_itself() -> None:
    before = measuring_run()
    mine = replace(before, meta=run_meta())
    assert verdict(importing(mine)) is None


def test_the_newest_of_the_measurements_that_fit_is_taken() -> None:
    old, new = measuring_run("old", 1), measuring_run("new", 2)
    unfit = measuring_run("unfit", 3, spec=gated(MIN | {"metric": "BLEU"}))
    observed = importing(new, unfit, old)
    assert said(observed, "Evaluated") == (
        "True Evaluated: Only bounds changed: what new measured is judged anew, without a Job."
    )


def test_a_run_that_is_judged_at_once_tells_all_that_an_evaluation_would() -> None:
    before = measuring_run()
    status = decide_run(importing(before)).status
    assert status is not None
    told, then = status["evaluation"], before.status["evaluation"]
    for key in ("scores", "examples", "comparisons", "signatures", "report"):
        assert told[key] == then[key]
    assert status["artifact"]["digest"] == DIGEST
    assert status["inputs"]["folder"] == before.status["inputs"]["folder"]  # translations lie there
    assert status["completionTime"] == status["startTime"]
    assert said(importing(before), "Succeeded").startswith("True")
    assert said(importing(before), "Blessed") == "True Blessed: All gates passed (1)."


def test_what_was_judged_at_once_is_judged_at_once_again() -> None:
    again = decide_run(importing(measuring_run())).status
    assert again is not None
    view = replace(measuring_run("again"), status=again)
    assert verdict(importing(view, spec=gated(MIN | {"min": "48.3"}))) == "Failed"


def test_a_suspended_model_judges_nothing() -> None:
    observed = importing(measuring_run())
    asleep = replace(observed, model=model_view({**SPEC, "suspend": True}))
    assert said(asleep, "Reconciling").startswith("True Suspended")


LATEST = gated(DELTA, baseline="LatestBlessed")


def test_latest_blessed_is_the_run_that_passed_its_gates_last() -> None:
    other = merge(measuring_run().status, {"artifact": OTHER})
    first = replace(measuring_run("first", 1), status=other)
    last = replace(
        measuring_run("last", 2),
        status=merge(other, {"completionTime": "2026-11-21T12:09:00Z"}),
    )
    refused = measuring_run("refused", 3, rows=(comparison(value="1"),))
    observed = importing(last, first, refused, spec=LATEST)
    status = decide_run(observed).status
    assert status is not None
    assert stage_of(status) is RunStage.EVALUATING
    baseline = status["inputs"]["baseline"]
    assert (baseline["run"], baseline["digest"]) == ("last", OTHER["digest"])
    assert baseline["engine"] == last.status["inputs"]["engine"]


def test_latest_blessed_is_nobody_while_no_other_run_was() -> None:
    refused = measuring_run("refused", rows=(comparison(value="1"),))
    myself = replace(measuring_run(), meta=run_meta())
    status = decide_run(importing(refused, myself, spec=LATEST)).status
    assert status is not None
    assert "baseline" not in status["inputs"]


def test_a_blessed_run_without_an_artifact_is_impossible() -> None:
    broken = replace(measuring_run(), status={**measuring_run().status, "artifact": None})
    with pytest.raises(ImpossibleError, match="status of run pt-en-before"):
        decide_run(replace(importing(broken, spec=LATEST), now=NOW))


def test_a_model_whose_bounds_change_is_judged_without_a_job_and_serves_on() -> None:
    world = served()
    production = world.production["revision"]
    world.change(evaluation={"gates": [{"name": "quality", "metric": "chrF", "min": "45"}]})
    world.run_until("UpToDate")
    assert world.production["revision"] == production
    first, again = world.runs.values()
    assert again.status["cause"] == "Evaluation"
    assert (len(first.jobs), len(again.jobs)) == (2, 0)


def test_a_candidate_that_missed_a_bound_is_rolled_out_by_a_lower_one_without_a_job() -> None:
    world = served()
    world.chrf = "39"
    world.change(training={"seed": 7})
    world.run_until("Degraded")
    refused = world.rejected["run"]
    world.change(evaluation={"gates": [{"name": "quality", "metric": "chrF", "min": "38"}]})
    world.run_until("UpToDate")
    run = world.runs[world.production["run"]]
    assert run.jobs == {}
    assert run.status["inputs"]["folder"] == world.runs[refused].status["inputs"]["folder"]
    assert world.production["scores"] == {"chrF": "39"}
