"""Which entry answers, and the receipt that says why."""

import base64

import scripts
from fakes import FakeUpstream
from gateway import config, deployment, model

IMAGE = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}


def pool(start_gateway, fake, second_fake, cheap: dict | None = None, strong: dict | None = None, **more):
    """A cheap entry on one fake and a strong, dearer one on another."""
    return start_gateway(
        config(
            model("cheap", deployment(fake.url), **(cheap or {})),
            model("strong", deployment(second_fake.url), **(
                {"tier": "strong", "price": {"input": 5.0, "output": 15.0}} | (strong or {}))),
            **more,
        )
    )


def chosen(answer) -> str:
    assert answer.status_code == 200, answer.text
    return answer.headers["x-router-model"]


def test_modes_by_suffix_and_header(start_gateway, fake, second_fake):
    gateway = pool(start_gateway, fake, second_fake)
    assert chosen(gateway.chat("auto:cost")) == "cheap"
    assert chosen(gateway.chat("auto:quality")) == "strong"
    assert chosen(gateway.chat("auto", headers={"x-router-mode": "cost"})) == "cheap"
    assert chosen(gateway.chat("auto", headers={"x-router-mode": "quality"})) == "strong"


def test_an_unknown_mode_is_refused_by_name(start_gateway, fake, second_fake):
    gateway = pool(start_gateway, fake, second_fake)
    for answer in (gateway.chat("auto:best"), gateway.chat("auto", headers={"x-router-mode": "best"})):
        assert answer.status_code in (400, 404)
        message = answer.json()["error"]["message"]
        assert "quality" in message and "balanced" in message and "cost" in message


def test_a_name_pins_whatever_the_mode(start_gateway, fake, second_fake):
    gateway = pool(start_gateway, fake, second_fake, mode="cost")
    assert chosen(gateway.chat("strong")) == "strong"
    assert chosen(gateway.chat("cheap", headers={"x-router-mode": "quality"})) == "cheap"
    assert len(fake.requests) == len(second_fake.requests) == 1


def test_what_an_entry_cannot_do_is_never_sent_to_it(start_gateway, fake, second_fake):
    able = {"modalities": ["text", "image"]}
    unable = {"tools": False, "json_schema": False, "json_mode": False}
    gateway = pool(start_gateway, fake, second_fake, cheap=unable, strong=able)
    picture = [{"role": "user", "content": [
        {"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]}]
    assert chosen(gateway.chat("auto:cost")) == "cheap"
    assert chosen(gateway.chat("auto:cost", tools=[TOOL])) == "strong"
    assert chosen(gateway.chat("auto:cost", response_format=SCHEMA)) == "strong"
    assert chosen(gateway.chat("auto:cost", response_format={"type": "json_object"})) == "strong"
    assert chosen(gateway.chat("auto:cost", messages=picture)) == "strong"


def test_a_long_prompt_goes_where_it_fits(start_gateway, fake, second_fake):
    gateway = pool(start_gateway, fake, second_fake, cheap={"context_window": 500, "max_output_tokens": 100})
    assert chosen(gateway.chat("auto:cost")) == "cheap"
    assert chosen(gateway.chat("auto:cost", content="word " * 1000)) == "strong"


def test_a_prompt_that_fits_nowhere_is_refused_naming_the_largest_window(start_gateway, fake, second_fake):
    gateway = pool(start_gateway, fake, second_fake)
    answer = gateway.chat("auto", content="word " * 20000)
    assert answer.status_code == 400
    assert "8192" in answer.json()["error"]["message"].replace(",", "")
    assert answer.json()["error"]["code"] == "context_length_exceeded"
    assert fake.requests == second_fake.requests == []


def test_the_receipt_lists_every_candidate_and_why(start_gateway, fake, second_fake):
    gateway = pool(start_gateway, fake, second_fake)
    answer = gateway.chat("auto:cost")
    receipt = gateway.receipt(answer.headers["x-request-id"])
    assert {candidate["model"] for candidate in receipt["candidates"]} == {"cheap", "strong"}
    assert receipt["chosen"] == receipt["served"] == "cheap"
    assert receipt["reason"] == answer.headers["x-router-reason"]
    assert 0 <= receipt["difficulty"] <= 1
    assert receipt["classifier"] and receipt["policy_hash"]
    assert all(candidate["reason"] for candidate in receipt["candidates"])
    assert [attempt["error"] for attempt in receipt["attempts"]] == [None]


def test_an_unknown_receipt_is_a_404(gateway):
    assert gateway.http.get("/v1/routes/nothing-like-it").status_code == 404


def test_parameter_overrides_are_spliced_into_what_the_entry_is_sent(start_gateway, fake):
    gateway = start_gateway(config(model("small", deployment(fake.url), overrides={"reasoning_effort": "low"})))
    gateway.chat("small", reasoning_effort="high")
    gateway.chat("small")
    assert [request.json()["reasoning_effort"] for request in fake.requests] == ["low", "low"]


def test_an_entry_without_a_price_costs_unknown_not_nothing(start_gateway, fake):
    entry = model("small", deployment(fake.url))
    del entry["price"]
    gateway = start_gateway(config(entry))
    gateway.chat("small")
    [line] = gateway.log_lines(1)
    assert line["cost_usd"] is None
    assert line["usage"]["prompt"] == 7


def test_keys_reach_the_upstream_in_the_way_it_wants(start_gateway, fake, second_fake):
    settings = config(
        model("bearer", deployment(fake.url, auth="bearer", key_env="FIRST_KEY")),
        model("anthropic", deployment(second_fake.url, auth="x-api-key", key_env="SECOND_KEY")),
    )
    gateway = start_gateway(settings, env={"FIRST_KEY": "sk-first", "SECOND_KEY": "sk-second"})
    for name in ("bearer", "anthropic"):
        gateway.chat(name, headers={"Authorization": "Bearer sk-client", "x-api-key": "sk-client"})
    assert fake.requests[0].field("authorization") == "Bearer sk-first"
    assert fake.requests[0].field("x-api-key") is None
    assert second_fake.requests[0].field("x-api-key") == "sk-second"
    assert second_fake.requests[0].field("authorization") is None
    assert "sk-" not in gateway.child.output + gateway.log_path.read_text()


def test_deployments_share_by_weight(start_gateway, fake, second_fake):
    entry = model("small", deployment(fake.url, "a", weight=3), deployment(second_fake.url, "b", weight=1))
    gateway = start_gateway(config(entry))
    for _ in range(80):
        gateway.chat("small")
    assert len(fake.requests) + len(second_fake.requests) == 80
    assert len(fake.requests) > len(second_fake.requests) > 0


def test_a_follow_up_goes_to_the_deployment_that_made_the_response(start_gateway):
    def responder(name: str):
        return scripts.body({
            "id": f"resp_{name}", "object": "response", "created_at": 1700000000, "status": "completed",
            "model": "served", "output": [], "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}})

    with FakeUpstream(responder("a")) as first, FakeUpstream(responder("b")) as second:
        entry = model("small", deployment(first.url, "a"), deployment(second.url, "b"))
        gateway = start_gateway(config(entry))
        seen = set()
        while len(seen) < 2:
            answer = gateway.http.post("/v1/responses", json={"model": "auto", "input": "hello"}).json()
            seen.add(answer["id"])
        for name, upstream in (("resp_a", first), ("resp_b", second)):
            before = len(upstream.requests)
            for _ in range(5):
                follow_up = {"model": "auto", "input": "more", "previous_response_id": name}
                assert gateway.http.post("/v1/responses", json=follow_up).json()["id"] == name
            assert len(upstream.requests) == before + 5


def test_invalid_json_is_refused_with_the_offset(gateway, fake):
    answer = gateway.http.post("/v1/chat/completions", content=b'{"model": "auto", "messages": [}')
    assert answer.status_code == 400
    assert "31" in answer.json()["error"]["message"]
    assert fake.requests == []


def test_a_path_that_does_not_exist_and_a_method_that_does_not_fit(gateway):
    assert gateway.http.get("/v1/nothing").status_code == 404
    wrong = gateway.http.get("/v1/chat/completions")
    assert wrong.status_code == 405
    assert "POST" in wrong.headers["allow"]
