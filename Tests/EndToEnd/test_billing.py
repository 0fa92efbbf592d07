"""What `gpuserve` keeps of what it served: the ledger against the engine's own counters, bills, keys, prices."""

import concurrent.futures
import csv
import io
import json
import os
import random
import re
import signal
from pathlib import Path

import httpx
import pytest
from serving import Daemon, text_of
from waiting import eventually

COUNTERS = ("llamacpp:prompt_tokens_total", "llamacpp:tokens_predicted_total")


def bill(daemon: Daemon, by: str = "deployment") -> dict:
    shown = json.loads(daemon.done("bill", "--by", by, "--json"))
    assert shown["problems"] == [] and shown["repeated"] == 0
    return shown


def line(daemon: Daemon, name: str = "tiny", by: str = "deployment") -> dict:
    return next((line for line in bill(daemon, by)["lines"] if line["name"] == name), {})


def engine_counts(daemon: Daemon) -> list[int]:
    """Prompt and answer tokens as the engine itself counted them."""
    port = daemon.status("tiny")["replicas"][0]["port"]
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
    return [int(float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])) for name in COUNTERS]


class Traffic:
    """Requests of every kind, half of them with something wrong."""

    def __init__(self, daemon: Daemon, seed: int) -> None:
        self.daemon, self.random, self.answered, self.usage = daemon, random.Random(seed), 0, [0, 0]

    def one(self, number: int) -> None:
        kind = self.random.randrange(8)
        prompt = f"{number} " + "word " * self.random.randrange(8)
        body = {"model": "tiny", "prompt": prompt, "max_tokens": self.random.randrange(1, 6), "temperature": 0}
        post = self.daemon.http.post
        if kind == 0:
            assert post("/v1/completions", content=b"{").status_code == 400
        elif kind == 1:
            assert post("/v1/completions", json=body | {"model": "none"}).status_code == 404
        elif kind == 2:
            assert post("/v1/completions", json=body | {"prompt": "word " * 6000}).status_code == 400
        else:
            streams = kind in (3, 4)
            answer = post("/v1/completions", json=body | {"stream": streams})
            assert answer.status_code == 200, answer.text
            self.answered += 1
            if streams:
                assert answer.text.rstrip().endswith("[DONE]") and '"usage"' not in answer.text
            else:
                usage = answer.json()["usage"]
                self.usage[0] += usage["prompt_tokens"]
                self.usage[1] += usage["completion_tokens"]

    def send(self, count: int) -> None:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(self.one, number) for number in range(count)]:
                done.result()


def test_the_ledger_has_every_token_that_the_engine_counted(tiny: Daemon, request_count: int) -> None:
    """Between its faults: frozen and woken, killed, started by another daemon, asked for what it cannot do."""
    counted, answered = [0, 0], 0

    def batch(seed: int) -> None:
        nonlocal answered
        tiny.done("wake", "tiny")
        tiny.wait_for("tiny", "ready")
        # The canary of the wake is the engine's, and nobody's to pay.
        before = engine_counts(tiny)
        traffic = Traffic(tiny, seed)
        traffic.send(request_count // 4)
        answered += traffic.answered
        for index, (old, new) in enumerate(zip(before, engine_counts(tiny))):
            counted[index] += new - old

    batch(1)
    tiny.done("sleep", "tiny")
    tiny.wait_for("tiny", "asleep")
    batch(2)
    pid = tiny.engine_pid("tiny")
    os.killpg(pid, signal.SIGKILL)
    eventually(lambda: tiny.status("tiny")["replicas"][0].get("pid") not in (pid, None), "another engine is there")
    batch(3)
    tiny.kill()
    tiny.start()
    batch(4)
    found = line(tiny)
    assert found["requests"] == answered and found["unmeasured_requests"] == 0
    assert [found["prompt_tokens"] - found["cached_tokens"], found["answer_tokens"]] == counted


def test_whoever_has_a_whole_answer_is_billed_also_when_the_daemon_dies(tiny: Daemon) -> None:
    whole, stop = [], False

    def ask(streams: bool) -> None:
        while not stop:
            try:
                answer = tiny.http.post(
                    "/v1/completions",
                    json={"model": "tiny", "prompt": "a", "max_tokens": 2, "temperature": 0, "stream": streams},
                )
            except httpx.HTTPError:
                continue
            if answer.status_code == 200 and (not streams or "[DONE]" in answer.text):
                whole.append(answer.headers["x-request-id"])

    for _ in range(3):
        stop = False
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(ask, index % 2 == 0) for index in range(6)]
            goal = len(whole) + 60
            eventually(lambda: len(whole) > goal, "requests are answered")
            tiny.kill()
            stop = True
            for one in asked:
                one.result()
        tiny.start()
        tiny.wait_for("tiny", "ready")
    billed = [
        json.loads(row[17:])["id"]
        for path in sorted((tiny.state / "ledger").glob("ledger-*.jsonl"))
        for row in path.read_text().splitlines()
        if '"kind":"request"' in row
    ]
    assert len(billed) == len(set(billed)), "nothing is billed twice"
    assert len(whole) == len(set(whole)) and set(whole) <= set(billed), "what was answered is billed"
    assert line(tiny)["requests"] == len(billed)


def test_bills_have_prices_keys_days_and_the_time_in_each_state(tiny: Daemon) -> None:
    tiny.done("price", "tiny", "prompt=0.15", "answer=0.6", "awake=0.001", "suspended=0.0001")
    first, second = tiny.done("keys", "add", "team-a").strip(), tiny.done("keys", "add", "team-b").strip()
    for key, count in ((first, 1), (second, 2)):
        for _ in range(count):
            text_of(tiny.chat("tiny", headers={"Authorization": f"Bearer {key}"}))
    tiny.done("sleep", "tiny")
    tiny.wait_for("tiny", "asleep")
    tiny.done("stop", "tiny")
    by_key = {found["name"]: found for found in bill(tiny, "key")["lines"]}
    assert by_key["team-a"]["requests"] == 1 and by_key["team-b"]["requests"] == 2
    assert by_key[""]["requests"] == 0 and by_key[""]["awake_ms"] > 0 and by_key[""]["suspended_ms"] > 0
    found = line(tiny)
    assert not found["cost_is_partial"]
    tokens = found["prompt_tokens"] * 150_000 + found["answer_tokens"] * 600_000
    time = found["awake_ms"] * 1_000_000 + found["suspended_ms"] * 100_000
    # The time before the price was set has none.
    assert tokens < round(float(found["cost_usd"]) * 1e12) <= tokens + time
    assert line(tiny, "host", "device")["awake_ms"] == found["awake_ms"]
    days = bill(tiny, "day")["lines"]
    assert sum(day["requests"] for day in days) == 3 and all(re.fullmatch(r"\d{4}-\d\d-\d\d", d["name"]) for d in days)
    rows = list(csv.DictReader(io.StringIO(tiny.done("bill", "--csv"))))
    assert [row["name"] for row in rows] == ["tiny"] and rows[0]["requests"] == "3"
    assert "tiny" in tiny.done("bill") and "total" in tiny.done("bill")
    # The ledger is there without the daemon, and the daemon shows it to who holds its key.
    env = {"GPUSERVE_KEY": tiny.key, "GPUSERVE_STATE": "/none"}
    assert json.loads(tiny.done("bill", "--json")) == json.loads(tiny.done("bill", "--json", "--url", tiny.url, env=env))
    assert tiny.http.get("/api/bill").status_code == 401
    nothing = json.loads(tiny.done("bill", "--json", "--to", "2020-01-01"))
    assert nothing["lines"] == []


def test_keys_are_needed_once_there_are_any_and_are_kept_as_hashes(tiny: Daemon) -> None:
    text_of(tiny.chat("tiny"))
    key = tiny.done("keys", "add", "team").strip()
    for headers in [{}, {"Authorization": "Bearer wrong"}, {"x-api-key": key + "x"}, {"Authorization": f"Bearer {tiny.key}"}]:
        refused = tiny.chat("tiny", headers=headers)
        assert refused.status_code == 401 and refused.json()["error"]["code"] == "invalid_api_key"
    assert tiny.http.get("/v1/models").status_code == 401
    assert tiny.http.get("/tiny/v1/models").status_code == 401
    for headers in [{"Authorization": f"Bearer {key}"}, {"x-api-key": key}]:
        text_of(tiny.chat("tiny", headers=headers))
        assert tiny.http.get("/v1/models", headers=headers).status_code == 200
    for path in Path(tiny.state).rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes(), path
    assert (tiny.state / "keys.json").stat().st_mode & 0o777 == 0o600
    tiny.kill()
    tiny.start()
    text_of(tiny.chat("tiny", headers={"x-api-key": key}))
    assert tiny.done("keys", "list").split() == ["team"]
    tiny.done("keys", "revoke", "team")
    assert tiny.chat("tiny", headers={"x-api-key": key}).status_code == 401
    assert tiny.chat("tiny").status_code == 401, "the last key revoked opens nothing"
    assert "revoked" in tiny.done("keys", "list")
    again = tiny.run("keys", "add", "team")
    assert again.returncode == 1 and "choose another" in again.stderr
    assert key not in tiny.child.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bill", "--by", "keys"], "did you mean key"),
        (["bill", "--from", "today"], "a day such as"),
        (["keys", "make", "x"], "list, add NAME, or revoke NAME"),
        (["keys", "add", "a/b"], "a name is 1 to 63"),
        (["keys", "revoke", "none"], "there is no key 'none'"),
        (["price", "tiny", "prompt"], "WHAT=DOLLARS"),
        (["price", "tiny", "promt=1"], "there is no price of promt"),
        (["price", "tiny", "prompt=-1"], "0 to 1000000 dollars"),
        (["price", "none", "prompt=1"], "there is no deployment 'none'"),
    ],
)
def test_slips_are_named(start, words: list[str], said: str) -> None:
    daemon = start()
    refused = daemon.run(*words)
    assert refused.returncode in (1, 2) and said in refused.stderr, refused.stderr


@pytest.fixture
def request_count() -> int:
    """Enough to have met every fault in make test; make test-all says GPUSERVE_REQUESTS=10000."""
    return int(os.environ.get("GPUSERVE_REQUESTS", "2000"))
