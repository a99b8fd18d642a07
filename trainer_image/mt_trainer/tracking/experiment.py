"""A training as an experiment tracker sees it, or nothing of it where none is configured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from mt_contract.errors import ProgramError
from mt_trainer.config import Job
from mt_trainer.signals import StoppedError
from mt_trainer.tracking import facts
from mt_trainer.tracking.line import Line
from mt_trainer.tracking.mlflow_run import MlflowRun
from mt_trainer.tracking.outbox import End, Outbox

_PATIENCE = 10.0  # seconds at the end, to deliver what is left
_HASTE = 5.0  # the same, where the process was asked to stop


class Experiment:
    """Passes on what a training tells; a Record."""

    def __init__(self, outbox: Outbox | None) -> None:
        """Tell ``outbox``, or nobody."""
        self._outbox = outbox

    def begin(self, history: Sequence[Line]) -> None:
        """Do nothing: the server has what earlier attempts told, and keeps it."""

    def add(self, line: Line) -> None:
        """Tell a line's metrics."""
        if self._outbox:
            self._outbox.add(line)

    def tell(self, tags: Mapping[str, str]) -> None:
        """Tell what is known now."""
        if self._outbox:
            self._outbox.tell(tags)

    def close(self, end: End) -> None:
        """Tell how it ended, unless the server takes too long."""
        if self._outbox:
            self._outbox.close(end, _HASTE if end is End.KILLED else _PATIENCE)


@contextmanager
def following(job: Job) -> Iterator[Experiment]:
    """Follow a training from its beginning to whatever its end is."""
    with telling(_outbox(job)) as experiment:
        yield experiment


@contextmanager
def telling(outbox: Outbox | None) -> Iterator[Experiment]:
    """Tell ``outbox``, or nobody, of what is done meanwhile, and how it ended."""
    experiment = Experiment(outbox)
    try:
        yield experiment
    except (StoppedError, SystemExit, KeyboardInterrupt):
        experiment.close(End.KILLED)
        raise
    except Exception as error:
        reason = error.reason if isinstance(error, ProgramError) else "InternalError"
        experiment.tell(facts.of_failure(reason, str(error)))
        experiment.close(End.FAILED)
        raise
    experiment.close(End.FINISHED)


def _outbox(job: Job) -> Outbox | None:
    if job.tracking is None or not job.node.leads:
        return None
    parameters = facts.parameters(job.written)
    run = MlflowRun(job.tracking, job.out, job.run, parameters, facts.tags(job))
    return Outbox(f"MLflow at {job.tracking.tracking_uri}", run.deliver)
