"""The model server of `Sources/Demos/custom-model-server` on real weights, with the official SDK."""

import json
import random
import re
import signal
import subprocess

import httpx
import openai
import pytest
from conftest import MODELS
from gateway import find_binary
from processes import Child

SMOLLM = MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def program() -> str:
    return find_binary("custom-model-server")


def start(program: str, *more: str, model=SMOLLM) -> Child:
    server = Child([program, "--model", str(model), "--listen", "127.0.0.1:0", "--name", "smollm2", *more])
    server.url = f"http://127.0.0.1:{server.listening_port()}"
    return server


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("snapshots") / "store")


@pytest.fixture(scope="module")
def server(program: str, store: str):
    server = start(program, "--snapshot-store", store, "--context", "256", "--sequences", "2")
    yield server
    server.stop()


def client(server: Child) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", timeout=120, max_retries=0)


def test_it_answers_streamed_or_not(server: Child) -> None:
    whole = client(server).chat.completions.create(
        model="smollm2", messages=QUESTION, temperature=0, max_tokens=7, seed=1
    )
    # What it says is compared with llama.cpp in test_model_proof.py.
    assert whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage.completion_tokens == 7
    stream = client(server).chat.completions.create(
        model="smollm2", messages=QUESTION, temperature=0, max_tokens=7, stream=True,
        stream_options={"include_usage": True},
    )
    events = list(stream)
    text = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
    assert text == whole.choices[0].message.content
    assert events[-1].usage == whole.usage


def test_sequences_in_one_pass_do_not_touch_each_other(server: Child) -> None:
    def body(prompt: str) -> dict:
        return {"prompt": prompt, "temperature": 0, "max_tokens": 4}

    prompts = ["The capital of France is", "One, two, three,", "The opposite of hot is"]
    url = f"{server.url}/v1/completions"
    alone = [httpx.post(url, json=body(prompt), timeout=120).json()["choices"][0]["text"] for prompt in prompts]
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda prompt: httpx.post(url, json=body(prompt), timeout=120).json(), prompts))
    assert [answer["choices"][0]["text"] for answer in answers] == alone
    assert "Paris" in alone[0]


def test_a_second_start_restores_the_snapshot(program: str, server: Child, store: str) -> None:
    again = start(program, "--snapshot-store", store, "--context", "256")
    answer = httpx.post(
        f"{again.url}/v1/completions", json={"prompt": "The capital of France is", "temperature": 0, "max_tokens": 2},
        timeout=120,
    ).json()
    assert answer["choices"][0]["text"].startswith(" Paris")
    again.process.send_signal(signal.SIGTERM)
    assert again.process.wait(30) == 0
    again.stop()
    assert "making a snapshot" not in again.output
    assert "chunks verified" in again.output


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "not JSON"),
        ('{"messages": []}', "at least one message"),
        (json.dumps({"messages": [{"role": "user", "content": "word " * 300}]}), "the context holds 256"),
        (json.dumps({"model": "smollm2:none", "messages": QUESTION}), "No variant none"),
    ],
)
def test_mistakes_are_named(server: Child, body: str, words: str) -> None:
    answer = httpx.post(f"{server.url}/v1/chat/completions", content=body)
    assert answer.status_code in (400, 404)
    assert words in answer.json()["error"]["message"]


def test_other_paths(server: Child) -> None:
    assert httpx.get(f"{server.url}/v1/models").json()["data"][0]["id"] == "smollm2"
    assert httpx.get(f"{server.url}/health").json() == {"status": "ok"}
    assert "model_passes_total" in httpx.get(f"{server.url}/metrics").text
    assert httpx.get(f"{server.url}/nothing").status_code == 404


def test_files_that_are_no_model_are_refused(program: str, tmp_path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(SMOLLM.read_bytes()[:1_000_000])
    for path, words in [(cut, "cut.gguf"), (tmp_path / "none.gguf", "none.gguf")]:
        ended = subprocess.run(
            [program, "--model", str(path), "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=60
        )
        assert ended.returncode == 1
        assert words in ended.stderr


@pytest.mark.parametrize(
    ("device", "status", "words"),
    [("gpu", 2, "neither host nor cuda"), ("cuda:x", 2, "neither host nor cuda"), ("cuda:999", 1, r"noLibrary|noDevice|driver")],
)
def test_a_device_that_is_not_there_is_named(program: str, device: str, status: int, words: str) -> None:
    ended = subprocess.run(
        [program, "--model", str(SMOLLM), "--listen", "127.0.0.1:0", "--device", device],
        capture_output=True, text=True, timeout=60)
    assert ended.returncode == status
    assert re.search(words, ended.stderr)


def nasty_strings(count: int) -> list[str]:
    """Words, numbers, blanks, punctuation, several scripts, emoji, in random order."""
    choose = random.Random(7)
    pieces = (
        ["the", " quick", "Brown", "don't", "we'll", "I'M", "'s", "12", "3.14", "1,000", " ", "  ", "\n", "\n\n", "\t"]
        + ["é", "größe", "naïve", "日本語", "привет", "مرحبا", "नमस्ते", "한국어", "½", "Ⅷ", "²", "🙂", "👩‍👩‍👧", "ﬁ"]
        + ["{", "}();", "==", "//", "<|im_end|", "|>", "...", "—", "\u00a0", "\u2003", "\u200b", "e\u0301", "\u0000", "�"]
    )
    return ["".join(choose.choice(pieces) for _ in range(choose.randrange(0, 12))) for _ in range(count)]


def test_tokens_are_those_of_hugging_faces_tokenizers(program: str) -> None:
    import gguf
    from tokenizers import Tokenizer, models, pre_tokenizers

    fields = gguf.GGUFReader(SMOLLM).fields

    def strings(key: str) -> list[str]:
        field = fields[f"tokenizer.ggml.{key}"]
        return [bytes(field.parts[index]).decode() for index in field.data]

    vocabulary = {token: index for index, token in enumerate(strings("tokens"))}
    merges = [tuple(merge.split(" ")) for merge in strings("merges")]
    reference = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    reference.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    texts = nasty_strings(10_000)
    ended = subprocess.run(
        [program, "tokenize", "--model", str(SMOLLM)],
        input="\n".join(json.dumps(text) for text in texts) + "\n",
        capture_output=True, text=True, timeout=300, check=True,
    )
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    wanted = [encoding.ids for encoding in reference.encode_batch(texts)]
    differing = [(text, ours, theirs) for text, ours, theirs in zip(texts, found, wanted) if ours != theirs]
    assert len(found) == len(texts)
    assert not differing, f"{len(differing)} differ, first: {differing[:3]}"
