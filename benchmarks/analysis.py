"""``analysis``: simulated rollouts, decided by this operator and as others decide them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import Pool
from statistics import mean

from matplotlib import pyplot as plt
from matplotlib.figure import Figure as MplFigure

from benchmarks.other_rules import RATIO, RULES
from benchmarks.our_rule import Outcome, roll_out
from benchmarks.report import Figure, Result, figure, publish
from benchmarks.users import ERRORS, SCENARIOS, TICK, Users

ROLLOUTS, LOW = 10_000, 500  # in all, and of these with low traffic
ROUNDS = 10  # the spread of a figure is that of so many equal parts
SEED = 20261121
HORIZON = 120  # ticks: an hour
# What the candidate answers: how often as many errors as production, and of how many rollouts.
KINDS = {
    "equal": (1.0, 6),
    "worse, within": (1.25, 2),
    "at the bound": (1.5, 2),
    "regressed": (2.5, 10),
}
LEAST = 50  # requests that the default minRequests asks for
US = "this operator"
NAMES = (US, *RULES)


@dataclass(frozen=True)
class Case:
    """One candidate, and what became of it by every rule."""

    number: int
    scenario: str
    rate: float
    kind: str
    outcomes: dict[str, Outcome]

    @property
    def regressed(self) -> bool:
        """Return whether it is to be rolled back."""
        return self.kind == "regressed"


def run(scale: float, processes: int) -> None:
    """Run ``scale`` times 10,000 rollouts, print, and write JSON and picture."""
    numbers = range(max(ROUNDS * 20, int(ROLLOUTS * scale)))
    with Pool(processes) as pool:
        cases = pool.map(_case, numbers, chunksize=20)
    setup = {
        "rollouts": len(cases),
        "scenarios": [asdict(scenario) for scenario in SCENARIOS],
        "kinds": {kind: f"{100 * ERRORS * times:g} % errors" for kind, (times, _) in KINDS.items()},
        "production": f"{100 * ERRORS:g} % errors",
        "bound": f"maxRatio {RATIO:g}; the other defaults of spec.rollout.analysis beside it",
        "steps": "10 %, 5m, 50 %, 5m, 100 % (default)",
        "seed": SEED,
        "ticks": f"{TICK:g} s, at most {HORIZON}",
        "rounds": ROUNDS,
        "by rule": _by_rule(cases),
        "by scenario": _by_scenario(cases),
    }
    figures = _figures(cases)
    packages = ("numpy", "matplotlib")
    publish(Result("analysis", setup, figures, packages), _rows(cases), _picture(cases))


def _case(number: int) -> Case:
    low = number * LOW // ROLLOUTS != (number + 1) * LOW // ROLLOUTS
    scenario = SCENARIOS[-1] if low else SCENARIOS[number % (len(SCENARIOS) - 1)]
    part = number // (len(SCENARIOS) - 1)
    rate = scenario.rates[part % len(scenario.rates)]
    kinds = [kind for kind, (_, share) in KINDS.items() for _ in range(share)]
    kind = kinds[part // len(scenario.rates) % len(kinds)]
    errors = ERRORS * KINDS[kind][0]
    rules = {US: roll_out, **RULES}
    outcomes = {
        name: rule(Users(scenario, rate, errors, [SEED, number]), HORIZON)
        for name, rule in rules.items()
    }
    return Case(number, scenario.name, rate, kind, outcomes)


def _figures(cases: Sequence[Case]) -> list[Figure]:
    """Return what is promised first, then the same of the others."""
    busy = [case for case in cases if case.scenario != SCENARIOS[-1].name]
    good, bad = _where(cases, lambda c: not c.regressed), _where(busy, lambda c: c.regressed)
    found = [
        _share("false_rollback_rate", good, US, "rolled back", "<= 0.01"),
        _share("detection_rate", bad, US, "rolled back", ">= 0.99"),
        figure(
            "ratio_exposed_vs_flagger",
            "ratio of requests",
            [_exposed(part) for part in _rounds(bad)],
            "<= 0.5",
            _exposed(bad),
        ),
        figure(
            "promoted_without_data",
            "rollouts",
            [sum(_starved(case, US) for case in part) for part in _rounds(cases)],
            "<= 0",
            sum(_starved(case, US) for case in cases),
        ),
    ]
    for name in RULES:
        short = name.lower().replace(" ", "_").replace("-", "_")
        found.append(_share(f"false_rollback_rate_{short}", good, name, "rolled back"))
        found.append(_share(f"detection_rate_{short}", bad, name, "rolled back"))
    return found


def _share(name: str, cases: Sequence[Case], rule: str, ending: str, goal: str = "") -> Figure:
    rounds = [_rate(part, rule, ending) for part in _rounds(cases)]
    return figure(name, "share of rollouts", rounds, goal, _rate(cases, rule, ending))


def _rounds(cases: Sequence[Case]) -> list[list[Case]]:
    return [list(cases[number::ROUNDS]) for number in range(ROUNDS)]


def _rate(cases: Sequence[Case], rule: str, ending: str) -> float:
    return mean(case.outcomes[rule].ending == ending for case in cases) if cases else 0.0


def _exposed(cases: Iterable[Case]) -> float:
    """Return our exposed requests by Flagger's, over regressions that both rolled back."""
    both = [c for c in cases if all(c.outcomes[r].ending == "rolled back" for r in (US, "Flagger"))]
    theirs = sum(case.outcomes["Flagger"].exposed for case in both)
    return sum(case.outcomes[US].exposed for case in both) / theirs if theirs else 0.0


def _starved(case: Case, rule: str) -> bool:
    outcome = case.outcomes[rule]
    return outcome.ending == "promoted" and outcome.least < LEAST


def _where(cases: Iterable[Case], wanted: Callable[[Case], bool]) -> list[Case]:
    return [case for case in cases if wanted(case)]


def _by_rule(cases: Sequence[Case]) -> dict[str, dict[str, float]]:
    kinds = {kind: [case for case in cases if case.kind == kind] for kind in KINDS}
    return {
        name: {
            f"rolled back, {kind}": round(_rate(found, name, "rolled back"), 4)
            for kind, found in kinds.items()
        }
        | {"promoted with fewer than 50 requests": sum(_starved(case, name) for case in cases)}
        for name in NAMES
    }


def _by_scenario(cases: Sequence[Case]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for scenario in SCENARIOS:
        for rate in scenario.rates:
            here = [c for c in cases if (c.scenario, c.rate) == (scenario.name, rate)]
            bad = _where(here, lambda c: c.regressed)
            row: dict[str, object] = {"scenario": scenario.name, "requestsPerSecond": rate}
            row["exposed vs Flagger"] = round(_exposed(bad), 3)
            for name in NAMES:
                good = _where(here, lambda c: not c.regressed)
                row[name] = {
                    "false rollback": round(_rate(good, name, "rolled back"), 4),
                    "at the bound": round(
                        _rate(
                            _where(here, lambda c: c.kind == "at the bound"), name, "rolled back"
                        ),
                        4,
                    ),
                    "detected": round(_rate(bad, name, "rolled back"), 4),
                    "regression promoted": round(_rate(bad, name, "promoted"), 4),
                    "exposed": round(mean(c.outcomes[name].exposed for c in bad)) if bad else 0,
                }
            found.append(row)
    return found


def _rows(cases: Sequence[Case]) -> list[tuple[str, ...]]:
    head = ("scenario", "rule", "req/s", "false rollback", "at bound", "detected", "exposed")
    rows: list[tuple[str, ...]] = [head]
    for row in _by_scenario(cases):
        for name in NAMES:
            found = row[name]
            assert isinstance(found, dict), "each rule has its own numbers"
            shares = (found["false rollback"], found["at the bound"], found["detected"])
            told = (*(f"{100 * share:.1f} %" for share in shares), f"{found['exposed']:,}")
            rows.append((str(row["scenario"]), name, f"{row['requestsPerSecond']:g}", *told))
    return rows


def _picture(cases: Sequence[Case]) -> MplFigure:
    busy = [case for case in cases if case.scenario != SCENARIOS[-1].name]
    good, bad = _where(cases, lambda c: not c.regressed), _where(busy, lambda c: c.regressed)
    picture, axes = plt.subplots(1, 3, figsize=(12, 3.2))
    panels = (
        ("good candidates rolled back (%)", [100 * _rate(good, n, "rolled back") for n in NAMES]),
        ("2 % → 5 % errors found (%)", [100 * _rate(bad, n, "rolled back") for n in NAMES]),
        ("requests exposed until then", [mean(c.outcomes[n].exposed for c in bad) for n in NAMES]),
    )
    for axis, (title, values) in zip(axes, panels, strict=True):
        bars = axis.barh(NAMES, values, color=["#1b6ca8", *["#b8b8b8"] * len(RULES)])
        axis.bar_label(bars, fmt="%.3g", padding=2)
        axis.invert_yaxis()
        axis.set_title(title, fontsize=10)
        axis.margins(x=0.18)
    picture.tight_layout()
    return picture
