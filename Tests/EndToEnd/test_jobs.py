"""`gpuserve run`: programs that run once, on the same memory as the deployments, and are billed by time."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from processes import Child
from serving import Daemon
from waiting import eventually


@pytest.fixture
def daemon(start) -> Daemon:
    return start()


def bill(daemon: Daemon, name: str) -> dict:
    lines = json.loads(daemon.done("bill", "--json"))["lines"]
    return next((line for line in lines if line["name"] == name), {})


def test_what_it_prints_comes_here_and_its_status_is_ours(daemon: Daemon, tmp_path: Path) -> None:
    script = "pwd; echo to-error >&2; seq 1 30000; env; seq 1 1000000 >/dev/null; exit 7"
    finished = subprocess.run(
        [daemon.binary, "run", "--name", "count", "--", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True,
        timeout=60, env=os.environ | daemon.env | {"SECRET_KEY": "never"}, check=False)
    assert finished.returncode == 7
    lines = finished.stdout.splitlines()
    assert lines[0] == str(tmp_path) and "to-error" in lines
    assert [line for line in lines if line.isdigit()] == [str(number) for number in range(1, 30001)]
    assert "SECRET_KEY" not in finished.stdout
    assert "exit status 7" in finished.stderr
    assert eventually(lambda: bill(daemon, "count").get("awake_ms"), "the time is billed") > 0


def test_a_program_that_is_not_there_is_named(daemon: Daemon) -> None:
    finished = daemon.run("run", "--", "/no/such/program")
    assert finished.returncode == 1 and "program_missing" in finished.stderr and "/no/such/program" in finished.stderr


@pytest.mark.parametrize("words, said", [
    (["run"], "takes -- PROGRAM"), (["run", "--name", "../x", "--", "true"], "a name is"),
    (["run", "--memory", "much", "--", "true"], "takes a size"), (["run", "--gpus", "x", "--", "true"], "whole number"),
])
def test_wrong_words_are_named(daemon: Daemon, words: list[str], said: str) -> None:
    finished = daemon.run(*words)
    assert finished.returncode == 2 and said in finished.stderr


def test_wrong_bodies_are_named(daemon: Daemon) -> None:
    headers = {"Authorization": f"Bearer {daemon.key}"}
    for body, said in [("{", "not JSON"), ("{}", "at least a program"), ('{"program":"x","gpu":1}', "no setting called 'gpu'"),
                       ('{"program":"x","arguments":[1]}', "arguments must not be")]:
        answer = daemon.http.post("/api/jobs", content=body, headers=headers)
        assert answer.status_code == 400 and said in answer.json()["error"]["message"]
    assert daemon.http.get("/api/jobs/none", headers=headers).status_code == 404
    assert daemon.http.get("/api/jobs").status_code == 401


def sleeper(daemon: Daemon, mark: Path, *options: str) -> Child:
    """A job that writes its number into `mark` and sleeps."""
    return Child([daemon.binary, "run", *options, "--", "sh", "-c", f"echo $$ >{mark}; exec sleep 600"], daemon.env)


def number_in(mark: Path) -> int:
    return int(eventually(lambda: mark.exists() and mark.read_text().strip(), "the job runs"))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_waits_for_memory_and_an_interrupt_ends_it(start, tmp_path: Path) -> None:
    daemon = start()
    capacity = daemon.http.get("/api/deployments", headers={"Authorization": f"Bearer {daemon.key}"}).json()["memory"]
    half = str(capacity["host_bytes"] * 2 // 3)
    first = sleeper(daemon, tmp_path / "first", "--memory", half)
    pid = number_in(tmp_path / "first")
    second = sleeper(daemon, tmp_path / "second", "--memory", half)
    eventually(lambda: "waits" in second.output, "the second waits for memory")
    assert not (tmp_path / "second").exists()
    first.signal(signal.SIGINT)
    assert first.wait() == 128 + signal.SIGTERM
    eventually(lambda: not is_alive(pid), "the job is over")
    other = number_in(tmp_path / "second")
    second.signal(signal.SIGINT)
    second.wait()
    eventually(lambda: not is_alive(other), "the second job is over")
    never = daemon.run("run", "--memory", str(capacity["host_bytes"] * 2), "--", "true")
    assert never.returncode == 1 and "memory_short" in never.stderr


def test_jobs_end_with_the_daemon_and_with_the_next_one_when_it_was_killed(start, tmp_path: Path) -> None:
    daemon = start()
    sleeper(daemon, tmp_path / "mark")
    pid = number_in(tmp_path / "mark")
    daemon.kill()
    assert is_alive(pid)
    daemon.start()
    eventually(lambda: not is_alive(pid), "the next daemon ends it")
    assert f".job: process {pid} was left of it and is ended" in daemon.child.output
    sleeper(daemon, tmp_path / "again")
    pid = number_in(tmp_path / "again")
    daemon.child.signal(signal.SIGTERM)
    daemon.child.wait()
    assert not is_alive(pid)
