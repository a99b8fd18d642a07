"""LitServe with its batching, and with what its documentation advises above 100 requests a second.

``python -m benchmarks.peers_http_litserve PORT``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import litserve

from benchmarks.peers_http_model import LARGEST_BATCH, Served

BATCH_TIMEOUT = 0.05  # seconds


class Translation(litserve.LitAPI):  # type: ignore[misc]  # it is not in the environment of checks
    """Translates a text a request."""

    def setup(self, device: str) -> None:
        """Load the model, in the process that translates."""
        self.served = Served()

    def decode_request(self, request: Mapping[str, str]) -> str:
        """Return the text."""
        return request["text"]

    def batch(self, inputs: Sequence[str]) -> list[str]:
        """Return the texts of a batch."""
        return list(inputs)

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Translate a batch."""
        return self.served.translate(texts)

    def unbatch(self, output: Sequence[str]) -> list[str]:
        """Return what each request is answered with."""
        return list(output)

    def encode_response(self, output: str) -> dict[str, str]:
        """Return an answer."""
        return {"translation": output}


if __name__ == "__main__":
    api = Translation(max_batch_size=LARGEST_BATCH, batch_timeout=BATCH_TIMEOUT)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(port=int(sys.argv[1]), generate_client_file=False)
