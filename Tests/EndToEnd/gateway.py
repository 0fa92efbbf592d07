"""The built `router` program: configuration, start, and what it shows of itself."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import httpx
from processes import Child
from waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
ALL_DIALECTS = ["chat_completions", "responses", "messages", "completions", "embeddings"]


# Debug builds of these take longer for one token than a release build takes to make.
RELEASED = {"custom-model-server": ["-c", "release", "--static-swift-stdlib"]}


def find_binary(product: str = "router") -> str:
    """The program to test: ROUTER_BINARY (for another product, its name), or a debug build of the checkout."""
    if given := os.environ.get(f"{product.upper().replace('-', '_')}_BINARY"):
        return given
    build = ["swift", "build", *RELEASED.get(product, [])]
    subprocess.run([*build, "--product", product], cwd=ROOT, check=True)
    shown = subprocess.run([*build, "--show-bin-path"], cwd=ROOT, check=True, capture_output=True, text=True)
    return str(Path(shown.stdout.strip()) / product)


def deployment(url: str, identifier: str = "a", **more) -> dict:
    return {"id": identifier, "base_url": url, "model": "served", "auth": "none", "max_concurrent": 4096} | more


def model(name: str, *deployments: dict, tier: str = "cheap", **more) -> dict:
    """A pool entry that can do everything, so that only what a test changes decides."""
    return {
        "name": name,
        "tier": tier,
        "price": {"input": 0.05, "output": 0.08, "cached_input": 0.01},
        "context_window": 8192,
        "max_output_tokens": 2048,
        "modalities": ["text"],
        "tools": True,
        "json_mode": True,
        "json_schema": True,
        "reasoning": False,
        "dialects": ALL_DIALECTS,
        "deployments": list(deployments),
    } | more


def config(*models: dict, **more) -> dict:
    return {"listen": "127.0.0.1:0", "mode": "balanced", "loops": 1, "models": list(models)} | more


class Gateway:
    """A running gateway."""

    def __init__(self, binary: str, folder: Path, settings: dict, env: dict | None = None, before_exec=None) -> None:
        self.binary, self.folder = binary, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.config_path = folder / "router.json"
        self.log_path = folder / "decisions.jsonl"
        self.write_config(settings)
        arguments = [binary, "serve", "--config", str(self.config_path), "--listen", "127.0.0.1:0"]
        self.child = Child(arguments, env, before_exec)
        self.port = self.child.listening_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.base_url = f"{self.url}/v1"
        self.http = httpx.Client(base_url=self.url, timeout=60.0, trust_env=False)

    def write_config(self, settings: dict) -> None:
        settings = {"log": {"path": str(self.log_path)}} | settings
        self.config_path.write_text(json.dumps(settings, indent=2))

    def reload(self, settings: dict | str) -> None:
        """Writes a configuration (text as it is) and asks for it to be read."""
        if isinstance(settings, str):
            self.config_path.write_text(settings)
        else:
            self.write_config(settings)
        self.child.signal(signal.SIGHUP)

    def terminate(self) -> None:
        self.child.signal(signal.SIGTERM)

    def stop(self) -> None:
        self.http.close()
        self.child.stop()

    def chat(self, model: str = "auto", content: str = "hello", **more) -> httpx.Response:
        headers = more.pop("headers", None)
        body = {"model": model, "messages": [{"role": "user", "content": content}]} | more
        return self.http.post("/v1/chat/completions", json=body, headers=headers)

    def receipt(self, request_id: str) -> dict:
        answer = self.http.get(f"/v1/routes/{request_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def log_lines(self, count: int) -> list[dict]:
        """The decision log, once it has at least `count` lines."""

        def lines() -> list[dict] | None:
            text = self.log_path.read_text() if self.log_path.exists() else ""
            whole = text[: text.rfind("\n") + 1].splitlines()
            return [json.loads(line) for line in whole] if len(whole) >= count else None

        return eventually(lines, f"{count} lines in the decision log")

    def metrics(self) -> dict[str, float]:
        """Every sample, keyed as it is written, labels included."""
        text = self.http.get("/metrics").text
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry `labels`."""

        def matches(sample: str) -> bool:
            head, _, rest = sample.partition("{")
            pairs = dict(re.findall(r'(\w+)="([^"]*)"', rest))
            return head == name and labels.items() <= pairs.items()

        return sum(value for sample, value in self.metrics().items() if matches(sample))

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def run_router(binary: str, *arguments: str, env: dict | None = None) -> subprocess.CompletedProcess:
    """A command of `router` that ends by itself."""
    return subprocess.run(
        [binary, *arguments], capture_output=True, text=True, timeout=120, env=os.environ | (env or {}), check=False
    )
