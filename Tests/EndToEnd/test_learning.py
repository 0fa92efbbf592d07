"""Learning from one's own traffic: feedback, shadow comparisons, training, calibration, and swapping what was learned."""

import hashlib
import json
import signal
import stat
from pathlib import Path

import pytest
import scripts
from fakes import Exchange, Script
from gateway import Gateway, config, deployment, model, run_router
from waiting import eventually

STRONG = {"tier": "strong", "price": {"input": 5.0, "output": 15.0}}
# What the counting rules, before anything is learned, leave to the cheap model.
EASY = "hello"
WORDS = ["river", "market", "garden", "bridge", "customer", "violin", "index", "glacier"]


def ask(number: int) -> str:
    """Every third question is of the kind that the cheap model gets wrong."""
    filler = " ".join(WORDS[(number * 31 // k + k * k) % 8] for k in range(1, 7))
    return f"{'Prove the theorem' if number % 3 == 0 else 'Tell me'} about the {filler} {number}"


def answering(choose) -> Script:
    """Answers with what `choose` makes of the last message."""

    async def script(exchange: Exchange) -> None:
        await scripts.chat(choose(exchange.request.json()["messages"][-1]["content"]))(exchange)

    return script


@pytest.fixture
def settings(fake, second_fake, tmp_path: Path) -> dict:
    """A cheap model that fails on proofs, a strong one that does not, and everything compared."""
    fake.script = answering(lambda text: "The answer is (B)." if "Prove" in text else "The answer is (A).")
    second_fake.script = answering(lambda text: "The answer is (A).")
    return config(
        model("small", deployment(fake.url)), model("big", deployment(second_fake.url), **STRONG), mode="cost",
        outcomes={"file": str(tmp_path / "outcomes.jsonl"), "prompts": True},
        shadow={"share": 1, "judge": "choice", "traffic": "all"})


def rows(settings: dict) -> list[dict]:
    return [json.loads(line) for line in Path(settings["outcomes"]["file"]).read_text().splitlines()]


def compare(gateway: Gateway, count: int, outcome: str = "compared") -> None:
    eventually(lambda: gateway.metric("router_shadow_total", outcome=outcome) >= count, f"{count} are {outcome}")


def written(gateway: Gateway, count: int) -> None:
    eventually(lambda: gateway.metric("router_outcomes_written_total") >= count, f"{count} rows are written")


def feedback(gateway: Gateway, **body):
    return gateway.http.post("/v1/feedback", json=body)


def test_traffic_teaches_and_what_it_taught_is_swapped_in_and_out(router, start_gateway, settings, tmp_path):
    gateway = start_gateway(settings)
    answers = []
    for number in range(600):
        answers.append(gateway.chat("auto", ask(number)))
        if number % 50 == 49:
            compare(gateway, number + 1)
    first = answers[1].headers["x-request-id"]
    assert feedback(gateway, request_id=first, good=False).json() == {
        "object": "feedback", "request_id": first, "model": answers[1].headers["x-router-model"], "score": 0}
    written(gateway, 601)
    assert gateway.metric("router_shadow_cost_usd_total") > 0 and gateway.metric("router_outcomes_dropped_total") == 0
    file = Path(settings["outcomes"]["file"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    written_rows = rows(settings)
    assert [row["id"] for row in written_rows].count(first) == 1
    for row in written_rows:
        if not row["id"].endswith("/feedback"):
            assert row["models"] == {"small": 0 if "Prove" in row["prompt"] else 1, "big": 1}

    own = ["--config", str(gateway.config_path)]
    stats = run_router(router, "outcomes", "stats", *own)
    assert stats.returncode == 0, stats.stderr
    # The feedback takes the place of a score in the row of its request.
    assert "600 rows" in stats.stdout and "agreement with big, not correctness" in stats.stdout
    weights, policy = tmp_path / "weights.bin", tmp_path / "policy.json"
    for verb, out in (("train", weights), ("calibrate", policy)):
        extra = ["--weights", str(weights), "--promise", "5"] if verb == "calibrate" else []
        finished = run_router(router, verb, *own, "--out", str(out), *extra)
        assert finished.returncode == 0, finished.stderr
    evaluated = run_router(router, "eval", *own, "--weights", str(weights), "--policy", str(policy), "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    assert 40 <= json.loads(evaluated.stdout)["rows"] <= 200

    before = gateway.receipt(gateway.chat("auto", ask(1)).headers["x-request-id"])
    learned = settings | {
        "weights": str(weights), "policy": str(policy), "guarantee": {"loss_points": 5, "confidence": 0.95}}
    gateway.reload(learned)
    eventually(lambda: gateway.metric("router_config_reloads_total", result="ok") == 1, "the reload")
    easy = gateway.receipt(gateway.chat("auto", ask(601)).headers["x-request-id"])
    hard = gateway.receipt(gateway.chat("auto", ask(603)).headers["x-request-id"])
    assert easy["classifier"] != before["classifier"] and easy["policy_hash"] != before["policy_hash"]
    assert (easy["candidates"][0]["model"], hard["candidates"][0]["model"]) == ("small", "big")

    # A damaged file is refused, and what is in use stays.
    good = weights.read_bytes()
    weights.write_bytes(good[: len(good) // 2])
    gateway.reload(learned)
    eventually(lambda: gateway.metric("router_config_reloads_total", result="refused") == 1, "the refusal")
    eventually(
        lambda: any("weights file" in line and "old one stays in use" in line for line in list(gateway.child.lines)),
        "the refusal is printed")
    assert gateway.receipt(gateway.chat("auto", ask(1)).headers["x-request-id"])["classifier"] == easy["classifier"]

    # New rows make new weights; the older ones are kept and can be put back.
    weights.write_bytes(good)
    more = tmp_path / "more.jsonl"
    more.write_text("".join(
        json.dumps({"id": f"m{n}", "source": "x", "prompt": f"{ask(n)} again", "models": {"small": 1, "big": 1}}) + "\n"
        for n in range(60)))
    assert run_router(router, "outcomes", "import", *own, str(more)).returncode == 0
    assert run_router(router, "train", *own).returncode == 0, "the configuration names the file"
    assert weights.read_bytes() != good and weights.with_name("weights.bin.previous").read_bytes() == good
    weights.with_name("weights.bin.previous").rename(weights)
    gateway.child.signal(signal.SIGHUP)
    eventually(lambda: gateway.metric("router_config_reloads_total", result="ok") == 2, "the older weights")
    assert gateway.receipt(gateway.chat("auto", ask(1)).headers["x-request-id"])["classifier"] == easy["classifier"]


def test_only_the_routers_own_cheap_choices_are_compared(start_gateway, settings, second_fake):
    del settings["shadow"]["traffic"]
    gateway = start_gateway(settings)
    gateway.chat("small", EASY)
    assert gateway.chat("auto", ask(3)).headers["x-router-model"] == "big"
    before = len(second_fake.requests)
    assert gateway.chat("auto", EASY).headers["x-router-model"] == "small"
    compare(gateway, 1)
    assert len(second_fake.requests) == before + 1
    assert gateway.metric("router_shadow_total") == 1
    written(gateway, 1)
    assert rows(settings)[0]["prompt"] == EASY and rows(settings)[0]["out_tok"] == {"small": 3, "big": 3}


def test_a_streamed_answer_is_compared_too(start_gateway, settings, fake, second_fake):
    fake.script = scripts.chat_stream(["The answer ", "is (B)."])
    gateway = start_gateway(settings)
    streamed = gateway.chat("auto", EASY, stream=True, stream_options={"include_usage": True})
    assert streamed.headers["x-router-model"] == "small" and "[DONE]" in streamed.text
    compare(gateway, 1)
    asked = second_fake.requests[-1].json()
    assert asked["stream"] is False and asked["stream_options"] is None
    written(gateway, 1)
    assert rows(settings)[0]["models"] == {"small": 0, "big": 1}


def test_a_model_judges_and_garbage_writes_no_row(start_gateway, settings, second_fake):
    verdicts = iter(["7", "seven", "11", " 10\n"])
    second_fake.script = answering(lambda text: next(verdicts) if "<second_answer>" in text else "It is blue.")
    settings["shadow"]["judge"] = {"model": "big"}
    gateway = start_gateway(settings)
    for number, (outcome, count) in enumerate(
            [("compared", 1), ("unjudged", 1), ("unjudged", 2), ("compared", 2)]):
        assert gateway.chat("auto", EASY).status_code == 200
        compare(gateway, count, outcome)
    written(gateway, 2)
    assert [row["models"] for row in rows(settings)] == [{"small": 0.7, "big": 1}, {"small": 1, "big": 1}]


@pytest.mark.parametrize(("script", "outcome"), [
    (scripts.error(500, "no"), "failed"), (scripts.cut_body(b"{", 100), "failed"),
    (scripts.chat("", choices=[]), "incomparable"), (scripts.body(b"no json"), "incomparable")])
def test_what_cannot_be_compared_is_counted_and_costs_no_answer(start_gateway, settings, second_fake, script, outcome):
    second_fake.script = script
    gateway = start_gateway(settings)
    assert gateway.chat("auto", EASY).status_code == 200
    compare(gateway, 1, outcome)
    assert gateway.metric("router_outcomes_written_total") == 0


def test_comparisons_that_pile_up_are_dropped_and_a_stop_cancels_them(start_gateway, settings, second_fake):
    second_fake.script = scripts.hang()
    gateway = start_gateway(settings)
    for number in range(80):
        assert gateway.chat("auto", EASY).status_code == 200
    # 4 run, 64 wait, and the rest find no room.
    compare(gateway, 12, "dropped")
    assert gateway.metric("router_shadow_in_flight") == 68
    gateway.terminate()
    assert gateway.child.wait() == 0
    assert not any("lost" in line for line in gateway.child.lines)
    second_fake.wait_for_abandoned(4)
    assert len(second_fake.requests) == 4


def test_a_full_disk_stops_no_request(start_gateway, settings):
    settings["outcomes"]["file"] = "/dev/full"
    gateway = start_gateway(settings)
    assert gateway.chat("auto", EASY).status_code == 200
    compare(gateway, 1)
    eventually(lambda: gateway.metric("router_outcomes_failing") == 1, "the failing write is shown")
    assert gateway.chat("auto", EASY).status_code == 200


def test_feedback_that_cannot_be_taken_says_why(start_gateway, settings):
    del settings["shadow"]
    gateway = start_gateway(settings)
    answer = gateway.chat("auto", EASY)
    known = answer.headers["x-request-id"]
    served = answer.headers["x-router-model"]
    other = "big" if served == "small" else "small"
    for body, status, said in [
        ({"request_id": known, "score": 1.5}, 400, "from 0"),
        ({"request_id": known}, 400, "score is missing"),
        ({"request_id": known, "score": 1, "good": True}, 400, "both"),
        ({"request_id": known, "score": 1, "model": other}, 400, f'"{served}" gave'),
        ({"score": 1}, 400, "request_id is missing"),
        ({"request_id": "req_0", "score": 1}, 404, "latest 2048 answers"),
    ]:
        refused = feedback(gateway, **body)
        error = refused.json()["error"]
        assert (refused.status_code, said in error["message"]) == (status, True), error
    assert gateway.http.post("/v1/feedback", content=b"{").status_code == 400
    assert gateway.http.post("/v1/feedback", content=b" " * 5000).status_code == 413
    assert gateway.http.get("/v1/feedback").status_code == 405
    assert feedback(gateway, request_id=known, score=0.25, model=served).status_code == 200
    assert feedback(gateway, request_id=known, score=1).status_code == 409
    written(gateway, 1)
    assert rows(settings) == [{
        "id": f"{known}/feedback", "source": "own_traffic", "prompt": EASY, "models": {served: 0.25}, "in_tok": 7,
        "out_tok": {served: 3}}]
    assert gateway.metric("router_feedback_total", model=served) == 1
    streamed = gateway.chat("auto", EASY, stream=True)
    assert feedback(gateway, request_id=streamed.headers["x-request-id"], good=True).status_code == 200
    settings["outcomes"] = {"file": str(gateway.folder / "other.jsonl"), "prompts": True}
    gateway.reload(settings)
    eventually(lambda: gateway.metric("router_config_reloads_total") == 1, "the reload")
    fresh = gateway.chat("auto", EASY).headers["x-request-id"]
    assert feedback(gateway, request_id=fresh, good=True).status_code == 200
    written(gateway, 1)
    assert [row["id"] for row in rows(settings)] == [f"{fresh}/feedback"]
    del settings["outcomes"]
    gateway.reload(settings)
    eventually(lambda: gateway.metric("router_config_reloads_total") == 2, "the second reload")
    refused = feedback(gateway, request_id=known, score=1)
    assert refused.status_code == 409 and '"outcomes": {' in refused.json()["error"]["message"]


def test_feedback_needs_a_client_key_where_requests_do(start_gateway, settings):
    del settings["shadow"]
    digest = hashlib.sha256(b"secret").hexdigest()
    gateway = start_gateway(settings | {"client_keys": [{"name": "app", "sha256": digest}]})
    key = {"Authorization": "Bearer secret"}
    known = gateway.chat("auto", EASY, headers=key).headers["x-request-id"]
    assert feedback(gateway, request_id=known, good=True).status_code == 401
    taken = gateway.http.post("/v1/feedback", json={"request_id": known, "good": True}, headers=key)
    assert taken.status_code == 200


def test_rows_from_elsewhere_are_imported_listed_and_counted(router, start_gateway, settings, tmp_path):
    gateway = start_gateway(settings)
    own = ["--config", str(gateway.config_path)]
    lines = [
        json.dumps({"id": "a", "source": "s", "prompt": "line\none", "models": {"small": 0, "big": 1}}),
        '{"id": "broken"',
        json.dumps({"id": "a", "source": "s", "prompt": "again", "models": {"small": 1, "big": 1}}),
        json.dumps({"id": "b", "source": "s", "prompt": "x", "models": {"other": 1}}),
        json.dumps({"id": "c", "source": "s", "prompt": "x", "models": {"small": 2}}),
        json.dumps({"id": "d", "source": "s", "prompt": "p" * 200, "models": {"small": 0.5}, "task": "t"}),
    ]
    more = tmp_path / "more.jsonl"
    more.write_text("\n".join(lines))
    finished = run_router(router, "outcomes", "import", *own, str(more))
    assert finished.returncode == 0 and "2 rows imported" in finished.stderr, finished.stderr
    for fault in ["line 2: broken_json", "line 3: duplicate_id", "line 4: missing_model", "line 5: score_out_of_range"]:
        assert fault in finished.stderr
    again = run_router(router, "outcomes", "import", *own, str(more))
    assert "0 rows imported" in again.stderr and "line 1: duplicate_id" in again.stderr
    listed = run_router(router, "outcomes", "list", *own, "--count", "2").stdout.splitlines()
    assert listed[1].startswith("d") and "small 0.50" in listed[1] and listed[1].endswith("p...")
    assert "small 0.00, big 1.00  line one" in listed[2]
    # The gateway, which has the file open, goes on behind what was imported.
    assert gateway.chat("auto", EASY).status_code == 200
    compare(gateway, 1)
    written(gateway, 1)
    assert [row["id"] for row in rows(settings)][:2] == ["a", "d"] and len(rows(settings)) == 3
    stats = run_router(router, "outcomes", "stats", *own).stdout
    assert "3 rows" in stats and "at least 50 are needed" in stats and "333" in stats
    few = run_router(router, "train", *own, "--out", str(tmp_path / "w.bin"))
    assert few.returncode != 0 and not (tmp_path / "w.bin").exists()
    assert "50 rows" in few.stderr or "none of the 3 rows" in few.stderr


def test_what_is_missing_is_named(router, start_gateway, settings, tmp_path):
    file = tmp_path / "router.json"
    for change, said in [
        ({"outcomes": {"file": "x"}}, "outcomes.prompts must be true"),
        ({"outcomes": None}, 'shadow needs "outcomes"'),
        ({"shadow": {"share": 2}}, "shadow.share is missing or above 1"),
        ({"shadow": {"share": 1, "judge": {"model": "bgi"}}}, 'did you mean "big"'),
        ({"shadow": {"share": 1, "judge": "similer"}}, 'did you mean "similar"'),
    ]:
        file.write_text(json.dumps(settings | change))
        finished = run_router(router, "check", "--config", str(file))
        assert finished.returncode == 1 and said in finished.stderr, finished.stderr
    file.write_text(json.dumps(settings))
    nothing = run_router(router, "outcomes", "stats", "--config", str(file))
    assert nothing.returncode == 2 and "is not there yet" in nothing.stderr
    for key in ("outcomes", "shadow"):
        del settings[key]
    file.write_text(json.dumps(settings))
    off = run_router(router, "outcomes", "list", "--config", str(file))
    assert off.returncode == 2 and 'add "outcomes"' in off.stderr


def test_real_models_are_compared_and_judged(start_gateway, smol_llama, tmp_path):
    """Real llama.cpp: two pool entries on one greedy model agree with each other; as a judge it says what it says."""
    def served(name: str, **more) -> dict:
        return model(name, deployment(smol_llama.url, model="smollm2"), overrides={"max_tokens": 40}, **more)

    settings = config(
        served("small"), served("big", **STRONG), mode="cost",
        outcomes={"file": str(tmp_path / "outcomes.jsonl"), "prompts": True}, shadow={"share": 1, "judge": "exact"})
    gateway = start_gateway(settings)
    assert gateway.chat("auto", EASY).headers["x-router-model"] == "small"
    compare(gateway, 1)
    written(gateway, 1)
    row = rows(settings)[0]
    assert row["models"] == {"small": 1, "big": 1} and row["prompt"] == EASY and row["out_tok"]["big"] > 0
    settings["shadow"]["judge"] = {"model": "big"}
    gateway.reload(settings)
    eventually(lambda: gateway.metric("router_config_reloads_total", result="ok") == 1, "the reload")
    gateway.chat("auto", EASY)
    eventually(lambda: gateway.metric("router_shadow_total") == 2, "the second comparison")
    compared = int(gateway.metric("router_shadow_total", outcome="compared"))
    assert compared + gateway.metric("router_shadow_total", outcome="unjudged") == 2
    written(gateway, compared)
    assert len(rows(settings)) == compared
    settings["shadow"]["judge"] = "exact"
    gateway.reload(settings)
    eventually(lambda: gateway.metric("router_config_reloads_total", result="ok") == 2, "the second reload")
    assert "[DONE]" in gateway.chat("auto", EASY, stream=True, stream_options={"include_usage": True}).text
    compare(gateway, compared + 1)
