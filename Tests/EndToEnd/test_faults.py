"""Upstreams that misbehave and clients that leave: nothing hangs, nothing is lost uncounted."""

import httpx
import pytest
import scripts
from fakes import closed_port
from gateway import Gateway, config, deployment, model
from rawhttp import RawClient, post, status_of
from waiting import eventually

BODY = b'{"model":"small","messages":[{"role":"user","content":"x"}]}'
STREAM = b'{"model":"small","stream":true,"messages":[{"role":"user","content":"x"}]}'
SHORT = {"connect": 2000, "first_byte": 300, "idle": 300}

# Faults that come before the first byte of an answer, so another deployment can take over.
EARLY_FAULTS = {
    "reset mid-head": scripts.reset_mid_head(),
    "hang": scripts.hang(),
    "garbage": scripts.garbage(),
    "429": scripts.rate_limited("1"),
    "500": scripts.error(500, "broken"),
    "503": scripts.error(503, "busy"),
}


def one_line(gateway: Gateway) -> dict:
    lines = gateway.log_lines(1)
    assert len(lines) == 1, "one request, one line"
    return lines[0]


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("name", EARLY_FAULTS)
def test_another_deployment_takes_over_before_the_first_byte(start_gateway, fake, second_fake, name, stream):
    fake.script = EARLY_FAULTS[name]
    second_fake.script = scripts.chat_stream() if stream else scripts.chat()
    entry = model("small", deployment(fake.url, "a", timeouts_ms=SHORT), deployment(second_fake.url, "b"))
    gateway = start_gateway(config(entry))
    while not fake.requests:
        answer = gateway.chat("small", stream=stream)
        assert answer.status_code == 200
        assert answer.text.endswith("data: [DONE]\n\n") if stream else answer.json()["choices"]


def test_another_deployment_takes_over_when_connecting_is_refused(start_gateway, fake):
    entry = model("small", deployment(f"http://127.0.0.1:{closed_port()}/v1", "a"), deployment(fake.url, "b"))
    gateway = start_gateway(config(entry))
    for _ in range(10):
        assert gateway.chat("small").status_code == 200
    assert len(fake.requests) == 10


def test_another_model_takes_over_for_auto(start_gateway, fake, second_fake):
    fake.script = scripts.error(500, "broken")
    gateway = start_gateway(
        config(
            model("first", deployment(fake.url)),
            model("other", deployment(second_fake.url), tier="strong", price={"input": 5.0, "output": 15.0}),
        )
    )
    answer = gateway.chat("auto:cost")
    assert answer.status_code == 200
    assert answer.headers["x-router-model"] == "other"
    assert len(fake.requests) >= 1


LONE_FAULTS = {
    "reset mid-head": (scripts.reset_mid_head(), 502),
    "hang": (scripts.hang(), 504),
    "garbage": (scripts.garbage(), 502),
    "429": (scripts.rate_limited("7"), 429),
    "500": (scripts.error(500, "broken"), 500),
}


@pytest.mark.parametrize("name", LONE_FAULTS)
def test_with_nobody_to_take_over_the_client_is_told(start_gateway, fake, name):
    fake.script, status = LONE_FAULTS[name]
    gateway = start_gateway(config(model("small", deployment(fake.url, timeouts_ms=SHORT))))
    answer = gateway.chat("small")
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    if name == "429":
        assert answer.headers["retry-after"] == "7"
    one_line(gateway)


def test_refused_with_nobody_to_take_over_is_a_502(start_gateway):
    gateway = start_gateway(config(model("small", deployment(f"http://127.0.0.1:{closed_port()}/v1"))))
    answer = gateway.chat("small")
    assert answer.status_code in (502, 503)
    assert answer.json()["error"]["message"]


def test_a_200_with_an_error_body_is_passed_on_as_it_is(gateway, fake):
    odd = scripts.error_body("quietly broken", "server_error")
    fake.script = scripts.body(odd)
    answer = gateway.chat("small")
    assert answer.status_code == 200
    assert answer.json() == odd


def test_error_bodies_and_statuses_are_the_upstreams(gateway, fake):
    refusal = b'{"error":{"message":"filtered","code":"content_filter","innererror":{"content_filter_results":{}}} }'
    fake.script = scripts.body(refusal, 400, {"x-odd": "1"})
    answer = gateway.chat("small")
    assert (answer.status_code, answer.content) == (400, refusal)


def test_a_reset_inside_a_stream_becomes_an_error_event(gateway, fake):
    gate = fake.gate()
    parts = scripts.chat_events(["Hel"], usage=False)[:2]
    fake.script = scripts.reset_mid_stream(parts, gate)
    with gateway.http.stream("POST", "/v1/chat/completions", content=STREAM) as answer:
        assert answer.status_code == 200
        pieces = answer.iter_raw()
        received = b""
        while not received.endswith(parts[1]):
            received += next(pieces)
        gate.open()
        received += b"".join(pieces)
    late = received.removeprefix(b"".join(parts))
    assert late.startswith(b"data: ") and b'"error"' in late
    assert b"[DONE]" not in late
    one_line(gateway)


def test_a_stream_that_falls_silent_is_ended_with_an_error_event(start_gateway, fake):
    gate = fake.gate()
    fake.script = scripts.events(scripts.chat_events(["Hel"], usage=False), gate)
    gateway = start_gateway(config(model("small", deployment(fake.url, timeouts_ms=SHORT))))
    gate.open(2)
    answer = gateway.http.post("/v1/chat/completions", content=STREAM)
    assert b'"error"' in answer.content and b"[DONE]" not in answer.content
    fake.wait_for_abandoned()


def test_a_cut_answer_is_never_taken_for_a_whole_one(gateway, fake):
    whole = b'{"choices":[]}'
    fake.script = scripts.cut_body(whole, declared=len(whole) + 100)
    try:
        answer = gateway.chat("small")
    except httpx.RemoteProtocolError:
        return
    assert answer.status_code == 502


def test_a_kept_connection_that_was_closed_costs_no_request(gateway, fake):
    fake.script = scripts.then_close(scripts.chat())
    for _ in range(10):
        assert gateway.chat("small").status_code == 200
    assert len(fake.requests) == 10, "each asked once"


def test_connections_are_kept_when_the_upstream_keeps_them(gateway, fake):
    for _ in range(10):
        gateway.chat("small")
    assert fake.connections == 1


# Clients that leave


def in_flight(gateway: Gateway) -> float:
    return gateway.metric("router_deployment_in_flight")


def test_leaving_before_the_head_is_complete(gateway, fake):
    with RawClient(gateway.port) as client:
        client.send(b"POST /v1/chat/completions HTT")
    assert gateway.chat("small").status_code == 200
    assert len(fake.requests) == 1


def test_leaving_inside_the_body(gateway, fake):
    with RawClient(gateway.port) as client:
        client.send(post("/v1/chat/completions", BODY)[:-5])
    assert gateway.chat("small").status_code == 200
    assert len(fake.requests) == 1


def test_leaving_while_the_upstream_thinks_cancels_it(gateway, fake):
    fake.queue(scripts.hang())
    with RawClient(gateway.port) as client:
        client.send(post("/v1/chat/completions", BODY))
        fake.wait_for_requests(1)
    fake.wait_for_abandoned()
    one_line(gateway)


def test_leaving_inside_a_stream_cancels_the_upstream(gateway, fake):
    gate = fake.gate()
    fake.script = scripts.events(scripts.chat_events(["Hel", "lo"], usage=False), gate)
    with RawClient(gateway.port) as client:
        client.send(post("/v1/chat/completions", STREAM))
        gate.open(2)
        client.read_until(b"Hel")
    fake.wait_for_abandoned()
    one_line(gateway)


def test_a_half_closed_client_still_gets_its_answer_or_a_clean_end(gateway, fake):
    """`shutdown(SHUT_WR)` looks like leaving at first; a client that only stopped sending must not hang."""
    with RawClient(gateway.port) as client:
        client.send(post("/v1/chat/completions", BODY))
        client.finish_sending()
        answer = client.read_all()
    assert status_of(answer) in (200, None)


def test_all_who_left_are_accounted_for(gateway, fake):
    fake.script = scripts.hang()
    clients = [RawClient(gateway.port) for _ in range(20)]
    for client in clients:
        client.send(post("/v1/chat/completions", BODY))
    fake.wait_for_requests(20)
    for client in clients:
        client.socket.close()
    fake.wait_for_abandoned(20)
    assert len(gateway.log_lines(20)) == 20
    eventually(lambda: in_flight(gateway) == 0, "no request in flight is left")
