"""`curl -N` through the gateway: what a person at a terminal sees."""

import json
import subprocess

import scripts
from processes import Child
from waiting import eventually


def curl(*arguments: str) -> str:
    finished = subprocess.run(["curl", "-sS", "--max-time", "60", *arguments], capture_output=True, text=True, check=True)
    return finished.stdout


def test_a_chat_by_curl(real_gateway):
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4})
    answer = json.loads(curl(f"{real_gateway.base_url}/chat/completions", "-d", body))
    assert answer["object"] == "chat.completion"


def test_a_stream_by_curl_is_the_upstreams_bytes(gateway, fake):
    parts = [b": ping\n\n", *scripts.chat_events(["Hel", "lo"], usage=True), b"data: late\n\n"]
    fake.script = scripts.events(parts)
    body = json.dumps({"model": "auto", "stream": True, "stream_options": {"include_usage": True},
                       "messages": [{"role": "user", "content": "Hi"}]})
    assert curl("-N", f"{gateway.base_url}/chat/completions", "-d", body) == b"".join(parts).decode()


def test_curl_shows_each_event_when_it_is_sent(gateway, fake):
    """The next event is sent only after the one before it was seen: nothing is held back on the way."""
    gate = fake.gate()
    fake.script = scripts.events([b": ping\n\n", b"data: {\"n\":1}\n\n", b"data: [DONE]\n\n"], gate)
    body = json.dumps({"model": "auto", "stream": True, "stream_options": {"include_usage": True},
                       "messages": [{"role": "user", "content": "Hi"}]})
    shown = Child(["curl", "-sSN", "--max-time", "60", f"{gateway.base_url}/chat/completions", "-d", body])
    for expected in (": ping", 'data: {"n":1}', "data: [DONE]"):
        assert expected not in shown.lines
        gate.open()
        eventually(lambda: expected in shown.lines, f"curl prints {expected!r}")
    assert shown.wait() == 0


def test_a_large_body_needs_no_extra_round_trip(gateway, fake):
    """curl sends `Expect: 100-continue` with large bodies; unanswered it waits a second."""
    content = "x" * 2_000_000
    body = json.dumps({"model": "auto:cost", "messages": [{"role": "user", "content": content}]})
    status = subprocess.run(
        ["curl", "-sS", "--max-time", "60", "--expect100-timeout", "50", "-H", "Expect: 100-continue",
         "-o", "/dev/null", "-w", "%{http_code}", f"{gateway.base_url}/chat/completions", "-d", "@-"],
        input=body, capture_output=True, text=True, check=True,
    ).stdout
    # Far too long for the model's window: the point is that it was read, and at once.
    assert status == "400"
