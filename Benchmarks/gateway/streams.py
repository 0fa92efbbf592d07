"""Event streams for the benchmark: an upstream that sends them, a client that reads them.

Run as a program it is the upstream: `streams.py` prints `listening on http://127.0.0.1:PORT`, and answers each POST
with as many events as the request's `max_tokens` says, each written by itself, as a model server writes tokens.
"""

import asyncio
import json

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(content: str, usage: bool) -> bytes:
    chunk = {
        "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1700000000, "model": "bench",
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}],
    } | ({"usage": None} if usage else {})
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                           if line.startswith(b"content-length:")), None)
            if length is None:  # somebody asks whether anybody is here
                writer.close()
                return
            request = json.loads(await reader.readexactly(length))
            usage = bool((request.get("stream_options") or {}).get("include_usage"))
            token = framed(event(" token", usage))
            writer.write(HEAD)
            for _ in range(request["max_tokens"]):
                writer.write(token)
                # A turn of the loop for each event: its own write, and other streams in between.
                await asyncio.sleep(0)
                await writer.drain()
            writer.write(framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")
            await writer.drain()
            if b"connection: close" in head.lower():
                writer.close()
                return
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def unchunked(answer: bytes) -> bytes:
    """The body of a chunked answer. Chunks need not begin where events do."""
    at = answer.index(b"\r\n\r\n") + 4
    parts = []
    while True:
        end = answer.index(b"\r\n", at)
        size = int(answer[at:end], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(answer[end + 2:end + 2 + size])
        at = end + 2 + size + 2


async def read_streams(port: int, streams: int, events: int) -> int:
    """Reads so many streams side by side and returns the number of events that came."""
    body = json.dumps({"model": "stream", "stream": True, "max_tokens": events,
                       "messages": [{"role": "user", "content": "Tell me a long story."}]}).encode()
    request = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
               b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)) + body

    async def one() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        pieces = []
        while data := await reader.read(1 << 18):
            pieces.append(data)
        writer.close()
        return b"".join(pieces)

    answers = await asyncio.gather(*(one() for _ in range(streams)))
    return sum(unchunked(answer).count(b"data: ") for answer in answers)


if __name__ == "__main__":
    asyncio.run(serve())
