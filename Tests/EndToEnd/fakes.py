"""FakeUpstream: a scripted model server for faults that a real one does not show on demand.

It listens on 127.0.0.1, records every request byte for byte, and answers with scripts: async functions of an
`Exchange`. It runs on a thread of its own, so tests stay plain blocking code. It is always called a fake, and no
reported figure comes from it.
"""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from waiting import DEADLINE_S, eventually

Script = Callable[["Exchange"], Awaitable[None]]


@dataclass(frozen=True)
class Recorded:
    """A request as it came over the wire."""

    method: str
    target: str
    head: bytes
    fields: list[tuple[str, str]]
    body: bytes
    connection: int

    def field(self, name: str) -> str | None:
        """The first field called `name`, in any case."""
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)

    def json(self) -> dict:
        return json.loads(self.body)


class Connection(asyncio.Protocol):
    """Bytes in, bytes out, and when the peer left."""

    def __init__(self, fake: "FakeUpstream", number: int) -> None:
        self.fake, self.number = fake, number
        self.buffer = bytearray()
        self.arrived = asyncio.Event()
        self.gone = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.task = asyncio.get_running_loop().create_task(self.fake._serve(self))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.arrived.set()

    def eof_received(self) -> bool:
        self.gone.set()
        self.arrived.set()
        return False

    def connection_lost(self, error) -> None:
        self.gone.set()
        self.arrived.set()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    async def take(self, ready: Callable[[bytearray], int]) -> bytes | None:
        """Takes as many bytes as `ready` says are complete (0: not yet); nil when the peer leaves first."""
        while not (count := ready(self.buffer)):
            if self.gone.is_set():
                return None
            self.arrived.clear()
            await self.arrived.wait()
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def reset(self) -> None:
        """Closes with a TCP reset, what is unsent thrown away."""
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class ClientGone(Exception):
    """The gateway closed the connection while a script was still answering."""


@dataclass
class Exchange:
    """One request being answered by a script."""

    request: Recorded
    connection: Connection
    sent: int = 0

    async def send(self, data: bytes) -> None:
        """Writes, waiting while the peer does not read."""
        if self.connection.gone.is_set():
            raise ClientGone
        self.connection.transport.write(data)
        self.sent += len(data)
        self.connection.fake.sent += len(data)
        await self.connection.writable.wait()

    async def head(self, status: int = 200, fields: dict[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} Scripted"] + [f"{name}: {value}" for name, value in (fields or {}).items()]
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def end_chunks(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def until_gone(self) -> None:
        await self.connection.gone.wait()
        raise ClientGone


@dataclass
class Gate:
    """Lets a script go on when the test says so: `await gate.passed()` there, `gate.open()` here."""

    fake: "FakeUpstream"
    count: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def passed(self) -> None:
        await self.count.acquire()

    def open(self, times: int = 1) -> None:
        def release() -> None:
            for _ in range(times):
                self.count.release()

        self.fake.loop.call_soon_threadsafe(release)


class FakeUpstream:
    """Use as a context manager. `script` answers every request that `queue` has no script for."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.queued: list[Script] = []
        self.requests: list[Recorded] = []
        self.connections = 0
        self.sent = 0
        # Answers that the gateway walked away from.
        self.abandoned = 0
        self.exchanges: list[Exchange] = []
        self.loop = asyncio.new_event_loop()

    def __enter__(self) -> "FakeUpstream":
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        assert ready.wait(DEADLINE_S)
        return self

    def __exit__(self, *_) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(DEADLINE_S)

    @property
    def url(self) -> str:
        """What a pool entry's `base_url` says."""
        return f"http://127.0.0.1:{self.port}/v1"

    def queue(self, *scripts: Script) -> None:
        """The next requests get these, in this order."""
        self.queued += scripts

    def gate(self) -> Gate:
        return Gate(self)

    def wait_for_requests(self, count: int) -> list[Recorded]:
        eventually(lambda: len(self.requests) >= count, f"{count} requests at the fake upstream")
        return self.requests

    def wait_for_abandoned(self, count: int = 1) -> None:
        eventually(lambda: self.abandoned >= count, f"{count} answers cancelled at the fake upstream")

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)

        def connected() -> Connection:
            self.connections += 1
            return Connection(self, self.connections)

        server = self.loop.run_until_complete(
            self.loop.create_server(connected, "127.0.0.1", 0, backlog=4096, start_serving=True)
        )
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.close()

    async def _serve(self, connection: Connection) -> None:
        while (request := await self._read(connection)) is not None:
            self.requests.append(request)
            script = self.queued.pop(0) if self.queued else self.script
            exchange = Exchange(request, connection)
            self.exchanges.append(exchange)
            answer = asyncio.ensure_future(script(exchange))
            gone = asyncio.ensure_future(connection.gone.wait())
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if not answer.done():
                answer.cancel()
                self.abandoned += 1
                return
            if isinstance(answer.exception(), ClientGone):
                self.abandoned += 1
                return
            answer.result()
            if connection.transport.is_closing():
                return
        connection.transport.close()

    async def _read(self, connection: Connection) -> Recorded | None:
        head = await connection.take(lambda buffer: buffer.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in buffer else 0)
        if head is None:
            return None
        first, *rest = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in rest)]
        length = next((int(value) for name, value in fields if name.lower() == "content-length"), 0)
        body = await connection.take(lambda buffer: length if len(buffer) >= length else 0) if length else b""
        if body is None:
            return None
        return Recorded(method, target, head, fields, body, connection.number)


def closed_port() -> int:
    """A port where nobody listens: connecting is refused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
