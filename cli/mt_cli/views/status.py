"""The whole of a model: what serves, what is tried, by which numbers, and what can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mt_cli.cluster import event_time, holds, name_of, status_of
from mt_cli.output import Block, Cell, Facts, Mood, Table, Text
from mt_cli.targets import spaced
from mt_cli.views.headline import headline
from mt_cli.words import age, scores, span, verdict
from mt_contract.codec import parse_duration, parse_time
from mt_contract.defaults import resolve_rollout

Tree = Mapping[str, Any]
STAGES = ("Training", "Evaluating", "Deploying", "ServingCheck", "Canary", "Promoting")
WIDTH = 30  # of the bar
EVENTS, REJECTED = 8, 3  # that are shown
_ABNORMAL = ("Reconciling", "Stalled", "Degraded", "Paused", "Drifting")  # True is news


def describe(
    model: Tree, run: Tree | None, events: Sequence[Tree], now: datetime
) -> tuple[Block, ...]:
    """Return a model in blocks.

    Args:
        model: the TranslationModel.
        run: the candidate's TrainingRun.
        events: about the model, the oldest first.
        now: for ages.
    """
    blocks = (
        _facts(model, now),
        *_candidate(model, run, now),
        *_analysis(model, now),
        _conditions(model, now),
        *_rejected(model, now),
        *_events(events, now),
        *_hints(model),
    )
    return tuple(blocks)


def _facts(model: Tree, now: datetime) -> Facts:
    status, spec, meta = status_of(model), model.get("spec") or {}, model["metadata"]
    production = status.get("production") or {}
    serving = "nothing yet"
    if production:
        since = age(production.get("since"), now)
        told = [str(production.get("revision")), f"of {production.get('run')}"]
        told += [f"({numbers})"] if (numbers := scores(production.get("scores"))) else []
        serving = " ".join(told) + (f", for {since}" if since else "")
    previous = [str(entry.get("revision")) for entry in status.get("previous") or ()]
    pair = f"{spec.get('sourceLanguage')} to {spec.get('targetLanguage')}"
    mood = Mood.BAD if holds(model, "Stalled") or holds(model, "Degraded") else Mood.NOW
    return Facts(
        (
            ("model", f"{meta.get('namespace')}/{name_of(model)}, {pair}"),
            ("now", Cell(headline(model), mood)),
            ("production", serving),
            ("before", ", ".join(previous[:5])),
            ("url", str(status.get("url") or "")),
            ("traffic", str(status.get("trafficBackend") or "")),
        )
    )


def _candidate(model: Tree, run: Tree | None, now: datetime) -> tuple[Block, ...]:
    candidate = status_of(model).get("candidate") or {}
    if not candidate:
        return ()
    stage, weight = str(candidate.get("stage", "")), int(candidate.get("weight") or 0)
    since = age(candidate.get("stageSince"), now)
    facts = Facts(
        (
            ("run", str(candidate.get("run", ""))),
            ("revision", str(candidate.get("revision", ""))),
            ("scores", scores(candidate.get("scores"))),
            ("stages", stages(stage)),
            ("in this stage", f"for {since}" if since else ""),
            ("training", _training(run) if stage == "Training" else ""),
            ("weight", Cell(bar(weight), Mood.NOW) if candidate.get("revision") else ""),
            ("why", str(candidate.get("message") or "")),
            ("blessed although", Cell(str(candidate.get("override") or ""), Mood.WARN)),
        ),
        title="candidate",
    )
    return (facts, *_steps(model, candidate, now))


def stages(current: str) -> str:
    """Return the way of a candidate, with the stage that it is in marked."""
    names = list(STAGES)
    if current == "AwaitingApproval":
        names.insert(names.index("Canary"), current)
    if current == "RollingBack":
        names = [*names[: names.index("Promoting")], current]
    shown = [f"[{spaced(name)}]" if name == current else spaced(name) for name in names]
    return " > ".join(shown)


def bar(weight: int) -> str:
    """Return a share of the traffic as a bar: ``[###------] 10 %``."""
    filled = round(WIDTH * weight / 100)
    return f"[{'#' * filled}{'-' * (WIDTH - filled)}] {weight} % of the requests"


def _training(run: Tree | None) -> str:
    progress = status_of(run).get("progress") or {} if run else {}
    if not progress.get("step"):
        return ""
    values = {entry["name"]: entry["value"] for entry in progress.get("metrics") or ()}
    parts = [f"{progress.get('progressPercentage', 0)} %"]
    parts.append(f"step {progress['step']} of {progress.get('totalSteps', '?')}")
    parts += [f"{label} {values[key]}" for key, label in _CURVES if key in values]
    left = progress.get("estimatedRemainingSeconds")
    return ", ".join(parts + ([f"about {span(left)} left"] if left is not None else []))


_CURVES = (("loss", "loss"), ("validationLoss", "validation loss"))


def _steps(model: Tree, candidate: Tree, now: datetime) -> tuple[Block, ...]:
    begun = candidate.get("rollout")
    written = (model.get("spec") or {}).get("rollout") or {}
    steps: Sequence[Tree] = (begun or resolve_rollout(written)).get("steps") or ()
    stage, at = candidate.get("stage"), int(candidate.get("step") or 0)
    moving = stage in ("Canary", "Promoting")
    rows = []
    for number, step in enumerate(steps):
        here = moving and number == at
        state = "now" if here else "done" if moving and number < at else ""
        left = _left(candidate, step, now) if here else ""
        mood = Mood.NOW if here else Mood.FAINT if state == "done" else Mood.PLAIN
        rows.append((Cell(str(number + 1), mood), Cell(_step(step), mood), Cell(state, mood), left))
    return (Table(("step", "what", "state", "left"), tuple(rows), title="steps"),)


def _step(step: Tree) -> str:
    if step.get("setWeight") is not None:
        return f"{step['setWeight']} % of the requests"
    duration = (step.get("pause") or {}).get("duration")
    return f"pause of {duration}" if duration else "pause until promoted"


def _left(candidate: Tree, step: Tree, now: datetime) -> str:
    duration = (step.get("pause") or {}).get("duration")
    if "pause" in step and not duration:
        return "until promoted"
    if not duration or not candidate.get("stepSince"):
        return ""
    end = parse_time(str(candidate["stepSince"])) + parse_duration(str(duration))
    return span((end - now).total_seconds())


def _analysis(model: Tree, now: datetime) -> tuple[Block, ...]:
    analysis = (status_of(model).get("candidate") or {}).get("analysis") or {}
    if not analysis:
        return ()
    facts = Facts(
        (
            ("verdict", verdict(str(analysis.get("verdict") or _NO_VERDICT))),
            ("why", str(analysis.get("message") or "")),
            ("requests", str(analysis.get("requests", ""))),
            ("failed in a row", str(analysis.get("failures") or "")),
            ("evidence since", age(analysis.get("since"), now)),
            ("looked at", _ago(age(analysis.get("checked"), now))),
        ),
        title="analysis",
    )
    metrics: Sequence[Tree] = analysis.get("metrics") or ()
    rows = tuple(_metric(metric) for metric in metrics)
    columns = ("metric", "verdict", "candidate", "production", "bound", "requests", "evidence", "")
    return (facts, Table(columns, rows)) if rows else (facts,)


_NO_VERDICT = "none written since this weight was given: that is done when it changes"


def _metric(metric: Tree) -> tuple[str | Cell, ...]:
    dry = "dry run" if metric.get("dryRun") else ""
    return (
        str(metric.get("name", "")),
        verdict(str(metric.get("verdict", ""))),
        *(_number(metric.get(key)) for key in ("value", "reference", "bound")),
        _number(metric.get("requests")),
        _number(metric.get("evidence")),
        ". ".join(part for part in (dry, str(metric.get("message") or "")) if part),
    )


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def _ago(text: str) -> str:
    return f"{text} ago" if text else ""


def _conditions(model: Tree, now: datetime) -> Table:
    conditions: Sequence[Tree] = status_of(model).get("conditions") or ()
    rows = tuple(
        (
            str(entry.get("type", "")),
            _truth(entry),
            age(entry.get("lastTransitionTime"), now),
            f"{entry.get('reason')}: {entry.get('message')}",
        )
        for entry in conditions
    )
    empty = "None yet: the operator has not seen this model. `kubectl translation doctor`?"
    return Table(("condition", "is", "for", "why"), rows, title="conditions", empty=empty)


def _truth(entry: Tree) -> Cell:
    word, abnormal = str(entry.get("status", "")), entry.get("type") in _ABNORMAL
    if entry.get("type") == "Reconciling":
        return Cell(word, Mood.NOW)
    if abnormal:
        return Cell(word, Mood.WARN if word == "True" else Mood.FAINT)
    return Cell(word, {"True": Mood.GOOD, "False": Mood.BAD}.get(word, Mood.WARN))


def _rejected(model: Tree, now: datetime) -> tuple[Block, ...]:
    entries: Sequence[Tree] = status_of(model).get("rejected") or ()
    rows = tuple(
        (
            str(e.get("revision") or e.get("run")),
            Cell(str(e.get("reason")), Mood.BAD),
            age(e.get("time"), now),
            str(e.get("message", "")),
        )
        for e in list(reversed(entries))[:REJECTED]
    )
    return (Table(("rejected", "reason", "ago", "why"), rows),) if rows else ()


def _events(events: Sequence[Tree], now: datetime) -> tuple[Block, ...]:
    rows = tuple(
        (
            age(event_time(event), now),
            verdict(str(event.get("type", ""))),
            str(event.get("reason", "")),
            str(event.get("message", "")),
        )
        for event in events[-EVENTS:]
    )
    return (Table(("ago", "type", "event", "what"), rows),) if rows else ()


def _hints(model: Tree) -> tuple[Block, ...]:
    """Return the commands that make sense now."""
    name, candidate = name_of(model), status_of(model).get("candidate") or {}
    suspended = (model.get("spec") or {}).get("suspend")
    words = []
    if suspended:
        return (Text("next: set spec.suspend to false, so that it goes on", Mood.FAINT),)
    if candidate.get("stage") == "AwaitingApproval":
        words = [f"report {candidate['run']}", f"promote {name}", f"abort {name}"]
    elif candidate.get("paused"):
        words = [f"resume {name}", f"abort {name}"]
    elif candidate.get("revision") and holds(model, "Paused"):
        words = [f"promote {name}", f"abort {name}"]
    elif candidate and candidate.get("stage") != "RollingBack":
        words = [f"abort {name}", f"logs {candidate['run']}"]
    elif status_of(model).get("rejected") and holds(model, "Degraded"):
        entry = status_of(model)["rejected"][-1]
        words = [f"report {entry.get('run')}", f"retry {name}"]
    shown = "   ".join(f"kubectl translation {word}" for word in words)
    return (Text(f"next: {shown}", Mood.FAINT),) if words else ()
