"""The official `anthropic` SDK, unmodified but for base_url, through the gateway to real llama.cpp servers."""

import asyncio
import json

import anthropic
import pytest
import scripts
from fakes import FakeUpstream
from gateway import Gateway, config, deployment, model

HELLO = [{"role": "user", "content": "Say hello."}]


@pytest.fixture
def client(real_gateway: Gateway):
    with anthropic.Anthropic(base_url=real_gateway.url, api_key="unused", max_retries=0) as client:
        yield client


def test_a_message_is_answered_by_real_weights(client):
    answer = client.messages.create(model="smol", messages=HELLO, max_tokens=8)
    assert answer.type == "message" and answer.role == "assistant"
    assert any(letter.isalpha() for letter in answer.content[0].text)
    assert 0 < answer.usage.output_tokens <= 8


def test_auto_routes_messages_too(client):
    raw = client.messages.with_raw_response.create(model="auto", messages=HELLO, max_tokens=4)
    assert raw.headers["x-router-model"] in ("tiny", "smol")
    assert raw.headers["x-router-reason"] and raw.headers["x-request-id"]
    assert len(raw.parse().content[0].text) > 0


def test_a_streamed_message_arrives_event_by_event(client):
    with client.messages.stream(model="tiny", messages=HELLO, max_tokens=9) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(pieces) == final.content[0].text
    assert len(final.content[0].text) == 9
    assert final.stop_reason == "max_tokens"
    assert final.usage.output_tokens == 9


def test_the_beta_query_is_no_other_path(client):
    answer = client.beta.messages.create(model="tiny", messages=HELLO, max_tokens=3)
    assert answer.usage.output_tokens == 3


def test_an_unknown_model_is_a_404_that_lists_what_there_is(client):
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.create(model="claude-nothing", messages=HELLO, max_tokens=3)
    assert "tiny" in str(caught.value) and "smol" in str(caught.value)


def test_tool_use_streams_through_untouched(start_gateway):
    def event(kind: str, **more) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind} | more)}\n\n".encode()

    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "served", "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 0}}
    block = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
    parts = [
        event("message_start", message=message),
        event("content_block_start", index=0, content_block=block),
        event("ping"),
        event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": '{"city": '}),
        event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": '"Paris"}'}),
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage={"output_tokens": 9}),
        event("message_stop"),
    ]
    tool = {"name": "get_weather", "description": "d", "input_schema": {"type": "object", "properties": {}}}
    with FakeUpstream(scripts.events(parts)) as fake:
        gateway = start_gateway(config(model("small", deployment(fake.url))))
        with anthropic.Anthropic(base_url=gateway.url, api_key="unused", max_retries=0) as client:
            with client.messages.stream(model="auto", messages=HELLO, max_tokens=50, tools=[tool]) as stream:
                final = stream.get_final_message()
        assert final.content[0].input == {"city": "Paris"}
        assert final.usage.output_tokens == 9
        assert fake.requests[0].field("anthropic-version"), "anthropic-* fields are passed on"
        [line] = gateway.log_lines(1)
        assert "Paris" not in str(line)


def test_an_overloaded_upstream_is_raised_as_such(gateway, fake):
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    fake.script = scripts.body(overloaded, 529)
    with anthropic.Anthropic(base_url=gateway.url, api_key="unused", max_retries=0) as client:
        with pytest.raises(anthropic.APIStatusError) as caught:
            client.messages.create(model="small", messages=HELLO, max_tokens=3)
    assert caught.value.status_code == 529
    assert caught.value.body == overloaded


def test_async_clients_stream_side_by_side(real_gateway):
    async def one(client: anthropic.AsyncAnthropic, length: int) -> str:
        async with client.messages.stream(model="tiny", messages=HELLO, max_tokens=length) as stream:
            return (await stream.get_final_message()).content[0].text

    async def all_of_them() -> list[str]:
        async with anthropic.AsyncAnthropic(base_url=real_gateway.url, api_key="unused", max_retries=0) as client:
            return await asyncio.gather(*(one(client, length) for length in range(1, 9)))

    assert [len(text) for text in asyncio.run(all_of_them())] == list(range(1, 9))
