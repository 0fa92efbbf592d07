"""What the end-to-end tests run against: the built gateway, real llama.cpp servers, scripted fake upstreams."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import scripts
from fakes import FakeUpstream
from gateway import ROOT, Gateway, config, deployment, find_binary, model
from processes import Child
from safetensors.numpy import save_file
from serving import Daemon
from snapshots import Gpuserve, ObjectServer, random_tensors, serve

MODELS = ROOT / ".cache" / "models"


def pytest_configure() -> None:
    # Thousands of sockets are held by these tests; a program's soft limit is often 1,024.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


@pytest.fixture(scope="session")
def router() -> str:
    """The path of the gateway's program."""
    return find_binary()


def starting(what: str, make):
    """Calls `make` with a number of its own for each program, which ends with the test; on failure pytest shows what it printed."""
    started = []

    def start(*arguments, **more):
        started.append(make(len(started), *arguments, **more))
        return started[-1]

    yield start
    for one in started:
        one.stop()
        print(f"--- {what} {one.port} printed ---\n{one.child.output}")


@pytest.fixture
def start_gateway(router: str, tmp_path: Path):
    """Starts gateways that end with the test."""
    def make(number: int, settings: dict, env: dict | None = None, before_exec=None) -> Gateway:
        return Gateway(router, tmp_path / f"gateway-{number}", settings, env, before_exec)

    yield from starting("gateway", make)


@pytest.fixture
def fake():
    """One fake upstream that answers chats."""
    with FakeUpstream(scripts.chat()) as upstream:
        yield upstream


@pytest.fixture
def second_fake():
    with FakeUpstream(scripts.chat("second")) as upstream:
        yield upstream


@pytest.fixture
def gateway(start_gateway, fake: FakeUpstream) -> Gateway:
    """A gateway with one pool entry, `small`, on the fake upstream."""
    return start_gateway(config(model("small", deployment(fake.url))))


def start_llama(path: Path, alias: str, *more: str) -> Child:
    program = str(ROOT / "Scripts" / "llama_server.py")
    server = Child([sys.executable, program, str(path), "--alias", alias, "--greedy", *more])
    server.port = server.listening_port()
    server.url = f"http://127.0.0.1:{server.port}/v1"
    return server


@pytest.fixture(scope="session")
def tiny_model() -> str:
    """A tiny random model: real wire behaviour in milliseconds."""
    path = MODELS / "tiny.gguf"
    maker = ROOT / "Scripts" / "make_tiny_model.py"
    if not path.exists() or path.stat().st_mtime < maker.stat().st_mtime:
        MODELS.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, str(maker), str(path)], check=True)
    return str(path)


@pytest.fixture(scope="session")
def tiny_llama(tiny_model: str):
    """llama.cpp with it."""
    server = start_llama(Path(tiny_model), "tiny", "--slots", "4", "--embeddings")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def smol_llama():
    """llama.cpp with SmolLM2-135M: real weights, real answers."""
    path = next(MODELS.glob("SmolLM2*.gguf"), None)
    assert path, "the weights are missing: run Scripts/venv.sh model"
    server = start_llama(path, "smollm2")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def real_gateway(router: str, tiny_llama: Child, smol_llama: Child, tmp_path_factory):
    """A gateway over both llama.cpp servers: `tiny` is the cheap one, `smol` the strong one."""
    cheap = model("tiny", deployment(tiny_llama.url, model="tiny", max_concurrent=64))
    strong = model(
        "smol", deployment(smol_llama.url, model="smollm2", max_concurrent=64), tier="strong", context_window=2048,
        price={"input": 1.0, "output": 2.0}, dialects=["chat_completions", "responses", "messages", "completions"],
    )
    started = Gateway(router, tmp_path_factory.mktemp("real"), config(cheap, strong))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def gpuserve() -> str:
    """The path of GPUServeKit's program."""
    return find_binary("gpuserve")


@pytest.fixture
def snapshot(gpuserve: str, tmp_path: Path) -> Gpuserve:
    """Runs verbs on stores in the test's own folder, `store` if not told otherwise."""
    return Gpuserve(gpuserve, tmp_path)


# The function has another name, or it would hide what makes entries of pools above.
@pytest.fixture(name="model")
def model_file(tmp_path: Path) -> Path:
    """A small safetensors file."""
    path = tmp_path / "model.safetensors"
    save_file(random_tensors(1), path, metadata={"format": "pt"})
    return path


@pytest.fixture(scope="session")
def moto():
    yield from serve("moto")


@pytest.fixture(scope="session")
def openstack_swift():
    yield from serve("swift")


@pytest.fixture(params=["moto", "openstack_swift"])
def server(request) -> ObjectServer:
    """Each real object server in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def start(gpuserve: str, tmp_path: Path):
    """Starts daemons that end with the test, their engines too."""
    def make(_: int, state: str = "state", path: str | None = None, options: list[str] | None = None) -> Daemon:
        return Daemon(gpuserve, tmp_path / state, path, options=options)

    yield from starting("gpuserve", make)


@pytest.fixture
def tiny(start, tiny_model: str) -> Daemon:
    """A daemon with the deployment `tiny` on llama.cpp, awake until told otherwise."""
    daemon = start()
    daemon.done("deploy", "tiny", "--engine", "llama.cpp", "--model", tiny_model, "--scaledown", "600")
    return daemon


@pytest.fixture(scope="session")
def criu() -> str:
    found = subprocess.run([str(ROOT / "Scripts" / "criu.sh")], capture_output=True, text=True, timeout=300, check=False)
    if found.returncode != 0:
        pytest.skip(f"no CRIU that runs here: {found.stderr.strip().splitlines()[-1]}")
    return found.stdout.strip()
