"""Images of engines that consist of several processes, as vLLM does: here a fake one, in `test_vllm.py` the real one."""

import concurrent.futures
import json
import os
import signal
from pathlib import Path

import pytest
from conftest import MODELS
from gateway import ROOT, find_binary
from serving import Daemon, text_of
from waiting import eventually

ENGINE = ROOT / "Tests" / "EndToEnd" / "fake_forking_engine.py"


def asked(daemon: Daemon) -> tuple[int, str]:
    """How often the engine was asked so far, canaries included, and from where it came back for this."""
    answer = daemon.http.post("/v1/completions", json={"model": "chorus", "prompt": "p"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["text"] == "chorus"
    return answer.json()["asked"], answer.headers["x-gpuserve-tier"]


def lay_down(daemon: Daemon) -> Path:
    """Lets it sleep; where its image is."""
    daemon.done("sleep", "chorus")
    asleep = daemon.wait_for("chorus", "asleep")
    assert asleep["replicas"][0]["tier"] == "process-snapshot", asleep["notes"]
    return daemon.state / "deployments" / "chorus" / "image-1"


@pytest.fixture
def chorus(start, criu: str, monkeypatch) -> Daemon:
    monkeypatch.setenv("GPUSERVE_CRIU", criu)
    daemon = start()
    python = str(ROOT / ".venv/bin/python")
    daemon.done("deploy", "chorus", "--engine", "custom", "--model", "m", "--program", python, "--scaledown", "600",
                "--tier", "process-snapshot", "--concurrency", "1", "--", str(ENGINE), "{port}")
    return daemon


def test_many_processes_and_their_semaphores_sleep_and_wake_twenty_times(chorus: Daemon) -> None:
    before, _ = asked(chorus)
    for _ in range(20):
        lay_down(chorus)
        # The canary is asked as well.
        assert asked(chorus) == (before + 2, "process-snapshot"), chorus.status("chorus")["notes"]
        before += 2
    assert not any("falls back" in note for note in chorus.status("chorus")["notes"])
    chorus.done("rm", "chorus")
    assert chorus.engines() == []


def test_an_engine_that_dies_comes_back_from_the_image_that_it_came_from_before(chorus: Daemon) -> None:
    before, _ = asked(chorus)
    lay_down(chorus)
    for _ in range(3):
        # Each time what it was when the image was made.
        assert asked(chorus) == (before + 2, "process-snapshot"), chorus.status("chorus")["notes"]
        pid = chorus.engine_pid("chorus")
        os.killpg(pid, signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{pid}").exists(), "it is gone")


def take(number: int) -> int | None:
    """Makes a process of that number, unless somebody has it; returns it."""
    last = Path("/proc/sys/kernel/ns_last_pid")
    for _ in range(1000):
        if Path(f"/proc/{number}").exists():
            return None
        last.write_text(str(number - 1))
        pid = os.fork()
        if pid == 0:
            signal.pause()
        if pid == number:
            return pid
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    raise AssertionError(f"the number {number} was never to be had")


def test_numbers_of_processes_that_others_have_taken_do_no_harm(chorus: Daemon) -> None:
    before, _ = asked(chorus)
    image = lay_down(chorus)
    numbers = [int(path.stem.removeprefix("core-")) for path in image.glob("core-*.img")]
    assert len(numbers) > 6
    taken = [take(number) for number in numbers]
    try:
        assert asked(chorus) == (before + 2, "process-snapshot"), chorus.status("chorus")["notes"]
    finally:
        for pid in filter(None, taken):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_a_snapshot_on_demand_is_woken_from_and_helps_when_the_engine_dies(
    start, criu: str, tiny_model: str, monkeypatch
) -> None:
    monkeypatch.setenv("GPUSERVE_CRIU", criu)
    daemon = start()
    daemon.done("deploy", "tiny", "--engine", "llama.cpp", "--model", tiny_model, "--scaledown", "600")
    expected = text_of(daemon.chat("tiny"))
    image = daemon.state / "deployments" / "tiny" / "image-1"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = pool.submit(daemon.done, "snapshot", "tiny", "--json")
        # Who asks meanwhile waits.
        answers = [pool.submit(daemon.chat, "tiny") for _ in range(7)]
        report = json.loads(made.result())
        assert {text_of(answer.result()) for answer in answers} == {expected}
    assert report["tier"] == "process-snapshot" and report["name"] == "tiny"
    assert report["image_seconds"] > 0 and report["wake_seconds"] > 0
    # Its wake left logs beside it.
    sizes = {part.name: 512 * part.stat().st_blocks for part in image.iterdir()}
    assert 1_000_000 < sizes["pages-1.img"] < report["bytes"] <= sum(sizes.values())
    status = daemon.status("tiny")
    assert status["state"] == "ready" and status["wakes"][-1]["tier"] == "process-snapshot"
    pid = daemon.engine_pid("tiny")
    os.killpg(pid, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "it is gone")
    back = daemon.chat("tiny")
    assert text_of(back) == expected and back.headers["x-gpuserve-tier"] == "process-snapshot"
    said = daemon.done("snapshot", "tiny")
    assert "tiny has a process-snapshot of" in said and "is awake again after" in said


def test_a_server_with_snapshots_of_its_own_is_woken_from_them_where_no_process_has_images(start, monkeypatch) -> None:
    monkeypatch.setenv("GPUSERVE_CRIU", "/no/such/criu")
    daemon = start()
    daemon.done("deploy", "own", "--engine", "custom", "--model", str(MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"),
                "--program", find_binary("custom-model-server"), "--scaledown", "600")
    expected = text_of(daemon.chat("own"))
    report = json.loads(daemon.done("snapshot", "own", "--json"))
    assert report["tier"] == "kit-snapshot" and report["bytes"] > 50_000_000 and report["wake_seconds"] > 0
    assert daemon.status("own")["wakes"][-1]["tier"] == "kit-snapshot"
    assert text_of(daemon.chat("own")) == expected


def test_snapshots_that_cannot_be_made_are_named(start, criu: str, tiny_model: str, monkeypatch) -> None:
    monkeypatch.setenv("GPUSERVE_CRIU", criu)
    daemon = start()
    engine = ["--engine", "llama.cpp", "--model", tiny_model, "--scaledown", "600"]
    daemon.done("deploy", "tiny", *engine)
    daemon.done("deploy", "two", *engine, "--max", "2")

    def refused(name: str) -> str:
        finished = daemon.run("snapshot", name)
        assert finished.returncode == 1, finished.stdout
        return finished.stderr

    assert "there is no deployment 'crate'" in refused("crate")
    assert "images of llama.cpp are made of one replica without GPUs" in refused("two")
    daemon.done("sleep", "tiny")
    daemon.wait_for("tiny", "asleep")
    assert "tiny is asleep: gpuserve wake tiny first" in refused("tiny")
    daemon.done("stop", "tiny")
    assert "tiny is stopped" in refused("tiny")
    answer = daemon.http.post(
        "/api/deployments/tiny/snapshot", headers={"Authorization": f"Bearer {daemon.key}"})
    assert answer.status_code == 409 and answer.json()["error"]["code"] == "not_awake"
    # What CRIU refuses is told with its words, and the deployment is asked again all the same.
    broken = daemon.state / "broken-criu"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    for program, words in [("/no/such/criu", "install CRIU 4.2"), (str(broken), "criu dump ended with exit status 1")]:
        monkeypatch.setenv("GPUSERVE_CRIU", program)
        other = start(f"state-{len(words)}")
        other.done("deploy", "tiny", *engine)
        finished = other.run("snapshot", "tiny")
        assert finished.returncode == 1 and words in finished.stderr
        text_of(other.chat("tiny"))
