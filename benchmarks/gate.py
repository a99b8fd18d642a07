"""``gate``: the paired bootstrap behind gates, against sacreBLEU's own, and what they decide."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from multiprocessing import Pool
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure as MplFigure
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import Result as SacreResult
from sacrebleu.significance import _paired_bs_test

from benchmarks.report import Figure, Result, figure, publish
from mt_contract.report import Comparison, EvaluationResult
from mt_contract.resource import Gate
from mt_operator.core.gate import judge
from mt_predictor.bootstrap import RESAMPLES, intervals
from mt_predictor.scores import Metric, metrics, text
from mt_predictor.testset import Example

CORPUS = Path(__file__).parents[2] / "shared/corpora/por_eng/train.tsv.gz"
SENTENCES, POOL = 2000, 6000
ROUNDS, TRIALS = 15, 400  # of the timing; of each true difference
SEED = 20261121
GATE = Gate("no-regression", "chrF", min_delta=Decimal("-0.5"))
CONFIDENCE = 0.95
TRUE = (-1.0, -0.5, 0.0, 0.5, 1.0)  # differences of the population's chrF
NAMES = ("chrF", "BLEU")
# The share of sentences that both systems translate alike: an assumption about two trainings of one
# recipe, and the worst case beside it, where what one gets wrong tells nothing of the other.
AGREEING, APART = 0.4, 0.0


@dataclass(frozen=True)
class Population:
    """All sentences there are: rows of the baseline, and of candidates by their true difference."""

    baseline: NDArray[np.float64]
    candidates: Mapping[tuple[float, float], NDArray[np.float64]]  # by agreement and difference
    real: Mapping[tuple[float, float], float]  # the difference that was come to


def run(scale: float, processes: int) -> None:
    """Measure, print, and write JSON and picture."""
    known = metrics("en")
    references, source = _references()
    timing = [_timed(known, references[:SENTENCES], number) for number in range(ROUNDS)]
    trials = max(50, int(TRIALS * scale))
    population = _population(known["chrF"], references)
    promoted: dict[tuple[float, float], list[bool]] = {}
    with Pool(processes, _adopt, (population,)) as pool:
        for case in population.candidates:
            work = [(case, number) for number in range(trials)]
            promoted[case] = pool.map(_promoted, work, chunksize=10)
    figures = _figures(timing, promoted)
    setup = {
        "corpus": source,
        "sentences": int(timing[0]["sentences"]),
        "resamples": RESAMPLES,
        "metrics": list(NAMES),
        "gate": f"{GATE.metric} minDelta {GATE.min_delta}, confidence {CONFIDENCE:g}",
        "trials": trials,
        "population": f"{len(references)} sentences; outputs are references with words replaced",
        "agreement": f"{AGREEING:g} of the sentences are translated alike; {APART:g} beside it",
        "true differences": [round(real, 3) for real in population.real.values()],
        "seed": SEED,
        "time": "CPU seconds of one thread, from rows of statistics to the interval; interleaved",
    }
    rows = [("true chrF difference", "translated alike", "promoted", "trials")]
    rows += [
        (f"{true:+g}", f"{alike:g}", f"{100 * float(np.mean(found)):.1f} %", str(trials))
        for (alike, true), found in promoted.items()
    ]
    packages = ("numpy", "sacrebleu")
    publish(Result("gate", setup, figures, packages), rows, _picture(timing, promoted))


def _figures(
    timing: Sequence[Mapping[str, float]],
    promoted: Mapping[tuple[float, float], Sequence[bool]],
) -> list[Figure]:
    def share(case: tuple[float, float], name: str, goal: str = "") -> Figure:
        rounds = [float(np.mean(promoted[case][n::10])) for n in range(10)]
        return figure(name, "share of trials", rounds, goal, float(np.mean(promoted[case])))

    return [
        figure(
            "ratio_vs_sacrebleu",
            "times as fast",
            [t["theirs"] / t["ours"] for t in timing],
            ">= 20",
        ),
        figure("score_difference", "points", [t["difference"] for t in timing], "<= 0"),
        figure("interval_difference", "points", [t["interval"] for t in timing]),
        share((AGREEING, -0.5), "false_promotion_rate", "<= 0.05"),
        share((AGREEING, 1.0), "power_at_plus_1", ">= 0.8"),
        share((APART, -0.5), "false_promotion_rate_none_alike"),
        share((APART, 1.0), "power_at_plus_1_none_alike"),
        figure("seconds_ours", "s", [t["ours"] for t in timing]),
        figure("seconds_sacrebleu", "s", [t["theirs"] for t in timing]),
    ]


def _references() -> tuple[list[str], str]:
    """Return reference sentences, and where they come from."""
    path = Path(os.environ.get("CORPUS", CORPUS))
    if not path.exists():
        chance = np.random.default_rng(SEED)
        words = ["".join(chance.choice(list("aeioulnrst"), 5)) for _ in range(4000)]
        made = [" ".join(chance.choice(words, chance.integers(4, 24))) for _ in range(POOL)]
        return made, "made up (set CORPUS to a TSV file for real text)"
    content = path.read_bytes()
    lines = (gzip.decompress(content) if path.suffix == ".gz" else content).decode().splitlines()
    found = sorted({line.split("\t")[1] for line in lines if "\t" in line})
    if len(found) < POOL:
        raise SystemExit(
            f"{path} has {len(found):,} different references, {POOL:,} are needed: set CORPUS to a "
            "larger TSV file"
        )
    chosen = np.random.default_rng(SEED).permutation(len(found))[:POOL]
    return [found[number] for number in chosen], f"{path.parent.name}/{path.name}"


def _timed(known: Mapping[str, Metric], references: Sequence[str], number: int) -> dict[str, float]:
    """Return one round: both on the same sentences, the one that begins taking turns."""
    chance = np.random.default_rng([SEED, number])
    words = sorted({word for line in references for word in line.split()})
    examples = [Example("", reference, None) for reference in references]
    ours, theirs = ([_corrupted(line, 0.3, words, chance) for line in references] for _ in range(2))
    chosen = {name: known[name] for name in NAMES}
    rows = [
        {name: metric.statistics(outputs, examples) for name, metric in chosen.items()}
        for outputs in (ours, theirs)
    ]
    asked: dict[str, Callable[[], Any]] = {
        "ours": lambda: intervals(chosen, rows[0], rows[1], CONFIDENCE, (SEED, number)),
        "theirs": lambda: _sacrebleu(rows, ours),
    }
    found: dict[str, Any] = {}
    seconds = {}
    for name in sorted(asked, reverse=bool(number % 2)):
        before = process_time()
        found[name] = asked[name]()
        seconds[name] = process_time() - before
    scores = {n: chosen[n].of(rows[0][n].sum(axis=0)) for n in NAMES}
    exact = [abs(scores[name] - found["theirs"][0][name].score) for name in NAMES]
    ends = [np.quantile(found["theirs"][1][name], [0.025, 0.975]) for name in NAMES]
    near = [
        max(abs(found["ours"][name].delta.low - low), abs(found["ours"][name].delta.high - high))
        for name, (low, high) in zip(NAMES, ends, strict=True)
    ]
    sizes = {"sentences": float(len(rows[0][NAMES[0]]))}
    return seconds | sizes | {"difference": max(exact), "interval": float(max(near))}


class _Counted:
    """A metric of sacreBLEU whose statistics are at hand, and that keeps each resample's score."""

    def __init__(self, metric: Any, rows: NDArray[np.float64]) -> None:
        self.metric, self.rows, self.scores = metric, rows, list[float]()

    def _extract_corpus_statistics(self, *_: Any) -> Any:
        return self.rows

    def _aggregate_and_compute(self, rows: Any) -> Any:
        return self.metric._aggregate_and_compute(rows)

    def _compute_score_from_stats(self, sums: Any) -> Any:
        score = self.metric._compute_score_from_stats(sums)
        self.scores.append(score.score)
        return score


def _sacrebleu(
    rows: Sequence[Mapping[str, NDArray[np.float64]]], outputs: Sequence[str]
) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    """Return sacreBLEU's results, and its resamples' differences, by metric."""
    own = {"chrF": CHRF(), "BLEU": BLEU(force=True)}
    counted = {name: _Counted(own[name], rows[0][name]) for name in NAMES}
    base = {}
    for name in NAMES:
        score = own[name]._aggregate_and_compute(rows[1][name]).score
        base[name] = (rows[1][name], SacreResult(score, None, None, None))
    _, found = _paired_bs_test(base, "candidate", outputs, None, counted, RESAMPLES, seed=12345)
    differences = {}
    for name, metric in counted.items():
        half = len(metric.scores) // 2  # the baseline's resamples come first
        differences[name] = np.subtract(metric.scores[half:], metric.scores[:half])
    return found, differences


def _population(metric: Metric, references: Sequence[str]) -> Population:
    """Return outputs of a baseline, and of candidates of known difference over all sentences.

    Sentences differ in difficulty, for both systems alike. A candidate takes more of a better or of
    a worse system's sentences until its chrF over all of them differs by what is wanted.
    """
    chance = np.random.default_rng(SEED)
    words = sorted({word for line in references for word in line.split()})
    examples = [Example("", reference, None) for reference in references]
    difficulty = chance.beta(2, 4, len(references))

    def rows(change: float) -> NDArray[np.float64]:
        shares = np.clip(difficulty + change, 0, 1)
        pairs = zip(references, shares, strict=True)
        outputs = [_corrupted(line, share, words, chance) for line, share in pairs]
        return metric.statistics(outputs, examples)

    baseline, even, better, worse = rows(0.0), rows(0.0), rows(-0.06), rows(0.06)
    order = chance.permutation(len(references))
    alike = chance.random(len(references))
    candidates, real = {}, {}
    for agreement in (AGREEING, APART):
        same = (alike < agreement)[:, None]
        own, *others = (np.where(same, baseline, one) for one in (even, better, worse))
        for true in TRUE:
            case = (agreement, true)
            candidates[case], real[case] = _mixed(metric, baseline, own, others, order, true)
    return Population(baseline, candidates, real)


def _mixed(
    metric: Metric,
    baseline: NDArray[np.float64],
    even: NDArray[np.float64],
    others: Sequence[NDArray[np.float64]],
    order: NDArray[np.intp],
    true: float,
) -> tuple[NDArray[np.float64], float]:
    """Return the rows of a candidate whose chrF differs by ``true``, and by how much it does."""
    target = metric.of(baseline.sum(axis=0)) + true
    other = others[0] if target > metric.of(even.sum(axis=0)) else others[1]
    swapped = np.cumsum(other[order] - even[order], axis=0) + even.sum(axis=0)
    scores = np.array([metric.of(sums) for sums in swapped[::10]])
    count = 10 * int(np.argmin(np.abs(scores - target))) + 1
    rows = even.copy()
    rows[order[:count]] = other[order[:count]]
    return rows, metric.of(rows.sum(axis=0)) - metric.of(baseline.sum(axis=0))


def _corrupted(line: str, share: float, words: Sequence[str], chance: np.random.Generator) -> str:
    """Return a translation that has this share of its words wrong, missing or misspelt."""
    found = []
    for word in line.split():
        if chance.random() >= share:
            found.append(word)
            continue
        kind = chance.random()
        if kind < 0.5:
            found.append(words[int(chance.integers(len(words)))])
        elif kind < 0.8:
            cut = int(chance.integers(len(word)))
            found.append(word[:cut] + word[cut + 1 :])
    return " ".join(found)


_adopted: list[Population] = []


def _adopt(population: Population) -> None:
    _adopted[:] = [population]


def _promoted(work: tuple[tuple[float, float], int]) -> bool:
    """Return whether the gate passes a candidate, judged by a test set drawn from all sentences."""
    case, number = work
    (population,) = _adopted
    chance = np.random.default_rng([SEED, number])
    drawn = chance.integers(0, len(population.baseline), SENTENCES)
    known = {"chrF": metrics("en")["chrF"]}
    mine = {"chrF": population.candidates[case][drawn]}
    other = {"chrF": population.baseline[drawn]}
    delta = intervals(known, mine, other, CONFIDENCE, (SEED, number))["chrF"].delta
    value = known["chrF"].of(mine["chrF"].sum(axis=0))
    told = [text("chrF", x) for x in (value, delta.value, delta.low, delta.high)]
    row = Comparison("chrF", None, SENTENCES, *told)
    result = EvaluationResult({}, (row,), {}, SENTENCES, "")
    return judge([GATE], result, has_baseline=True)[0].verdict == "Passed"


def _picture(
    timing: Sequence[Mapping[str, float]],
    promoted: Mapping[tuple[float, float], Sequence[bool]],
) -> MplFigure:
    picture, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
    seconds = [float(np.median([t[side] for t in timing])) for side in ("ours", "theirs")]
    bars = left.barh(["this product", "sacreBLEU"], seconds, color=["#1b6ca8", "#b8b8b8"])
    left.bar_label(bars, fmt="%.3g", padding=2)
    left.invert_yaxis()
    left.margins(x=0.18)
    left.set_title("paired bootstrap, CPU seconds", fontsize=10)
    for alike, color in ((AGREEING, "#1b6ca8"), (APART, "#b8b8b8")):
        shares = [100 * float(np.mean(promoted[alike, true])) for true in TRUE]
        right.plot(TRUE, shares, "o-", color=color, label=f"{100 * alike:g} % translated alike")
    right.legend(fontsize=8)
    right.axvline(float(GATE.min_delta or 0), color="#b8b8b8", linestyle="--")
    right.set_title("passed minDelta -0.5 (%), by true chrF difference", fontsize=10)
    picture.tight_layout()
    return picture
