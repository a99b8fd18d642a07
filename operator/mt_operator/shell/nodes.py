"""The pods of one Job, several of which may train together: which of them tells what of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mt_contract.names import ExitCode
from mt_operator.core.observed import Tree

INDEX = "batch.kubernetes.io/job-completion-index"  # annotation that Kubernetes sets on the pods
_FINAL = frozenset({ExitCode.BAD_CONFIGURATION, ExitCode.BAD_DATA, ExitCode.DIVERGED})


def nodes_of(job: Tree) -> int:
    """Return how many pods of a Job work at the same time."""
    return int((job.get("spec") or {}).get("completions") or 1)


def by_index(pods: Iterable[Tree]) -> dict[int, list[Tree]]:
    """Return the pods of each index, in the order given; those of a plain Job have index 0."""
    found: dict[int, list[Tree]] = {}
    for pod in pods:
        index = str((pod["metadata"].get("annotations") or {}).get(INDEX, ""))
        found.setdefault(int(index) if index.isdecimal() else 0, []).append(pod)
    return dict(sorted(found.items()))


def first_cause(ends: Sequence[Tree]) -> dict[str, Any]:
    """Return the end that tells why pods failed that take each other down.

    Whoever ended for good decided for all; who only misses another knows nothing of it; of the
    rest, whoever can say why, else whoever was first.

    Args:
        ends: the ``terminated`` state of the newest container that ended, of each index.
    """

    def rank(end: Tree) -> tuple[bool, bool, bool, str]:
        code = end.get("exitCode")
        said, when = bool(end.get("message")), str(end.get("finishedAt") or "")
        return code not in _FINAL, code == ExitCode.NODE_LOST, not said, when

    failed = [dict(end) for end in ends if end.get("exitCode")]
    return min(failed, key=rank, default={})
