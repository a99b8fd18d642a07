"""The subcommand's command line, which needs none of what it loads to be read."""

from __future__ import annotations

import argparse

from mt_corpus.files import TEXT_FORMATS

HELP = "translate files of any size, and go on where it stopped"
EXAMPLES = """examples:
  mt-predictor batch --model ./runs/pt-en-7h2xk/model news.pt.txt --out news.en.txt
  mt-predictor batch --model ./model s3://texts/a.jsonl.zst b.parquet --field pt --out ./translated/

A line that cannot be translated gets an empty translation, and is named in the summary:
OUT.summary.json and standard output. OUT.parts/ holds what is done until all is; the same command
goes on there.

environment (the operator sets it):
  MT_ARTIFACT_DIGEST  the model's digest; not set: any artifact that is whole
  MT_ENGINE           {"engine": "CTranslate2", "precision": "Int8", "beamSize": 4}

exit codes: 0 done · 2 bad configuration · 3 bad data · 5 storage cannot be read or written: again ·
128 and the number of a signal: stopped by it, again · 1 a fault of ours
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--model", required=True, help="the artifact: a path, or pvc://")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="files: paths, pvc://, s3://, …")
    parser.add_argument("--out", required=True, help="file, or folder for several: path, or pvc://")
    formats = "of the input (default: Auto, by its name and content)"
    parser.add_argument("--format", choices=TEXT_FORMATS, default="Auto", help=formats)
    parser.add_argument(
        "--field", default="source", help="where JSONL and Parquet have the text (default: source)"
    )
    parser.add_argument("--beam-size", type=int, help="default: MT_ENGINE's, else 4")
    anew = parser.add_mutually_exclusive_group()
    anew.add_argument(
        "--fresh", action="store_const", const="", help="begin anew, whatever is there"
    )
    anew.add_argument(
        "--fresh-for", dest="fresh", metavar="WORD", help="the same, once for each word"
    )
