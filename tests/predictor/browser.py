"""A real browser, asked over the Chrome DevTools Protocol; installed where that is possible."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import signal
import struct
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect

STARTS_WITHIN = 60  # seconds; on an idle machine it takes one
ANSWERS_WITHIN = 60
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",  # in a container, as root, there is no other way
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-port=0",
    "about:blank",
)


def program() -> str:
    """Return the path of Chromium, installed first where that is possible."""
    if (found := shutil.which("chromium")) is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            pytest.skip("Chromium is not installed: apt-get install chromium")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(
                ["apt-get", *command],
                env=os.environ | quiet,
                stdout=subprocess.DEVNULL,
                timeout=900,
                check=True,
            )
        found = shutil.which("chromium")
    assert found is not None
    return found


class Page:
    """One tab: what it is told, and what it said by itself since it was opened."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the answer to a command; what happens meanwhile goes to ``events``."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (told := self._next()).get("id") != number:
            self.events.append(told)
        assert "error" not in told, told["error"]
        result: dict[str, Any] = told["result"]
        return result

    def open(self, path: Path, *, width: int = 1100, scheme: str = "light") -> None:
        """Show a file, in a window of this width, to a user of this colour scheme."""
        self.events.clear()
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def ask(self, script: str) -> Any:
        """Return the value of an expression of JavaScript."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def requests(self) -> list[str]:
        """Return every URL that was asked for since the page was opened."""
        sent = (e["params"] for e in self.events if e["method"] == "Network.requestWillBeSent")
        return [params["request"]["url"] for params in sent]

    def complaints(self) -> list[dict[str, Any]]:
        """Return what went to the console, errors of scripts and of policies included."""
        kinds = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [event["params"] for event in self.events if event["method"] in kinds]

    def screenshot(self, scale: float = 1.0) -> bytes:
        """Return the whole page as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "scale": scale} | {k: size[k] for k in ("width", "height")}
        told = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(told["data"])

    def _next(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._socket.recv(timeout=ANSWERS_WITHIN))
        return told


@contextmanager
def browsing(folder: Path) -> Iterator[Page]:
    """Start a browser with its profile in ``folder``, and end it with all its processes."""
    command = [program(), f"--user-data-dir={folder}", *_ARGUMENTS]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=os.environ | {"HOME": str(folder)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        with connect(_address(folder, process), max_size=None) as socket:
            yield Page(socket)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    """Return where the first tab is talked to, once the browser has said so."""
    deadline, told = time.monotonic() + STARTS_WITHIN, folder / "DevToolsActivePort"
    while time.monotonic() < deadline and process.poll() is None:
        if told.exists() and told.read_text().count("\n"):
            port = told.read_text().split()[0]
            tabs = httpx.get(f"http://127.0.0.1:{port}/json/list", timeout=STARTS_WITHIN).json()
            if pages := [tab for tab in tabs if tab["type"] == "page"]:
                return str(pages[0]["webSocketDebuggerUrl"])
        time.sleep(0.05)
    raise AssertionError(f"the browser did not start:\n{(folder / 'log').read_text()}")


def pixels(png: bytes) -> np.ndarray:
    """Return the picture, [height, width, channels] of 0 to 255; 8 bits a channel only."""
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert depth == 8
    channels = {2: 3, 6: 4}[kind]
    raw = np.frombuffer(zlib.decompress(_chunks(png)), np.uint8).reshape(height, -1)
    above = np.zeros(width * channels, np.uint8)
    rows = []
    for line in raw:
        above = _unfiltered(int(line[0]), line[1:], above, channels)
        rows.append(above)
    return np.stack(rows).reshape(height, width, channels)


def _chunks(png: bytes) -> bytes:
    place, found = 8, b""
    while place < len(png):
        length, name = struct.unpack(">I4s", png[place : place + 8])
        found += png[place + 8 : place + 8 + length] if name == b"IDAT" else b""
        place += length + 12
    return found


def _unfiltered(kind: int, line: np.ndarray, above: np.ndarray, step: int) -> np.ndarray:
    """Return a row of a PNG as it was before its filter (PNG specification, section 9)."""
    if kind == 0:
        return line
    if kind == 2:
        return line + above
    if kind == 1:
        return np.cumsum(line.reshape(-1, step), axis=0, dtype=np.uint8).ravel()
    found, up = [0] * step, [0] * step + above.tolist()
    for place, value in enumerate(line.tolist()):
        left, over, corner = found[place], up[place + step], up[place]
        guess = (left + over) // 2 if kind == 3 else _paeth(left, over, corner)
        found.append((value + guess) % 256)
    return np.array(found[step:], np.uint8)


def _paeth(left: int, over: int, corner: int) -> int:
    target = left + over - corner
    return min((left, over, corner), key=lambda one: abs(target - one))
