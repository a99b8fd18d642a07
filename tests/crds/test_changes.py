"""What may be changed once it is there, against a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.crds.apiserver import Api
from tests.crds.cases import (
    ALONE,
    FULL_MODEL,
    FULL_RUN,
    IMPORTING_RUN,
    MINIMAL_MODEL,
    MINIMAL_RUN,
    REMOVED,
    Tree,
    at,
    edited,
)

pytestmark = pytest.mark.apiserver
NAMES = {
    "a model": MINIMAL_MODEL,
    "a full model": FULL_MODEL,
    "a run": MINIMAL_RUN,
    "a full run": FULL_RUN,
    "a run alone": ALONE,
    "an import": IMPORTING_RUN,
}


@pytest.fixture(scope="module")
def stored(api: Api) -> Iterator[dict[str, Tree]]:
    """Yield objects that stand in the API server, by what they are; they go in the end."""
    objects = {}
    for what, document in NAMES.items():
        named = at(document, "metadata.name", "changed-" + what.replace(" ", "-"))
        api.delete(named)
        answer = api.create(named, dry_run=False)
        assert answer.accepted, answer.message
        objects[what] = answer.body
    yield objects
    for body in objects.values():
        api.delete(body)


def case(what: str, edits: Tree, expected: str) -> Any:
    shown = ", ".join(
        f"{path} removed" if value is REMOVED else f"{path} = {value}"
        for path, value in edits.items()
    )
    return pytest.param(what, edits, expected, id=f"{what}: {shown}")


LANGUAGE = "create another TranslationModel for another pair of languages"
OTHER_GATES = [{"name": "other", "metric": "BLEU", "max": "1"}]
CHANGES = [
    case("a model", {"sourceLanguage": "es"}, LANGUAGE),
    case("a model", {"targetLanguage": "de"}, LANGUAGE),
    case("a model", {"sourceLanguage": "PT"}, LANGUAGE),
    case("a model", {"sourceLanguage": REMOVED}, "Required value"),
    case("a model", {"targetLanguage": REMOVED}, "Required value"),
    case("a model", {"suspend": True}, ""),
    case("a model", {"storage.uri": "s3://b/c"}, ""),
    case("a model", {"data.train": [{"uri": "pvc://c/more.tsv"}]}, ""),
    case("a model", {"training.seed": 1}, ""),
    case("a model", {"evaluation.gates": OTHER_GATES}, ""),
    case("a model", {"serving.replicas.max": 3}, ""),
    case("a full model", {"training": REMOVED}, ""),
    case("a full model", {"rollout": REMOVED, "retrain": REMOVED, "alerts": REMOVED}, ""),
    case("a run", {"suspend": True}, ""),
    case("a full run", {"suspend": True}, ""),
    case("a full run", {"suspend": REMOVED}, ""),
    # One field of every kind is set where there was none.
    case("a run", {"candidate": True}, "candidate is immutable"),
    case("a run", {"sourceLanguage": "pt"}, "sourceLanguage is immutable"),
    case("a run", {"targetLanguage": "en"}, "targetLanguage is immutable"),
    case("a run", {"serviceAccountName": "a"}, "serviceAccountName is immutable"),
    case("a run", {"storage.uri": "pvc://a"}, "storage is immutable"),
    case("a run", {"data": {}}, "data is immutable"),
    case("a run", {"training": {}}, "training is immutable"),
    case("a run", {"import.uri": "pvc://a"}, "import is immutable"),
    case("a run", {"evaluation": {}}, "evaluation is immutable"),
    case("a run", {"serving": {}}, "serving is immutable"),
    case("a run", {"tracking": {}}, "tracking is immutable"),
    case("a run alone", {"modelRef.name": "a"}, "modelRef is immutable"),
    # It is changed,
    case("a full run", {"modelRef.name": "other"}, "modelRef is immutable"),
    case("a full run", {"candidate": False}, "candidate is immutable"),
    case("a full run", {"sourceLanguage": "es"}, "sourceLanguage is immutable"),
    case("a full run", {"targetLanguage": "de"}, "targetLanguage is immutable"),
    case("a full run", {"serviceAccountName": "a"}, "serviceAccountName is immutable"),
    case("a full run", {"storage.uri": "pvc://a"}, "storage is immutable"),
    case("a full run", {"data.test[0].slice": "other"}, "data is immutable"),
    case("a full run", {"training.seed": 43}, "training is immutable"),
    case("a full run", {"training.resources.limits.memory": "1Gi"}, "training is immutable"),
    case("a full run", {"training.nodeSelector.b": "c"}, "training is immutable"),
    case("a full run", {"training.tolerations": []}, "training is immutable"),
    case("a full run", {"training.env[0].value": "x"}, "training is immutable"),
    case("a full run", {"evaluation.gates[0].min": "41"}, "evaluation is immutable"),
    case("a full run", {"serving.beamSize": 1}, "serving is immutable"),
    case("a full run", {"tracking.mlflow.experiment": "x"}, "tracking is immutable"),
    case("an import", {"import.uri": "pvc://a"}, "import is immutable"),
    case("an import", {"import.digest": REMOVED}, "import is immutable"),
    # or taken away, so that it cannot be added again with another value either.
    case("a full run", {"modelRef": REMOVED, "candidate": REMOVED}, "modelRef is immutable"),
    case("a full run", {"candidate": REMOVED}, "candidate is immutable"),
    case("a full run", {"sourceLanguage": REMOVED}, "sourceLanguage is immutable"),
    case("a full run", {"targetLanguage": REMOVED}, "targetLanguage is immutable"),
    case("a full run", {"serviceAccountName": REMOVED}, "serviceAccountName is immutable"),
    case("a full run", {"storage": REMOVED}, "storage is immutable"),
    case("a full run", {"data": REMOVED}, "data is immutable"),
    case("a full run", {"data.checks.minPairs": REMOVED}, "data is immutable"),
    case("a full run", {"training": REMOVED}, "training is immutable"),
    case("a full run", {"training.seed": REMOVED}, "training is immutable"),
    case("a full run", {"evaluation": REMOVED}, "evaluation is immutable"),
    case("a full run", {"serving": REMOVED}, "serving is immutable"),
    case("a full run", {"tracking": REMOVED}, "tracking is immutable"),
    case("an import", {"import": REMOVED, "training": {}}, "import is immutable"),
]


@pytest.mark.parametrize(("what", "edits", "expected"), CHANGES)
def test_a_change(api: Api, stored: dict[str, Tree], what: str, edits: Tree, expected: str) -> None:
    answer = api.replace(edited(stored[what], edits))
    assert answer.accepted == (not expected), answer.message or "it was accepted"
    assert expected in answer.message


def test_a_refused_change_says_where_it_is(api: Api, stored: dict[str, Tree]) -> None:
    answer = api.replace(edited(stored["a full run"], {"training.seed": 1}))
    causes = answer.body["details"]["causes"]
    assert [cause["field"] for cause in causes] == ["spec.training"]


def test_a_whole_spec_cannot_be_taken_away(api: Api, stored: dict[str, Tree]) -> None:
    for body in stored.values():
        assert "spec: Required value" in api.replace(at(body, "spec", REMOVED)).message


def test_gates_in_another_order_are_the_same_run(api: Api, stored: dict[str, Tree]) -> None:
    gates = stored["a full run"]["spec"]["evaluation"]["gates"]
    edits = {"evaluation.gates": gates[::-1]}
    assert api.replace(edited(stored["a full run"], edits)).message == ""


def test_two_owners_apply_gates_of_their_own(api: Api) -> None:
    """Lists with names merge: a platform adds a gate without owning the team's."""
    team = at(MINIMAL_MODEL, "metadata.name", "applied-by-two")
    platform = {key: team[key] for key in ("apiVersion", "kind", "metadata")} | {
        "spec": {"evaluation": {"gates": [{"name": "floor", "metric": "BLEU", "min": "5"}]}}
    }
    try:
        for owner, document in (("team", team), ("platform", platform), ("team", team)):
            answer = api.patch(team, document, how="apply", fieldManager=owner)
            assert answer.accepted, answer.message
        names = [gate["name"] for gate in answer.body["spec"]["evaluation"]["gates"]]
        assert sorted(names) == ["floor", "quality"]
    finally:
        api.delete(team)


def longest(kind: str, n: int = 0) -> str:
    """Return a value of the greatest length, another for each ``n``."""
    start, most = {
        "uri": ("pvc://a/", 1024),
        "slice": ("s", 32),
        "name": ("g", 63),
        "env": ("E", 128),
    }[kind]
    return f"{start}{n}" + "x" * (most - len(f"{start}{n}"))


def test_the_largest_spec_can_be_checked_and_changed(api: Api) -> None:
    """CEL has a budget: a spec that uses all the room there is must stay within it."""
    uris = [{"uri": longest("uri", n), "targetUri": longest("uri", n)} for n in range(64)]
    test = [file | {"slice": longest("slice", n)} for n, file in enumerate(uris[:16])]
    gates = [
        {
            "name": longest("name", n),
            "metric": "chrF",
            "slice": longest("slice", n % 16),
            "min": "-123456789.123456789",
            "max": "+123456789.123456789",
            "minDelta": "-123456789.123456789",
            "maxDelta": "+123456789.123456789",
        }
        for n in range(24)
    ]
    env = [{"name": longest("env", n), "value": "v" * 4096} for n in range(32)]
    edits = {
        "data": {"format": "Parallel", "train": uris, "validation": uris, "test": test},
        "evaluation.gates": gates,
        "training.env": env,
        "training.nodeSelector": {f"k{n}": "v" * 63 for n in range(16)},
    }
    steps = [{"setWeight": n} for n in range(1, 24)] + [{"setWeight": 100}]
    for document, more in ((FULL_MODEL, {"rollout.steps": steps}), (FULL_RUN, {})):
        named = edited(at(document, "metadata.name", "largest"), edits | more)
        answer = api.create(named, dry_run=False)
        try:
            assert answer.accepted, answer.message
            suspended = api.replace(edited(answer.body, {"suspend": True}))
            assert suspended.accepted, suspended.message
        finally:
            api.delete(named)
