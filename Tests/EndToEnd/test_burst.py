"""Many requests at once at a deployment at zero, with its engine or the daemon killed on the way: what is answered is right and
billed, and nothing is answered twice."""

import asyncio
import json
import os
import signal

import pytest
from serving import Daemon
from waiting import eventually

COUNT = 200


async def ask(daemon: Daemon, prompt: str, tokens: int = 1) -> dict:
    """One request on a connection of its own; its `text` is None when there was no whole answer of status 200."""
    body = json.dumps({"model": "tiny", "prompt": prompt, "max_tokens": tokens, "temperature": 0, "logprobs": 1}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = {"prompt": prompt, "text": None, "id": None, "raw": b""}
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
        writer.write(head.encode() + body)
        answer["raw"] = await reader.read()
        writer.close()
    except OSError:
        return answer
    found, _, rest = answer["raw"].partition(b"\r\n\r\n")
    if found.startswith(b"HTTP/1.1 200"):
        assert answer["raw"].count(b"HTTP/1.1 ") == 1, "answered twice"
        fields = dict(line.split(": ", 1) for line in found.decode().split("\r\n")[1:])
        answer["id"] = {name.lower(): value for name, value in fields.items()}["x-request-id"]
        try:
            answer["text"] = json.loads(rest)["choices"][0]["text"]
        except json.JSONDecodeError:
            answer["text"] = None
    return answer


class Burst:
    def __init__(self, daemon: Daemon, tier: str, tokens: int) -> None:
        self.daemon, self.tokens = daemon, tokens
        prompts = [f"request {index} of ten" for index in range(10)]
        self.right = {prompt: asyncio.run(ask(daemon, prompt, tokens))["text"] for prompt in prompts}
        daemon.done("sleep", "tiny", "--tier", tier)
        daemon.wait_for("tiny", "asleep")
        self.before = self.billed()
        self.prompts = [prompts[index % 10] for index in range(COUNT)]

    def billed(self) -> set[str]:
        ids = [
            json.loads(row[17:])["id"]
            for path in sorted((self.daemon.state / "ledger").glob("ledger-*.jsonl"))
            # What is not ended yet is being written.
            for row in path.read_text().rpartition("\n")[0].splitlines()
            if '"kind":"request"' in row
        ]
        assert len(ids) == len(set(ids)), "nothing is billed twice"
        return set(ids)

    def send(self, meanwhile=lambda: None) -> list[dict]:
        async def all_of_them() -> list[dict]:
            asked = [asyncio.create_task(ask(self.daemon, prompt, self.tokens)) for prompt in self.prompts]
            await asyncio.get_running_loop().run_in_executor(None, meanwhile)
            return await asyncio.gather(*asked)

        return asyncio.run(all_of_them())

    def check(self, answers: list[dict], may_fail: bool = False) -> None:
        whole = [answer for answer in answers if answer["text"] is not None]
        if not may_fail:
            assert len(whole) == COUNT, next(a["raw"] for a in answers if a["text"] is None)
        for answer in whole:
            assert answer["text"] == self.right[answer["prompt"]]
        ids = [answer["id"] for answer in whole]
        billed = self.billed() - self.before
        assert len(ids) == len(set(ids)) and set(ids) <= billed
        if not may_fail:
            assert len(billed) == COUNT


@pytest.fixture
def burst(start, tiny_model: str):
    daemon = start()
    more = ["--scaledown", "600", "--concurrency", "16"]
    daemon.done("deploy", "tiny", "--engine", "llama.cpp", "--model", tiny_model, *more)
    return lambda tier="cold", tokens=1: Burst(daemon, tier, tokens)


@pytest.mark.parametrize("tier", ["suspended", "cold"])
def test_a_burst_at_zero_is_answered_whole_and_once(burst, tier: str) -> None:
    one = burst(tier)
    one.check(one.send())


def kill_engine_when(daemon: Daemon, is_time) -> None:
    # Asked without a process in between, which could miss the moment.
    key = {"Authorization": f"Bearer {daemon.key}"}
    pid = eventually(lambda: (lambda shown: shown["replicas"][0].get("pid") if is_time(shown) else None)(
        daemon.http.get("/api/deployments/tiny", headers=key).json()), "the engine is there")
    os.killpg(pid, signal.SIGKILL)


def test_an_engine_killed_while_it_wakes_costs_no_request(burst) -> None:
    one = burst("cold")
    one.check(one.send(lambda: kill_engine_when(one.daemon, lambda shown: shown["state"] in ("waking", "starting"))))


def test_an_engine_killed_in_the_middle_costs_no_request(burst) -> None:
    # Long enough to be found in flight.
    one = burst("suspended", tokens=100)
    one.check(one.send(lambda: kill_engine_when(one.daemon, lambda shown: shown["replicas"][0]["in_flight"] > 0)))


def test_a_daemon_killed_in_the_middle_bills_what_it_answered(burst) -> None:
    one = burst("suspended")

    def kill() -> None:
        eventually(lambda: len(one.billed() - one.before) > 20, "some are answered")
        one.daemon.kill()

    one.check(one.send(kill), may_fail=True)
    one.daemon.start()
    one.check([], may_fail=True)
    # All is well again.
    one.before = one.billed()
    one.daemon.wait_for("tiny", "ready")
    one.check(one.send())
