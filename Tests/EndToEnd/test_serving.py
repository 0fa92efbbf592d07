"""`gpuserve serve` with real engines: llama.cpp on a tiny model and on SmolLM2, and our own model server."""

import concurrent.futures
import json
import os
import signal
import subprocess
from pathlib import Path

import openai
import pytest
from conftest import MODELS
from gateway import ROOT
from serving import Daemon, text_of
from waiting import eventually

SMOLLM = MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"


def test_a_newcomer_gets_an_answer_by_curl_and_by_the_sdk(start) -> None:
    daemon = start()
    said = daemon.done("deploy", "chat", "--engine", "llama.cpp", "--model", str(SMOLLM))
    assert "chat is ready" in said
    body = '{"model":"chat","messages":[{"role":"user","content":"What is the capital of France?"}],"max_tokens":9}'
    curled = subprocess.run(
        ["curl", "-s", f"{daemon.url}/v1/chat/completions", "-H", "Content-Type: application/json", "-d", body],
        capture_output=True, text=True, timeout=120, check=True,
    )
    first = json.loads(curled.stdout)
    assert first["choices"][0]["message"]["content"] and first["model"] == "chat"
    client = openai.OpenAI(base_url=f"{daemon.url}/v1", api_key="none", max_retries=0, timeout=120)
    whole = client.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": "Hello"}], max_tokens=4, temperature=0
    )
    stream = client.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": "Hello"}], max_tokens=4, temperature=0, stream=True
    )
    events = list(stream)
    assert "".join(event.choices[0].delta.content or "" for event in events) == whole.choices[0].message.content
    assert not any(event.usage for event in events), "usage was asked for by the daemon, not by the client"
    assert [model.id for model in client.models.list()] == ["chat"]
    shown = daemon.status("chat")
    assert shown["requests"] == 3 and shown["answered"] == 3
    assert shown["answer_tokens"] == 2 * whole.usage.completion_tokens + first["usage"]["completion_tokens"]


def test_a_sleeping_deployment_holds_the_request_wakes_and_answers_the_same(tiny: Daemon) -> None:
    awake = tiny.chat("tiny")
    assert awake.headers["x-gpuserve-state"] == "ready" and awake.headers["x-gpuserve-tier"] == "awake"
    tiny.done("sleep", "tiny")
    asleep = tiny.wait_for("tiny", "asleep")
    assert asleep["replicas"][0]["tier"] == "suspended"
    state = Path(f"/proc/{tiny.engine_pid('tiny')}/stat").read_text().rsplit(")", 1)[1].split()[0]
    assert state == "T", "the engine is frozen"
    woken = tiny.chat("tiny")
    assert text_of(woken) == text_of(awake)
    assert woken.headers["x-gpuserve-state"] == "asleep" and woken.headers["x-gpuserve-tier"] == "suspended"
    assert int(woken.headers["x-gpuserve-predicted-ms"]) > 0
    assert tiny.status("tiny")["state"] == "ready"


def test_idle_replicas_go_to_sleep_by_themselves(start, tiny_model: str) -> None:
    daemon = start()
    daemon.done("deploy", "tiny", "--engine", "llama.cpp", "--model", tiny_model, "--scaledown", "0.2")
    daemon.wait_for("tiny", "asleep")
    text_of(daemon.chat("tiny"))
    daemon.wait_for("tiny", "asleep")
    daemon.done("scale", "tiny", "--min", "1")
    daemon.wait_for("tiny", "ready")


def test_a_process_comes_back_from_its_image_as_often_as_it_is_wanted(start, criu: str, tiny_model: str, monkeypatch):
    monkeypatch.setenv("GPUSERVE_CRIU", criu)
    daemon = start()
    tier = ["--tier", "process-snapshot", "--scaledown", "600"]
    daemon.done("deploy", "tiny", "--engine", "llama.cpp", "--model", tiny_model, *tier)
    expected, pid = text_of(daemon.chat("tiny")), daemon.inner_pid("tiny")
    for _ in range(4):
        daemon.done("sleep", "tiny")
        asleep = daemon.wait_for("tiny", "asleep")
        assert asleep["replicas"][0]["tier"] == "process-snapshot" and "pid" not in asleep["replicas"][0]
        woken = daemon.chat("tiny")
        assert text_of(woken) == expected and woken.headers["x-gpuserve-tier"] == "process-snapshot"
        assert daemon.inner_pid("tiny") == pid, "the very process, not a new one"
    # An image that cannot be used costs a cold start and is named.
    daemon.done("sleep", "tiny")
    daemon.wait_for("tiny", "asleep")
    for part in (daemon.state / "deployments" / "tiny" / "image-1").glob("core-*.img"):
        part.write_bytes(b"no image")
    woken = daemon.chat("tiny")
    assert text_of(woken) == expected and woken.headers["x-gpuserve-tier"] == "cold"
    assert any("falls back from process-snapshot to cold" in note for note in daemon.status("tiny")["notes"])
    daemon.done("rm", "tiny")
    assert not (daemon.state / "deployments" / "tiny").exists()


def test_a_restarted_daemon_finds_the_image_again_or_says_why_not(start, criu: str, tiny_model: str, monkeypatch) -> None:
    monkeypatch.setenv("GPUSERVE_CRIU", criu)
    daemon = start()
    tier = ["--tier", "process-snapshot", "--scaledown", "600"]
    daemon.done("deploy", "tiny", "--engine", "llama.cpp", "--model", tiny_model, *tier)
    expected, pid = text_of(daemon.chat("tiny")), daemon.inner_pid("tiny")
    daemon.done("sleep", "tiny")
    daemon.wait_for("tiny", "asleep")
    daemon.kill()
    daemon.start()
    assert f"image of its process ({pid}) is found again" in daemon.child.output
    assert daemon.status("tiny")["replicas"][0]["tier"] == "process-snapshot"
    woken = daemon.chat("tiny")
    assert text_of(woken) == expected and woken.headers["x-gpuserve-tier"] == "process-snapshot"
    assert daemon.inner_pid("tiny") == pid
    # Of another start of the machine, or never finished: removed, and said.
    folder = daemon.state / "deployments" / "tiny"
    for damage, why in [
        (lambda: (folder / "image-1.json").write_text(json.dumps({"pid": pid, "port": 1024, "boot_id": "another"})),
         "the machine was started again since it was made"),
        (lambda: (folder / "image-1.json").unlink(), "it was never finished"),
    ]:
        daemon.done("sleep", "tiny")
        daemon.wait_for("tiny", "asleep")
        daemon.kill()
        damage()
        daemon.start()
        assert f"replica 1's image of its process is removed: {why}" in daemon.child.output
        assert not (folder / "image-1").exists() and not (folder / "image-1.json").exists()
        assert text_of(daemon.chat("tiny")) == expected
    daemon.done("stop", "tiny")
    assert not (folder / "image-1").exists()


def test_an_engine_that_nobody_wrote_down_is_ended_at_the_next_start(tiny: Daemon) -> None:
    pid = tiny.engine_pid("tiny")
    tiny.kill()
    # As if the daemon had died between starting it and writing that down.
    (tiny.state / "deployments" / "tiny" / "replica-1.json").unlink()
    tiny.start()
    assert f"process {pid} of replica 1, which nobody knew any more, is ended" in tiny.child.output
    eventually(lambda: pid not in tiny.engines(), "it is gone")
    text_of(tiny.chat("tiny"))
    assert tiny.engine_pid("tiny") != pid


def counting_engine(program: Path, *choosing: str, first: str = "") -> None:
    """Writes an engine that counts in `Handler.asked` what it is asked; the lines of `choosing` set the `word` that it says."""
    program.write_text(
        "import http.server, sys, signal\n"
        f"{first}\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    asked = 0\n"
        "    def say(self, body):\n"
        "        self.send_response(200)\n"
        "        self.send_header('Content-Length', str(len(body)))\n"
        "        self.end_headers()\n"
        "        self.wfile.write(body)\n"
        "    def do_GET(self): self.say(b'ok')\n"
        "    def do_POST(self):\n"
        "        self.rfile.read(int(self.headers['Content-Length']))\n"
        "        Handler.asked += 1\n"
        + "".join(f"        {line}\n" for line in choosing)
        + "        self.say(b'{\"choices\":[{\"text\":\"' + word + b'\"}]}')\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n"
    )


def test_what_neither_answers_nor_ends_is_cut_off_and_killed_and_said(start, tmp_path: Path) -> None:
    program = tmp_path / "hangs.py"
    # Answers its canary, then nothing; and no signal that can be ignored moves it.
    counting_engine(
        program, "if Handler.asked > 1: signal.pause()", "word = b'word'",
        first="signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    daemon = start()
    python = str(ROOT / ".venv/bin/python")
    daemon.done("deploy", "x", "--engine", "custom", "--model", "m", "--program", python, "--", str(program), "{port}")
    pid = daemon.engine_pid("x")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(daemon.http.post, "/v1/completions", json={"model": "x", "prompt": "p"})
        eventually(lambda: daemon.status("x")["replicas"][0]["in_flight"] == 1, "it is asked")
        removed = daemon.run("rm", "x")
        assert asked.result().status_code in (502, 503)
    assert removed.returncode == 0 and "x is gone" in removed.stdout
    assert "1 request in flight at replica 1 cut off after 10000 ms" in removed.stderr
    assert f"replica 1's engine (process {pid}) ignored SIGTERM for 5000 ms and was killed" in removed.stderr
    assert daemon.engines() == []


def test_without_criu_the_tier_is_missed_aloud_and_the_next_one_taken(start, tiny_model: str, monkeypatch) -> None:
    monkeypatch.setenv("GPUSERVE_CRIU", "/no/such/criu")
    daemon = start()
    daemon.done("deploy", "tiny", "--engine", "llama.cpp", "--model", tiny_model, "--tier", "process-snapshot")
    shown = daemon.status("tiny")
    assert shown["next_tier"] == "cold"
    assert any("process-snapshot" in lost and "GPUSERVE_CRIU" in lost for lost in shown["lost_tiers"])


@pytest.mark.parametrize("streams", [False, True])
def test_an_engine_killed_while_it_answers_loses_no_request(tiny: Daemon, streams: bool) -> None:
    pid = tiny.engine_pid("tiny")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        # Long enough that a loaded machine sees them in flight.
        asked = [pool.submit(tiny.chat, "tiny", max_tokens=400, stream=streams) for _ in range(8)]
        eventually(lambda: tiny.status("tiny")["replicas"][0]["in_flight"] > 0, "requests are in flight")
        os.killpg(pid, signal.SIGKILL)
        answers = [future.result() for future in asked]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        if streams:
            # What had begun ends with an error event, what had not was asked again.
            assert "[DONE]" in answer.text or "engine_failed" in answer.text
    assert tiny.engine_pid("tiny") != pid


def test_an_engine_killed_while_it_wakes_is_replaced(tiny: Daemon) -> None:
    expected = text_of(tiny.chat("tiny"))
    tiny.done("sleep", "tiny")
    tiny.wait_for("tiny", "asleep")
    os.killpg(tiny.engine_pid("tiny"), signal.SIGKILL)
    assert text_of(tiny.chat("tiny")) == expected
    notes = "\n".join(tiny.status("tiny")["notes"])
    assert "falls back from suspended to cold" in notes and "killed by signal 9" in notes


def test_a_restarted_daemon_takes_living_engines_over(tiny: Daemon) -> None:
    expected = text_of(tiny.chat("tiny"))
    pid = tiny.engine_pid("tiny")
    tiny.kill()
    tiny.start()
    assert text_of(tiny.chat("tiny")) == expected
    assert tiny.engine_pid("tiny") == pid
    assert "lives and is taken over" in tiny.child.output
    tiny.done("sleep", "tiny")
    tiny.wait_for("tiny", "asleep")
    tiny.kill()
    tiny.start()
    assert tiny.status("tiny")["state"] == "asleep"
    assert text_of(tiny.chat("tiny")) == expected
    assert tiny.engine_pid("tiny") == pid
    tiny.kill()
    os.killpg(pid, signal.SIGKILL)
    tiny.start()
    assert "is gone" in tiny.child.output
    assert text_of(tiny.chat("tiny")) == expected
    assert tiny.engine_pid("tiny") != pid


def test_stopped_means_refused_and_removed_means_gone(tiny: Daemon) -> None:
    pid = tiny.engine_pid("tiny")
    tiny.done("stop", "tiny")
    assert not Path(f"/proc/{pid}").exists()
    refused = tiny.chat("tiny")
    assert refused.status_code == 503 and refused.json()["error"]["code"] == "stopped"
    tiny.kill()
    tiny.start()
    assert tiny.chat("tiny").status_code == 503, "stopped outlives the daemon"
    tiny.done("wake", "tiny")
    text_of(tiny.chat("tiny"))
    tiny.done("rm", "tiny")
    assert tiny.chat("tiny").status_code == 404
    assert not (tiny.state / "deployments" / "tiny").exists()


def test_a_request_that_waits_no_longer_is_told_when_to_ask_again(tiny: Daemon) -> None:
    tiny.done("sleep", "tiny", "--tier", "cold")
    tiny.wait_for("tiny", "asleep")
    late = tiny.chat("tiny", headers={"x-gpuserve-max-wait-ms": "0"})
    assert late.status_code == 503 and late.json()["error"]["code"] == "wake_timeout"
    assert int(late.headers["retry-after"]) >= 1
    # It comes up all the same, for the next time.
    tiny.wait_for("tiny", "ready")


def test_streams_that_ask_are_told_how_the_wake_goes(tiny: Daemon) -> None:
    tiny.done("sleep", "tiny", "--tier", "cold")
    tiny.wait_for("tiny", "asleep")
    answer = tiny.chat("tiny", stream=True, headers={"x-gpuserve-progress": "1"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.rstrip().endswith("data: [DONE]")
    for line in answer.text.splitlines():
        assert line == "" or line.startswith(("data: ", ": gpuserve "))


def test_paths_with_a_name_reach_that_deployment_whatever_the_body_says(tiny: Daemon) -> None:
    body = {"model": "gpt-4o", "prompt": "one two", "max_tokens": 2, "temperature": 0}
    answer = tiny.http.post("/tiny/v1/completions", json=body)
    assert answer.status_code == 200 and answer.json()["model"] == "tiny"
    assert tiny.http.get("/tiny/v1/models").json()["data"][0]["id"] == "tiny"


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--engine", "llama.cpp", "--model", "/no/such/file.gguf"], 1, "/no/such/file.gguf"),
        (["--engine", "llama.cpp", "--model", "TINY", "--program", "/no/such/program"], 1, "/no/such/program"),
        (["--engine", "llama.cpp", "--model", "TINY", "--", "--no-such-option"], 1, "does not know --no-such-option"),
        (["--engine", "llamacpp", "--model", "TINY"], 2, "did you mean llama.cpp"),
        (["--engine", "llama.cpp"], 2, "--model is required"),
        (["--engine", "llama.cpp", "--model", "TINY", "--min", "3", "--max", "2"], 2, "min is 3 and max only 2"),
    ],
)
def test_what_cannot_be_deployed_is_said_and_the_daemon_lives(start, tiny_model: str, more, code: int, words) -> None:
    daemon = start()
    refused = daemon.run("deploy", "x", *[tiny_model if word == "TINY" else word for word in more])
    assert refused.returncode == code, refused.stderr
    assert words in refused.stderr
    assert daemon.http.get("/health").status_code == 200


@pytest.mark.parametrize("name", ["..", "a/b", "../x", "a..b", "", "api", "x" * 64, "a b", "-x"])
def test_bad_names_are_refused(start, name: str) -> None:
    daemon = start()
    spec = {"name": name, "engine": "custom", "model": "m"}
    answer = daemon.http.post("/api/deployments", json=spec, headers={"Authorization": f"Bearer {daemon.key}"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "invalid_deployment"


def test_a_name_is_given_once(tiny: Daemon, tiny_model: str) -> None:
    again = tiny.run("deploy", "tiny", "--engine", "llama.cpp", "--model", tiny_model)
    assert again.returncode == 1 and "there is a deployment 'tiny'" in again.stderr


def test_the_interface_needs_the_key(tiny: Daemon) -> None:
    for headers in [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {tiny.key}"}]:
        answer = tiny.http.get("/api/deployments", headers=headers)
        assert answer.status_code == 401
    assert (tiny.state / "key").stat().st_mode & 0o777 == 0o600


def test_a_second_daemon_on_the_same_state_is_refused(tiny: Daemon) -> None:
    second = tiny.run("serve", "--state", str(tiny.state), "--listen", "127.0.0.1:0")
    assert second.returncode == 1 and "another gpuserve serves" in second.stderr


def test_an_engine_gets_no_secrets_and_no_descriptors(start, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("VLLM_API_KEY", "sk-secret-too")
    monkeypatch.setenv("WANTED", "yes")
    program = tmp_path / "engine.py"
    program.write_text(
        "import os, sys\n"
        "print(sorted(os.listdir('/proc/self/fd')), flush=True)\n"
        "print(sorted(os.environ), flush=True)\n"
        "sys.exit(3)\n"
    )
    daemon = start()
    python = str(ROOT / ".venv/bin/python")
    refused = daemon.run(
        "deploy", "x", "--engine", "custom", "--model", "m", "--program", python, "--env", "WANTED", "--",
        str(program), "{port}",
    )
    assert refused.returncode == 1 and "exit status 3" in refused.stderr
    printed = daemon.done("logs", "x")
    assert "WANTED" in printed and "sk-secret" not in printed
    assert "OPENAI_API_KEY" not in printed and "VLLM_API_KEY" not in printed
    # 3 is the listing's own.
    assert "['0', '1', '2', '3']" in printed


def test_an_engine_that_never_gets_ready_is_ended_with_its_last_words(start, tmp_path: Path) -> None:
    program = tmp_path / "lies.py"
    # Healthy, and without an answer to anything: the canary finds it out.
    program.write_text(
        "import http.server, sys, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers(); self.wfile.write(b'ok')\n"
        "    def do_POST(self):\n"
        "        self.send_response(200); self.end_headers(); self.wfile.write(b'{\"choices\":[]}')\n"
        "print('all is well', flush=True)\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n"
    )
    daemon = start()
    python = str(ROOT / ".venv/bin/python")
    refused = daemon.run("deploy", "x", "--engine", "custom", "--model", "m", "--program", python, "--", str(program), "{port}")
    assert refused.returncode == 1 and "canary_unanswered" in refused.stderr
    answer = daemon.chat("x")
    assert answer.status_code == 503 and answer.json()["error"]["code"] == "canary_unanswered"


def test_what_an_engine_says_beside_a_canary_that_fails_is_given_to_nobody(start, tmp_path: Path) -> None:
    program = tmp_path / "turns.py"
    # Right for its own start's canary and one request; wrong from then on.
    counting_engine(program, "word = b'right' if Handler.asked <= 2 else b'wrong'")
    daemon = start()
    python = str(ROOT / ".venv/bin/python")
    more = ["--engine", "custom", "--model", "m", "--program", python, "--scaledown", "600", "--tier", "suspended"]
    daemon.done("deploy", "x", *more, "--", str(program), "{port}")

    def ask() -> tuple[str, str]:
        answer = daemon.http.post("/v1/completions", json={"model": "x", "prompt": "p"})
        return answer.json()["choices"][0]["text"], answer.headers["x-gpuserve-tier"]

    assert ask() == ("right", "awake")
    daemon.done("sleep", "x")
    assert daemon.wait_for("x", "asleep")["replicas"][0]["tier"] == "suspended"
    assert ask() == ("right", "cold")
    assert any("canary_differs" in note for note in daemon.status("x")["notes"])
