"""How fast the custom model server is there, and how fast it then is, beside llama.cpp in one run.

Usage: bench.py PATH_OF_CUSTOM_MODEL_SERVER [--quick]. Writes Benchmarks/results/coldstart.json and prints the same.

Starts alternate: the page cache is warm, the process is not running. Ready is the first 200 of GET /health after exec; the
first token is that of a short prompt, asked for as soon as the server is ready. Every program computes on one thread.
"""

import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench_report import ROOT, Report, quantile, run
from processes import Child

WEIGHTS = ROOT / ".cache" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
DECODED, PREFILLED = 64, 400


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=300)
        self.path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def ask(connection: http.client.HTTPConnection, path: str, body: dict | None = None, method: str = "POST") -> dict:
    connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    # The next request connects anew: servers close what was idle for some seconds.
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{path} was answered with {answer.status}: {text[:300]!r}")
    return json.loads(text) if text else {}


def completion(prompt: str, tokens: int, **more) -> dict:
    return {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "cache_prompt": False} | more


class Bench:
    def __init__(self, program: str, report: Report, folder: Path, quick: bool, cleanup: contextlib.ExitStack) -> None:
        self.folder, self.quick, self.cleanup = folder, quick, cleanup
        self.report, self.metrics, self.detail = report, report.metrics, report.detail
        self.ours = [
            program, "--model", str(WEIGHTS), "--listen", "127.0.0.1:0", "--name", "smollm2", "--context", "1024",
            "--snapshot-store", str(folder / "store"),
        ]
        self.llama = [
            sys.executable, str(ROOT / "Scripts" / "llama_server.py"), str(WEIGHTS), "--alias", "smollm2", "--greedy",
            "--context", "1024",
        ]
        self.detail["notes"].append(
            "left out: transformers serve, which needs PyTorch and the model in its own format")

    def start(self, command: list[str]) -> tuple[Child, http.client.HTTPConnection, float]:
        """A started server, a connection to it, and the milliseconds from exec until it was healthy."""
        began = time.perf_counter()
        child = Child(command)
        connection = http.client.HTTPConnection("127.0.0.1", self.port(child), timeout=300)
        ask(connection, "/health", method="GET")
        return child, connection, 1e3 * (time.perf_counter() - began)

    @staticmethod
    def port(child: Child) -> int:
        """Like `Child.listening_port`, looking every 0.2 ms."""
        while not (lines := [line for line in child.lines if "listening on http://" in line]):
            if child.process.poll() is not None:
                raise SystemExit(f"{child.name} ended with {child.process.returncode}:\n{child.output}")
            time.sleep(2e-4)
        return int(lines[0].rsplit(":", 1)[1])

    def measure_starts(self) -> None:
        child, _, first = self.start(self.ours)
        child.stop()
        found: dict[str, list[tuple[float, float]]] = {"ours": [], "llamacpp": []}
        loads = []
        rounds = 5 if self.quick else 40
        for index in range(rounds):
            # llama.cpp needs seconds: every fourth start is enough for its median.
            for name, command in [("ours", self.ours)] + ([("llamacpp", self.llama)] if index % 4 == 0 else []):
                began = time.perf_counter()
                child, connection, ready = self.start(command)
                ask(connection, "/v1/completions", completion("The capital of France is", 1))
                found[name].append((ready, 1e3 * (time.perf_counter() - began)))
                if name == "ours":
                    waterfall = next((line for line in child.lines if "ready in" in line), None)
                child.stop()
            loads.append(os.getloadavg()[0])
        self.report.n = rounds
        for name, prefix in (("ours", ""), ("llamacpp", "llamacpp_")):
            for column, what in ((0, "ready"), (1, "first_token")):
                values = [pair[column] for pair in found[name]]
                self.metrics[f"{prefix}exec_to_{what}_ms_p50"] = statistics.median(values)
                self.metrics[f"{prefix}exec_to_{what}_ms_p99"] = quantile(values, 0.99)
        self.detail["starts"] = {
            "ours": [[round(value, 1) for value in pair] for pair in found["ours"]],
            "llamacpp": [[round(value, 1) for value in pair] for pair in found["llamacpp"]],
            "first_start_that_makes_the_snapshot_ms": round(first, 1),
            "load_least_and_most": [min(loads), max(loads)], "last_waterfall": waterfall,
        }

    def measure_speed(self) -> None:
        """Tokens a second, decoding and reading prompts, each server asked in turn."""
        servers = {}
        for name, command in (("ours", self.ours), ("llamacpp", self.llama)):
            child, connection, _ = self.start(command)
            self.cleanup.callback(child.stop)
            servers[name] = connection
        speeds: dict[str, dict[str, list[float]]] = {name: {"decode": [], "prefill": []} for name in servers}
        for index in range(3 if self.quick else 9):
            # A word is a token; numbers keep every prompt new.
            long = f"Story {index}:" + " the old man and the sea" * (PREFILLED // 6)
            for name, connection in servers.items():
                began = time.perf_counter()
                usage = ask(connection, "/v1/completions", completion(long, 1))["usage"]
                speeds[name]["prefill"].append(usage["prompt_tokens"] / (time.perf_counter() - began))
                took = []
                for count in (1, 1 + DECODED):
                    began = time.perf_counter()
                    usage = ask(connection, "/v1/completions", completion(f"{index}. Once upon a time", count))["usage"]
                    took.append((time.perf_counter() - began, usage["completion_tokens"]))
                speeds[name]["decode"].append((took[1][1] - took[0][1]) / (took[1][0] - took[0][0]))
        for what in ("decode", "prefill"):
            ratios = [a / b for a, b in zip(speeds["ours"][what], speeds["llamacpp"][what])]
            self.metrics[f"{what}_ratio_to_llamacpp"] = statistics.median(ratios)
            self.detail[f"{what}_tokens_per_second"] = {
                name: round(statistics.median(values[what]), 1) for name, values in speeds.items()
            }

    def measure_variants(self) -> None:
        """Sleeping and waking, and putting a variant's weights in the place of another's."""
        adapters = self.folder / "adapters"
        subprocess.run(
            [sys.executable, str(ROOT / "Scripts" / "make_test_adapter.py"), "make", str(WEIGHTS), str(adapters),
             "--count", "4"],
            check=True, stdout=subprocess.DEVNULL,
        )
        socket_path = self.folder / "admin"
        child, connection, _ = self.start([*self.ours, "--variants", str(adapters), "--admin-socket", str(socket_path)])
        self.cleanup.callback(child.stop)
        wakes, switches = [], []
        for _ in range(5 if self.quick else 30):
            ask(UnixConnection(socket_path), "/sleep")
            began = time.perf_counter()
            ask(UnixConnection(socket_path), "/wake")
            wakes.append(1e3 * (time.perf_counter() - began))
        self.metrics["wake_ms_p50"] = statistics.median(wakes)
        self.metrics["wake_ms_p99"] = quantile(wakes, 0.99)
        names = [f"smollm2:variant-{index:03d}" for index in range(4)]
        for _ in range(2 if self.quick else 15):
            for name in names:
                ask(connection, "/v1/completions", completion("The capital of France is", 1, model=name))
                switches.append(ask(UnixConnection(socket_path), "/state", method="GET")["last_switch_ms"])
        # The first turn merges each adapter, once; the others only switch.
        self.metrics["variant_switch_ms_p50"] = statistics.median(switches[4:])
        self.metrics["variant_switch_ms_p99"] = quantile(switches[4:], 0.99)


def measure(options, report: Report, folder: Path, cleanup: contextlib.ExitStack) -> None:
    bench = Bench(options.program, report, folder, options.quick, cleanup)
    bench.measure_starts()
    bench.measure_speed()
    bench.measure_variants()


if __name__ == "__main__":
    run("coldstart", __doc__, ["program"], measure)
