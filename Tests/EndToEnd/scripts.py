"""Answers and faults that a FakeUpstream plays. Each function returns a script."""

import json

from fakes import Exchange, Gate, Script

JSON = "application/json"
EVENT_STREAM = "text/event-stream"


def chat_body(text: str = "ok", model: str = "served", **more) -> dict:
    """A chat completion of the shape that OpenAI documents."""
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1700000000,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    } | more


def error_body(message: str, kind: str = "invalid_request_error", code: str | None = None) -> dict:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def body(content: bytes | dict, status: int = 200, fields: dict[str, str] | None = None) -> Script:
    """A whole answer with a length."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()

    async def script(exchange: Exchange) -> None:
        await exchange.head(status, {"Content-Type": JSON, "Content-Length": str(len(data))} | (fields or {}))
        await exchange.send(data)

    return script


def chat(text: str = "ok", model: str = "served", **more) -> Script:
    return body(chat_body(text, model, **more))


def error(status: int, message: str, fields: dict[str, str] | None = None, **more) -> Script:
    return body(error_body(message, **more), status, fields)


def rate_limited(retry_after: str) -> Script:
    return error(429, "slow down", {"Retry-After": retry_after}, kind="rate_limit_error", code="rate_limit_exceeded")


# Server-sent events


def data_event(content: dict) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"


def chat_events(pieces: list[str], usage: bool, done: bool = True, model: str = "served") -> list[bytes]:
    """The events of a streamed chat completion; with `usage` every chunk carries it as OpenAI's do."""

    def chunk(delta: dict | None, finish: str | None = None) -> dict:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        common = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1700000000, "model": model}
        return common | {"choices": choices} | ({"usage": None} if usage else {})

    events = [data_event(chunk({"role": "assistant", "content": ""}))]
    events += [data_event(chunk({"content": piece})) for piece in pieces]
    events.append(data_event(chunk({}, "stop")))
    if usage:
        counts = {"prompt_tokens": 7, "completion_tokens": len(pieces), "total_tokens": 7 + len(pieces)}
        events.append(data_event(chunk(None) | {"usage": counts}))
    return events + ([b"data: [DONE]\n\n"] if done else [])


def events(parts: list[bytes], gate: Gate | None = None, free: int = 0, fields: dict[str, str] | None = None) -> Script:
    """Sends `parts` as chunks of an event stream; with a gate, each part after the first `free` waits for it to open.

    One gate is shared by all streams of a script: with several streams open it for all that they still have to send.
    """

    async def script(exchange: Exchange) -> None:
        await exchange.head(200, {"Content-Type": EVENT_STREAM, "Transfer-Encoding": "chunked"} | (fields or {}))
        for number, part in enumerate(parts):
            if gate and number >= free:
                await gate.passed()
            await exchange.chunk(part)
        await exchange.end_chunks()

    return script


def chat_stream(pieces: list[str] | None = None) -> Script:
    """Streams a chat completion; usage comes when, and only when, the request asks for it."""

    async def script(exchange: Exchange) -> None:
        asked = (exchange.request.json().get("stream_options") or {}).get("include_usage") is True
        await events(chat_events(pieces or ["Hel", "lo"], usage=asked))(exchange)

    return script


# Faults


def reset_mid_head() -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
        exchange.connection.reset()

    return script


def reset_mid_stream(parts: list[bytes], gate: Gate | None = None) -> Script:
    """Sends `parts`, waits for the gate so that they have arrived, and resets."""

    async def script(exchange: Exchange) -> None:
        await exchange.head(200, {"Content-Type": EVENT_STREAM, "Transfer-Encoding": "chunked"})
        for part in parts:
            await exchange.chunk(part)
        if gate:
            await gate.passed()
        exchange.connection.reset()

    return script


def cut_body(content: bytes, declared: int) -> Script:
    """Declares more bytes than it sends, then closes."""

    async def script(exchange: Exchange) -> None:
        await exchange.head(200, {"Content-Type": JSON, "Content-Length": str(declared)})
        await exchange.send(content)
        exchange.connection.transport.close()

    return script


def hang() -> Script:
    """Reads the request and never says anything."""

    async def script(exchange: Exchange) -> None:
        await exchange.until_gone()

    return script


def garbage() -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.send(b"\x00\xff\x16 this is not HTTP\r\n\r\n")
        exchange.connection.transport.close()

    return script


def then_close(script: Script) -> Script:
    """Answers as on a connection to be kept, then closes it: the next request on it meets a dead connection."""

    async def closing(exchange: Exchange) -> None:
        await script(exchange)
        exchange.connection.transport.close()

    return closing
