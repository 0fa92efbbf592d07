"""`make bench-wake`: what a request pays that finds its deployment at zero, and what `gpuserve` costs when it does not.

Usage: bench.py GPUSERVE CUSTOM_MODEL_SERVER [--quick]. Everything runs on 127.0.0.1, the page cache is warm.

The penalty of a wake is the time to the first right token of a streamed request that finds the deployment at zero (no process),
less the time of the same request on the awake replica: the median of three, asked after one that warms what the wake left cold.
The token is right when it is the one that the engine said after its own start. Beside it the engine's own normal start: from exec
to the same token, without the daemon.

Writes Benchmarks/results/wake.json and prints the same.
"""

import asyncio
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import serving
from bench_report import ROOT, Report, quantile, run, spread
from measure import cpu_seconds, resident_bytes, run_wrk, write_bodies
from peers import fill_in
from processes import Child

WEIGHTS = ROOT / ".cache" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
PROMPT = "The capital of France is"
VLLM = ["--max-model-len", "1024", "--dtype", "bfloat16", "--enforce-eager"]


class Daemon(serving.Daemon):
    """A daemon, its verbs, and requests for its models."""

    def sleep(self, name: str, tier: str) -> None:
        self.done("sleep", name, "--tier", tier)
        found = self.wait_for(name, "asleep")["replicas"][0]["tier"]
        if found != tier:
            raise SystemExit(f"{name} sleeps {found}, not {tier}:\n{self.child.output}")


def first_token(port: int, name: str) -> tuple[float, str, str]:
    """Milliseconds until the first token came, that token, and the tier that the replica came back from."""
    body = {"model": name, "prompt": PROMPT, "max_tokens": 1, "temperature": 0, "stream": True, "cache_prompt": False}
    text = json.dumps(body)
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request("POST", "/v1/completions", text, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    while line := answer.readline():
        if line.startswith(b"data: {") and (word := json.loads(line[6:])["choices"][0].get("text")):
            took = 1e3 * (time.perf_counter() - began)
            answer.read()
            connection.close()
            return took, word, answer.headers["x-gpuserve-tier"] or "none"
    raise SystemExit(f"{name} gave no token: {answer.status}")


def normal_start(command: list[str], port: int, name: str) -> tuple[float, str]:
    """Milliseconds from exec of the engine alone to its first token."""
    began = time.perf_counter()
    # vLLM has children of its own.
    child = Child(command, ended_by=signal.SIGTERM)
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                break
        if child.process.poll() is not None:
            raise SystemExit(f"{command[0]} ended:\n{child.output}")
        time.sleep(1e-3)
    _, word, _ = first_token(port, name)
    took = 1e3 * (time.perf_counter() - began)
    child.stop()
    return took, word


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Bench:
    def __init__(self, options, report: Report, folder: Path, cleanup: contextlib.ExitStack) -> None:
        self.gpuserve, self.custom, self.quick = options.gpuserve, options.custom, options.quick
        self.report, self.metrics, self.detail = report, report.metrics, report.detail
        self.folder, self.cleanup, self.daemons = folder, cleanup, 0
        found = subprocess.run([str(ROOT / "Scripts" / "criu.sh")], capture_output=True, text=True, check=False)
        self.env = {"GPUSERVE_CRIU": found.stdout.strip() if found.returncode == 0 else "/no/criu"}
        self.has_criu = found.returncode == 0
        if not self.has_criu:
            self.note(f"no CRIU that runs here, its figures are absent: {found.stderr.strip().splitlines()[-1]}")

    def note(self, text: str) -> None:
        self.detail["notes"].append(text)

    def daemon(self) -> Daemon:
        self.daemons += 1
        made = Daemon(self.gpuserve, self.folder / f"state-{self.daemons}", env=self.env)
        self.cleanup.callback(made.stop)
        return made

    def deploy_real(self, daemon: Daemon, name: str, tier: str) -> None:
        engine = {"custom": ["--engine", "custom", "--program", self.custom], "vllm": ["--engine", "vllm"]}.get(
            name, ["--engine", "llama.cpp"])
        model = self.model_folder() if name == "vllm" else WEIGHTS
        daemon.done("deploy", name, *engine, "--model", str(model), "--tier", tier, "--scaledown", "600",
                    *(["--", *VLLM] if name == "vllm" else []))

    def model_folder(self) -> Path:
        """The same weights as Hugging Face lays them out, in 16-bit floats."""
        path = self.folder / "smollm2"
        if not path.exists():
            maker = ROOT / "Scripts" / "gguf_to_safetensors.py"
            subprocess.run([sys.executable, str(maker), str(WEIGHTS), str(path), "--type", "BF16"], check=True)
        return path

    def wakes(self, daemon: Daemon, name: str, tier: str, right: str, count: int) -> tuple[list[float], list[float]]:
        """Times to the first token from `tier`, and of the same request on the replica awake."""
        asleep, awake = [], []
        for index in range((3 if self.quick else count) + 1):
            daemon.sleep(name, tier)
            took, word, came_from = first_token(daemon.port, name)
            later = [first_token(daemon.port, name) for _ in range(4)]
            said = {word} | {second for _, second, _ in later}
            if said != {right} or came_from != tier or later[-1][2] != "awake":
                raise SystemExit(
                    f"{name} from {tier}: said {said}, not {right!r}; came from {came_from}, then {later[-1][2]}:\n"
                    f"{daemon.child.output}")
            # The first wake makes what the others find: an image in the page cache.
            if index:
                asleep.append(took)
                awake.append(statistics.median(time for time, _, _ in later[1:]))
                self.report.n += 1
        return asleep, awake

    def measure_engine(self, name: str, tier: str, starts: int = 5, wakes: int = 20) -> None:
        port = free_port()
        match name:
            case "custom":
                command = [self.custom, "--model", str(WEIGHTS), "--listen", f"127.0.0.1:{port}", "--name", name,
                           "--sequences", "4"]
            case "vllm":
                command = [str(serving.ENGINES / "vllm"), "serve", str(self.model_folder()), "--host", "127.0.0.1",
                           "--port", str(port), "--served-model-name", name, *VLLM]
            case _:
                command = [str(serving.ENGINES / "llama-server"), "--model", str(WEIGHTS), "--port", str(port),
                           "--alias", name, "--parallel", "4"]
        starts = [normal_start(command, port, name) for _ in range(min(starts, 2) if self.quick else starts)]
        daemon = self.daemon()
        self.deploy_real(daemon, name, tier)
        asleep, awake = self.wakes(daemon, name, tier, starts[0][1], wakes)
        penalties = [one - other for one, other in zip(asleep, awake)]
        prefix = name.replace(".", "").replace("-", "")
        self.metrics[f"{prefix}_penalty_ms_p50"] = statistics.median(penalties)
        self.metrics[f"{prefix}_penalty_ms_p95"] = quantile(penalties, 0.95)
        # vLLM's takes half a minute: three are no distribution.
        ending = "" if name == "vllm" else "_p50"
        self.metrics[f"{prefix}_normal_start_ms{ending}"] = statistics.median(one for one, _ in starts)
        self.detail[prefix] = {
            "tier": tier, "token": starts[0][1], "from_zero_ms": spread(asleep), "awake_ms": spread(awake),
            "penalties_ms": [round(value, 1) for value in penalties],
            "normal_starts_ms": [round(one, 1) for one, _ in starts],
            "wakes": daemon.status(name).get("wakes", []),
        }
        if name == "llamacpp":
            daemon.done("rm", name)
            self.deploy_real(daemon, name, "suspended")
            asleep, awake = self.wakes(daemon, name, "suspended", starts[0][1], wakes)
            added = [one - other for one, other in zip(asleep, awake)]
            self.metrics["asleep_added_ms_p50"] = statistics.median(added)
            self.detail["asleep"] = {"added_ms": [round(value, 1) for value in added], "awake_ms": spread(awake),
                                     "wakes": daemon.status(name).get("wakes", [])}

    def tiny_model(self) -> str:
        path = self.folder / "tiny.gguf"
        if not path.exists():
            maker = ROOT / "Scripts" / "make_tiny_model.py"
            subprocess.run([sys.executable, str(maker), str(path)], check=True, stdout=subprocess.DEVNULL)
        return str(path)

    def measure_burst(self) -> None:
        """1,000 requests in 2 s at a deployment at zero; each is right when it says what the awake replica says."""
        daemon = self.daemon()
        tier = "process-snapshot" if self.has_criu else "cold"
        daemon.done("deploy", "tiny", "--engine", "llama.cpp", "--model", self.tiny_model(), "--tier", tier,
                    "--scaledown", "600", "--concurrency", "16")
        prompts = [f"request {index % 10} of ten" for index in range(200 if self.quick else 1000)]

        async def ask(prompt: str, at: float) -> tuple[float, str | None]:
            await asyncio.sleep(at)
            began = time.perf_counter()
            body = json.dumps({"model": "tiny", "prompt": prompt, "max_tokens": 1, "temperature": 0}).encode()
            head = ("POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n")
            reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
            writer.write(head.encode() + body)
            text = await reader.read()
            writer.close()
            took = 1e3 * (time.perf_counter() - began)
            found, _, rest = text.partition(b"\r\n\r\n")
            if not found.startswith(b"HTTP/1.1 200"):
                return took, None
            return took, json.loads(rest)["choices"][0]["text"]

        async def burst(seconds: float) -> list[tuple[float, str | None]]:
            return await asyncio.gather(
                *(ask(prompt, seconds * index / len(prompts)) for index, prompt in enumerate(prompts)))

        right = {prompt: asyncio.run(ask(prompt, 0))[1] for prompt in prompts[:10]}
        daemon.sleep("tiny", tier)
        answers = asyncio.run(burst(2))
        good = sum(text is not None and text == right[prompt] for (_, text), prompt in zip(answers, prompts))
        billed = json.loads(daemon.done("bill", "--json"))["total"]["requests"]
        times = [took for took, _ in answers]
        self.metrics["burst_answered_of_1000"] = good * 1000 / len(prompts)
        self.detail["burst"] = {
            "sent": len(prompts), "right": good, "answered": sum(text is not None for _, text in answers),
            "billed": billed - 10, "tier": tier, "p50_ms": quantile(times, 0.5), "p99_ms": quantile(times, 0.99),
        }

    def measure_proxy(self) -> None:
        """CPU of the daemon for a request to an awake deployment: an nginx that answers everything at once."""
        daemon = self.daemon()
        folder = self.folder / "nginx"
        folder.mkdir()
        conf = fill_in("nginx-upstream.conf.in", folder / "in.conf", folder=folder,
                       user="user root;" if os.geteuid() == 0 else "")
        # The canary reads the text of a completion, which is what a chat completion has not.
        program = folder / "engine"
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        program.write_text(
            f"#!/bin/sh\nsed s/@PORT@/$1/ {conf} >{folder}/nginx.conf\n"
            f"exec {nginx} -c {folder}/nginx.conf -p {folder} -e {folder}/error.log\n")
        program.chmod(0o755)
        daemon.done("deploy", "bench", "--engine", "custom", "--model", "none", "--program", str(program), "--scaledown",
                    "600", "--", "{port}")
        bodies = write_bodies(folder / "bodies", 2000)
        bodies.write_text(re.sub(r'"model": ?"[^"]*"', '"model":"bench"', bodies.read_text()))
        run_wrk(daemon.port, bodies, 16, 1, daemon.child.pid)
        loads = [run_wrk(daemon.port, bodies, 16, 2 if self.quick else 4, daemon.child.pid, alone=True)
                 for _ in range(2 if self.quick else 5)]
        self.metrics["proxy_cpu_us_per_request"] = statistics.median(load.cpu_us for load in loads)
        self.detail["proxy"] = {
            "cpu_us": spread([load.cpu_us for load in loads]), "requests": sum(load.requests for load in loads),
            "failed": sum(load.failed for load in loads),
            "requests_per_second": statistics.median(load.per_second for load in loads),
        }

    def measure_memory(self) -> None:
        """The daemon with 50 deployments, each of which was up once."""
        daemon = self.daemon()
        count = 5 if self.quick else 50
        for index in range(count):
            daemon.done("deploy", f"tiny-{index}", "--engine", "llama.cpp", "--model", self.tiny_model(), "--scaledown",
                        "600")
            daemon.sleep(f"tiny-{index}", "cold")
        first_token(daemon.port, "tiny-0")
        self.metrics["daemon_rss_mb"] = resident_bytes(daemon.child.pid) / 1e6
        self.detail["memory"] = {"deployments": count, "cpu_s": cpu_seconds(daemon.child.pid, alone=True)}


def measure(options, report: Report, folder: Path, cleanup: contextlib.ExitStack) -> None:
    bench = Bench(options, report, folder, cleanup)
    if bench.has_criu:
        bench.measure_engine("llamacpp", "process-snapshot")
    bench.measure_engine("custom", "process-snapshot" if bench.has_criu else "kit-snapshot")
    bench.measure_burst()
    bench.measure_proxy()
    bench.measure_memory()
    if not (ROOT / ".venv-vllm" / "bin" / "vllm").exists():
        bench.note("vLLM is not here (Scripts/venv.sh vllm, 3 GB): its figures are absent")
    elif bench.has_criu:
        bench.measure_engine("vllm", "process-snapshot", starts=3)
    if options.quick:
        bench.note("a quick run: fewer wakes, a burst of 200, 5 deployments")


if __name__ == "__main__":
    run("wake", __doc__, ["gpuserve", "custom"], measure)
