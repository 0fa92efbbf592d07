"""The official `openai` SDK, unmodified but for base_url, through the gateway to real llama.cpp servers."""

import asyncio
import hashlib
import json

import openai
import pytest
import scripts
from fakes import FakeUpstream
from gateway import Gateway, config, deployment, model

HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def client(real_gateway: Gateway):
    with openai.OpenAI(base_url=real_gateway.base_url, api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture
def client_of(request):
    """Makes clients of other gateways."""
    made = []

    def make(gateway: Gateway, **more) -> openai.OpenAI:
        made.append(openai.OpenAI(base_url=gateway.base_url, **({"api_key": "unused", "max_retries": 0} | more)))
        return made[-1]

    yield make
    for client in made:
        client.close()


# Chat completions


def test_a_chat_is_answered_by_real_weights(client):
    answer = client.chat.completions.create(model="smol", messages=HELLO, max_tokens=8)
    assert answer.object == "chat.completion"
    assert answer.model == "smollm2"
    assert any(letter.isalpha() for letter in answer.choices[0].message.content)
    assert 0 < answer.usage.completion_tokens <= 8


def test_auto_answers_with_the_served_models_name(client):
    answer = client.chat.completions.create(model="auto", messages=HELLO, max_tokens=4)
    assert answer.model in ("tiny", "smollm2")


def test_a_streamed_chat_arrives_in_pieces_and_ends(client):
    chunks = list(client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=12, stream=True))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert len(text) == 12, "the tiny model says one character a token"
    assert len(chunks) > 12
    assert chunks[-1].choices[0].finish_reason == "length"


def test_no_usage_chunk_when_it_was_not_asked_for(client):
    chunks = list(client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=3, stream=True))
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)


def test_the_usage_chunk_when_it_was_asked_for(client):
    chunks = list(
        client.chat.completions.create(
            model="tiny", messages=HELLO, max_tokens=3, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 3
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_a_schema_is_kept_to(client):
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="tiny", messages=HELLO, max_tokens=200,
        response_format={"type": "json_schema", "json_schema": {"name": "place", "schema": schema}},
    )
    assert json.loads(answer.choices[0].message.content)["city"] in ("Paris", "Rome")


def test_a_conversation_with_tools_reaches_the_model(client):
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
    answer = client.chat.completions.create(
        model="tiny", max_tokens=5, tools=[WEATHER],
        messages=[*HELLO, {"role": "assistant", "content": None, "tool_calls": [call]},
                  {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}],
    )
    assert answer.usage.completion_tokens == 5
    assert answer.usage.prompt_tokens > 100, "the tool's description is part of the prompt"


def test_streamed_tool_calls_are_put_together_by_the_sdk(start_gateway, client_of):
    pieces = [
        {"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
                         "function": {"name": "get_weather", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]},
        {"tool_calls": [{"index": 1, "id": "call_2", "type": "function",
                         "function": {"name": "get_weather", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ' "Paris"}'}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": '{"city": "Rome"}'}}]},
    ]
    chunks = [scripts.data_event(chunk_of(piece)) for piece in pieces]
    chunks += [scripts.data_event(chunk_of({}, "tool_calls")), b"data: [DONE]\n\n"]
    with FakeUpstream(scripts.events(chunks)) as fake:
        gateway = start_gateway(config(model("small", deployment(fake.url))))
        with client_of(gateway).chat.completions.stream(model="auto", messages=HELLO, tools=[WEATHER]) as stream:
            calls = stream.get_final_completion().choices[0].message.tool_calls
    assert [json.loads(call.function.arguments) for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
    assert [call.id for call in calls] == ["call_1", "call_2"]


def chunk_of(delta: dict, finish: str | None = None) -> dict:
    return {
        "id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1700000000, "model": "served",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


# The other endpoints


def test_a_response_is_answered(client):
    answer = client.responses.create(model="smol", input="Say hello.", max_output_tokens=8)
    assert answer.status in ("completed", "incomplete")
    assert any(letter.isalpha() for letter in answer.output_text)
    assert answer.usage.output_tokens > 0


def test_a_streamed_response_ends_on_its_own_event(client):
    kinds = [event.type for event in client.responses.create(
        model="tiny", input="Say hello.", max_output_tokens=6, stream=True)]
    assert kinds[0] == "response.created"
    assert kinds.count("response.output_text.delta") == 6
    assert kinds[-1] in ("response.completed", "response.incomplete")


def test_a_text_completion_is_answered(client):
    answer = client.completions.create(model="tiny", prompt="Once", max_tokens=5)
    assert len(answer.choices[0].text) == 5


def test_embeddings_are_answered_by_the_entry_that_speaks_them(client):
    answer = client.embeddings.create(model="auto", input="hello", encoding_format="float")
    assert len(answer.data[0].embedding) == 64


def test_the_models_listed_are_the_pool_and_the_aliases(client):
    names = {entry.id for entry in client.models.list()}
    assert {"auto", "tiny", "smol"} <= names


# Errors


def test_an_unknown_model_is_a_404_that_lists_what_there_is(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-nothing", messages=HELLO)
    assert "gpt-nothing" in caught.value.message
    assert "tiny" in caught.value.message and "smol" in caught.value.message


def test_an_upstreams_refusal_reaches_the_sdk_with_its_wording(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="tiny", messages=[{"role": "user"}])
    assert caught.value.response.headers["x-router-model"]


def test_a_missing_client_key_is_a_401(start_gateway, fake, client_of, router):
    key = {"name": "app", "sha256": hashlib.sha256(b"sk-right").hexdigest()}
    gateway = start_gateway(config(model("small", deployment(fake.url)), client_keys=[key]))
    with pytest.raises(openai.AuthenticationError):
        client_of(gateway, api_key="sk-wrong").chat.completions.create(model="auto", messages=HELLO)
    assert fake.requests == []
    answer = client_of(gateway, api_key="sk-right").chat.completions.create(model="auto", messages=HELLO)
    assert answer.choices[0].message.content == "ok"
    assert "sk-right" not in fake.requests[0].head.decode(), "a client's key stays at the gateway"


def test_a_client_timeout_ends_the_upstream_call(gateway, fake, client_of):
    fake.queue(scripts.hang())
    with pytest.raises(openai.APITimeoutError):
        client_of(gateway).chat.completions.create(model="auto", messages=HELLO, timeout=0.5)
    fake.wait_for_abandoned()


# Retries


def test_the_sdk_retries_what_the_gateway_passes_on(gateway, fake, client_of):
    """Pinned to one entry there is nobody to fail over to, so the client is told when to come back, and does."""
    fake.queue(scripts.rate_limited("0"))
    raw = client_of(gateway, max_retries=2).chat.completions.with_raw_response.create(model="small", messages=HELLO)
    assert raw.parse().choices[0].message.content == "ok"
    assert raw.retries_taken <= 1
    assert len(fake.requests) == 2


def test_retry_after_reaches_the_client(gateway, fake, client_of):
    fake.script = scripts.rate_limited("17")
    with pytest.raises(openai.RateLimitError) as caught:
        client_of(gateway).chat.completions.create(model="small", messages=HELLO)
    assert caught.value.response.headers["retry-after"] == "17"
    assert caught.value.code == "rate_limit_exceeded"


def test_an_error_inside_a_stream_is_raised_by_the_sdk(gateway, fake, client_of):
    gate = fake.gate()
    fake.queue(scripts.reset_mid_stream(scripts.chat_events(["Hel"], usage=False)[:2], gate))
    received = []
    with pytest.raises(openai.APIError):
        for chunk in client_of(gateway).chat.completions.create(model="auto", messages=HELLO, stream=True):
            received.append(chunk)
            if len(received) == 2:
                gate.open()
    assert received[1].choices[0].delta.content == "Hel"


# Headers


def test_raw_responses_carry_the_routers_headers(client, real_gateway):
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=HELLO, max_tokens=3)
    assert raw.headers["x-router-model"] in ("tiny", "smol")
    assert raw.headers["x-router-reason"]
    assert raw.parse().choices[0].message.role == "assistant"
    receipt = real_gateway.receipt(raw.headers["x-request-id"])
    assert json.dumps(raw.headers["x-router-model"]) in json.dumps(receipt)


def test_a_mode_is_chosen_by_header(client):
    cheap = client.chat.completions.with_raw_response.create(
        model="auto", messages=HELLO, max_tokens=3, extra_headers={"x-router-mode": "cost"})
    assert cheap.headers["x-router-model"] == "tiny"


def test_a_mode_is_chosen_by_the_models_suffix(client):
    raw = client.chat.completions.with_raw_response
    assert raw.create(model="auto:cost", messages=HELLO, max_tokens=3).headers["x-router-model"] == "tiny"
    assert raw.create(model="auto:quality", messages=HELLO, max_tokens=3).headers["x-router-model"] == "smol"


# Async


def test_async_clients_stream_side_by_side(real_gateway):
    async def one(client: openai.AsyncOpenAI, length: int) -> str:
        stream = await client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=length, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def all_of_them() -> list[str]:
        async with openai.AsyncOpenAI(base_url=real_gateway.base_url, api_key="unused", max_retries=0) as client:
            return await asyncio.gather(*(one(client, length) for length in range(1, 13)))

    assert [len(text) for text in asyncio.run(all_of_them())] == list(range(1, 13))


def test_an_async_response_is_answered(real_gateway):
    async def ask() -> str:
        async with openai.AsyncOpenAI(base_url=real_gateway.base_url, api_key="unused", max_retries=0) as client:
            return (await client.responses.create(model="tiny", input="Hi", max_output_tokens=5)).output_text

    assert len(asyncio.run(ask())) == 5
