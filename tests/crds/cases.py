"""How a table of fields is written: one line a field, with what is accepted and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

Tree = dict[str, Any]
SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
REMOVED = object()
STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True)
class Field:
    """One field of spec: values that are accepted, and those that are not, with the message."""

    path: str
    good: tuple[Any, ...]
    bad: tuple[tuple[Any, str], ...]
    also: Mapping[str, Any]  # set beside it, where a value alone would break a rule


def field(
    path: str, good: Iterable[Any], bad: Iterable[tuple[Any, str]], **also: Mapping[str, Any]
) -> Field:
    """Return a line of the table."""
    return Field(path, tuple(good), tuple(bad), also.get("also", {}))


def number(path: str, low: int, high: int, **also: Mapping[str, Any]) -> Field:
    """Return a line for an integer within bounds."""
    bad = [
        (low - 1, f"should be greater than or equal to {low}"),
        (high + 1, f"should be less than or equal to {high}"),
        (str(high), "must be of type integer"),
        (low + 0.5, "must be of type integer"),
    ]
    return field(path, [low, high], bad, **also)


def choice(path: str, *values: str) -> Field:
    """Return a line for an enum."""
    bad = [(values[0].swapcase(), "Unsupported value"), ("", "Unsupported value")]
    return field(path, values, [*bad, (3, "must be of type string")])


def truth(path: str) -> Field:
    """Return a line for a boolean."""
    wrong = "must be of type boolean"
    return field(path, [True, False], [("true", wrong), (1, wrong)])


def text(path: str, good: Iterable[str], bad: Iterable[str], longest: str) -> Field:
    """Return a line for a string with a pattern; ``longest`` is just short enough."""
    wrong = [(value, "should match") for value in bad]
    wrong += [(longest + longest[-1], "Too long"), (3, "must be of type string")]
    return field(path, [*good, longest], wrong)


def prose(path: str, longest: int) -> Field:
    """Return a line for a string of any kind, which must not be empty."""
    bad = [("", "should be at least 1 chars long"), ("é" * (longest + 1), "Too long")]
    return field(path, ["x", "é" * longest], [*bad, (3, "must be of type string")])


def duration(path: str, zero: bool = False) -> Field:
    """Return a line for a duration."""
    good = ["1ms", "1h30m", "999999d", "1d2h3m4s5ms", *(["0s"] if zero else [])]
    bad = [("0s", "must be longer than 0"), ("0h0m", "must be longer than 0")]
    wrong = [(v, "should match") for v in ("", "5", "1.5h", "-1s", "1 h", "1w", "1000000s", "1H")]
    return field(path, good, [*wrong, ("1h" * 9, "Too long"), *([] if zero else bad), (5, "type")])


def fraction(path: str) -> Field:
    """Return a line for a share from 0 to 1."""
    bad = ["1.1", "-0.1", "10%", ".5", "0,5", "", "2", "1.01", "1e-3"]
    wrong = [(value, "should match") for value in bad]
    return field(
        path, ["0", "0.5", "0.123456789", "1", "1.0"], [*wrong, (0.5, "must be of type string")]
    )


def below_one(path: str) -> Field:
    """Return a line for a share that is less than 1."""
    wrong = [(value, "should match") for value in ("1", "1.0", "-0.1", ".1", "")]
    return field(path, ["0", "0.1", "0.999999999"], [*wrong, (0.1, "must be of type string")])


def decimal(path: str, signed: bool = False, **also: Mapping[str, Any]) -> Field:
    """Return a line for a decimal number."""
    bad = ["", "x", "1,5", ".5", "5.", "1e3", "NaN", "Inf", "0x1", " 1", "1234567890"]
    signs = ["-0.5", "+0.5", "-123456789.123456789"]
    wrong = [(value, "should match") for value in [*bad, *([] if signed else signs[:2])]]
    good = ["0", "1.5", "123456789.123456789", *(signs if signed else [])]
    return field(path, good, [*wrong, (1.5, "must be of type string")], **also)


def label(path: str, longest: int = 63) -> Field:
    """Return a line for a DNS label."""
    bad = ["", "A", "a_b", "-a", "a-", "a.b", "a/b", " a"]
    return text(path, ["a", "a-1"], bad, longest="a" * longest)


def location(path: str, schemes: Iterable[str], longest: int = 1024) -> Field:
    """Return a line for a URI."""
    good = [f"{scheme}://place/a/b.c" for scheme in schemes]
    bad = ["", "place/a", "file:///a", "ftp://place/a", "pvc:/place", "s3://", "gs:///a", "PVC://a"]
    bad += ["pvc://place/a b", "s3://user:word@place/a"]
    wrong = [(value, "should match") for value in bad]
    climbing = ("..", "../a", "a/../b", "a/..")
    wrong += [(f"pvc://place/{below}", "must not hold '..'") for below in climbing]
    wrong += [("pvc://" + "a" * (longest - 5), "Too long"), (3, "must be of type string")]
    good += ["pvc://place", "pvc://place/a..b", "pvc://" + "a" * (longest - 6)]
    return field(path, good, wrong)


def url(path: str) -> Field:
    """Return a line for a web address."""
    good = ["http://a:5000", "https://a.b/c?d=e"]
    bad = ["", "a:5000", "ftp://a", "http://", "http://a b", "http://user:word@a"]
    return text(path, good, bad, longest="http://" + "a" * 1017)


def image(path: str) -> Field:
    """Return a line for the name of a container image."""
    good = ["trainer", "registry.example.com:5000/a/b:1.0", "a/b@sha256:" + "0" * 64]
    return text(path, good, ["", " a", "a b", "-a", "a:", "a\n"], longest="a" * 512)


def quantities(path: str) -> Field:
    """Return a line for amounts of resources."""
    bad = ["", "-1", "1 Gi", "1gi", "x", "1Kii"]
    wrong: list[tuple[Any, str]] = [({"cpu": value}, "should match") for value in bad]
    wrong += [({f"r{n}": 1 for n in range(17)}, "must have at most 16"), ([], "must be of type")]
    good = ["1", "250m", "1.5", "16Gi", "1e3", ".5", 2, 0]
    return field(path, [{}, *({"cpu": value} for value in good)], wrong)


def many(path: str, item: Any, most: int, least: int = 0) -> Field:
    """Return a line for a list; ``item`` is an entry, or a function that makes the n-th."""
    make = item if callable(item) else lambda _: item
    entries = [make(n) for n in range(most + 1)]
    bad: list[tuple[Any, str]] = [(entries, f"must have at most {most} items")]
    bad += [([], f"should have at least {least} items")] if least else []
    return field(path, [entries[:most], *([] if least else [[]])], [*bad, ("x", "must be of type")])


def at(document: Any, path: str, value: Any) -> Any:
    """Return a copy of ``document`` with ``value`` (or REMOVED) at ``path`` (``a.b[0].c``)."""
    result = deepcopy(document)
    steps = [key or int(index) for key, index in STEP.findall(path)]
    place = result
    for step, following in pairwise(steps):
        if isinstance(step, int):
            place = place[step]
        else:
            place = place.setdefault(step, [{}] if isinstance(following, int) else {})
    if value is REMOVED:
        del place[steps[-1]]
    else:
        place[steps[-1]] = value
    return result


def edited(document: Any, edits: Mapping[str, Any]) -> Any:
    """Return a copy of ``document`` with several values set below spec."""
    for path, value in edits.items():
        document = at(document, f"spec.{path}", value)
    return document


def paths(tree: Any, above: str = "") -> Iterable[str]:
    """Yield the path of every key of ``tree``, lists gone through by index."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in pairs:
        here = f"{above}[{key}]" if isinstance(key, int) else f"{above}.{key}".lstrip(".")
        yield here
        if isinstance(value, (dict, list)):
            yield from paths(value, here)


def sample(name: str) -> Tree:
    """Return one of the samples that users start from."""
    document: Tree = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())
    return document


MINIMAL_MODEL = sample("pt-en-minimal")
FULL_MODEL = sample("pt-en-full")
ENGINE = ("engine", "precision", "beamSize", "image")
_SHARED = (
    "sourceLanguage targetLanguage serviceAccountName storage data training evaluation tracking"
)


def run(**spec: Any) -> Tree:
    """Return a TrainingRun."""
    return {
        "apiVersion": "translation.kubeflow.org/v1alpha1",
        "kind": "TrainingRun",
        "metadata": {"name": "pt-en-1"},
        "spec": spec,
    }


MINIMAL_RUN = run(modelRef={"name": "pt-en"})
ALONE = run(
    **{key: MINIMAL_MODEL["spec"][key] for key in _SHARED.split() if key in MINIMAL_MODEL["spec"]},
    training={},
)
FULL_RUN = run(
    modelRef={"name": "pt-en"},
    candidate=True,
    suspend=False,
    serving={key: FULL_MODEL["spec"]["serving"][key] for key in ENGINE},
    **{key: FULL_MODEL["spec"][key] for key in _SHARED.split()},
)
IMPORTING_RUN = run(
    modelRef={"name": "pt-en"},
    **{"import": {"uri": "pvc://models/other/model", "digest": "sha256:" + "0" * 64}},
)
