"""One run of an MLflow server, which all attempts at a training share."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mt_contract import names, storage
from mt_trainer.config import Tracking
from mt_trainer.tracking import facts
from mt_trainer.tracking.outbox import Mail

if TYPE_CHECKING:
    from mlflow.entities import Param, Run, RunTag
    from mlflow.tracking import MlflowClient

# What the client library reads. A user's own values win (spec.training.env).
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",  # seconds
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # the outbox tries again, and later
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing is told to anybody but this server
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # ours are the lines of standard output
}


class MlflowRun:
    """Delivers to the server; called from one thread only."""

    def __init__(
        self,
        tracking: Tracking,
        folder: Path,
        name: str,
        parameters: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> None:
        """Take note of the run; nothing is asked of the server before the first delivery.

        Args:
            tracking: the server and the experiment's name.
            folder: of the training, which remembers the server's run.
            name: of the server's run.
            parameters: of the recipe, by path.
            tags: known from the beginning; by ``facts.IDENTITY`` the run is found again.
        """
        self._tracking, self._path, self._name = tracking, folder / names.MLFLOW_RUN, name
        self._parameters, self._tags = parameters, tags
        self._client: MlflowClient | None = None
        self._run_id: str | None = None
        self._told = -1  # the last step that the server has

    def deliver(self, mail: Mail) -> None:
        """Bring the server up to date.

        Raises:
            Exception: of any kind, by the client library: it was not (or not all) delivered.
        """
        client = self._client = self._client or _connect(self._tracking.tracking_uri)
        from mlflow.entities import Metric

        run_id = self._run_id = self._run_id or self._begin(client)
        lines = [line for line in mail.lines if line.step > self._told]
        client.log_batch(
            run_id,
            metrics=[
                Metric(name, value, round(1000 * line.time.timestamp()), line.step)
                for line in lines
                for name, value in line.metrics.items()
            ],
            tags=_tags(mail.tags),
        )
        self._told = max([self._told, *(line.step for line in lines)])
        if mail.end:
            client.set_terminated(run_id, status=mail.end)

    def _begin(self, client: MlflowClient) -> str:
        """Return the id of the server's run: an earlier attempt's, or a new one."""
        experiment = _experiment(client, self._tracking.experiment)
        found = self._remembered(client) or self._found(client, experiment)
        if found is None:
            found = client.create_run(experiment, tags=dict(self._tags), run_name=self._name)
        run_id = str(found.info.run_id)
        self._remember(run_id, experiment)
        client.update_run(run_id, status="RUNNING")
        client.log_batch(run_id, params=_params(self._parameters), tags=_tags(self._tags))
        if "loss" in found.data.metrics:
            history = client.get_metric_history(run_id, "loss")
            self._told = max((metric.step for metric in history), default=-1)
        return run_id

    def _remembered(self, client: MlflowClient) -> Run | None:
        from mlflow.exceptions import MlflowException

        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
            if known["trackingUri"] != self._tracking.tracking_uri:
                return None
            found = client.get_run(known["runId"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        ours = found.data.tags.get(facts.IDENTITY) == self._tags[facts.IDENTITY]
        return found if ours and found.info.lifecycle_stage == "active" else None

    def _found(self, client: MlflowClient, experiment: str) -> Run | None:
        """Return a run that an attempt made which ended before it could remember it."""
        wanted = f"tags.`{facts.IDENTITY}` = '{self._tags[facts.IDENTITY]}'"
        runs = client.search_runs([experiment], wanted, max_results=1)
        return runs[0] if runs else None

    def _remember(self, run_id: str, experiment: str) -> None:
        known = {
            "trackingUri": self._tracking.tracking_uri,
            "experimentId": experiment,
            "runId": run_id,
        }
        storage.write_aside(self._path, json.dumps(known, indent=1).encode())


def link(folder: Path) -> str | None:
    """Return where the server shows the run of a training's folder, or None."""
    try:
        known = json.loads((folder / names.MLFLOW_RUN).read_text(encoding="utf-8"))
        return "{trackingUri}/#/experiments/{experimentId}/runs/{runId}".format(**known)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _connect(uri: str) -> MlflowClient:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Not at the top: it takes seconds, which only whoever tracks has to spend, beside the training.
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def _params(values: Mapping[str, str]) -> list[Param]:
    from mlflow.entities import Param

    return [Param(name, value) for name, value in values.items()]


def _tags(values: Mapping[str, str]) -> list[RunTag]:
    from mlflow.entities import RunTag

    return [RunTag(name, value) for name, value in values.items()]
