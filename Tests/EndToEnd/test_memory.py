"""Deployments that do not all fit into the memory that they may have: who comes up, who makes room, who waits."""

import concurrent.futures
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from serving import Daemon, text_of
from waiting import eventually


@pytest.fixture
def three(start, tiny_model: str):
    """Three deployments, and room for two of them."""
    daemon = start(options=["--host-memory", "250MB"])
    for name in ["a", "b", "c"]:
        daemon.done("deploy", name, "--engine", "llama.cpp", "--model", tiny_model, "--memory", "100MB",
                    "--scaledown", "600", "--concurrency", "2")
    return daemon


def states(daemon: Daemon) -> dict[str, str]:
    return {one["name"]: one["state"] for one in json.loads(daemon.done("ls", "--json"))["deployments"]}


def alive(daemon: Daemon) -> list[str]:
    listed = json.loads(daemon.done("ls", "--json"))["deployments"]
    return [one["name"] for one in listed if any("pid" in replica for replica in one["replicas"])]


def test_the_third_makes_the_least_worthy_go_and_all_are_answered(three: Daemon) -> None:
    assert len(alive(three)) == 2 and three.status("c")["state"] == "ready"
    use = json.loads(three.done("ls", "--json"))["memory"]
    assert use["host_bytes"] == 250_000_000 and use["host_held_bytes"] == 200_000_000 and use["waiting"] == []
    for name in ["a", "b", "c", "a", "c", "b"]:
        answer = three.chat(name)
        assert text_of(answer)
        assert len(alive(three)) <= 2
    notes = "\n".join(note for name in "abc" for note in three.status(name)["notes"])
    assert "makes room for a" in notes and "waits for room: it needs 100.0 MB of host memory" in notes


def test_whoever_answers_stays_and_whoever_waits_is_told_why(three: Daemon) -> None:
    busy = [name for name, state in states(three).items() if state == "ready"]
    waiting = next(name for name in "abc" if name not in busy)
    pids = {name: three.engine_pid(name) for name in busy}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        long = []
        for name in busy:
            asked = pool.submit(three.chat, name, max_tokens=2000, ignore_eos=True)
            eventually(lambda: three.status(name)["replicas"][0]["in_flight"] > 0 or asked.done(), f"{name} is asked")
            # From here on the answer takes as long as the test wants.
            os.killpg(pids[name], signal.SIGSTOP)
            long.append(asked)
        late = three.chat(waiting, headers={"x-gpuserve-max-wait-ms": "1000"})
        held = pool.submit(three.chat, waiting)
        eventually(lambda: "waits_for" in three.status(waiting), "it says what it waits for")
        assert not any(one.done() for one in long)
        for pid in pids.values():
            os.killpg(pid, signal.SIGCONT)
        assert [one.result().status_code for one in long] == [200, 200]
        assert text_of(held.result())
    assert late.status_code == 503 and late.json()["error"]["code"] == "no_room"
    assert int(late.headers["retry-after"]) >= 1
    message = late.json()["error"]["message"]
    assert "it needs 100.0 MB of host memory; 200.0 MB of 250.0 MB are held by" in message
    assert all(name in message for name in busy)
    assert sum(three.status(name)["replicas"][0].get("pid") == pid for name, pid in pids.items()) == 1


def test_a_suspended_engine_makes_room_and_comes_back_from_its_image(start, criu: str, tiny_model: str, monkeypatch):
    monkeypatch.setenv("GPUSERVE_CRIU", criu)
    daemon = start(options=["--host-memory", "150MB"])
    more = ["--engine", "llama.cpp", "--model", tiny_model, "--memory", "100MB", "--scaledown", "600"]
    daemon.done("deploy", "a", *more)
    expected = text_of(daemon.chat("a"))
    daemon.done("sleep", "a")
    assert daemon.wait_for("a", "asleep")["replicas"][0]["tier"] == "suspended"
    daemon.done("deploy", "b", *more, "--tier", "cold")
    # What a holds frozen is what was measured, not what is reserved for it.
    slept = daemon.status("a")["replicas"][0]
    assert slept["tier"] in ("suspended", "process-snapshot")
    daemon.done("deploy", "large", *more[:-4], "--memory", "140MB", "--scaledown", "600")
    assert daemon.status("a")["replicas"][0]["tier"] == "process-snapshot" and alive(daemon) == ["large"]
    woken = daemon.chat("a")
    assert text_of(woken) == expected and woken.headers["x-gpuserve-tier"] == "process-snapshot"


def test_what_never_fits_is_refused_with_the_numbers(start, tiny_model: str) -> None:
    daemon = start(options=["--host-memory", "150MB"])
    engine = ["--engine", "llama.cpp", "--model", tiny_model]
    refused = daemon.run("deploy", "x", *engine, "--memory", "160MB")
    assert refused.returncode == 1
    assert "needs about 160.0 MB of host memory, and all deployments together may have 150.0 MB" in refused.stderr
    daemon.done("deploy", "x", *engine, "--memory", "120MB")
    daemon.kill()
    # With less than before it is kept, and its requests are told.
    daemon.options = ["--host-memory", "100MB"]
    daemon.start()
    daemon.done("sleep", "x", "--tier", "cold")
    daemon.wait_for("x", "asleep")
    answer = daemon.chat("x")
    assert answer.status_code == 503 and answer.json()["error"]["code"] == "memory_short"
    assert "it needs 120.0 MB" in answer.json()["error"]["message"]


@pytest.mark.parametrize("size", ["lots", "-1", "1.5", "10XB"])
def test_a_size_that_is_none_is_said(start, size: str) -> None:
    with pytest.raises(AssertionError, match="--host-memory takes a size such as 512MB or 80GiB"):
        start(options=[f"--host-memory={size}"])


LARGE = {
    "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64,
    "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072, "torch_dtype": "bfloat16",
}


def test_a_70b_on_four_gpus_is_planned_and_refused_with_the_numbers(start, gpuserve: str, tmp_path: Path) -> None:
    folder = tmp_path / "llama-70b"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LARGE))
    wish = ["deploy", "large", "--gpus", "4", "--engine", "vllm", "--model", str(folder)]
    numbers = [
        "141.1 GB of weights (its configuration), 80 layers, 64 heads, 8 key-value heads, 131072 tokens of context",
        "tensor-parallel over 4: 35.3 GB of weights, 10.7 GB of cache for 131072 tokens, 2.0 GB assumed",
        "needs      48.0 GB on each GPU", "predicted  cold ",
    ]
    # Without a daemon: this machine.
    alone = subprocess.run([gpuserve, *wish, "--plan"], capture_output=True, text=True, timeout=60, check=False)
    daemon = start(options=["--host-memory", "8GB"])
    shown = daemon.run(*wish, "--plan")
    refused = daemon.run(*wish)
    for text in [alone.stdout, shown.stdout, refused.stderr]:
        assert all(number in text for number in numbers), text
    assert "engines may hold" in shown.stdout and "8.0 GB" in shown.stdout
    if "no GPU" not in shown.stdout:
        pytest.skip("this machine has GPUs: what it says of a 70B depends on them")
    assert (alone.returncode, shown.returncode, refused.returncode) == (1, 1, 1)
    assert "refused: too_few_gpus: it needs 4 GPUs with 48.0 GB each, and this machine has none" in shown.stdout
    assert "too_few_gpus" in refused.stderr and "48.0 GB" in refused.stderr
    # Nothing was made of it, and what fits is taken.
    assert json.loads(daemon.done("ls", "--json"))["deployments"] == []


def test_a_plan_makes_nothing_and_tells_what_a_small_model_takes(start, tiny_model: str) -> None:
    daemon = start()
    said = daemon.done("deploy", "tiny", "--engine", "llama.cpp", "--model", tiny_model, "--plan")
    assert "of weights (its files)" in said and said.rstrip().endswith("accepted")
    assert json.loads(daemon.done("ls", "--json"))["deployments"] == []
