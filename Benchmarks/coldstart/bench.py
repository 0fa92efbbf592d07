"""How fast the custom model server is there, and how fast it then is, beside llama.cpp in one run.

Usage: bench.py PATH_OF_CUSTOM_MODEL_SERVER [--quick]. Writes Benchmarks/results/coldstart.json and prints the same.

Starts alternate: the page cache is warm, the process is not running. Ready is the first 200 of GET /health after exec; the
first token is that of a short prompt, asked for as soon as the server is ready. Every program computes on one thread.
`transformers serve`, when Scripts/venv.sh reference has installed it, has the same weights in 32-bit floats.
"""

import contextlib
import http.client
import json
import os
import socket
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench_report import ROOT, Report, quantile, run
from processes import Child

WEIGHTS = ROOT / ".cache" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
TRANSFORMERS = ROOT / ".venv-reference" / "bin" / "transformers"
DECODED, PREFILLED = 64, 400
VARIANTS, BUDGET_MIB = 200, 64


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
        self.transformers: list[str] | None = None
        if TRANSFORMERS.exists():
            folder = folder / "SmolLM2-135M-Instruct"
            subprocess.run([sys.executable, str(ROOT / "Scripts" / "gguf_to_safetensors.py"), str(WEIGHTS), str(folder)], check=True)
            self.transformers = [
                str(TRANSFORMERS), "serve", str(folder), "--host", "127.0.0.1", "--device", "cpu", "--dtype", "float32"]
        else:
            self.detail["notes"].append("left out: transformers serve, which Scripts/venv.sh reference installs (1.3 GB)")

    def start(self, command: list[str]) -> tuple[Child, http.client.HTTPConnection, float]:
        """A started server, a connection to it, and the milliseconds from exec until it was healthy."""
        began = time.perf_counter()
        child = Child(command)
        connection = http.client.HTTPConnection("127.0.0.1", self.port(child), timeout=300)
        ask(connection, "/health", method="GET")
        return child, connection, 1e3 * (time.perf_counter() - began)

    def start_transformers(self) -> tuple[Child, http.client.HTTPConnection, float]:
        """The same, of a server that takes a port and says nothing that could be waited for."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        began = time.perf_counter()
        child = Child([*self.transformers, "--port", str(port)], env=offline)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        while True:
            try:
                ask(connection, "/health", method="GET")
                return child, connection, 1e3 * (time.perf_counter() - began)
            except OSError:
                connection.close()
                if child.process.poll() is not None:
                    raise SystemExit(f"{child.name} ended with {child.process.returncode}:\n{child.output}")
                time.sleep(1e-3)

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
        found: dict[str, list[tuple[float, float]]] = {"ours": [], "llamacpp": [], "transformers": []}
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
            # Half a minute each: a few are enough to see how far away it is.
            if self.transformers and index % (rounds // 3 + 1) == 0:
                began = time.perf_counter()
                child, connection, ready = self.start_transformers()
                body = completion("The capital of France is", 1, model=self.transformers[2])
                del body["cache_prompt"]
                ask(connection, "/v1/completions", body)
                found["transformers"].append((ready, 1e3 * (time.perf_counter() - began)))
                child.stop()
        self.report.n = rounds
        names = [("ours", ""), ("llamacpp", "llamacpp_")] + [("transformers", "transformers_")] * bool(self.transformers)
        for name, prefix in names:
            for column, what in ((0, "ready"), (1, "first_token")):
                values = [pair[column] for pair in found[name]]
                self.metrics[f"{prefix}exec_to_{what}_ms_p50"] = statistics.median(values)
                self.metrics[f"{prefix}exec_to_{what}_ms_p99"] = quantile(values, 0.99)
        self.detail["starts"] = {
            "ours": [[round(value, 1) for value in pair] for pair in found["ours"]],
            "llamacpp": [[round(value, 1) for value in pair] for pair in found["llamacpp"]],
            "transformers": [[round(value, 1) for value in pair] for pair in found["transformers"]],
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

    def measure_many_variants(self) -> None:
        """What many variants of one base take on disk and in memory, and that they say what their merged models say."""
        count = 20 if self.quick else VARIANTS
        adapters, socket_path, store = self.folder / "many", self.folder / "many-admin", self.folder / "store"
        maker = [sys.executable, str(ROOT / "Scripts" / "make_test_adapter.py")]
        subprocess.run([*maker, "make", str(WEIGHTS), str(adapters), "--count", str(count)], check=True)
        before = folder_bytes(store)
        child, connection, _ = self.start(
            [*self.ours, "--variants", str(adapters), "--variant-budget", str(BUDGET_MIB), "--admin-socket", str(socket_path)])
        names = [f"variant-{index:03d}" for index in range(count)]
        # What the base takes to answer is no variant's.
        for _ in range(10):
            self.say(connection, "smollm2")
        base_rss = anonymous_bytes(child)
        took, said, most_held, most_rss = [], {}, 0, 0
        for name in names:
            began = time.perf_counter()
            said[name] = self.say(connection, f"smollm2:{name}")
            took.append(1e3 * (time.perf_counter() - began))
            held = ask(UnixConnection(socket_path), "/state", method="GET")["variants"]
            most_held, most_rss = max(most_held, held["bytes"]), max(most_rss, anonymous_bytes(child))
        again = {name: self.say(connection, f"smollm2:{name}") for name in reversed(names)}
        child.stop()
        merged = names[:: max(1, count // 5)]
        full, same = self.folder / "full.gguf", 0
        for name in merged:
            subprocess.run([*maker, "merge", str(WEIGHTS), str(adapters / name), str(full)], check=True)
            child, connection, _ = self.start([*self.ours[:1], "--model", str(full), "--listen", "127.0.0.1:0", "--context", "1024"])
            same += self.say(connection, full.stem) == said[name]
            child.stop()
        on_disk = [folder_bytes(adapters / name) for name in names]
        # In the store a variant is nothing; its adapter lies beside it.
        grown = folder_bytes(store) - before
        self.metrics["variants_count"] = count
        self.metrics["variant_store_percent_most"] = 100 * (max(on_disk) + grown / count) / before
        self.metrics["variants_held_mib_most"] = most_held / 2**20
        self.metrics["variants_budget_mib"] = BUDGET_MIB
        self.metrics["variants_process_grown_mib_most"] = (most_rss - base_rss) / 2**20
        self.metrics["variant_first_answer_ms_p50"] = statistics.median(took)
        self.metrics["variants_as_merged_in_full"] = same / len(merged)
        self.metrics["variants_the_same_when_loaded_again"] = sum(said[name] == again[name] for name in names) / count
        self.detail["variants"] = {
            "base_store_bytes": before, "adapter_bytes_most": max(on_disk), "different_answers": len(set(said.values())),
            "compared_with_models_merged_in_full": merged,
        }
        shutil.rmtree(adapters)

    def say(self, connection: http.client.HTTPConnection, model: str) -> str:
        body = completion("The capital of France is", 12, model=model) | {"temperature": 1, "seed": 7}
        return ask(connection, "/v1/completions", body)["choices"][0]["text"]


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def anonymous_bytes(child: Child) -> int:
    """Memory that is the process's own: the base's weights are pages of the snapshot's file."""
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{child.process.pid}/status").read_text())[1])


def measure(options, report: Report, folder: Path, cleanup: contextlib.ExitStack) -> None:
    bench = Bench(options.program, report, folder, options.quick, cleanup)
    bench.measure_starts()
    bench.measure_speed()
    bench.measure_variants()
    bench.measure_many_variants()


if __name__ == "__main__":
    run("coldstart", __doc__, ["program"], measure)
