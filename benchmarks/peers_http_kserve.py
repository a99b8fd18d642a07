"""Stock KServe: a ``kserve.Model`` with a synchronous ``predict``, as its documentation writes one.

``python -m benchmarks.peers_http_kserve --http_port=… --model_name=m``, with every other default.
"""

from __future__ import annotations

import argparse
from typing import Any

import kserve
from kserve import model_server

from benchmarks.peers_http_model import Served


class Translation(kserve.Model):  # type: ignore[misc]  # the SDK ships no types
    """Translates instances."""

    def load(self) -> bool:
        """Load the model."""
        self.served = Served()
        self.ready = True
        return self.ready

    def predict(self, payload: dict[str, Any], headers: Any = None) -> dict[str, Any]:
        """Answer a V1 request."""
        return {"predictions": self.served.translate(payload["instances"])}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    model = Translation(parser.parse_args().model_name)
    model.load()
    kserve.ModelServer().start([model])
