"""What the tests of `gpuserve snapshot` share: the program, models, and real object servers."""

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import pytest
from gateway import ROOT
from safetensors.numpy import save_file
from waiting import DEADLINE_S

# What each kind of real object server needs, and what installs it.
SERVERS = {
    "moto": (".venv", "moto_server.py", "Scripts/setup.sh test"),
    "swift": (".venv-swift", "openstack_swift.py", "Scripts/venv.sh swift, as make test-all does"),
}


def clean_env() -> dict:
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


class Gpuserve:
    """Runs verbs of `gpuserve snapshot` on stores inside a folder."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder = program, folder
        # Bandwidths are kept there, and not where the user's are.
        self.environment = clean_env() | {"XDG_CACHE_HOME": str(folder / "cache")}

    def command(self, verb: str, *words: str, store: str = "store") -> list[str]:
        return [self.program, "snapshot", verb, *words, "--store", str(self.folder / store), "--json"]

    def __call__(self, verb: str, *words: str, store: str = "store", status: int = 0, env: dict | None = None):
        """What it printed as JSON, or on standard error when there is none; `status` is what it must end with."""
        finished = subprocess.run(
            self.command(verb, *words, store=store), capture_output=True, text=True, env=self.environment | (env or {}),
            timeout=DEADLINE_S,
        )
        assert finished.returncode == status, finished.stdout + finished.stderr
        return json.loads(finished.stdout) if finished.stdout else finished.stderr

    def start(self, verb: str, *words: str, store: str = "store", env: dict | None = None) -> subprocess.Popen:
        """The same, not waited for."""
        return subprocess.Popen(
            self.command(verb, *words, store=store), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=self.environment | (env or {}),
        )

    def restored(self, name: str, store: str = "store") -> dict:
        """The SHA-256 of each region as it lies in memory after a restore."""
        report = self("restore", name, "--into", "host", "--digests", store=store)
        return {region["region"]: region["sha256"] for region in report["regions"]}


@dataclass
class ObjectServer:
    """A real object server with checked signatures and one bucket."""

    kind: str
    endpoint: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)

    def env(self, endpoint: str | None = None, secret_key: str | None = None) -> dict:
        """The variables that open it, at another address or with another secret when they are given."""
        return {
            "AWS_ENDPOINT_URL": endpoint or self.endpoint, "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key or self.secret_key,
        }

    def place(self, prefix: str) -> str:
        return f"s3://{self.bucket}/{prefix}"


def serve(kind: str):
    """Starts a server, yields it, and ends it. Skips when it is not installed."""
    folder, script, installer = SERVERS[kind]
    python = ROOT / folder / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{kind} is not installed: {installer}")
    command = [str(python), str(ROOT / "Scripts" / script)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    words = process.stdout.readline().split()
    assert len(words) == 4, f"{kind} did not start"
    yield ObjectServer(kind, *words)
    process.stdin.close()
    process.wait()


def random_tensors(seed: int) -> dict:
    generator = numpy.random.default_rng(seed)
    return {
        "model.embed_tokens.weight": generator.standard_normal((1000, 256), dtype=numpy.float32),
        "model.layers.0.mlp.weight": generator.standard_normal((512, 2048)).astype(numpy.float16),
        "model.layers.1.mlp.weight": generator.integers(-128, 127, (1024, 1024), dtype=numpy.int8),
        "model.norm.weight": generator.standard_normal(256).astype(numpy.float32),
    }


def many_chunks(path: Path, count: int = 16) -> dict:
    """A model of `count` chunks of 256 KiB, and the file's header: enough to be interrupted in the middle of."""
    bytes_ = numpy.random.default_rng(7).integers(0, 256, (count, 1 << 18), dtype=numpy.uint8)
    tensors = {f"layers.{index}": bytes_[index] for index in range(count)}
    save_file(tensors, path)
    return tensors


def one_long_chunk(path: Path) -> None:
    """A model whose one tensor is a chunk of 16 MiB: long enough to be sent in two parts."""
    save_file({"whole": numpy.random.default_rng(8).integers(0, 256, 16 << 20, dtype=numpy.uint8)}, path)


def digests_of(tensors: dict) -> dict:
    return {name: hashlib.sha256(numpy.ascontiguousarray(value).tobytes()).hexdigest() for name, value in tensors.items()}
