"""A web server with tempers on loopback: answers, redirects, floods, drips, hangs, resets."""

import socket
import ssl
import struct
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class WebSink:
    """Runs in threads; `hits` counts requests by path, `seen` keeps (headers, body) of each, `release` ends waits."""

    def __init__(self, address: str = "127.0.0.1", *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.hits: Counter[str] = Counter()
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.connections: set[Any] = set()
        self.release = threading.Event()
        self._server = ThreadingHTTPServer((address, port), _Temper)
        self._server.daemon_threads = True
        self._server.sink = self  # type: ignore[attr-defined]
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()


class _Temper(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        sink: WebSink = self.server.sink  # type: ignore[attr-defined]
        sink.hits[parts.path] += 1
        sink.connections.add(self.client_address)
        sink.seen.append((dict(self.headers), body))
        temper = getattr(self, f"_{parts.path.strip('/').split('/')[0] or 'ok'}")
        try:
            temper(parts, sink)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        """Nothing: the tests look at `hits`."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _ok(self, *_: Any) -> None:
        self._answer(200, b"thanks", **{"Retry-After": "7"})

    _canary = _ok

    def _status(self, parts: Any, _: WebSink) -> None:
        status = int(parts.path.rsplit("/", 1)[1])
        self._answer(status, b"" if status == 204 else b"no")

    def _redir(self, parts: Any, _: WebSink) -> None:
        query = parse_qs(parts.query)
        self._answer(int(query["code"][0]), Location=query["to"][0])

    def _huge(self, _: Any, sink: WebSink) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(10**9))
        self.end_headers()
        while not sink.release.is_set():
            self.wfile.write(b"x" * 65536)

    def _hang(self, _: Any, sink: WebSink) -> None:
        sink.release.wait(20)
        self.close_connection = True

    def _late(self, _: Any, sink: WebSink) -> None:
        sink.release.wait(20)
        self._answer(200)

    def _driphead(self, _: Any, sink: WebSink) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not sink.release.wait(0.05):
            self.wfile.write(b"x")

    def _dripbody(self, _: Any, sink: WebSink) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        while not sink.release.wait(0.05):
            self.wfile.write(b"x")

    def _reset(self, *_: Any) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _nonsense(self, *_: Any) -> None:
        self.wfile.write(b"this is not HTTP\r\n\r\n")
        self.close_connection = True
