"""What the benchmarks in Python share: their command line, the result file, tables and quantiles."""

import argparse
import contextlib
import datetime
import json
import math
import os
import platform
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def machine() -> str:
    """The same line that the Swift benchmarks write."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    cores = len(os.sched_getaffinity(0))
    return f"{cpu}, {cores} cores, {platform.system()} {platform.release()} {platform.machine()}, {memory} MiB"


def table(titles: list[str], rows: list[list[str]]) -> None:
    widths = [max(len(line[column]) for line in [titles, *rows]) for column in range(len(titles))]
    for line in [titles, *rows]:
        first, *rest = (cell.ljust(width) if column == 0 else cell.rjust(width)
                        for column, (cell, width) in enumerate(zip(line, widths)))
        print("  ".join([first, *rest]).rstrip())
    print(flush=True)


def spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "least": min(values), "most": max(values), "rounds": len(values)}


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(len(ordered) * share) - 1))]


class Report:
    """What one benchmark found: `metrics` are the contract, `detail` is for readers, `n` counts what was measured."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}
        self.detail: dict = {"notes": []}
        self.n = 0


def run(name: str, description: str, programs: list[str],
        measure: Callable[[argparse.Namespace, Report, Path, contextlib.ExitStack], None]) -> None:
    """Measures with the programs named on the command line; writes Benchmarks/results/NAME.json and prints its metrics."""
    arguments = argparse.ArgumentParser(description=description)
    for program in programs:
        arguments.add_argument(program)
    arguments.add_argument("--quick", action="store_true", help="a short run, to see that it works")
    options = arguments.parse_args()
    load = os.getloadavg()[0]
    began = datetime.datetime.now(datetime.timezone.utc)
    report = Report()
    with contextlib.ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix=f"bench-{name}-")))
        measure(options, report, folder, cleanup)
    result = {
        "name": name, "date": began.strftime("%Y-%m-%dT%H:%M:%SZ"), "machine": machine(), "load": load, "n": report.n,
        "metrics": {key: round(value, 4) for key, value in report.metrics.items()}, "detail": report.detail,
    }
    path = ROOT / "Benchmarks" / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    part.replace(path)
    table(["metric", "value"], [[key, f"{value:.3f}"] for key, value in report.metrics.items()])
    for note in report.detail["notes"]:
        print(f"note: {note}")
    print(f"written to {path.relative_to(ROOT)} (load at start {load:.2f}, n {report.n}; {machine()})")
