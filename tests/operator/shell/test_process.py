"""Starting: the command line, settings that cannot be read, kinds that are not served yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mt_contract import names
from mt_operator.__main__ import main, parser
from mt_operator.shell import kinds, process
from mt_operator.shell.api import RESOURCES
from mt_operator.shell.errors import RefusedError, UnavailableError
from mt_operator.shell.kinds import definition_of, wait_for_kinds
from mt_operator.shell.process import Options


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(None, "No such file", id="missing"),
        pytest.param("{}", "images: is required", id="empty"),
        pytest.param("images: {trainer: a}", "images.predictor: is required", id="half"),
        pytest.param("images: [", "settings.yaml", id="not YAML"),
        pytest.param("- a", "expected an object", id="a list"),
    ],
)
def test_settings_that_cannot_be_read_end_it_with_a_message(
    text: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "settings.yaml"
    if text is not None:
        path.write_text(text)
    assert main(["--settings", str(path)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert str(path) in said


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--help"])
    assert "examples:" in capsys.readouterr().out


def options(**changed: Any) -> Options:
    given = {"namespaces": (), "host": "", "port": 0, "workers": 1}
    lease = {"lease_namespace": "n", "lease_name": "l", "lease_seconds": 15.0}
    return Options(**(given | lease | changed))


def test_pod_leads_in_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAME", "mt-operator-abc")
    assert process.term(options()).identity == "mt-operator-abc"


def test_two_processes_on_one_machine_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POD_NAME", raising=False)
    assert process.term(options()).identity != process.term(options()).identity


class Discovery:
    """An API server that serves one kind more at every look."""

    def __init__(self, defined: set[str], later: list[str], error: Exception | None = None) -> None:
        self.defined = defined
        self.later = later
        self.error = error
        self.looks = 0

    async def definitions(self) -> frozenset[str]:
        if isinstance(self.error, RefusedError):
            raise self.error
        return frozenset(self.defined)

    async def served(self, api_version: str) -> frozenset[str]:
        self.looks += 1
        if isinstance(self.error, UnavailableError):
            error, self.error = self.error, None
            raise error
        missing = set(self.later)
        if self.later and self.looks % 2 == 0:
            self.later.pop()
        return frozenset(resource.plural for resource in RESOURCES.values()) - missing


@pytest.mark.parametrize(
    ("discovery", "looks"),
    [
        pytest.param(Discovery(set(), []), 2, id="all there, and nothing of others"),
        pytest.param(Discovery(set(), ["trainingruns"]), 4, id="our own come later"),
        pytest.param(Discovery(set(), ["httproutes"]), 2, id="others' are not even defined"),
        pytest.param(
            Discovery({definition_of("HTTPRoute")}, ["httproutes", "httproutes"]),
            6,
            id="others' are defined, and served later",
        ),
        pytest.param(Discovery(set(), [], RefusedError("no")), 2, id="may not see definitions"),
        pytest.param(Discovery(set(), [], UnavailableError("down")), 3, id="server is down"),
    ],
)
async def test_watching_begins_when_all_kinds_are_served(
    discovery: Any, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "SECONDS", 0.0)
    await wait_for_kinds(discovery)
    assert discovery.looks == looks
    assert definition_of(names.RUN_KIND) == "trainingruns.translation.kubeflow.org"


async def test_kind_that_comes_later_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "LATER_SECONDS", 0.0)
    discovery: Any = Discovery(set(), ["httproutes", "httproutes"])
    known = await kinds.served_kinds(discovery)
    assert known == {definition_of("InferenceService")}
    assert await kinds.new_kind(discovery, known) == definition_of("HTTPRoute")
