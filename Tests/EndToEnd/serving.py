"""A running `gpuserve serve`, and its verbs."""

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import httpx
from gateway import ROOT
from processes import Child
from waiting import eventually

ENGINES = ROOT / "Scripts" / "engines"


class Daemon:
    """A daemon and the state directory that outlives it."""

    def __init__(self, binary: str, state: Path, path: str | None = None, env: dict[str, str] | None = None,
                 options: list[str] | None = None) -> None:
        self.binary, self.state, self.options = binary, state, options or []
        # The engines that a recipe looks for are found in PATH; nothing else of the machine's counts.
        self.env = {"PATH": path or f"{ENGINES}:{os.environ['PATH']}", "GPUSERVE_STATE": str(state)} | (env or {})
        self.start()

    def start(self) -> None:
        arguments = [self.binary, "serve", "--state", str(self.state), "--listen", "127.0.0.1:0", *self.options]
        # Its engines are no children of the tests: `stop` ends them.
        self.child = Child(arguments, self.env)
        self.port = self.child.listening_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=120.0, trust_env=False)

    @property
    def key(self) -> str:
        return (self.state / "key").read_text()

    def run(self, *arguments: str, timeout: float = 120, env: dict | None = None) -> subprocess.CompletedProcess:
        """A verb that ends by itself."""
        return subprocess.run(
            [self.binary, *arguments], capture_output=True, text=True, timeout=timeout,
            env=os.environ | self.env | (env or {}), check=False,
        )

    def done(self, *arguments: str, env: dict | None = None) -> str:
        finished = self.run(*arguments, env=env)
        assert finished.returncode == 0, f"{arguments}: {finished.stderr}\n{self.child.output}"
        return finished.stdout

    def status(self, name: str) -> dict:
        return json.loads(self.done("status", name, "--json"))

    def wait_for(self, name: str, state: str) -> dict:
        def reached() -> dict | None:
            status = self.status(name)
            return status if status["state"] == state else None

        return eventually(reached, f"{name} is {state}; the daemon said:\n{self.child.output}")

    def engine_pid(self, name: str) -> int:
        return self.status(name)["replicas"][0]["pid"]

    def inner_pid(self, name: str) -> int:
        """The engine's number as it knows it itself, which is the same after it came back from an image."""
        status = Path(f"/proc/{self.engine_pid(name)}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1])

    def chat(self, name: str, content: str = "Say one word.", **more) -> httpx.Response:
        headers = more.pop("headers", None)
        body = {"model": name, "messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 4}
        return self.http.post("/v1/chat/completions", json=body | more, headers=headers)

    def kill(self) -> None:
        """As a crash would: the engines stay."""
        self.child.signal(signal.SIGKILL)
        self.child.wait()

    def stop(self) -> None:
        self.http.close()
        self.child.stop()
        # Also those that it had started and not yet written down.
        for pid in self.engines():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def engines(self) -> list[int]:
        """All processes with the mark of this daemon's engines, its own children or not."""
        mark = b"GPUSERVE_ENGINE=" + os.fsencode(self.state.resolve()) + b"/"
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if any(variable.startswith(mark) for variable in environ.read_bytes().split(b"\0")):
                    found.append(int(environ.parent.name))
        return found


def text_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]["content"]
