"""Print docs/cli.md, made from the commands' own words (`make docs`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mt_cli.__main__ import COMMANDS
from mt_cli.arguments import parser, parser_of, shared
from mt_cli.command import Command
from mt_cli.errors import Code

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
WIDTH = "100"
HEAD = """\
<!-- Made by `make docs` from cli/mt_cli: edit that. -->
# kubectl translation

A plugin of kubectl: looks at TranslationModels and TrainingRuns, acts on them, and checks them
before they are applied. Put `bin/` of a checkout on PATH; the first call makes its environment
(Python 3.11). `kubectl translation` finds it there, and so does the shell's completion of kubectl.

- It reads the kubeconfig that kubectl reads, credential plugins included.
- On a terminal it draws tables in colours; elsewhere it prints plain lines, and with `-o json` or
  `-o yaml` the objects themselves, or a value that holds what the table does.
- An action is one annotation, `translation.kubeflow.org/<action>: <target>/<time>`, which
  `kubectl annotate` or Git can write as well. The command finds the target, refuses early what the
  operator would only ignore, and with `--wait` tells what became of it.
- `translate` asks the endpoint; `batch` starts a Job for files of any size: [Bulk](batch.md).
- `lint` needs no cluster: it holds a manifest against the schema and its rules, asks the
  operator's own decisions, and gives advice about gates. It says what it did not check.
"""
RIGHTS = """\
## Who may promote and bless

Whoever may patch a TranslationModel may annotate it. Two kinds of actions need more, where
`manifests/base/admission` is installed (a ValidatingAdmissionPolicy, Kubernetes 1.30 or later):

| annotation | verb on translationmodels | ClusterRoles that have it |
| --- | --- | --- |
| `promote` (`full/` too), `rollback` | `promote` | `translation-promoter`, `translation-admin` |
| `bless` | `bless` | `translation-admin` |
| `abort`, `retry`, `pause`, `resume`, `retrain` | none | `translation-edit` is enough |

The API server asks its authorizer about the author of the change. An annotation that comes with a
new object is judged, too; removing one, or leaving it as it is, needs nothing. A GitOps tool is the
author of what it applies: who may merge decides there. `translation-promoter` is part of
Kubernetes' and Kubeflow's edit. Where nobody may approve what they wrote themselves, take its
aggregation labels away, and bind it to those who approve.
"""


def page() -> Iterator[str]:
    """Yield the parts of the page."""
    yield HEAD
    yield f"```\n{parser(COMMANDS).format_help().rstrip()}\n```\n"
    codes = "\n".join(f"| {int(code)} | {code.meaning} |" for code in Code)
    yield f"## Exit codes\n\n| code | meaning |\n| --- | --- |\n{codes}\n"
    yield f"## What every command takes\n\n```\n{_shared()}\n```\n"
    yield RIGHTS
    yield "## Commands\n"
    for command in COMMANDS:
        yield _section(command)


def _shared() -> str:
    return shared().format_help().partition("where and how:\n")[2].rstrip()


def _section(command: Command) -> str:
    """Return a command's help, without what every command takes."""
    text = parser_of(command, alone=True).format_help().removeprefix("usage: ")
    return f"### {command.name}\n\n```\n{text.rstrip()}\n```\n"


if __name__ == "__main__":
    os.environ["COLUMNS"] = WIDTH
    sys.stdout.write("\n".join(page()))
