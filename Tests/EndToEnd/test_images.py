"""Images of engines that consist of several processes, as vLLM does: here a fake one, in `test_vllm.py` the real one."""

import os
import signal
from pathlib import Path

import pytest
from gateway import ROOT
from serving import Daemon
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
