"""Weights and policies swapped under load: no answer is lost, no stream cut, and a file that cannot be used is refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import httpx
import pytest
import scripts
from gateway import Gateway, config, deployment, model, run_router
from rawhttp import RawClient, post
from waiting import eventually

WORDS = ["river", "market", "garden", "bridge", "customer", "violin", "index", "glacier"]
STREAM = b'{"model":"big","stream":true,"messages":[{"role":"user","content":"x"}]}'


def ask(number: int, hard: bool) -> str:
    filler = " ".join(WORDS[(number * 31 // k + k * k) % 8] for k in range(1, 7))
    return f"{'Prove the theorem' if hard else 'Tell me'} about the {filler} {number}"


@pytest.fixture(scope="module")
def learned(router: str, tmp_path_factory) -> dict[str, Path]:
    """Two weights from different rows, each with the policy that was calibrated for it."""
    folder = tmp_path_factory.mktemp("learned")
    tiers = folder / "tiers.json"
    tiers.write_text(json.dumps(
        {"tiers": {"mine": ["small", None, "big"]}, "prices": {"small": [0.05, 0.08], "big": [2.5, 10]}}))
    files = {}
    for name, first in (("old", 100), ("new", 500)):
        data = folder / f"{name}.jsonl"
        data.write_text("".join(
            json.dumps({"id": f"r{number}", "source": "mine", "prompt": ask(number, number % 3 == 0),
                        "models": {"small": int(number % 3 > 0), "big": 1}}) + "\n"
            for number in range(first, first + 400)))
        weights, policy = folder / f"{name}.weights", folder / f"{name}.policy"
        rows = ["--data", str(data), "--tiers", str(tiers)]
        for arguments in (["train", *rows, "--out", str(weights)],
                          ["calibrate", *rows, "--weights", str(weights), "--out", str(policy)]):
            finished = run_router(router, *arguments)
            assert finished.returncode == 0, finished.stderr
        files |= {f"{name}.weights": weights, f"{name}.policy": policy}
    assert files["old.weights"].read_bytes() != files["new.weights"].read_bytes()
    return files


@pytest.fixture
def settings(fake, learned: dict[str, Path], tmp_path: Path) -> dict:
    """A gateway's configuration over copies, so that a test may damage them."""
    for part in ("weights", "policy"):
        (tmp_path / part).write_bytes(learned[f"old.{part}"].read_bytes())
    return config(
        model("small", deployment(fake.url), price={"input": 0.05, "output": 0.08}),
        model("big", deployment(fake.url), tier="strong", price={"input": 2.5, "output": 10}),
        weights=str(tmp_path / "weights"), policy=str(tmp_path / "policy"))


def put(settings: dict, part: str, content: bytes) -> None:
    """Puts a whole file in place, as `router train` and `router calibrate` do."""
    path = Path(settings[part])
    beside = path.with_name(path.name + ".next")
    beside.write_bytes(content)
    beside.rename(path)


def versions(gateway: Gateway) -> tuple[str, str]:
    receipt = gateway.receipt(gateway.chat("auto", ask(205, False)).headers["x-request-id"])
    return receipt["classifier"], receipt["policy_hash"]


def reload(gateway: Gateway, settings: dict, result: str, count: int) -> None:
    gateway.reload(settings)
    eventually(lambda: gateway.metric("router_config_reloads_total", result=result) >= count, f"{result}, {count}")


def test_weights_and_policy_are_swapped_under_load(start_gateway, fake, settings, learned):
    gateway = start_gateway(settings)
    old = versions(gateway)
    assert gateway.chat("auto", ask(205, False)).headers["x-router-model"] == "small"
    # Streams that are half said when the swap comes.
    gate = fake.gate()
    chat, stream = fake.script, scripts.events(scripts.chat_events(["Hel", "lo"], usage=False), gate, free=2)

    async def either(exchange) -> None:
        await (stream if exchange.request.json().get("stream") else chat)(exchange)

    fake.script = either
    clients = [RawClient(gateway.port) for _ in range(8)]
    for client in clients:
        client.send(post("/v1/chat/completions", STREAM))
    for client in clients:
        client.read_until(b"Hel")

    enough = Event()

    def load(worker: int) -> list[tuple[int, str]]:
        seen, number = [], 0
        with httpx.Client(base_url=gateway.url, trust_env=False, timeout=60) as client:
            while not enough.is_set() or number < 20:
                hard = number % 2 == 0
                body = {"model": "auto", "messages": [{"role": "user", "content": ask(100 + worker * 200 + number % 200, hard)}]}
                answer = client.post("/v1/chat/completions", json=body)
                seen.append((answer.status_code, answer.headers.get("x-router-model")))
                number += 1
        return seen

    swaps = 6
    with ThreadPoolExecutor(4) as workers:
        asked = [workers.submit(load, worker) for worker in range(4)]
        for swap in range(swaps):
            name = "new" if swap % 2 == 0 else "old"
            for part in ("weights", "policy"):
                put(settings, part, learned[f"{name}.{part}"].read_bytes())
            reload(gateway, settings, "ok", swap + 1)
            assert (versions(gateway) == old) == (name == "old")
        enough.set()
        seen = [answer for future in asked for answer in future.result()]
    assert {status for status, _ in seen} == {200}
    assert {name for _, name in seen} == {"small", "big"}
    gate.open(1000)
    for client in clients:
        assert client.read_until(b"[DONE]").count(b"data: ") == 5
        client.socket.close()
    # Every receipt of the load names one of the two, and its policy is the one that belongs to it.
    routes = [line["route"] for line in gateway.log_lines(len(seen) + len(clients))]
    pairs = {(route["classifier"], route["policy_hash"]) for route in routes if route["requested"] == "auto"}
    assert len(pairs) == 2 and old in pairs


@pytest.mark.parametrize(("part", "damage", "said"), [
    ("weights", lambda content: content[: len(content) // 2], ["weights file (format 1)", "cut or damaged"]),
    ("weights", lambda content: content[:8] + b"\x09\x00\x00\x00" + content[12:], ["format 9", "reads format 1"]),
    ("weights", lambda content: content[:-1] + bytes([content[-1] ^ 1]), ["SHA-256", "format 1"]),
    ("policy", lambda content: content[: len(content) // 2], ["policy"]),
    ("policy", lambda content: content.replace(b'"format":1', b'"format":9').replace(b'"format": 1', b'"format": 9'),
     ["format 9"]),
])
def test_a_file_that_cannot_be_used_leaves_the_old_one_in_use(start_gateway, settings, learned, part, damage, said):
    gateway = start_gateway(settings)
    old = versions(gateway)
    good = Path(settings[part]).read_bytes()
    damaged = damage(good)
    assert damaged != good
    put(settings, part, damaged)
    printed = len(gateway.child.lines)
    reload(gateway, settings, "refused", 1)
    eventually(lambda: len(gateway.child.lines) > printed, "the gateway says what was wrong")
    text = "\n".join(gateway.child.lines[printed:])
    assert "old one stays in use" in text and all(words in text for words in said), text
    assert versions(gateway) == old
    # What is whole again is taken.
    put(settings, part, good)
    reload(gateway, settings, "ok", 1)
    assert versions(gateway) == old


def test_a_policy_of_other_weights_is_not_used(start_gateway, settings, learned):
    gateway = start_gateway(settings)
    assert "trade" in gateway.chat("auto", ask(205, False)).headers["x-router-reason"]
    put(settings, "weights", learned["new.weights"].read_bytes())
    reload(gateway, settings, "ok", 1)
    assert "trade" not in gateway.chat("auto", ask(205, False)).headers["x-router-reason"]
    put(settings, "policy", learned["new.policy"].read_bytes())
    reload(gateway, settings, "ok", 2)
    assert "trade" in gateway.chat("auto", ask(205, False)).headers["x-router-reason"]
