"""MLServer: a custom runtime with adaptive batching, started as its documentation says.

``python -m benchmarks.peers_http_mlserver FOLDER PORT GRPC_PORT METRICS_PORT`` writes its two files
to the folder and becomes ``mlserver start``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.peers_http_model import LARGEST_BATCH, NAME, Served

BATCH_TIME = 0.05  # seconds


class Translation(MLModel):  # type: ignore[misc]  # it is not in the environment of checks
    """Translates the texts of a tensor."""

    async def load(self) -> bool:
        """Load the model."""
        self.served = Served()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a V2 request, or several that were made one."""
        texts = StringCodec.decode_input(payload.inputs[0])
        output = StringCodec.encode_output("translation", self.served.translate(texts))
        return InferenceResponse(model_name=self.name, outputs=[output])


def main(folder: Path, http: int, grpc: int, metrics: int) -> None:
    """Write the settings and start the server."""
    ports = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    model = {
        "name": NAME,
        "implementation": "benchmarks.peers_http_mlserver.Translation",
        "max_batch_size": LARGEST_BATCH,
        "max_batch_time": BATCH_TIME,
    }
    for name, content in (("settings", {"debug": False} | ports), ("model-settings", model)):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    os.chdir(folder)
    program = Path(sys.executable).with_name("mlserver")
    os.execv(program, [str(program), "start", "."])


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
