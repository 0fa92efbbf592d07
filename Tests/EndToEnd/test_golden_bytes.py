"""Passthrough that is true to the byte: what the upstream receives is what the client sent, but for the model."""

import json
import random

import pytest
import scripts
from gateway import Gateway

COUNT = 200
ALPHABET = "abcXYZ 0189_-.,;'/~é漢字🙂\u2028\u00a0"
NUMBERS = ["0", "-0", "-0.0", "1E+2", "1e400", "-1.5e-300", "123456789012345678901234567890", "0.1000", "3.14159"]


class Generator:
    """Requests as text, written with all the freedom that JSON gives; the model's value is kept apart."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def space(self) -> str:
        return self.random.choice(["", "", "", " ", "\n", "\t ", "\r\n"])

    def character(self, character: str) -> str:
        """One character of a string, as itself or escaped."""
        style = self.random.random()
        if character in '"\\' or style < 0.1:
            units = character.encode("utf-16-be")
            pairs = [units[i : i + 2].hex() for i in range(0, len(units), 2)]
            return "".join("\\u" + (pair.upper() if self.random.random() < 0.5 else pair) for pair in pairs)
        return "\\/" if character == "/" and style < 0.5 else character

    def quoted(self, text: str) -> str:
        return '"' + "".join(self.character(character) for character in text) + '"'

    def text(self, longest: int = 30) -> str:
        letters = ALPHABET + '"\\'
        return "".join(self.random.choice(letters) for _ in range(self.random.randrange(longest)))

    def value(self, depth: int) -> str:
        kind = self.random.randrange(8 if depth > 0 else 5)
        if kind == 0:
            return self.random.choice(NUMBERS)
        if kind == 1:
            return self.random.choice(["true", "false", "null"])
        if kind < 5:
            return self.quoted(self.text())
        items = range(self.random.randrange(5))
        if kind == 5:
            return self.joined("[", [self.value(depth - 1) for _ in items], "]")
        # Keys of inner objects may repeat, and may be called `model`: neither is the gateway's business.
        names = [self.random.choice(["model", "a", "stream", self.text(8)]) for _ in items]
        return self.joined("{", [self.member(name, self.value(depth - 1)) for name in names], "}")

    def member(self, name: str, value: str) -> str:
        return self.space() + self.quoted(name) + self.space() + ":" + self.space() + value + self.space()

    def joined(self, opening: str, parts: list[str], closing: str) -> str:
        return opening + ",".join(parts) + (self.space() if not parts else "") + closing

    def message(self) -> str:
        members = [self.member("role", self.quoted("user")), self.member("content", self.quoted(self.text(200)))]
        members += [self.member("x_" + self.text(5), self.value(3)) for _ in range(self.random.randrange(3))]
        self.random.shuffle(members)
        return self.joined("{", members, "}")

    def request(self, model: str) -> tuple[bytes, bytes, bytes]:
        """The bytes before the model's value, the value, and the bytes after it."""
        nested = self.value(1)
        for _ in range(self.random.choice([0, 0, 0, 60])):
            nested = "[" + nested + "]"
        members = [
            self.member("messages", self.joined("[", [self.message() for _ in range(self.random.randrange(1, 4))], "]")),
            self.member("x_nested", nested),
            self.member("seed", self.random.choice(NUMBERS)),
        ]
        members += [self.member("x_" + self.text(10), self.value(4)) for _ in range(self.random.randrange(6))]
        if self.random.random() < 0.3:
            members += [self.member("x_twice", "1"), self.member("x_twice", "2")]
        marker = "\x00MODEL\x00"
        members.append(self.member("model", marker))
        self.random.shuffle(members)
        whole = self.space() + self.joined("{", members, "}") + self.space()
        before, after = whole.split(marker)
        return before.encode(), self.quoted(model).encode(), after.encode()


@pytest.fixture(scope="module")
def generated() -> list[tuple[bytes, bytes, bytes]]:
    return [Generator(seed).request("small" if seed % 2 else "auto") for seed in range(COUNT)]


def send(gateway: Gateway, body: bytes, path: str = "/v1/chat/completions"):
    return gateway.http.post(path, content=body, headers={"Content-Type": "application/json"})


def test_the_generator_makes_valid_json_of_every_kind_it_claims(generated):
    bodies = [before + value + after for before, value, after in generated]
    for body in bodies:
        json.loads(body)
    everything = b"\n".join(bodies)
    for needed in (b"\\u00", b"1e400", b"123456789012345678901234567890", b"[[[[[[[[", "漢".encode(), b'\\ud83d'):
        assert needed in everything or needed.upper() in everything, needed
    assert any(b'"model"' not in before.rsplit(b",", 1)[-1] for before, _, _ in generated), "an escaped model key"


def test_200_generated_requests_arrive_byte_for_byte(gateway, fake, generated):
    for number, (before, value, after) in enumerate(generated):
        answer = send(gateway, before + value + after)
        assert answer.status_code == 200, f"request {number}: {answer.text}"
        assert fake.requests[-1].body == before + b'"served"' + after, f"request {number}"
    assert len(fake.requests) == COUNT


def test_the_answers_bytes_are_the_upstreams(gateway, fake):
    odd = b'{"model" :"served","x":1.0e+00,  "choices":[],"x":"\\u00e9","usage":{"prompt_tokens":1}}\n'
    fake.script = scripts.body(odd)
    assert gateway.chat("small").content == odd


@pytest.mark.parametrize("key", ['"model"', '"mod\\u0065l"', '"\\u006dodel"'])
def test_a_routed_key_given_twice_is_refused_by_name(gateway, fake, key):
    body = '{"model":"small","messages":[{"role":"user","content":"x"}],%s:"auto"}' % key
    answer = send(gateway, body.encode())
    assert answer.status_code == 400
    assert "model" in answer.json()["error"]["message"]
    assert fake.requests == []


def test_unknown_fields_and_headers_are_passed_on(gateway, fake):
    answer = gateway.http.post(
        "/v1/messages?beta=true",
        content=b'{"model":"small","max_tokens":3,"messages":[{"role":"user","content":"x"}],"brand_new":[1.50]}',
        headers={"anthropic-version": "2023-06-01", "anthropic-beta": "a,b", "x-unheard-of": "1",
                 "idempotency-key": "k1"},
    )
    assert answer.status_code == 200
    [request] = fake.requests
    assert request.target == "/v1/messages?beta=true"
    assert b'"brand_new":[1.50]' in request.body
    assert request.field("anthropic-beta") == "a,b"
    assert request.field("idempotency-key") == "k1"


def test_only_the_usage_request_is_added_to_a_stream(gateway, fake):
    fake.script = scripts.chat_stream()
    sent = b'{"stream": true, "model":"small","messages":[{"role":"user","content":"\\u00e9"}], "n": 1.0}'
    answer = send(gateway, sent)
    assert b"usage" not in answer.content
    received = fake.requests[0].json()
    assert received.pop("stream_options") == {"include_usage": True}
    assert received == json.loads(sent) | {"model": "served"}
    assert b'"\\u00e9"' in fake.requests[0].body and b'"n": 1.0' in fake.requests[0].body


def test_a_stream_that_asks_for_usage_is_untouched_both_ways(gateway, fake):
    parts = [b": hello\r\n\r\n", *scripts.chat_events(["Hel", "lo é 漢"], usage=True)]
    fake.script = scripts.events(parts)
    sent = (b'{"model":"small","stream":true,"stream_options":{"include_usage":true},'
            b'"messages":[{"role":"user","content":"x"}]}')
    answer = send(gateway, sent)
    assert answer.content == b"".join(parts)
    assert fake.requests[0].body == sent.replace(b'"small"', b'"served"')


def test_an_event_cut_anywhere_arrives_whole(gateway, fake):
    """Chunks need not end where events do, nor where characters do."""
    whole = b"".join(scripts.chat_events(["é漢🙂", "lo"], usage=False))
    fake.script = scripts.events([whole[i : i + 7] for i in range(0, len(whole), 7)])
    assert gateway.chat("small", stream=True).content == whole
