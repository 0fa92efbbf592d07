"""A FAKE line to a real object server, which breaks as it is told. Every byte that is right comes from the real server."""

import http.client
import http.server
import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from waiting import DEADLINE_S, eventually


@dataclass
class Exchange:
    """One request that came over the line, and how far it got."""

    method: str
    path: str
    query: str
    # What the server answered; None when it was not asked.
    status: int | None = None
    # Whether the server had all of the request and the client all of the answer.
    is_whole: bool = False

    @property
    def is_chunk(self) -> bool:
        return "/chunks/" in self.path

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


@dataclass
class Break:
    """What goes wrong with one request; with nothing set it goes through."""

    # The connection is reset: "before" the server hears of it, "within" the body, or "after", when it has done it.
    reset: str | None = None
    # The server is not asked, and this is answered.
    status: int | None = None
    code: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    # Only so many bytes of the answer's body come, of the length that is promised.
    cut_bytes: int | None = None
    # The answer has another ETag.
    tag: str | None = None
    # A bit of the answer's body is another.
    flip: bool = False
    # The request waits until it is opened, and is then reset.
    gate: threading.Event | None = None


class FakeLine:
    """Listens, and passes requests on to `upstream`. `rule` says what breaks, by the number of the request from 0."""

    def __init__(self, upstream: str, rule: Callable[[int, Exchange], Break | None] = lambda number, exchange: None) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.rule = rule
        self.exchanges: list[Exchange] = []
        self.waiting = 0
        self.lock = threading.Lock()
        line = self

        class Handler(_Handler):
            pass

        Handler.line = line
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def __enter__(self) -> "FakeLine":
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()

    def heard(self, exchange: Exchange) -> Break:
        with self.lock:
            self.exchanges.append(exchange)
            number = len(self.exchanges) - 1
        return self.rule(number, exchange) or Break()

    def wait_for_waiting(self, count: int) -> None:
        eventually(lambda: self.waiting >= count, f"{count} requests wait at the gate; {self.waiting} do")

    def wait_for_whole(self, method: str, count: int) -> list[str]:
        """Waits until so many chunks went through whole, and returns their names."""
        eventually(lambda: len(self.whole(method)) >= count, f"{count} chunks go through by {method}")
        return self.whole(method)

    def whole(self, method: str) -> list[str]:
        """The names of chunks that went through whole with that method, once for each time."""
        return [each.name for each in self.exchanges if each.method == method and each.is_chunk and each.is_whole]

    def asked(self, method: str) -> list[str]:
        """The same for all that were asked for, whole or not."""
        return [each.name for each in self.exchanges if each.method == method and each.is_chunk]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    line: FakeLine

    def log_message(self, *_) -> None:
        pass

    def serve(self) -> None:
        path, _, query = self.path.partition("?")
        exchange = Exchange(self.command, path, query)
        broken = self.line.heard(exchange)
        if broken.gate:
            with self.line.lock:
                self.line.waiting += 1
            broken.gate.wait(DEADLINE_S)
            return self.reset()
        length = int(self.headers.get("Content-Length", 0))
        if broken.reset == "within":
            self.rfile.read(length // 2)
        if broken.reset in ("before", "within"):
            return self.reset()
        body = self.rfile.read(length)
        if broken.status:
            return self.answer(broken.status, broken.fields, f"<Error><Code>{broken.code}</Code></Error>".encode())
        status, fields, content = self.ask(body)
        exchange.status = status
        if broken.reset == "after":
            return self.reset()
        if broken.tag:
            fields = {name: value for name, value in fields.items() if name.lower() != "etag"} | {"ETag": broken.tag}
        if broken.flip and content:
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:]
        if broken.cut_bytes is not None and broken.cut_bytes < len(content):
            self.answer(status, fields, content[:broken.cut_bytes], promised=len(content))
            self.close_connection = True
            return
        self.answer(status, fields, content)
        exchange.is_whole = True

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = serve

    def ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """The real server's answer to the very request: the client's fields, and so its signature, stay as they are."""
        upstream = http.client.HTTPConnection(self.line.upstream, timeout=DEADLINE_S)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() != "connection":
                upstream.putheader(name, value)
        upstream.endheaders(body or None)
        answer = upstream.getresponse()
        content = answer.read()
        fields = {name: value for name, value in answer.getheaders()}
        upstream.close()
        return answer.status, fields, content

    def answer(self, status: int, fields: dict[str, str], content: bytes, promised: int | None = None) -> None:
        left_out = {"transfer-encoding", "connection", "content-length"}
        self.send_response_only(status)
        for name, value in fields.items():
            if name.lower() not in left_out:
                self.send_header(name, value)
        length = len(content) if promised is None else promised
        if self.command == "HEAD":
            length = int(next((value for name, value in fields.items() if name.lower() == "content-length"), 0))
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def reset(self) -> None:
        """The connection ends with RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        os.close(self.connection.detach())

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):
            pass  # a client that went away, or was reset
