"""Running it: health, metrics, reload, drain, the decision log."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import scripts
from fakes import FakeUpstream
from gateway import Gateway, config, deployment, model
from rawhttp import RawClient, post
from waiting import eventually

STREAM = b'{"model":"small","stream":true,"messages":[{"role":"user","content":"x"}]}'


def test_health_readiness_and_models(gateway):
    assert gateway.http.get("/healthz").status_code == 200
    assert gateway.http.get("/readyz").status_code == 200
    models = gateway.http.get("/v1/models").json()
    assert models["object"] == "list"
    assert {"auto", "small"} <= {entry["id"] for entry in models["data"]}


def test_metrics_are_prometheus_text_and_count(gateway):
    text = gateway.http.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain")
    assert "# TYPE router_requests_total counter" in text.text
    before = gateway.metric("router_requests_total")
    for _ in range(3):
        gateway.chat("small")
    assert gateway.metric("router_requests_total") == before + 3
    assert gateway.metric("router_requests_total", model="small", outcome="ok") == before + 3


def test_metric_labels_are_bounded(gateway):
    """What clients write never becomes a label: 50 unknown models make no 50 series."""
    gateway.chat("unknown-0")
    before = len(gateway.metrics())
    for number in range(1, 50):
        gateway.chat(f"unknown-{number}")
        gateway.http.get(f"/nowhere/{number}")
    assert len(gateway.metrics()) <= before + 5


# Reload


def test_a_reload_changes_the_pool(gateway, fake):
    gateway.reload(config(model("other", deployment(fake.url))))
    eventually(lambda: gateway.chat("other").status_code == 200, "the new pool is in force")
    assert gateway.chat("small").status_code == 404


@pytest.mark.parametrize("broken", ['{"models": [', '{"modles": []}', "{}"])
def test_a_bad_reload_keeps_the_old_pool_and_says_so(gateway, broken):
    printed = len(gateway.child.lines)
    gateway.reload(broken)
    eventually(lambda: len(gateway.child.lines) > printed, "the gateway says what was wrong")
    said = "\n".join(gateway.child.lines[printed:])
    assert "router.json" in said
    if "modles" in broken:
        assert "models" in said, "the nearest valid key is suggested"
    assert gateway.chat("small").status_code == 200


def test_a_reload_cuts_no_stream(gateway, fake):
    gate = fake.gate()
    fake.script = scripts.events(scripts.chat_events(["Hel", "lo"], usage=False), gate)
    with FakeUpstream(scripts.chat("new")) as replacement, RawClient(gateway.port) as client:
        client.send(post("/v1/chat/completions", STREAM))
        gate.open(2)
        client.read_until(b"Hel")
        gateway.reload(config(model("other", deployment(replacement.url))))
        eventually(lambda: gateway.chat("other").status_code == 200, "the new pool is in force")
        gate.open(10)
        assert b"lo" in client.read_until(b"[DONE]")


def test_reloads_under_load_lose_no_request(gateway, fake):
    def ask(number: int) -> int:
        with httpx.Client(base_url=gateway.url, trust_env=False, timeout=60) as client:
            body = {"model": "small", "messages": [{"role": "user", "content": str(number)}]}
            return [client.post("/v1/chat/completions", json=body).status_code for _ in range(25)]

    with ThreadPoolExecutor(8) as workers:
        asked = [workers.submit(ask, number) for number in range(8)]
        for number in range(20):
            gateway.reload(config(model("small", deployment(fake.url, f"d{number}"))))
            gateway.chat("small")
        statuses = [status for future in asked for status in future.result()]
    assert statuses == [200] * 200
    assert len(gateway.log_lines(220)) == 220


# Drain


def test_sigterm_under_load_cuts_no_stream(gateway, fake):
    gate = fake.gate()
    fake.script = scripts.events(scripts.chat_events(["Hel", "lo"], usage=False), gate, free=2)
    clients = [RawClient(gateway.port) for _ in range(20)]
    for client in clients:
        client.send(post("/v1/chat/completions", STREAM))
    fake.wait_for_requests(20)
    for client in clients:
        client.read_until(b"Hel")
    gateway.terminate()
    eventually(lambda: refuses(gateway), "new connections are turned away")
    gate.open(1000)
    for client in clients:
        assert client.read_until(b"[DONE]").count(b"data: ") == 5
        client.socket.close()
    assert gateway.child.wait() == 0
    assert len(gateway.log_lines(20)) == 20


def refuses(gateway: Gateway) -> bool:
    try:
        with httpx.Client(trust_env=False) as client:
            return client.get(f"{gateway.url}/readyz").status_code == 503
    except httpx.TransportError:
        return True


def test_the_drain_limit_ends_what_never_ends(start_gateway, fake):
    fake.script = scripts.hang()
    gateway = start_gateway(config(model("small", deployment(fake.url)), drain_ms=300))
    with RawClient(gateway.port) as client:
        client.send(post("/v1/chat/completions", STREAM))
        fake.wait_for_requests(1)
        gateway.terminate()
        client.read_all()
        gateway.child.wait()
    assert len(gateway.log_lines(1)) == 1


def test_an_idle_gateway_ends_at_once_on_sigterm_and_sigint(start_gateway, fake):
    for number in (signal.SIGTERM, signal.SIGINT):
        gateway = start_gateway(config(model("small", deployment(fake.url))))
        gateway.http.get("/healthz")
        gateway.child.signal(number)
        assert gateway.child.wait() == 0


# The decision log


def test_one_line_a_request_with_usage_and_without_the_prompt(gateway, fake):
    gateway.chat("small", content="a very secret prompt")
    gateway.chat("no-such-model")
    lines = gateway.log_lines(1)
    assert lines[0]["model"] == "small"
    text = json.dumps(lines)
    assert "secret" not in text
    assert lines[0]["usage"]["prompt"] == 7
    assert lines[0]["usage"]["completion"] == 3
    assert lines[0]["outcome"] == "ok"
    # 7 and 3 tokens at 0.05 and 0.08 dollars a million.
    assert lines[0]["cost_usd"] == pytest.approx((7 * 0.05 + 3 * 0.08) / 1e6)


def test_prompts_are_logged_when_asked_for(start_gateway, fake, tmp_path):
    settings = config(model("small", deployment(fake.url)))
    gateway = start_gateway(settings | {"log": {"path": str(tmp_path / "with-prompts.jsonl"), "prompts": True}})
    gateway.log_path = tmp_path / "with-prompts.jsonl"
    gateway.chat("small", content="not so secret")
    assert "not so secret" in json.dumps(gateway.log_lines(1))


def test_the_log_is_rotated_and_bounded(start_gateway, fake, tmp_path):
    path = tmp_path / "rotated" / "decisions.jsonl"
    path.parent.mkdir()
    log = {"path": str(path), "max_bytes": 4096, "keep_files": 2}
    gateway = start_gateway(config(model("small", deployment(fake.url)), log=log))
    for _ in range(60):
        assert gateway.chat("small").status_code == 200
    # Nothing is written or moved any more.
    gateway.terminate()
    assert gateway.child.wait() == 0
    assert len(list(path.parent.iterdir())) == 3, "the log and two kept files"
    longest_line = max(len(line) for file in path.parent.iterdir() for line in file.read_bytes().splitlines())
    for file in path.parent.iterdir():
        assert file.stat().st_size <= 4096 + longest_line


def test_a_full_disk_stops_no_request_and_is_counted(start_gateway, fake):
    """/dev/full answers every write with ENOSPC."""
    gateway = start_gateway(config(model("small", deployment(fake.url)), log={"path": "/dev/full"}))
    for _ in range(20):
        assert gateway.chat("small").status_code == 200
    eventually(lambda: gateway.metric("router_log_failing") == 1, "the failing log is shown")
    assert gateway.metric("router_requests_total", outcome="ok") == 20
    assert gateway.http.get("/healthz").status_code == 200
    gateway.terminate()
    assert gateway.child.wait() == 0
    assert "20 lines of the decision log were lost" in gateway.child.output

