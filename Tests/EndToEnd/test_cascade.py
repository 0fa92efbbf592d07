"""Cheap models asked first, against real llama.cpp: whose answer the client gets, and what the receipt counts."""

import pytest
from gateway import Gateway, config, deployment, model
from processes import Child

# Small talk: the classifier trusts itself, and the small model ends its answer.
ASK = "hi"
PRICES = {"small": 1.0, "middle": 2.0, "large": 10.0}


@pytest.fixture
def start(start_gateway, smol_llama: Child, tiny_llama: Child):
    """Three entries over two real models. Greedy, so that one model says the same twice and two do not."""

    def entry(name: str, tier: str, server: Child, served: str) -> dict:
        return model(
            name, deployment(server.url, name, model=served, max_concurrent=64), tier=tier, context_window=2048,
            price={"input": PRICES[name], "output": PRICES[name]}, dialects=["chat_completions", "messages"])

    def start(small: str = "smol", **cascade) -> Gateway:
        first = (smol_llama, "smollm2") if small == "smol" else (tiny_llama, "tiny")
        return start_gateway(config(
            entry("small", "cheap", *first), entry("middle", "mid", smol_llama, "smollm2"),
            entry("large", "strong", smol_llama, "smollm2"),
            cascade={"ask": ["small", "middle"], "compare": "exact", "gate": 0} | cascade))

    return start


def costs(usage: dict, name: str) -> float:
    return (usage["prompt"] + usage["completion"]) * PRICES[name] / 1e6


def asked(gateway: Gateway, max_tokens: int = 80) -> tuple[dict, dict, dict]:
    """The answer, its receipt and its line in the log."""
    answer = gateway.chat("auto", ASK, max_tokens=max_tokens)
    assert answer.status_code == 200, answer.text
    receipt = gateway.receipt(answer.headers["x-request-id"])
    assert receipt["served"] == answer.headers["x-router-model"]
    [line] = gateway.log_lines(1)
    assert line["route"]["id"] == receipt["id"]
    return answer.json(), receipt, line


def test_agreement_gives_the_cheap_answer_and_counts_both_calls(start):
    gateway = start()
    answer, receipt, line = asked(gateway)
    assert answer["choices"][0]["finish_reason"] == "stop" and answer["choices"][0]["message"]["content"]
    cascade = receipt["cascade"]
    assert (cascade["verdict"], cascade["evidence"]) == ("accepted", 1)
    assert [call["model"] for call in cascade["calls"]] == ["small", "middle"]
    assert [attempt["model"] for attempt in receipt["attempts"]] == ["small", "middle"]
    assert receipt["served"] in ("small", "middle") and receipt["chosen"] == "large"
    for call in cascade["calls"]:
        assert call["cost_usd"] == pytest.approx(costs(call, call["model"]), rel=1e-6)
        assert call["prompt"] == answer["usage"]["prompt_tokens"]
        assert call["completion"] == answer["usage"]["completion_tokens"]
    assert line["cost_usd"] == pytest.approx(sum(call["cost_usd"] for call in cascade["calls"]), rel=1e-6)
    # What the strongest alone would have cost for the same tokens.
    assert line["baseline_usd"] == pytest.approx(costs(cascade["calls"][0], "large"), rel=1e-6)


def test_disagreement_goes_up_and_all_three_calls_are_paid_for(start):
    gateway = start(small="tiny")
    answer, receipt, line = asked(gateway)
    cascade = receipt["cascade"]
    assert cascade["verdict"] == "disagreed" and len(cascade["calls"]) == 2
    assert receipt["served"] == "large"
    assert [attempt["model"] for attempt in receipt["attempts"]] == ["small", "middle", "large"]
    usage = {"prompt": answer["usage"]["prompt_tokens"], "completion": answer["usage"]["completion_tokens"]}
    spent = sum(call["cost_usd"] for call in cascade["calls"]) + costs(usage, "large")
    assert line["cost_usd"] == pytest.approx(spent, rel=1e-6)


def test_an_answer_that_was_cut_agrees_with_nothing(start):
    answer, receipt, _ = asked(start(), max_tokens=2)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert receipt["cascade"]["verdict"] == "disagreed" and receipt["served"] == "large"


@pytest.mark.parametrize(("most_surprise", "verdict", "served"), [(50, "accepted", "small"), (0, "unsure", "large")])
def test_real_log_probabilities_decide_and_stay_hidden(start, most_surprise, verdict, served):
    gateway = start(ask=["small"], accept="confidence", most_surprise=most_surprise)
    answer, receipt, line = asked(gateway)
    cascade = receipt["cascade"]
    assert cascade["verdict"] == verdict and receipt["served"] == served
    assert -50 < cascade["evidence"] < 0
    assert answer["choices"][0].get("logprobs") is None, "nobody asked for them"
    assert line["cost_usd"] >= cascade["calls"][0]["cost_usd"] > 0


def test_streams_go_past_the_cascade(start):
    gateway = start()
    streamed = gateway.chat("auto", ASK, stream=True, max_tokens=20)
    assert streamed.status_code == 200 and "[DONE]" in streamed.text
    assert gateway.receipt(streamed.headers["x-request-id"]).get("cascade") is None
