"""Ambiguous or abusive HTTP framing gets a 4xx or a closed connection, and never reaches an upstream."""

import json
import re

import pytest
from gateway import config, deployment, model
from rawhttp import RawClient, post, status_of

BODY = b'{"model":"small","messages":[{"role":"user","content":"x"}]}'
LINE = b"POST /v1/chat/completions HTTP/1.1\r\n"
HOST = b"Host: gateway\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
SMUGGLED = b"0\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: evil\r\n\r\n"

ATTACKS = {
    "length and transfer encoding": LINE + HOST + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n" + SMUGGLED,
    "transfer encoding and length": LINE + HOST + b"Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n" + SMUGGLED,
    "two different lengths": LINE + HOST + LENGTH + b"Content-Length: 0\r\n\r\n" + BODY,
    "a list of different lengths": LINE + HOST + b"Content-Length: 5, 6\r\n\r\n" + BODY,
    "a signed length": LINE + HOST + b"Content-Length: +%d\r\n\r\n" % len(BODY) + BODY,
    "a negative length": LINE + HOST + b"Content-Length: -1\r\n\r\n" + BODY,
    "a hexadecimal length": LINE + HOST + b"Content-Length: 0x10\r\n\r\n" + BODY,
    "an empty length": LINE + HOST + b"Content-Length: \r\n\r\n" + BODY,
    "a length that overflows": LINE + HOST + b"Content-Length: 99999999999999999999999999\r\n\r\n" + BODY,
    "a space before the colon": LINE + HOST + b"Content-Length : %d\r\n\r\n" % len(BODY) + BODY,
    "a space before the first field": LINE + b" " + HOST + LENGTH + b"\r\n" + BODY,
    "a tab in a field name": LINE + HOST + b"Content\tLength: 1\r\n" + LENGTH + b"\r\n" + BODY,
    "bare line feeds": (LINE + HOST + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + BODY,
    "one bare line feed": LINE + b"Host: gateway\nX: 1\r\n" + LENGTH + b"\r\n" + BODY,
    "a bare carriage return": LINE + HOST + b"X: a\rb\r\n" + LENGTH + b"\r\n" + BODY,
    "a folded field": LINE + HOST + b"X: a\r\n b\r\n" + LENGTH + b"\r\n" + BODY,
    "a NUL in a value": LINE + HOST + b"X: a\x00b\r\n" + LENGTH + b"\r\n" + BODY,
    "a NUL in the target": b"POST /v1/chat\x00 HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "no Host": LINE + LENGTH + b"\r\n" + BODY,
    "two Hosts": LINE + HOST + b"Host: evil\r\n" + LENGTH + b"\r\n" + BODY,
    "an unknown transfer encoding": LINE + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + SMUGGLED,
    "a disguised transfer encoding": LINE + HOST + b"Transfer-Encoding: xchunked\r\n\r\n" + SMUGGLED,
    "transfer encoding twice": LINE + HOST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n" + SMUGGLED,
    "a nameless field": LINE + HOST + b": x\r\n" + LENGTH + b"\r\n" + BODY,
    "a line without a colon": LINE + HOST + b"nonsense\r\n" + LENGTH + b"\r\n" + BODY,
    "two spaces in the first line": b"POST  /v1/chat/completions HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "another version": b"POST /v1/chat/completions HTTP/3.0\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "no version": b"POST /v1/chat/completions\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\r\n\r\n",
    "a huge head": LINE + HOST + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
    "a huge target": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a thousand fields": LINE + HOST + b"X: 1\r\n" * 1000 + LENGTH + b"\r\n" + BODY,
}

CHUNKED = LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK_ATTACKS = {
    "a size that overflows": b"FFFFFFFFFFFFFFFFF\r\n" + BODY,
    "a size just past 63 bits": b"8000000000000000\r\n" + BODY,
    "a signed size": b"+3c\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a size with a prefix": b"0x3c\r\n" + BODY + b"\r\n0\r\n\r\n",
    "an empty size": b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk longer than its size": b"3\r\nabcdef\r\n0\r\n\r\n",
    "a bare line feed after the size": b"3c\n" + BODY + b"\r\n0\r\n\r\n",
    "an endless extension": b"3c;" + b"x" * 100_000 + b"\r\n",
    "endless trailers": b"0\r\n" + b"X: 1\r\n" * 100_000 + b"\r\n",
}


def refused(port: int, attack: bytes) -> None:
    with RawClient(port) as client:
        client.send_as_far_as_accepted(attack)
        answer = client.read_all()
    status = status_of(answer)
    assert status is None or 400 <= status < 600, answer[:200]
    assert len(re.findall(rb"HTTP/1\.1 \d{3} ", answer)) <= 1, "one refusal, and nothing after it is taken for a request"


@pytest.mark.parametrize("name", ATTACKS)
def test_a_framing_attack_is_refused(gateway, fake, name):
    refused(gateway.port, ATTACKS[name])
    assert fake.requests == []
    assert gateway.http.get("/healthz").status_code == 200


@pytest.mark.parametrize("name", CHUNK_ATTACKS)
def test_a_chunking_attack_is_refused(gateway, fake, name):
    refused(gateway.port, CHUNKED + CHUNK_ATTACKS[name])
    assert fake.requests == []
    assert gateway.http.get("/healthz").status_code == 200


def test_statuses_say_what_was_wrong(gateway):
    for attack, status in [("a huge head", 431), ("a huge target", 414), ("no Host", 400), ("another version", 505)]:
        with RawClient(gateway.port) as client:
            client.send_as_far_as_accepted(ATTACKS[attack])
            assert status_of(client.read_until(b"\r\n\r\n")) == status, attack


def test_the_same_requests_framed_well_are_answered(gateway, fake):
    """The attacks fail for what they say, not for something else in them."""
    with RawClient(gateway.port) as client:
        client.send(LINE + HOST + LENGTH + b"\r\n" + BODY)
        client.read_until(b'"usage"')
        client.send(CHUNKED + b"%x;note=1\r\n%s\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(BODY), BODY))
        client.received = b""
        client.read_until(b'"usage"')
    assert [json.loads(request.body)["model"] for request in fake.requests] == ["served", "served"]


def test_pipelined_requests_are_answered_in_order(gateway, fake):
    with RawClient(gateway.port) as client:
        client.send(post("/v1/chat/completions", BODY) + b"GET /healthz HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
        answers = client.read_all()
    assert answers.count(b"HTTP/1.1 200") == 2
    assert answers.index(b"chat.completion") < answers.rindex(b"HTTP/1.1 200")


def test_a_body_over_the_limit_is_a_413(start_gateway, fake):
    gateway = start_gateway(config(model("small", deployment(fake.url)), limits={"body_bytes": 1024}))
    assert gateway.chat("small", content="x" * 2000).status_code == 413
    with RawClient(gateway.port) as client:
        client.send_as_far_as_accepted(CHUNKED + b"800\r\n" + b"x" * 2048)
        assert status_of(client.read_until(b"\r\n\r\n")) == 413
    assert fake.requests == []


def test_a_head_that_never_ends_is_cut_off(start_gateway, fake):
    """Slowloris: bytes keep coming and the head never does. The clock runs from the first byte, not the last."""
    gateway = start_gateway(config(model("small", deployment(fake.url)), limits={"head_timeout_ms": 300}))
    with RawClient(gateway.port) as client:
        client.socket.settimeout(0.05)
        client.send(LINE + HOST)
        answer, closed = b"", False
        while not closed:
            client.send_as_far_as_accepted(b"X")
            try:
                data = client.socket.recv(65536)
                answer, closed = answer + data, data == b""
            except TimeoutError:
                continue
            except ConnectionResetError:
                closed = True
    assert status_of(answer) in (None, 408)
    assert gateway.http.get("/healthz").status_code == 200
