"""``flips``: how often a sentence's translation differs in company from what it is alone.

No engine promises equal bits in batches of other shapes. So watched sentences are translated alone,
and then in random batches, beside other sentences of the test text (benign company) or beside what
nobody would send in good faith (poison), through the predictor's own batcher and engine; the same
batches in each precision and with each beam. What poison may not do is to change a neighbour's
translation more often than any neighbour does.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure as MplFigure
from numpy.random import Generator
from scipy.stats import binomtest

from benchmarks.environments import ROOT, environment, versions
from benchmarks.report import Figure, Result, publish
from benchmarks.serving_contestants import PATHS
from benchmarks.serving_model import MINUTES, described, sentences, served_model

PRECISIONS, BEAMS, KINDS = (
    ("Float32", "Int8", "BFloat16", "Int8BFloat16"),
    (1, 4),
    ("benign", "poison"),
)
BATCHES, WATCHED, TOGETHER, COMPANY = 1000, 100, 8, 8  # of each batch: watched, and others at most
RESAMPLES, SEED = 1000, 20261122
GOAL = "the interval's lower end <= 0"  # poison flips no more often than benign company
Counts = Sequence[Sequence[int]]  # of every watched sentence: trials, flips
Found = Mapping[str, Mapping[str, Mapping[str, Counts]]]  # by precision, beam and kind of company


@dataclass(frozen=True)
class Plan:
    """What is translated.

    Attributes:
        watched: the sentences that are asked about.
        batches: for each kind of company the batches: texts, and numbers of watched sentences. The
            watched ones, their places and the size of the company are the same for all kinds.
        beams: the beam sizes.
    """

    watched: Sequence[str]
    batches: Mapping[str, Sequence[Sequence[int | str]]]
    beams: Sequence[int] = BEAMS


def _repeated(chance: Generator, texts: Sequence[str]) -> str:
    word = chance.choice(str(chance.choice(texts)).split())
    return " ".join([str(word)] * int(chance.integers(20, 120)))


def _very_long(chance: Generator, texts: Sequence[str]) -> str:
    return " ".join(map(str, chance.choice(texts, int(chance.integers(10, 40)))))


def _control(chance: Generator, texts: Sequence[str]) -> str:
    marks = [*map(chr, range(1, 32)), "\x7f", "\u200b", "\u202e", "\ufeff", "\ufffd"]
    letters = list(str(chance.choice(texts)))
    for place in chance.integers(0, len(letters), int(chance.integers(1, 20))):
        letters[place] += str(chance.choice(marks))
    return "".join(letters)


def _scripts(chance: Generator, texts: Sequence[str]) -> str:
    ranges = (
        (0x4E00, 0x9FFF),
        (0x0621, 0x064A),
        (0x0410, 0x044F),
        (0x0905, 0x0939),
        (0x1F600, 0x1F64F),
    )
    words = str(chance.choice(texts)).split()
    for _ in range(int(chance.integers(1, 10))):
        first, last = ranges[int(chance.integers(len(ranges)))]
        word = "".join(map(chr, chance.integers(first, last + 1, int(chance.integers(1, 8)))))
        words.insert(int(chance.integers(len(words) + 1)), word)
    return " ".join(words)


POISONS: tuple[Callable[[Generator, Sequence[str]], str], ...] = (
    _repeated,
    _very_long,
    _control,
    _scripts,
)


def planned(texts: Sequence[str], batches: int, watched: int, seed: int) -> Plan:
    """Return as many random batches of each kind, with ``watched`` sentences drawn of ``texts``."""
    chance = np.random.default_rng(seed)
    order = chance.permutation(len(texts))
    seen, others = ([texts[row] for row in part] for part in (order[:watched], order[watched:]))
    made: dict[str, list[list[int | str]]] = {kind: [] for kind in KINDS}
    for _ in range(batches):
        inside = [int(row) for row in chance.choice(watched, TOGETHER, replace=False)]
        size = int(chance.integers(1, COMPANY + 1))
        places = chance.permutation(TOGETHER + size)
        company = {
            "benign": [str(text) for text in chance.choice(others, size)],
            "poison": [
                POISONS[int(chance.integers(len(POISONS)))](chance, others) for _ in range(size)
            ],
        }
        for kind, beside in company.items():
            everyone = [*inside, *beside]
            made[kind].append([everyone[place] for place in places])
    return Plan(seen, made)


def run(scale: float, processes: int) -> None:
    """Measure, print, and write JSON and picture; below half of the length with a brief model."""
    minutes = 1.0 if scale < 0.5 else MINUTES
    model, batches = served_model(minutes), max(10, round(BATCHES * scale))
    watched = WATCHED if batches >= WATCHED else 2 * TOGETHER
    plan = planned(sentences(), batches, watched, SEED)
    with tempfile.TemporaryDirectory(prefix="flips-") as folder:
        path = Path(folder) / "plan.json"
        path.write_text(json.dumps(asdict(plan)), encoding="utf-8")
        found = _counted(model, path, processes)
    setup = {
        "model": described(minutes),
        "not offered on this processor": [name for name in PRECISIONS if name not in found],
        "watched sentences": watched,
        "batches of each kind": batches,
        "a batch": f"{TOGETHER} of the watched sentences and 1 to {COMPANY} others",
        "poison": [poison.__name__.strip("_").replace("_", " ") for poison in POISONS],
        "seed": SEED,
        "intervals": "95 %: Wilson's of shares; of differences over watched sentences, "
        f"{RESAMPLES} resamples, as trials of one sentence are not independent",
        "load": os.getloadavg()[0],
        "predictor": versions(environment("predictor"), "ctranslate2", "sentencepiece"),
    }
    cells = [(name, beam) for name in found for beam in BEAMS]
    figures = [each for name, beam in cells for each in _figures(found, name, beam)]
    publish(Result("flips", setup, figures, ("scipy",)), _rows(found), _picture(found))


def _counted(model: Path, plan: Path, processes: int) -> Found:
    """Return the trials in each precision, side by side: nothing is timed."""
    with ThreadPoolExecutor(processes) as pool:
        found = pool.map(lambda precision: _trials(model, plan, precision), PRECISIONS)
        return {name: told for name, told in zip(PRECISIONS, found, strict=True) if told}


def _trials(model: Path, plan: Path, precision: str) -> Mapping[str, Mapping[str, Counts]]:
    """Return what one precision comes to; nothing where this processor does not have it."""
    command = [environment("predictor"), "-m", "benchmarks.peers_serving_flips"]
    done = subprocess.run(
        [*command, str(model), str(plan), precision],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return dict(json.loads(done.stdout))


def _share(counts: Counts) -> tuple[float, float, float]:
    """Return which share of all trials flips, with Wilson's interval."""
    trials, flips = np.sum(counts, 0)
    interval = binomtest(int(flips), int(trials)).proportion_ci(method="wilson")
    return flips / trials, interval.low, interval.high


def _ever(counts: Counts) -> tuple[float, float, float]:
    """Return which share of the sentences flips at all, with Wilson's interval."""
    return _share([(1, int(flips > 0)) for _, flips in counts])


def _difference(first: Counts, second: Counts) -> tuple[float, float, float]:
    """Return by how much ``first`` flips more often than ``second``, with its interval."""
    sides = np.array([first, second], float)  # [2, sentences, trials and flips]
    chance = np.random.default_rng(SEED)
    count = sides.shape[1]
    draws = [np.arange(count)] + [chance.integers(0, count, count) for _ in range(RESAMPLES)]
    sums = np.array([sides[:, draw].sum(1) for draw in draws])
    whole, *drawn = sums[:, 0, 1] / sums[:, 0, 0] - sums[:, 1, 1] / sums[:, 1, 0]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(whole), float(low), float(high)


def _figures(found: Found, precision: str, beam: int) -> list[Figure]:
    counts, label = found[precision][str(beam)], f"{precision}, beam {beam}"
    benign, poison = (counts[kind] for kind in KINDS)
    excess = _difference(poison, benign)
    return [
        Figure(f"poison_minus_benign: {label}", "share", *excess, GOAL, excess[1] <= 0),
        *(Figure(f"flips_{kind}: {label}", "share", *_share(counts[kind])) for kind in KINDS),
        *(Figure(f"ever_{kind}: {label}", "share", *_ever(counts[kind])) for kind in KINDS),
    ]


def _rows(found: Found) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [
        ("precision", "search", "company", "trials", "flips", "95 %", "sentences", "95 %")
    ]
    for precision, beams in found.items():
        for beam, kinds in beams.items():
            for kind, counts in kinds.items():
                trials, ever = _share(counts), _ever(counts)
                told = [f"{int(np.sum(counts, 0)[0]):,}"]
                for share, low, high in (trials, ever):
                    told += [f"{share:.2%}", f"{low:.2%} to {high:.2%}"]
                rows.append((precision, f"beam {beam}", kind, *told))
    return rows


def _picture(found: Found) -> MplFigure:
    picture, axes = plt.subplots(figsize=(8, 3.6))
    cells = [(precision, beam) for precision in found for beam in BEAMS]
    for offset, (kind, color) in enumerate(zip(KINDS, ("#1b6ca8", "#d1495b"), strict=True)):
        shares = [_share(found[precision][str(beam)][kind]) for precision, beam in cells]
        middle = [100 * share for share, _, _ in shares]
        spread = [(100 * (s - low), 100 * (high - s)) for s, low, high in shares]
        places = np.arange(len(cells)) + 0.2 * (2 * offset - 1)
        axes.errorbar(
            middle, places, xerr=np.array(spread).T, fmt="o", color=color, label=f"{kind} company"
        )
    axes.set_yticks(range(len(cells)), [f"{precision}, beam {beam}" for precision, beam in cells])
    axes.set(xlabel="trials whose translation differs, %", xlim=(0, None))
    axes.set_title("flips beside benign and poisonous sentences, 95 % intervals", fontsize=10)
    axes.invert_yaxis()
    axes.legend()
    picture.tight_layout()
    return picture
