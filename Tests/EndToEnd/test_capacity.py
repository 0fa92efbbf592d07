"""Many clients and slow ones: what is held for them stays bounded."""

import asyncio
import hashlib
import resource

import pytest
import scripts
from fakes import Exchange
from gateway import config, deployment, model
from rawhttp import RawClient, post
from waiting import DEADLINE_S, eventually

STREAM = b'{"model":"small","stream":true,"messages":[{"role":"user","content":"x"}]}'
IDLE_STREAMS = 2000
MIB = 1 << 20


def test_two_thousand_idle_streams(start_gateway, fake):
    """Each open stream holds three sockets here and two there; all are answered to the end."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < IDLE_STREAMS * 3:
        pytest.skip(f"the file limit of {resource.getrlimit(resource.RLIMIT_NOFILE)[0]} is too low: raise `ulimit -n`")
    gate = fake.gate()
    fake.script = scripts.events(scripts.chat_events(["Hel", "lo"], usage=False), gate, free=2)
    limits = {"upstream_connection_per_host_count": IDLE_STREAMS}
    gateway = start_gateway(config(model("small", deployment(fake.url)), limits=limits))

    async def one(opened: asyncio.Semaphore) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(post("/v1/chat/completions", STREAM, "Connection: close\r\n"))
        first = await reader.readuntil(b"Hel")
        opened.release()
        rest = await reader.read()
        writer.close()
        return first + rest

    async def all_of_them() -> tuple[list[bytes], int]:
        opened = asyncio.Semaphore(0)
        streams = [asyncio.ensure_future(one(opened)) for _ in range(IDLE_STREAMS)]
        for _ in range(IDLE_STREAMS):
            await asyncio.wait_for(opened.acquire(), DEADLINE_S)
        resident = gateway.resident_bytes()
        assert await asyncio.to_thread(lambda: gateway.http.get("/healthz").status_code) == 200
        gate.open(10 * IDLE_STREAMS)
        return await asyncio.wait_for(asyncio.gather(*streams), DEADLINE_S), resident

    answers, resident = asyncio.run(all_of_them())
    assert sum(b"[DONE]" in answer for answer in answers) == IDLE_STREAMS
    assert resident < 400 * MIB, f"{resident / MIB:.0f} MiB with {IDLE_STREAMS} streams"
    assert len(gateway.log_lines(IDLE_STREAMS)) == IDLE_STREAMS


def test_a_slow_reader_holds_the_upstream_back(start_gateway, fake):
    """The client stops reading a 256 MiB stream: the upstream is made to wait, memory stays where it was, and the
    whole of it arrives once the client reads again."""
    total = 256 * MIB
    event = b"data: " + b"x" * (MIB // 4 - 8) + b"\n\n"

    async def flood(exchange: Exchange) -> None:
        await exchange.head(200, {"Content-Type": "text/event-stream", "Content-Length": str(total)})
        for _ in range(total // len(event)):
            await exchange.send(event)

    fake.script = flood
    gateway = start_gateway(config(model("small", deployment(fake.url))))
    gateway.http.get("/healthz")
    before = gateway.resident_bytes()
    with RawClient(gateway.port, receive_buffer=65536) as client:
        client.send(post("/v1/chat/completions", STREAM, "Connection: close\r\n"))
        client.read_until(b"\r\n\r\n")
        connection = fake.wait_for_requests(1) and eventually(lambda: fake.exchanges, "the flood begins")[0].connection
        wait_until_stuck(fake, connection)
        assert fake.sent < total // 4, f"{fake.sent / MIB:.0f} MiB taken from the upstream for a client that reads none"
        assert gateway.resident_bytes() - before < 48 * MIB
        length, digest = drain_stream(client, event)
    assert length == total
    assert digest == hashlib.sha256(event * (total // len(event))).hexdigest()
    assert gateway.resident_bytes() - before < 48 * MIB


def wait_until_stuck(fake, connection) -> None:
    """Until the upstream is told to wait and what it has sent no longer grows over 50 looks."""
    seen, unchanged = -1, 0

    def stuck() -> bool:
        nonlocal seen, unchanged
        unchanged = unchanged + 1 if fake.sent == seen and not connection.writable.is_set() else 0
        seen = fake.sent
        return unchanged >= 50

    eventually(stuck, "the upstream is held back")


def drain_stream(client: RawClient, event: bytes) -> tuple[int, str]:
    """Reads the rest, and returns length and digest of the body, chunked or not."""
    head, _, rest = client.received.partition(b"\r\n\r\n")
    digest, length = hashlib.sha256(), 0
    chunked = b"transfer-encoding: chunked" in head.lower()
    source = client.socket.makefile("rb")
    buffered = bytearray(rest)

    def take(count: int) -> bytes:
        while len(buffered) < count:
            data = source.read1(MIB)
            assert data, "closed in the middle"
            buffered.extend(data)
        taken = bytes(buffered[:count])
        del buffered[:count]
        return taken

    def line() -> bytes:
        while b"\r\n" not in buffered:
            buffered.extend(source.read1(MIB))
        return take(buffered.index(b"\r\n") + 2)[:-2]

    if not chunked:
        declared = int(next(value for name, _, value in (
            field.partition(b":") for field in head.split(b"\r\n")) if name.lower() == b"content-length"))
        while length < declared:
            data = take(min(MIB, declared - length))
            digest.update(data)
            length += len(data)
        return length, digest.hexdigest()
    while size := int(line(), 16):
        digest.update(take(size))
        take(2)
        length += size
    return length, digest.hexdigest()
