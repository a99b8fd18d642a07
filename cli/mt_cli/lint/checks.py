"""All offline checks of a set of manifests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mt_cli.lint import advice, definitions, operator
from mt_cli.lint.cel import Rules
from mt_cli.lint.documents import KINDS, Document
from mt_cli.lint.finding import Finding
from mt_cli.lint.schema import Validator
from mt_contract.names import MODEL_KIND, RUN_KIND
from mt_operator.settings import Settings

Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Checks:
    """The checks; a run's model is looked for among the manifests themselves."""

    rules: Rules
    validators: Mapping[str, Validator]
    settings: Settings
    with_settings: bool
    documents: list[Document]

    @classmethod
    def of(cls, documents: list[Document], settings: str | None) -> Checks:
        """Return the checks of these manifests.

        Args:
            documents: all that are checked together.
            settings: a file of the operator's settings, or None.

        Raises:
            CliError: the settings cannot be read.
        """
        rules = Rules()
        validators = {kind: Validator(definitions.schema(kind), rules) for kind in KINDS}
        sound = [d for d in documents if not validators[d.kind].findings(prepared(d.tree))]
        specs = [document.tree["spec"] for document in sound]
        known = operator.settings_of(settings, specs)
        return cls(rules, validators, known, settings is not None, sound)

    def schema(self, document: Document) -> list[Finding]:
        """Return what the API server would object to."""
        return _place(document) + self.validators[document.kind].findings(prepared(document.tree))

    def beyond_schema(self, document: Document) -> list[Finding]:
        """Return what the operator would object to, and advice; of a valid object."""
        if document not in self.documents:  # the API server knows better than what is shipped here
            return []
        tree, spec = document.tree, document.tree["spec"]
        if document.kind == MODEL_KIND:
            return [*operator.of_model(tree, self.settings), *advice.of_spec(spec)]
        models = {d.name: d.tree for d in self.documents if d.kind == MODEL_KIND}
        return [*operator.of_run(tree, models, self.settings), *advice.of_spec(spec)]

    def unchecked(self) -> list[str]:
        """Return what was not checked, and why."""
        notes = []
        if self.rules.for_changes:
            notes.append("Not checked: what must not change in an object that exists (--server).")
        for rule, why in sorted(self.rules.failed.items()):
            notes.append(f"Not checked (--server does): the rule {rule}: {why}")
        if not self.with_settings:
            told = "whether the platform knows the images, gateways, queries and receivers"
            notes.append(f"Not checked: {told} that are named (--settings).")
        missing = sorted(self._models_elsewhere())
        if missing:
            told = f"runs of {', '.join(missing)}: no such model among these files"
            notes.append(f"Not checked by the operator's decisions: {told}.")
        return notes

    def _models_elsewhere(self) -> set[str]:
        here = {d.name for d in self.documents if d.kind == MODEL_KIND}
        runs = [d.tree["spec"] for d in self.documents if d.kind == RUN_KIND]
        named = {str(spec["modelRef"]["name"]) for spec in runs if spec.get("modelRef")}
        return named - here


def prepared(tree: Tree) -> Tree:
    """Return an object as its rules see it: with a name, where one would be generated."""
    meta = tree.get("metadata")
    if not isinstance(meta, Mapping) or meta.get("name") or not meta.get("generateName"):
        return tree
    return dict(tree) | {"metadata": dict(meta) | {"name": f"{meta['generateName']}xxxxx"}}


def _place(document: Document) -> list[Finding]:
    meta = document.tree.get("metadata")
    if isinstance(meta, Mapping) and (meta.get("name") or meta.get("generateName")):
        return []
    return [Finding("metadata.name", "is required, and missing")]
