"""`gpuserve` over a real vLLM on the processor; of `make test-all`."""

import json
import re
import subprocess
import sys

import httpx
import openai
import pytest
from conftest import MODELS
from gateway import ROOT
from serving import Daemon

WAKES = 4
COUNTERS = ("vllm:prompt_tokens_total", "vllm:generation_tokens_total")
WORDS = ["--", "--max-model-len", "1024", "--dtype", "bfloat16", "--enforce-eager"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    if not (ROOT / ".venv-vllm" / "bin" / "vllm").exists():
        pytest.skip("Scripts/venv.sh vllm, a part of make test-all, installs vLLM")
    folder = tmp_path_factory.mktemp("vllm") / "smollm2"
    maker = ROOT / "Scripts" / "gguf_to_safetensors.py"
    weights = MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"
    subprocess.run([sys.executable, str(maker), str(weights), str(folder), "--type", "BF16"], check=True)
    return str(folder)


def completion(daemon: Daemon, prompt: str = "The capital of France is") -> httpx.Response:
    body = {"model": "chat", "prompt": prompt, "max_tokens": 5, "temperature": 0}
    answer = daemon.http.post("/v1/completions", json=body, timeout=300)
    assert answer.status_code == 200, answer.text
    return answer


def test_a_newcomer_serves_vllm_lets_it_sleep_as_an_image_and_is_billed_what_it_counted(
    start, criu: str, model: str, monkeypatch
) -> None:
    monkeypatch.setenv("GPUSERVE_CRIU", criu)
    daemon = start()
    finished = daemon.run("deploy", "chat", "--engine", "vllm", "--model", model, "--tier", "process-snapshot",
                          "--scaledown", "3600", *WORDS, timeout=600)
    assert "chat is ready" in finished.stdout, finished.stderr + daemon.child.output
    body = json.dumps({"model": "chat", "prompt": "The capital of France is", "max_tokens": 5, "temperature": 0})
    curled = subprocess.run(
        ["curl", "-s", f"{daemon.url}/v1/completions", "-H", "Content-Type: application/json", "-d", body],
        capture_output=True, text=True, timeout=300, check=True)
    first = json.loads(curled.stdout)["choices"][0]["text"]
    assert "Paris" in first
    client = openai.OpenAI(base_url=f"{daemon.url}/v1", api_key="none", max_retries=0, timeout=300)
    events = list(client.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": "Hello"}], max_tokens=4, temperature=0, stream=True))
    assert "".join(event.choices[0].delta.content or "" for event in events if event.choices)
    assert not any(event.usage for event in events), "usage was asked for by the daemon, not by the client"
    pid = daemon.inner_pid("chat")
    for _ in range(WAKES):
        daemon.done("sleep", "chat")
        asleep = daemon.wait_for("chat", "asleep")
        assert asleep["replicas"][0]["tier"] == "process-snapshot", asleep["notes"]
        assert "pid" not in asleep["replicas"][0]
        woken = completion(daemon)
        assert woken.headers["x-gpuserve-tier"] == "process-snapshot", daemon.status("chat")["notes"]
        assert woken.json()["choices"][0]["text"] == first
        assert daemon.inner_pid("chat") == pid, "the very process, not a new one"
    status = daemon.status("chat")
    metrics = httpx.get(f"http://127.0.0.1:{status['replicas'][0]['port']}/metrics", timeout=60).text
    counted = [int(float(re.search(rf"^{name}\{{.*\}} (\S+)$", metrics, re.MULTILINE)[1])) for name in COUNTERS]
    line = json.loads(daemon.done("bill", "--json"))["lines"][0]
    # The canary, asked at the start and at each wake, is the engine's and not a client's.
    prompts = [tokens - billed for tokens, billed in zip(counted, (line["prompt_tokens"], line["answer_tokens"]))]
    assert line["requests"] == 2 + WAKES and prompts[1] == 1 + WAKES, (counted, line)


def test_what_vllm_cannot_serve_is_named_with_its_last_words(start, model: str, tmp_path) -> None:
    daemon = start()
    config = tmp_path / "broken"
    config.mkdir()
    (config / "config.json").write_text('{"architectures": ["NoSuchModel"], "model_type": "none"}')
    finished = daemon.run("deploy", "chat", "--engine", "vllm", "--model", str(config), *WORDS, timeout=600)
    assert finished.returncode == 1
    assert "exited_early" in finished.stderr and "does not recognize this architecture" in finished.stderr
    assert daemon.http.get("/health").status_code == 200
