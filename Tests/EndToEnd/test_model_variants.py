"""Variants, sleep and saved generations of the model server, on real weights."""

import argparse
import concurrent.futures
import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import tiny_llama
from conftest import ROOT
from test_model_server import SMOLLM, program, start  # noqa: F401  (program is a fixture)
from waiting import eventually

MAKER = [sys.executable, str(ROOT / "Scripts" / "make_test_adapter.py")]
PROMPT = "The capital of France is"


def complete(url: str, model: str, **more) -> httpx.Response:
    body = {"model": model, "prompt": PROMPT, "temperature": 1, "seed": 7, "max_tokens": 6} | more
    return httpx.post(f"{url}/v1/completions", json=body, timeout=300)


def text(url: str, model: str, **more) -> str:
    answer = complete(url, model, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["text"]


def admin(path: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://admin", timeout=300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("variants")


@pytest.fixture(scope="module")
def adapters(folder: Path) -> Path:
    """Three for the values (PEFT's smallest choice here), one for all seven matrices of a layer."""
    made = folder / "adapters"
    subprocess.run([*MAKER, "make", SMOLLM, made, "--count", "3"], check=True)
    modules = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"
    subprocess.run([*MAKER, "make", SMOLLM, folder / "all", "--modules", modules, "--rank", "4"], check=True)
    (folder / "all" / "variant-000").rename(made / "wide")
    return made


@pytest.fixture(scope="module")
def server(program: str, folder: Path, adapters: Path):  # noqa: F811
    server = start(
        program, "--snapshot-store", str(folder / "store"), "--context", "256", "--sequences", "2",
        "--variants", str(adapters), "--variant-budget", "66", "--admin-socket", str(folder / "admin"),
    )
    server.admin = admin(folder / "admin")
    yield server
    server.stop()


def state(server) -> dict:
    return server.admin.get("/state").json()


def test_a_variant_answers_as_the_model_with_its_weights_merged_in_full(
    program: str, server, folder: Path, adapters: Path  # noqa: F811
) -> None:
    base = text(server.url, "smollm2")
    for name in ["variant-000", "wide"]:
        variant = text(server.url, f"smollm2:{name}")
        assert variant != base
        full = folder / f"{name}.gguf"
        # Merged by other code, numpy and gguf's.
        subprocess.run([*MAKER, "merge", SMOLLM, adapters / name, full], check=True)
        whole = start(program, "--context", "256", model=full)
        assert text(whole.url, "smollm2") == variant
        whole.stop()
        assert text(server.url, "smollm2") == base


def test_requests_of_several_variants_at_once_keep_to_their_weights(server) -> None:
    names = ["smollm2", "smollm2:variant-000", "smollm2:variant-001", "smollm2:variant-002"]
    listed = [model["id"] for model in httpx.get(f"{server.url}/v1/models").json()["data"]]
    assert listed == [*names, "smollm2:wide"]
    alone = {name: text(server.url, name) for name in names}
    assert len(set(alone.values())) == len(names)
    asked = names * 3
    with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda name: text(server.url, name), asked))
    assert answers == [alone[name] for name in asked]


def test_the_budget_holds_and_what_it_dropped_comes_back(server) -> None:
    wide = text(server.url, "smollm2:wide")
    # That one takes 63 of 66 MiB, so the others of 2 MiB had to go, and one of them fits beside it.
    for name in ["variant-000", "variant-001", "variant-002"]:
        text(server.url, f"smollm2:{name}")
        variants = state(server)["variants"]
        assert variants["bytes"] <= variants["budget_bytes"] == 66 << 20
    assert state(server)["variants"]["loaded"] < 4
    assert text(server.url, "smollm2:wide") == wide


def test_two_hundred_variants_answer_as_their_merged_models(program: str, tmp_path: Path) -> None:  # noqa: F811
    """Of a tiny model; `make bench-coldstart` has 200 of a real one, and what they take."""
    sys.path.insert(0, str(ROOT / "Scripts"))
    import make_test_adapter

    base, made, count = tiny_llama.write(tmp_path / "Tiny.gguf"), tmp_path / "adapters", 200
    subprocess.run([*MAKER, "make", base, made, "--count", str(count), "--rank", "2", "--size", "1"], check=True)
    names = [f"variant-{index:03}" for index in range(count)]
    server = start(
        program, "--variants", str(made), "--variant-budget", "1", "--admin-socket", str(tmp_path / "admin"), model=base)
    server.admin = admin(tmp_path / "admin")
    answers = {}
    for name in names:
        answers[name] = text(server.url, f"smollm2:{name}", max_tokens=12)
        variants = state(server)["variants"]
        assert variants["bytes"] <= variants["budget_bytes"] == 1 << 20
    # Not all at once, by far; what was dropped comes back the same.
    assert variants["listed"] == count and variants["loaded"] < count / 2
    assert {name: text(server.url, f"smollm2:{name}", max_tokens=12) for name in names[:20]} == {
        name: answers[name] for name in names[:20]}
    server.stop()
    assert len(set(answers.values())) > count / 2
    # Merging takes longer than asking; every fifth is enough to find one that is off.
    for name in names[::5]:
        full = tmp_path / "full.gguf"
        make_test_adapter.merge(argparse.Namespace(model=base, adapter=made / name, out=str(full)))
        whole = start(program, model=full)
        assert text(whole.url, "smollm2", max_tokens=12) == answers[name], name
        whole.stop()


def test_adapters_that_do_not_fit_are_refused_by_name(server, adapters: Path) -> None:
    other = json.loads((adapters / "variant-000" / "adapter_config.json").read_text())
    weights = (adapters / "variant-000" / "adapter_model.safetensors").read_bytes()
    for name, change, words in [
        ("rank", {"r": 16}, "lora_A.weight' has the shape [8, 576]"),
        ("other", {"base_model_name_or_path": "a/Llama-3.2-1B"}, "Llama-3.2-1B"),
    ]:
        (adapters / name).mkdir()
        (adapters / name / "adapter_config.json").write_text(json.dumps(other | change))
        (adapters / name / "adapter_model.safetensors").write_bytes(weights)
        answer = complete(server.url, f"smollm2:{name}")
        assert answer.status_code == 422
        assert words in answer.json()["error"]["message"]
        for file in (adapters / name).iterdir():
            file.unlink()
        (adapters / name).rmdir()
    assert complete(server.url, "smollm2:../adapters/variant-000").status_code == 404


def resident_bytes(server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def test_asleep_the_memory_is_given_back_and_a_request_wakes(server, folder: Path) -> None:
    assert stat.S_IMODE((folder / "admin").stat().st_mode) == 0o600
    before = text(server.url, "smollm2:variant-000")
    awake = resident_bytes(server)
    assert server.admin.post("/sleep").json()["asleep"]
    # The weights' 101 MB alone, not counting the cache.
    assert awake - resident_bytes(server) > 95e6
    assert state(server)["asleep"] and state(server)["variants"]["bytes"] == 0
    assert server.admin.post("/snapshot").status_code == 409
    assert text(server.url, "smollm2:variant-000") == before
    assert server.admin.post("/sleep").status_code == server.admin.post("/wake").status_code == 200
    assert not state(server)["asleep"] and resident_bytes(server) > 95e6
    assert httpx.post(f"{server.url}/sleep").status_code == 404, "not on the public side"


def test_sleeping_again_and_again_keeps_no_memory(server) -> None:
    """The heaps of each thread that ever had a part in waking kept some MiB."""
    def asleep() -> tuple[int, int]:
        text(server.url, "smollm2:variant-000")
        server.admin.post("/sleep")
        anonymous = int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text())[1])
        maps = Path(f"/proc/{server.process.pid}/maps").read_text()
        assert ".pack" not in maps, "no page of a snapshot stays mapped"
        return 1024 * anonymous, maps.count("\n")

    first = [asleep() for _ in range(3)][-1]
    for _ in range(12):
        last = asleep()
    # Two more threads may have come, with a heap each (two mappings, a few pages when trimmed).
    assert last[0] < first[0] + 2 * 2**20 and last[1] <= first[1] + 8, (first, last)


def test_who_may_not_wake_the_model_is_told_to_come_back(program: str, server, folder: Path) -> None:  # noqa: F811
    refusing = start(
        program, "--snapshot-store", str(folder / "store"), "--while-asleep", "refuse", "--admin-socket",
        str(folder / "refusing"),
    )
    with admin(folder / "refusing") as client:
        client.post("/sleep")
        answer = complete(refusing.url, "smollm2")
        assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
        client.post("/wake")
        assert complete(refusing.url, "smollm2").status_code == 200
    refusing.stop()


@pytest.mark.parametrize(("model", "temperature"), [("smollm2", 0), ("smollm2:variant-001", 1)])
def test_a_generation_saved_midway_goes_on_in_another_process(
    program: str, server, folder: Path, adapters: Path, model: str, temperature: int  # noqa: F811
) -> None:
    length = 16

    def saved_after(count: int, path: Path, generate) -> tuple[dict, dict | str]:
        """Has what `generate` begins saved when it has made that many tokens, and returns that and what it made in all."""
        with admin(path) as client, concurrent.futures.ThreadPoolExecutor(1) as pool:
            saved = pool.submit(client.post, "/snapshot", json={"after": count})
            with admin(path) as other:
                eventually(lambda: other.get("/state").json()["visitors"] == 1, "someone waits for tokens")
            made = generate()
            saved = saved.result().json()
            assert [generation["tokens"] for generation in saved["generations"]] == [count]
            return saved, made

    more = {"temperature": temperature, "seed": 3, "max_tokens": length}
    # An engine that sleeps has nobody who could wait.
    server.admin.post("/wake")
    first, whole = saved_after(3, folder / "admin", lambda: text(server.url, model, **more))
    name = first["generations"][0]["id"]
    again = start(
        program, "--snapshot-store", str(folder / "store"), "--context", "256", "--variants", str(adapters),
        "--admin-socket", str(folder / "again"),
    )
    with admin(folder / "again") as client:
        body = {"snapshot": first["snapshot"], "id": name}
        second, answer = saved_after(9, folder / "again", lambda: client.post("/resume", json=body).json())
        assert answer["id"] == name and answer["choices"][0]["text"] == whole
        assert answer["usage"]["completion_tokens"] == length
        # The second snapshot, in the first process.
        third = server.admin.post("/resume", json={"snapshot": second["snapshot"]}).json()
        assert third["choices"][0]["text"] == whole
        wrong = client.post("/resume", json={"snapshot": first["snapshot"], "id": "cmpl-0"})
        assert wrong.status_code == 409 and "cmpl-0" in wrong.json()["error"]["message"]
    again.stop()
