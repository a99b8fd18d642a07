"""An evaluation's scores for the MLflow run that the training left a note of: at best effort."""

from __future__ import annotations

import base64
import json
import logging
import time
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

from mt_contract import names
from mt_predictor.settings import Environment

_SECONDS = 5.0
_log = logging.getLogger(__name__)


def tell(folder: Path, scores: Mapping[str, str], env: Environment) -> None:
    """Log scores to the run's experiment tracker, if it has one; a failure is only logged.

    Args:
        folder: of the run.
        scores: as they are reported.
        env: may hold MLflow's own variables: MLFLOW_TRACKING_TOKEN, or _USERNAME and _PASSWORD.
    """
    try:
        note = json.loads((folder / names.MLFLOW_RUN).read_text(encoding="utf-8"))
        request = _request(note, scores, env)
    except FileNotFoundError:
        return  # nobody tracks
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning(
            "%s cannot be used (%s): the scores are not told", folder / names.MLFLOW_RUN, error
        )
        return
    try:
        urllib.request.urlopen(request, timeout=_SECONDS).close()
    except (OSError, HTTPException) as error:
        _log.warning("MLflow at %s is not told the scores: %s", note["trackingUri"], error)


def _request(
    note: Mapping[str, Any], scores: Mapping[str, str], env: Environment
) -> urllib.request.Request:
    """Return the request of MLflow's REST API that logs all scores at once."""
    now = round(1000 * time.time())
    told = [
        {"key": name, "value": float(value), "timestamp": now, "step": 0}
        for name, value in scores.items()
    ]
    uri = str(note["trackingUri"])
    if not uri.startswith(("http://", "https://")):
        raise ValueError(f"{uri} is no address of a server")
    return urllib.request.Request(
        uri.rstrip("/") + "/api/2.0/mlflow/runs/log-batch",
        data=json.dumps({"run_id": note["runId"], "metrics": told}).encode(),
        headers={"Content-Type": "application/json"} | _authorization(env),
        method="POST",
    )


def _authorization(env: Environment) -> dict[str, str]:
    if token := env.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    if user := env.get("MLFLOW_TRACKING_USERNAME"):
        both = f"{user}:{env.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"Authorization": "Basic " + base64.b64encode(both.encode()).decode()}
    return {}
