"""`make bench-gateway`: what a request through the gateway costs, beside nginx and LiteLLM in the same run.

Usage: bench.py PATH_OF_ROUTER [--quick]. Everything runs on 127.0.0.1 with one worker each, against the same
upstream: an nginx that answers every request with one fixed chat completion. The gateway classifies, routes between
two models, keeps the receipt and writes the log line; nginx writes an access-log line.

Writes Benchmarks/results/gateway.json and prints the same as tables. The headline figures are those of 2 KB prompts.
"""

import asyncio
import contextlib
import statistics
import sys
from pathlib import Path

from bench_report import Report, run, spread, table
from measure import Load, awake_cores, resident_bytes, run_seconds, run_wrk, write_bodies
from peers import start_gateway, start_litellm, start_nginx
from processes import Child
from streams import read_streams

SIZES = {"0.1 KB": 100, "2 KB": 2000, "20 KB": 20000}
HEADLINE = "2 KB"


class Bench:
    def __init__(self, router: str, report: Report, folder: Path, quick: bool, cleanup: contextlib.ExitStack) -> None:
        self.quick, self.report = quick, report
        self.metrics, self.detail = report.metrics, report.detail
        self.bodies = {name: write_bodies(folder / f"bodies-{size}", size) for name, size in SIZES.items()}

        def keep(child: Child) -> Child:
            cleanup.callback(child.stop)
            return child

        self.upstream = keep(start_nginx("nginx-upstream.conf.in", folder / "upstream"))
        self.streams = keep(Child([sys.executable, str(Path(__file__).with_name("streams.py"))]))
        self.nginx = keep(start_nginx("nginx.conf.in", folder / "nginx", upstream_port=self.upstream.port))
        self.stream_nginx = keep(
            start_nginx("nginx.conf.in", folder / "stream-nginx", upstream_port=self.streams.listening_port()))
        self.gateway = keep(
            start_gateway(router, folder / "gateway", self.upstream.port, self.streams.listening_port()))
        print("starting LiteLLM (imports take a while)", flush=True)
        self.litellm = start_litellm(folder / "litellm", self.upstream.port)
        if self.litellm:
            keep(self.litellm)
        else:
            self.detail["notes"].append("LiteLLM could not be installed or started: its figures are absent")

    def load(self, child: Child, size: str, connections: int, seconds: float) -> Load:
        fields = (f"Authorization=Bearer {child.key}",) if child is self.litellm else ()
        seen = run_wrk(child.port, self.bodies[size], connections, seconds, child.pid, fields)
        self.report.n += seen.requests
        return seen

    def measure_cpu(self) -> None:
        """CPU a request at 16 connections, in rounds that go from one program to the next."""
        rounds, seconds = (2, 2) if self.quick else (5, 4)
        seen: dict[str, dict[str, list[Load]]] = {"gateway": {}, "nginx": {}, "litellm": {}}
        for child in filter(None, (self.gateway, self.nginx, self.litellm)):
            # LiteLLM's first requests import what they need, for seconds.
            self.load(child, HEADLINE, 16, 10 if child is self.litellm else 1)
        for size in SIZES:
            for _ in range(rounds):
                for name, child in (("gateway", self.gateway), ("nginx", self.nginx)):
                    seen[name].setdefault(size, []).append(self.load(child, size, 16, seconds))
            if self.litellm:
                seen["litellm"][size] = [self.load(self.litellm, size, 16, seconds * 2)]
        detail = self.detail["cpu_us_per_request_c16"] = {}
        rows = []
        for name, by_size in seen.items():
            for size, loads in by_size.items():
                figures = spread([load.cpu_us for load in loads])
                figures["requests_per_second"] = statistics.median(load.per_second for load in loads)
                figures["requests"] = sum(load.requests for load in loads)
                detail.setdefault(name, {})[size] = figures
                rows.append([f"{name}, prompts of {size}", f"{figures['median']:.1f}",
                             f"{figures['least']:.1f}-{figures['most']:.1f}",
                             f"{figures['requests_per_second']:.0f}"])
        table(["CPU per request, 16 connections", "us", "spread", "req/s"], rows)
        self.metrics["cpu_us_per_request"] = detail["gateway"][HEADLINE]["median"]
        self.metrics["nginx_cpu_us_per_request"] = detail["nginx"][HEADLINE]["median"]
        if self.litellm:
            self.metrics["litellm_cpu_us_per_request"] = detail["litellm"][HEADLINE]["median"]

    def measure_latency(self) -> None:
        """The added time of a lone request, on cores that sleep between requests and on cores that are kept awake."""
        self.metrics["added_p50_ms_c1"] = self.latency("latency_c1", "1 connection")
        with awake_cores():
            self.metrics["added_p50_ms_c1_awake"] = self.latency("latency_c1_awake", "1 connection, cores kept awake")

    def latency(self, key: str, title: str) -> float:
        """What the gateway adds at one connection: the difference to the round beside it, direct to the upstream."""
        rounds = 3 if self.quick else 9
        detail = self.detail[key] = {}
        rows = []
        for size in SIZES:
            p50: dict[str, list[float]] = {"direct": [], "gateway": [], "nginx": []}
            p99: dict[str, list[float]] = {"direct": [], "gateway": [], "nginx": []}
            for _ in range(rounds):
                for name, child in (("direct", self.upstream), ("gateway", self.gateway), ("nginx", self.nginx)):
                    seen = self.load(child, size, 1, 1)
                    p50[name].append(seen.p50_us / 1000)
                    p99[name].append(seen.p99_us / 1000)
            added = {name: spread([a - b for a, b in zip(p50[name], p50["direct"])]) for name in ("gateway", "nginx")}
            detail[size] = {
                "p50_ms": {name: statistics.median(values) for name, values in p50.items()},
                "p99_ms": {name: statistics.median(values) for name, values in p99.items()},
                "added_p50_ms": added,
            }
            for name in p50:
                more = added.get(name)
                rows.append([f"{name}, prompts of {size}", f"{statistics.median(p50[name]):.3f}",
                             f"{statistics.median(p99[name]):.3f}", f"{more['median']:.3f}" if more else ""])
        if self.litellm:
            seen = self.load(self.litellm, HEADLINE, 1, 3 if self.quick else 8)
            detail[HEADLINE]["p50_ms"]["litellm"] = seen.p50_us / 1000
            rows.append([f"litellm, prompts of {HEADLINE}", f"{seen.p50_us / 1000:.3f}", f"{seen.p99_us / 1000:.3f}", ""])
        table([f"latency, {title}", "p50 ms", "p99 ms", "added p50 ms"], rows)
        return detail[HEADLINE]["added_p50_ms"]["gateway"]["median"]

    def measure_streams(self) -> None:
        """CPU for an event relayed, usage asked for upstream and stripped again included; nginx, which only relays, beside."""
        streams, events, rounds = (16, 500, 2) if self.quick else (16, 3000, 9)
        figures: dict[str, list[float]] = {"gateway": [], "nginx": []}
        for _ in range(rounds):
            for name, child in (("gateway", self.gateway), ("nginx", self.stream_nginx)):
                before = run_seconds(child.pid)
                seen = asyncio.run(read_streams(child.port, streams, events))
                if seen != streams * (events + 1):
                    raise RuntimeError(f"{name}: {seen} events came of {streams * (events + 1)}")
                figures[name].append((run_seconds(child.pid) - before) * 1e6 / seen)
        self.detail["sse_cpu_us_per_event"] = {
            name: spread(values) | {"streams": streams, "events_each": events + 1} for name, values in figures.items()}
        self.metrics["sse_cpu_us_per_event"] = statistics.median(figures["gateway"])
        self.metrics["nginx_sse_cpu_us_per_event"] = statistics.median(figures["nginx"])
        table(["event streams", "us CPU/event", "spread"],
              [[f"{name}, {streams} streams", f"{statistics.median(values):.2f}", f"{min(values):.2f}-{max(values):.2f}"]
               for name, values in figures.items()])

    def measure_memory(self) -> None:
        """Resident memory after a million requests, and how much of it the second half added."""
        wanted = 30_000 if self.quick else 1_000_000
        samples = []
        done = 0
        while done < wanted:
            done += self.load(self.gateway, HEADLINE, 16, 2 if self.quick else 10).requests
            samples.append((done, resident_bytes(self.gateway.pid) / 1e6))
        half = next(size for count, size in samples if count >= done / 2)
        self.metrics["rss_mb_after_1m"] = samples[-1][1]
        self.metrics["rss_growth_mb_last_half"] = samples[-1][1] - half
        self.detail["rss"] = {"requests": done, "samples_mb": [[count, round(size, 2)] for count, size in samples]}
        if self.quick:
            self.detail["notes"].append(f"a quick run: memory is after {done} requests, not 1,000,000")
        table(["resident memory", "MB"], [
            [f"after {done} requests", f"{samples[-1][1]:.1f}"],
            ["added by the last half", f"{samples[-1][1] - half:.1f}"]])


def measure(options, report: Report, folder: Path, cleanup: contextlib.ExitStack) -> None:
    bench = Bench(options.router, report, folder, options.quick, cleanup)
    bench.measure_cpu()
    bench.measure_latency()
    bench.measure_streams()
    bench.measure_memory()


if __name__ == "__main__":
    run("gateway", __doc__, ["router"], measure)
