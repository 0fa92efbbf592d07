"""The programs that are measured, and the upstreams they are measured against. All listen on 127.0.0.1."""

import json
import os
import secrets
import shutil
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

from processes import Child
from waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "Benchmarks" / "peers"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int, path: str = "/") -> bool:
    """Whether anything speaks HTTP there, whatever it says."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(f"http://127.0.0.1:{port}{path}", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def fill_in(template: str, target: Path, **values: object) -> Path:
    text = (TEMPLATES / template).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name.upper()}@", str(value))
    target.write_text(text)
    return target


def start_nginx(template: str, folder: Path, **values: object) -> Child:
    """An nginx of its own, with all of its files in `folder`."""
    folder.mkdir()
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    path = fill_in(template, folder / "nginx.conf", folder=folder, port=port, user=user, **values)
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    child = Child([program, "-c", str(path), "-p", str(folder), "-e", str(folder / "error.log")],
                  ended_by=signal.SIGTERM)
    child.port = port
    eventually(lambda: answers(port), "nginx answers")
    return child


def start_gateway(router: str, folder: Path, json_port: int, stream_port: int) -> Child:
    """The gateway as a user runs it: two entries to choose from, receipts and the decision log on."""
    folder.mkdir()

    def entry(name: str, tier: str, price: float, port: int) -> dict:
        return {
            "name": name, "tier": tier, "price": {"input": price, "output": 2 * price}, "context_window": 128000,
            "max_output_tokens": 4096, "modalities": ["text"], "tools": True, "json_mode": True,
            "json_schema": True, "reasoning": False, "dialects": ["chat_completions"],
            "deployments": [{"id": "a", "base_url": f"http://127.0.0.1:{port}/v1", "model": "bench", "auth": "none",
                             "max_concurrent": 1024}],
        }

    settings = {
        "listen": "127.0.0.1:0", "mode": "balanced", "loops": 1,
        "models": [entry("small", "cheap", 0.05, json_port), entry("large", "strong", 2.5, json_port),
                   entry("stream", "strong", 5.0, stream_port)],
        "log": {"path": str(folder / "decisions.jsonl"), "prompts": False, "max_bytes": 256 << 20, "keep_files": 1},
    }
    path = folder / "router.json"
    path.write_text(json.dumps(settings, indent=2))
    child = Child([router, "serve", "--config", str(path), "--listen", "127.0.0.1:0"])
    child.port = child.listening_port()
    return child


def start_litellm(folder: Path, json_port: int) -> Child | None:
    """LiteLLM's proxy with one worker; nothing when it is not installed."""
    program = ROOT / ".venv-bench" / "bin" / "litellm"
    if not program.exists():
        return None
    folder.mkdir()
    key = f"sk-{secrets.token_hex(24)}"
    path = fill_in("litellm.yaml.in", folder / "litellm.yaml", upstream_port=json_port, key=key)
    port = free_port()
    # The price list is read from the package, not fetched at start.
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "NO_PROXY": "127.0.0.1"}
    child = Child([str(program), "--config", str(path), "--host", "127.0.0.1", "--port", str(port),
                   "--num_workers", "1"], env, cwd=folder, ended_by=signal.SIGTERM)
    child.port, child.key = port, key
    eventually(lambda: child.process.poll() is not None or answers(port, "/health/liveliness"), "LiteLLM answers", 300)
    if child.process.poll() is not None:
        print(f"LiteLLM ended at start:\n{child.output[-2000:]}")
        return None
    return child
