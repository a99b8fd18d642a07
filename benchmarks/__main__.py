"""``python -m benchmarks analysis``: runs one benchmark."""

from __future__ import annotations

import argparse
import importlib

NAMES = (
    "analysis",
    "flips",
    "gate",
    "serving-engine",
    "serving-http",
    "serving-poison",
    "training-quality",
    "training-scale",
    "training-throughput",
)


def main() -> None:
    """Run the benchmark that is named."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full length (CI)")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    module = importlib.import_module(f"benchmarks.{asked.name.replace('-', '_')}")
    module.run(asked.scale, asked.processes)


if __name__ == "__main__":
    main()
