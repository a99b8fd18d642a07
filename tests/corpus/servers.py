"""Servers on loopback that behave as badly as a test wants."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

BIT = 1 << 16  # bytes written at a time


class Request(NamedTuple):
    """What a client asked for."""

    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass
class Page:
    """One file of a site, and how it is served.

    Attributes:
        content: of the file.
        type: told to the client.
        version: told as ETag.
        ranges: whether parts are given.
        sized: whether its size is told; without, chunks are sent.
        statuses: of the next answers to GET, before all is well.
        refuses: status of every answer, also to HEAD.
        heads: status of every answer to HEAD, where that is refused alone.
        cuts: after how many bytes of the next answers to GET the connection is closed.
        stalls: after how many bytes of the next answers nothing more comes, though it stays open.
        location: what it redirects to.
        authorization: without it the answer is 401.
        encoding: told as Content-Encoding.
    """

    content: bytes = b""
    type: str = "text/plain"
    version: str = '"1"'
    ranges: bool = True
    sized: bool = True
    statuses: list[int] = field(default_factory=list)
    refuses: int = 0
    heads: int = 0
    cuts: list[int] = field(default_factory=list)
    stalls: list[int] = field(default_factory=list)
    location: str = ""
    authorization: str = ""
    encoding: str = ""


@dataclass
class Site:
    """A running server."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def parts(self) -> list[str]:
        """Return the parts of files that were asked for, in order."""
        return [request.range for request in self.requests if request.range]


@contextmanager
def serving(tls: SSLContext | None = None) -> Iterator[Site]:
    """Run a site until the end of the block."""

    class Handler(_Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    host = "http://127.0.0.1" if tls is None else "https://localhost"
    site = Handler.site = Site(f"{host}:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield site
    finally:
        site.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        asked = self.headers.get("Range")
        authorization = self.headers.get("Authorization")
        self.site.requests.append(Request(self.command, self.path, asked, authorization))
        page = self.site.pages.get(self.path)
        if page is None:
            self._refuse(404)
        elif page.refuses or (page.heads and not with_body):
            self._refuse(page.refuses or page.heads)
        elif page.authorization and authorization != page.authorization:
            self._refuse(401)
        elif page.location:
            self.send_response(302)
            self.send_header("Location", page.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif with_body and page.statuses:
            self._refuse(page.statuses.pop(0))
        else:
            self._serve(page, asked, with_body=with_body)

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _serve(self, page: Page, asked: str | None, *, with_body: bool) -> None:
        begin, end = 0, len(page.content)
        if asked and page.ranges:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            begin, end = int(first), min(int(last) + 1 if last else end, end)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(page.content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", page.version)
        self.send_header("Last-Modified", "Sat, 21 Nov 2026 12:00:00 GMT")
        self.send_header("Content-Type", page.type)
        if page.encoding:
            self.send_header("Content-Encoding", page.encoding)
        if page.sized:
            self.send_header("Content-Length", str(end - begin))
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if with_body:
            self._send(page, page.content[begin:end])

    def _send(self, page: Page, body: bytes) -> None:
        cut = page.cuts.pop(0) if page.cuts else None
        stall = page.stalls.pop(0) if page.stalls else None
        whole = body[:cut][:stall]
        for start in range(0, len(whole), BIT):
            bit = whole[start : start + BIT]
            self.wfile.write(bit if page.sized else b"%x\r\n%s\r\n" % (len(bit), bit))
        self.wfile.flush()
        if stall is not None:
            self.site.closing.wait()
        if cut is not None or stall is not None:
            self.close_connection = True
        elif not page.sized:
            self.wfile.write(b"0\r\n\r\n")


def certificate(folder: Path) -> tuple[SSLContext, Path]:
    """Return what a server of localhost shows, and the file of the authority that signed it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, private = folder / "authority.pem", folder / "key.pem"
    authority.write_bytes(signed.public_bytes(Encoding.PEM))
    private.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, private)
    return context, authority


@contextmanager
def moto_server(port: int) -> Iterator[str]:
    """Run a server of moto's, a process of its own as S3 is, and yield its URL."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            assert server.poll() is None
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", "/moto-api/")
                break
            except OSError:
                time.sleep(0.1)
            finally:
                connection.close()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()
