"""`make bench-trace`, its second part: the recorded hour, many times as fast, played to a real daemon with real engines.

Usage: daemon.py GPUSERVE BENCH_TRACE [--quick]. Ten deployments of llama.cpp with a tiny model where two find room, from images of
their processes; each request asks for as many tokens as fill its time. By three policies, each with a daemon of its own: ours by
patience, a time-out of a recorded minute, and keep alive for ever. The daemon pushes out what is least worth its memory in all three;
the baselines are not woken ahead. Beside what came of it stands what the replay in virtual time foresaw for the same requests.

A wait is the time to the first token. A request is a hit when its deployment was ready as it came.

Writes Benchmarks/results/trace-daemon.json and prints the same.
"""

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import serving
from bench_report import ROOT, Report, quantile, run, table

SPEED = 12
# An engine answers on one thread: bursts of requests as long as the hour's would take it many times as long.
BREVITY = 4
NEED_MB = 100
TIER = "process-snapshot"


@dataclass
class Answer:
    wait_ms: float
    total_ms: float
    is_hit: bool
    tokens: int


async def ask(port: int, name: str, tokens: int) -> Answer | None:
    """One streamed completion of so many tokens; nil when it was not answered whole."""
    body = json.dumps({"model": name, "prompt": "Once", "max_tokens": tokens, "temperature": 0, "ignore_eos": True,
                       "stream": True, "cache_prompt": False}).encode()
    head = (f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head + body)
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        fields = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not fields.startswith(b"http/1.1 200"):
            return None
        text = await reader.readuntil(b"data: {")
        wait = time.perf_counter() - began
        text += await reader.read()
        writer.close()
        if b"data: [DONE]" in text:
            return Answer(1e3 * wait, 1e3 * (time.perf_counter() - began), b"x-gpuserve-state: ready" in fields,
                          text.count(b"data: {"))
    return None


class Player:
    def __init__(self, options, folder: Path, cleanup: contextlib.ExitStack, criu: str) -> None:
        self.gpuserve, self.bench_trace, self.quick = options.gpuserve, options.bench_trace, options.quick
        self.folder, self.cleanup = folder, cleanup
        self.env = {"GPUSERVE_CRIU": criu}
        self.model = folder / "tiny.gguf"
        subprocess.run([sys.executable, str(ROOT / "Scripts" / "make_tiny_model.py"), str(self.model)], check=True,
                       stdout=subprocess.DEVNULL)

    def daemon(self, name: str, *options: str) -> serving.Daemon:
        daemon = serving.Daemon(self.gpuserve, self.folder / name, env=self.env, options=list(options))
        self.cleanup.callback(daemon.stop)
        return daemon

    def deploy(self, daemon: serving.Daemon, name: str, *scale: str) -> None:
        daemon.done("deploy", name, "--engine", "llama.cpp", "--model", str(self.model), "--tier", TIER, "--concurrency",
                    "8", "--memory", f"{NEED_MB}MB", *scale)

    def measure_engine(self) -> tuple[float, float, float]:
        """Milliseconds of a wake, of a sleep, and of one token."""
        daemon = self.daemon("alone")
        self.deploy(daemon, "tiny", "--scaledown", "600")
        reports = [json.loads(daemon.done("snapshot", "tiny", "--json")) for _ in range(3 if self.quick else 10)]
        answers = [asyncio.run(ask(daemon.port, "tiny", 400)) for _ in range(5)]
        token = statistics.median((answer.total_ms - answer.wait_ms) / (answer.tokens - 1) for answer in answers)
        daemon.stop()
        return (1e3 * statistics.median(report["wake_seconds"] for report in reports),
                1e3 * statistics.median(report["image_seconds"] for report in reports), token)

    def play(self, policy: dict, requests: list[list[int]], length_ms: int, token_ms: float) -> dict:
        scale = (["--patience", str(int(policy["patience"]))] if policy["patience"]
                 else ["--scaledown", str(policy["scaledown_s"]), "--prewake", "off"])
        daemon = self.daemon(policy["name"], "--host-memory", f"{2 * NEED_MB}MB")
        names = [f"d{number}" for number in range(10)]
        for name in names:
            self.deploy(daemon, name, *scale)
        self.sleep(daemon, names)
        before, said = self.bill(daemon), len(daemon.child.output)

        async def one(deployment: int, at_ms: int, service_ms: int, began: float) -> Answer | None:
            await asyncio.sleep(max(0, began + at_ms / 1e3 - time.perf_counter()))
            return await ask(daemon.port, names[deployment], max(2, round(service_ms / token_ms)))

        async def all_of_them() -> list[Answer | None]:
            began = time.perf_counter()
            answers = asyncio.gather(*(one(*request, began) for request in requests))
            await asyncio.sleep(max(0, began + length_ms / 1e3 - time.perf_counter()))
            return await answers

        answers = asyncio.run(all_of_them())
        # What is still up is billed once it sleeps.
        self.sleep(daemon, names)
        after, log = self.bill(daemon), daemon.child.output[said:]
        daemon.stop()
        good = [answer for answer in answers if answer]
        if len(good) < len(requests) or after["requests"] - before["requests"] != len(requests):
            raise SystemExit(f"{policy['name']}: {len(good)} of {len(requests)} answered, "
                             f"{after['requests'] - before['requests']} billed:\n{daemon.child.output[-4000:]}")
        waits = [answer.wait_ms for answer in good]
        return {
            "policy": policy["policy"], "gpu_s": (after["awake_ms"] - before["awake_ms"]) / 1e3,
            "wait_ms_mean": statistics.mean(waits), "wait_ms_p50": quantile(waits, 0.5),
            "wait_ms_p99": quantile(waits, 0.99), "hit_rate": sum(answer.is_hit for answer in good) / len(good),
            "evictions": log.count("makes room"), "wakes": log.count("is ready from"),
            "service_ms_mean": statistics.mean(answer.total_ms - answer.wait_ms for answer in good),
        }

    def sleep(self, daemon: serving.Daemon, names: list[str]) -> None:
        for name in names:
            daemon.done("sleep", name, "--tier", TIER)
            daemon.wait_for(name, "asleep")

    def bill(self, daemon: serving.Daemon) -> dict:
        return json.loads(daemon.done("bill", "--json"))["total"]


def measure(options, report: Report, folder: Path, cleanup: contextlib.ExitStack) -> None:
    criu = subprocess.run([str(ROOT / "Scripts" / "criu.sh")], capture_output=True, text=True, check=False)
    if criu.returncode:
        raise SystemExit(f"no CRIU that runs here: {criu.stderr.strip().splitlines()[-1]}")
    player = Player(options, folder, cleanup, criu.stdout.strip())
    wake_ms, sleep_ms, token_ms = player.measure_engine()
    speed = 60 if options.quick else SPEED
    trace = json.loads(subprocess.run(
        [options.bench_trace, "--speed", str(speed), "--wake-ms", str(round(wake_ms)), "--sleep-ms", str(round(sleep_ms)),
         "--brevity", str(BREVITY)],
        check=True, capture_output=True, cwd=ROOT).stdout)
    requests = [[int(value) for value in request] for request in trace["requests"]]
    report.metrics |= {"wake_ms_p50": wake_ms, "sleep_ms_p50": sleep_ms, "token_ms_p50": token_ms}
    rows = []
    for policy in trace["policies"]:
        name, foreseen = policy["name"], policy["foreseen"]
        found = player.play(policy, requests, int(trace["length_ms"]), token_ms)
        report.n += len(requests)
        report.detail[name] = {"found": found, "foreseen": foreseen}
        keys = ["gpu_s", "wait_ms_mean", "wait_ms_p50", "wait_ms_p99", "hit_rate", "evictions", "wakes"]
        report.metrics |= {f"{name}_{key}": found[key] for key in keys}
        for what, values in [(f"{policy['policy']}", found), ("  as foreseen", foreseen)]:
            rows.append([what, *(f"{values[key]:.3f}" if key == "hit_rate" else f"{values[key]:.0f}" for key in keys)])
    table(["", "GPU-s", "wait mean", "p50", "p99 ms", "hit rate", "evictions", "wakes"], rows)
    report.detail["notes"] += [
        f"the recorded hour, first seed, {speed} times as fast: {len(requests)} requests in {trace['length_ms'] / 1e3:.0f} s, "
        f"each {speed * BREVITY} times as short",
        "wakes and the two seconds that what has come stays at least are not faster, so they weigh more than in an hour",
    ]


if __name__ == "__main__":
    run("trace-daemon", __doc__, ["gpuserve", "bench_trace"], measure)
