"""Measuring processes from outside: CPU, memory, load with wrk."""

import contextlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

WORDS = (
    "explain the reason why a small change in this function makes our service slower and what we could do about it "
    "list translate summarise compare write prove city river number table sorted queue lock model price answer"
).split()


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [pid]
    for child in children.read_text().split() if children.exists() else []:
        found += tree(int(child))
    return found


def cpu_seconds(pid: int, alone: bool = False) -> float:
    """User and system time of a process and, unless `alone`, its living children, threads that ended included."""
    total = 0
    for member in [pid] if alone else tree(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_SECOND


def run_seconds(pid: int) -> float:
    """The same as the scheduler counts it, in nanoseconds, of living threads: where ticks of 10 ms are too coarse."""
    total = 0
    for member in tree(pid):
        for thread in Path(f"/proc/{member}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


@contextlib.contextmanager
def awake_cores() -> Iterator[None]:
    """Keeps every core from sleeping by a loop that runs only when nothing else wants to (SCHED_IDLE). A virtual core that
    sleeps is woken through the hypervisor, which can take longer than the request."""
    loops = []
    for core in os.sched_getaffinity(0):
        loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        loops.append(loop)
        os.sched_setscheduler(loop.pid, os.SCHED_IDLE, os.sched_param(0))
        os.sched_setaffinity(loop.pid, {core})
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def resident_bytes(pid: int) -> int:
    """Resident memory of one process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} shows no resident size")


@dataclass(frozen=True)
class Load:
    """What wrk saw, and the CPU that the measured process took meanwhile."""

    requests: int
    failed: int
    p50_us: float
    p99_us: float
    per_second: float
    cpu_us: float


def run_wrk(port: int, bodies: Path, connections: int, seconds: float, pid: int | None = None,
            fields: tuple[str, ...] = (), alone: bool = False) -> Load:
    """Loads 127.0.0.1:port for a while; `pid` is the process whose CPU counts, its children's too unless `alone`."""
    before = cpu_seconds(pid, alone) if pid else 0.0
    finished = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s",
         "-s", str(HERE / "chat.lua"), f"http://127.0.0.1:{port}", "--", str(bodies), *fields],
        capture_output=True, text=True, check=True,
    )
    cpu = (cpu_seconds(pid, alone) if pid else 0.0) - before
    seen = json.loads(finished.stdout.strip().splitlines()[-1])
    if seen["failed"] or not seen["requests"]:
        raise RuntimeError(f"port {port}: {seen['failed']} of {seen['requests']} requests failed")
    return Load(
        seen["requests"], seen["failed"], seen["p50_us"], seen["p99_us"], seen["requests"] / seen["seconds"],
        cpu * 1e6 / seen["requests"],
    )


def write_bodies(path: Path, prompt_bytes: int, count: int = 64) -> Path:
    """Requests with different prompts of about `prompt_bytes`, one a line. The same file on every run."""
    source = random.Random(prompt_bytes)
    lines = []
    for _ in range(count):
        prompt = ""
        while len(prompt) < prompt_bytes:
            prompt += source.choice(WORDS) + " "
        message = {"role": "user", "content": prompt[:prompt_bytes].rstrip() + "?"}
        lines.append(json.dumps({"model": "auto", "messages": [message], "max_tokens": 64}))
    path.write_text("\n".join(lines) + "\n")
    return path
