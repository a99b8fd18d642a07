"""``python -m mt_predictor``: the command line of all subcommands; the work is done elsewhere."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from mt_contract import names, report
from mt_contract.errors import ProgramError
from mt_contract.names import ExitCode
from mt_contract.report import Failure
from mt_predictor import settings
from mt_predictor.bulk import arguments as batch
from mt_predictor.settings import Environment

_log = logging.getLogger("mt_predictor")
_SERVE = """examples:
  mt-predictor serve --model_name pt-en --model_dir ./runs/pt-en-7h2xk/model
  curl localhost:8080/v1/models/pt-en:predict -d '{"instances": ["Olá mundo"]}'
  (docs/serving.md has more: options, errors, limits, KServe's client and Triton's)

environment (the operator sets it):
  MT_MODEL_DIR        the artifact, where --model_dir is not given (/mnt/models)
  MT_ARTIFACT_DIGEST  its digest; not set: any artifact that is whole
  MT_ENGINE           {"engine": "CTranslate2", "precision": "Int8", "beamSize": 4}
  MT_SERVING          {"maxBatchTokens": 4096, "maxBatchDelay": "5ms", "maxQueue": 512}
  MT_REQUEST_LOG      {"sink": "http://…", "mode": "All", "sample": "1", "inferenceService": …,
                      "namespace": …}; not set: nothing is logged
  MT_REVISION, MT_RUN names that metrics show
  MT_DRAIN_SECONDS    how long to go on answering after SIGTERM (5)
"""
_EVALUATE = """example:
  DIGEST=sha256:$(sha256sum < ./runs/r1/model/manifest.json | cut -c1-64)
  MT_RUN=r1 MT_OUTPUT=./runs/r1 \\
  MT_ARTIFACT='{"uri": "./runs/r1/model", "digest": "'$DIGEST'"}' \\
  MT_EVALUATION='{"test": [{"uri": "./test.tsv"}], "confidence": "0.95", "seed": 1}' \\
  mt-predictor evaluate

It prints the scores, and leaves them and every translation in ./runs/r1/evaluation, with a report
for people (docs/report.md). A test file has a sentence and its translation a line, tab between.

environment (the operator sets it):
  MT_RUN, MT_OUTPUT   the run and its folder; results go to its evaluation/
  MT_ARTIFACT         {"uri": …, "digest": …}
  MT_BASELINE         the same and its "engine", or not set
  MT_EVALUATION       {"test": [{"uri", "slice"}], "confidence", "comparisons": [{"metric",
                      "slice"}], "seed"}
  MT_ENGINE           what will serve (see serve --help)
"""
_PROBE = """example:
  MT_OUTPUT=./runs/r1 MT_URL=http://localhost:8080 MT_MODEL=pt-en MT_REQUESTS=50 MT_SEED=1 \\
  mt-predictor probe

environment (the operator sets it):
  MT_OUTPUT           folder of the run whose evaluation/translations.jsonl is replayed
  MT_URL, MT_MODEL    base URL of the revision, and the model's name in its paths
  MT_REQUESTS         how many sentences are sent
  MT_SEED             of their choice
  MT_WAIT_SECONDS     how long an endpoint may refuse connections or be overloaded (60)
"""
_TRAFFIC = """example:
  MT_OUTPUT=./runs/r1 MT_URLS='["http://localhost:8080"]' MT_MODEL=pt-en MT_RATE=2 \\
  mt-predictor traffic

environment (the operator sets it):
  MT_OUTPUT           folder of the run whose evaluation/translations.jsonl is replayed
  MT_URLS, MT_MODEL   base URLs of the revisions, and the model's name in their paths
  MT_RATE             requests a second, to each of them
"""
_COLLECT = """example:
  MT_RUN=r1 MT_OUTPUT=./runs/r1 mt-predictor collect evaluate

environment (the operator sets it):
  MT_RUN, MT_OUTPUT   the run and its folder
"""
_TRANSLATE = """examples:
  mt-predictor translate --model ./runs/pt-en-7h2xk/model "Olá mundo"
  mt-predictor translate --model ./model --beam-size 1 < sentences.txt

environment:
  MT_ENGINE           {"engine": "CTranslate2", "precision": "Int8", "beamSize": 4}

A translation a line goes to standard output; files of any size are for `mt-predictor batch`.
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    top = argparse.ArgumentParser("mt-predictor", description=__doc__.split(":")[0])
    top.description = "Serves a translation artifact, and evaluates it with the same engine."
    top.epilog = "mt-predictor COMMAND --help shows examples."
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, epilog: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    serve = add("serve", "answer translation requests (KServe V1 and V2, REST and gRPC)", _SERVE)
    serve.add_argument("--model_name", required=True, metavar="NAME", help="the name in URLs")
    serve.add_argument("--model_dir", metavar="FOLDER", help="the artifact; default: MT_MODEL_DIR")
    for name, port, text in (
        ("http", names.HTTP_PORT, "V1 and V2"),
        ("grpc", names.GRPC_PORT, "V2; 0: no gRPC"),
        ("metrics", names.METRICS_PORT, "Prometheus; 0: only at /metrics of the endpoint"),
    ):
        told = f"{text} (default: {port})"
        serve.add_argument(f"--{name}_port", type=int, default=port, metavar="PORT", help=told)
    add("evaluate", "translate the test sentences, score them, compare with a baseline", _EVALUATE)
    add("probe", "send held-out sentences to a revision, compare with evaluation", _PROBE)
    add("traffic", "send held-out sentences at a steady rate, until it is stopped", _TRAFFIC)
    collect = add("collect", "say again what a Job left in its run's folder", _COLLECT)
    collect.add_argument("stage", choices=["train", "evaluate"])
    translate = add("translate", "translate on this machine, without a server", _TRANSLATE)
    translate.add_argument("--model", required=True, help="the artifact: a run's model/ folder")
    translate.add_argument("--beam-size", type=int, help="default: MT_ENGINE's, else 4")
    translate.add_argument("text", nargs="*", help="texts; none: lines of standard input")
    batch.configure(add("batch", batch.HELP, batch.EXAMPLES))
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; return its exit code, and leave its failure in the termination log."""
    arguments = parser().parse_args(argv)
    level = logging.WARNING if arguments.command == "translate" else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # metrics count requests
    env = settings.environment()
    try:
        _run(arguments, env)
    except ProgramError as error:
        return _failed(error.reason, str(error), error.exit_code, env)
    except Exception as error:
        _log.exception("unforeseen")
        return _failed("InternalError", f"{type(error).__name__}: {error}", ExitCode.INTERNAL, env)
    return 0


def _run(arguments: argparse.Namespace, env: Environment) -> None:
    # Imported late: each subcommand loads only what it needs, and serving has to be quick.
    match arguments.command:
        case "serve":
            from mt_predictor import serve

            serve.run(arguments, env)
        case "evaluate":
            from mt_predictor import evaluate

            evaluate.run(env)
        case "probe":
            from mt_predictor import probe

            probe.run(env)
        case "traffic":
            from mt_predictor import traffic

            traffic.run(env)
        case "collect":
            from mt_predictor import collect

            collect.run(arguments.stage, env)
        case "batch":
            from mt_predictor.bulk import command

            command.batch(arguments, env)
        case _:
            from mt_predictor import translate

            translate.run(arguments, env)


def _failed(reason: str, message: str, exit_code: int, env: Environment) -> int:
    _log.error("%s: %s", reason, message)
    try:
        report.write(Failure(reason, message), settings.termination_log(env))
    except OSError as error:
        _log.error("the termination log cannot be written: %s", error.strerror)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
