"""lint says what an API server says: the tables that one was held against, offline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.crds import test_fields, test_rules
from tests.crds.cases import ALONE, MINIMAL_MODEL, MINIMAL_RUN, REMOVED, Tree, at, edited

from mt_cli.lint import definitions
from mt_cli.lint.cel import Rules
from mt_cli.lint.checks import prepared
from mt_cli.lint.documents import KINDS
from mt_cli.lint.schema import Validator

RULES = Rules()
VALIDATORS = {kind: Validator(definitions.schema(kind), RULES) for kind in KINDS}


def messages(document: Tree) -> list[str]:
    found = VALIDATORS[document["kind"]].findings(prepared(document))
    return [finding.message for finding in found]


def rules() -> Iterator[Any]:
    tables = (
        (test_rules.MODEL_RULES, MINIMAL_MODEL),
        (test_rules.ALONE_RULES, ALONE),
        (test_rules.RUN_RULES, MINIMAL_RUN),
    )
    for table, document in tables:
        for line in table:
            edits, expected = line.values
            yield pytest.param(document, edits, expected, id=f"{document['kind']}: {line.id}")


@pytest.mark.parametrize(("document", "edits", "expected"), list(rules()))
def test_rules_of_more_than_one_field(document: Tree, edits: Tree, expected: str) -> None:
    found = messages(edited(document, edits))
    assert bool(found) == bool(expected), found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_value_of_every_field() -> None:
    for line in test_fields.good():
        document, edits = line.values
        assert messages(edited(document, edits)) == [], line.id
    for line in test_fields.bad():
        document, edits, _, _ = line.values
        assert messages(edited(document, edits)), line.id
    for line in test_fields.removals():
        document, path, message = line.values
        assert bool(messages(at(document, f"spec.{path}", REMOVED))) == bool(message), line.id


def test_no_rule_was_beyond_this_machine() -> None:
    for kind, document in (("TranslationModel", test_fields.FULL_MODEL), ("TrainingRun", ALONE)):
        rules = Rules()
        assert Validator(definitions.schema(kind), rules).findings(document) == []
        assert rules.failed == {}
        assert len(rules.checked) >= 10
        assert rules.for_changes
