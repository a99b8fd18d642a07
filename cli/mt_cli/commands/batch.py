"""batch: files of any size through what is in production, by a Job in the model's namespace."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from mt_cli.bulk.asked import ANNOTATION_OUTPUT, MEMORY, Asked, read_asked
from mt_cli.bulk.following import summaries, wait
from mt_cli.cluster import created, holds, name_of, status_of
from mt_cli.command import Command, model_name
from mt_cli.errors import ApiError, CliError, Code
from mt_cli.output import Answer, Facts, Table, Text
from mt_cli.session import Session
from mt_contract import names

Tree = Mapping[str, Any]
CONFLICT = 409
FORMATS = ("Auto", "Lines", "TSV", "JSONL", "Parquet")
COLUMNS = ("output", "lines", "empty", "failed", "seconds")


def run(session: Session, args: Namespace) -> Code:
    """Start a Job that translates files; with --wait, until it is over."""
    asked = read_asked(args)
    model = session.cluster.model(args.name)
    production = _production(model)
    job = _create(session, model, asked)
    name = name_of(job)
    value = {
        "job": name,
        "namespace": session.cluster.namespace,
        "revision": production["revision"],
        "inputs": list(asked.inputs),
        "output": asked.output,
    }
    if not args.wait:
        session.out.show(Answer(value, _started(session, value)))
        return Code.DONE
    session.out.note(f"job {name} translates with {production['revision']}")
    wait(session, name, args.timeout)
    told = summaries(session, name)
    rows = tuple(tuple(str(one.get(key, "")) for key in COLUMNS) for one in told)
    done = (Table(COLUMNS, rows, empty=f"{asked.output} is written"),)
    session.out.show(Answer(value | {"summaries": told}, done))
    return Code.DONE


def _production(model: Tree) -> Tree:
    """Return the production revision.

    Raises:
        CliError: there is none.
    """
    name, found = name_of(model), status_of(model).get("production") or {}
    if found.get("artifact") and (found.get("engine") or {}).get("image"):
        production: Tree = found
        return production
    raise CliError(
        f"{name} has no revision in production, so there is nothing to translate with: "
        f"`kubectl translation status {name}` shows how far it is.",
        Code.NOT_NOW,
    )


def _create(session: Session, model: Tree, asked: Asked) -> Tree:
    """Return the new Job.

    Raises:
        CliError: another one writes to the same place just now.
    """
    from mt_cli.bulk.job import batch_job  # takes the operator's core along

    path = f"/apis/batch/v1/namespaces/{session.cluster.namespace}/jobs"
    ours = f"{names.LABEL_MODEL}={name_of(model)},{names.LABEL_STAGE}={names.Stage.BATCH}"
    jobs: Sequence[Tree] = session.cluster.kube.get(path, labelSelector=ours)["items"]
    same = sorted((job for job in jobs if _output(job) == asked.output), key=created)
    if busy := next((job for job in same if not _is_over(job)), None):
        raise _busy(name_of(busy), asked)
    manifest = batch_job(model, asked, name_of(same[-1]) if same else "")
    try:
        return session.cluster.kube.post(path, manifest, fieldManager="kubectl-translation")
    except ApiError as error:
        if error.status != CONFLICT:
            raise
        raise _busy(name_of(manifest), asked) from error


def _busy(name: str, asked: Asked) -> CliError:
    return CliError(
        f"job {name} writes {asked.output} just now: `kubectl logs --follow job/{name}` shows how "
        f"far it is; to end it, `kubectl delete job {name}`. What is done is kept.",
        Code.NOT_NOW,
    )


def _output(job: Tree) -> str:
    return str((job["metadata"].get("annotations") or {}).get(ANNOTATION_OUTPUT, ""))


def _is_over(job: Tree) -> bool:
    return holds(job, "Complete") or holds(job, "Failed")


def _started(session: Session, value: Tree) -> tuple[Facts, Text]:
    where = f"-n {value['namespace']}"
    facts = (
        ("job", str(value["job"])),
        ("translates with", str(value["revision"])),
        ("output", str(value["output"])),
        ("follow it", f"kubectl logs {where} --follow job/{value['job']}"),
        ("wait for it", f"kubectl wait {where} --for=condition=Complete job/{value['job']}"),
    )
    todo = "A Job that fails is begun again by the same command, and goes on where it stopped."
    return Facts(facts), Text(todo)


def _arguments(parser: ArgumentParser) -> None:
    model_name(parser)
    parser.add_argument(
        "--input",
        action="append",
        required=True,
        metavar="URI",
        help="pvc://, s3://, gs://, https:// or hf://; may be given several times",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="URI",
        help="pvc://<claim>/<path>: a file, or for several inputs a folder",
    )
    parser.add_argument("--format", choices=FORMATS, help="of the inputs; not given: as they are")
    parser.add_argument(
        "--field", metavar="NAME", help="of JSONL and Parquet with the text; not given: source"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="begin anew, whatever is there of another run"
    )
    parser.add_argument("--cpu", metavar="NUMBER", help="not given: whatever the node has left")
    parser.add_argument("--memory", metavar="SIZE", default=MEMORY, help="(default: %(default)s)")
    parser.add_argument(
        "--wait", action="store_true", help="show how far it is, until the Job is over"
    )
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="of --wait; not given: as long as it takes"
    )


COMMAND = Command(
    "batch",
    "translate files of any size with what is in production",
    run,
    (
        "batch pt-en --input pvc://texts/news.txt --out pvc://texts/news.en.txt",
        "batch pt-en --input s3://texts/a.jsonl.zst --field pt --out pvc://texts/a.jsonl --wait",
        "batch pt-en --input pvc://texts/a.tsv --input pvc://texts/b.tsv --out pvc://texts/en/",
    ),
    _arguments,
    "A Job in the model's namespace does it. One that is stopped or fails goes on where it was,\n"
    "by itself or by the same command. A line that cannot be translated is empty, and is named\n"
    "in the summary beside the output.",
    "translationmodels",
)
