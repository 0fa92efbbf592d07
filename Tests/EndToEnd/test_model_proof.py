"""The model server's arithmetic on real weights, beside llama.cpp and beside a reference in 32-bit floats."""

import json
import os
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import start_llama
from float_llama import FloatLlama, log_softmax
from gateway import ROOT, find_binary
from test_model_server import SMOLLM, start

PROMPTS = [
    "What is the capital of France?", "Write a short poem about the sea.", "Explain photosynthesis in two sentences.",
    "List three uses of a paperclip.", "Who wrote Romeo and Juliet?", "What is 12 times 12?",
    "Give me a recipe for pancakes.", "Why is the sky blue?", "Translate 'good morning' into Spanish.",
    "Write a Python function that adds two numbers.", "What causes the seasons on Earth?",
    "Describe a sunset over the mountains.", "How do vaccines work?", "Name five animals that live in the ocean.",
    "What is the difference between a virus and a bacterium?", "Tell me a joke about computers.",
    "Summarise the plot of Cinderella.", "How can I learn to play the guitar?", "What is machine learning?",
    "Write a haiku about autumn.",
][:int(os.environ.get("PROOF_PROMPTS", "6"))]  # all twenty in `make test-all`
TOKEN_COUNT = 32
# Log-probabilities are compared over the likeliest tokens: what is a millionth as likely decides nothing.
LIKELY_COUNT = 20
# Activations have 8 bits: this is what the first step's log-probabilities may be off, in the mean and at most.
MEAN_TOLERANCE, MOST_TOLERANCE = 0.25, 1.5


@pytest.fixture(scope="module")
def program() -> str:
    return find_binary("custom-model-server")


@pytest.fixture(scope="module")
def llama():
    server = start_llama(SMOLLM, "smollm2")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def prompts(llama) -> list[list[int]]:
    """The prompts as tokens, the chat template applied by llama.cpp."""
    base = llama.url.removesuffix("/v1")
    texts = [
        httpx.post(f"{base}/apply-template", json={"messages": [{"role": "user", "content": prompt}]}).json()["prompt"]
        for prompt in PROMPTS
    ]
    return [
        httpx.post(f"{base}/tokenize", json={"content": text, "parse_special": True}).json()["tokens"] for text in texts
    ]


@pytest.fixture(scope="module")
def theirs(llama, prompts) -> list[dict]:
    """llama.cpp's greedy tokens, their text, and the log-probabilities of all tokens at the first step."""
    base = llama.url.removesuffix("/v1")
    answers = []
    for tokens in prompts:
        body = {"prompt": tokens, "temperature": 0, "cache_prompt": False, "return_tokens": True}
        answer = httpx.post(f"{base}/completion", json=body | {"n_predict": TOKEN_COUNT}, timeout=120).json()
        first = httpx.post(f"{base}/completion", json=body | {"n_predict": 1, "n_probs": 49152}, timeout=120).json()
        logprobs = np.full(49152, -np.inf)
        for entry in first["completion_probabilities"][0]["top_logprobs"]:
            logprobs[entry["id"]] = entry["logprob"]
        answers.append({"tokens": answer["tokens"], "text": answer["content"], "first": logprobs})
    return answers


@pytest.fixture(scope="module")
def reference() -> FloatLlama:
    return FloatLlama(SMOLLM)


def our_logits(program: str, sequences: list[list[int]]) -> np.ndarray:
    lines = "".join(json.dumps(tokens) + "\n" for tokens in sequences).encode()
    ended = subprocess.run(
        [program, "logits", "--model", str(SMOLLM)], input=lines, capture_output=True, check=True, timeout=600
    )
    return np.frombuffer(ended.stdout, np.float32).reshape(len(sequences), -1)


def our_texts(program: str) -> list[str]:
    server = start(program, "--context", "256")
    try:
        return [
            httpx.post(
                f"{server.url}/v1/chat/completions", timeout=120,
                json={"messages": [{"role": "user", "content": prompt}], "temperature": 0, "max_tokens": TOKEN_COUNT},
            ).json()["choices"][0]["message"]["content"]
            for prompt in PROMPTS
        ]
    finally:
        server.stop()


def noise(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """How far log-probabilities are off, for the tokens that are likely."""
    likely = np.argsort(-wanted)[:LIKELY_COUNT]
    return np.abs(found[likely] - wanted[likely])


def test_greedy_tokens_are_llama_cpps_or_near_ties(program, llama, prompts, theirs, reference) -> None:
    wanted = [log_softmax(reference.logits(tokens)) for tokens in prompts]
    ours = [log_softmax(logits) for logits in our_logits(program, prompts)]
    our_noise = np.concatenate([noise(a, b) for a, b in zip(ours, wanted)])
    their_noise = np.concatenate([noise(answer["first"], b) for answer, b in zip(theirs, wanted)])
    bound = np.quantile(their_noise, 0.99)
    print(
        f"off the reference, likeliest {LIKELY_COUNT} of {len(PROMPTS)} first steps: ours mean {our_noise.mean():.3f}, "
        f"99 % under {np.quantile(our_noise, 0.99):.3f}; llama.cpp mean {their_noise.mean():.3f}, 99 % under {bound:.3f}"
    )
    assert our_noise.mean() < MEAN_TOLERANCE and our_noise.max() < MOST_TOLERANCE
    equal = 0
    for prompt, tokens, answer, text in zip(PROMPTS, prompts, theirs, our_texts(program)):
        # What a stop token adds is no text; an answer that ended has the same text.
        if text == answer["text"]:
            equal += 1
            continue
        common = 0
        while (piece := detokenized(llama, answer["tokens"][: common + 1])) and text.startswith(piece):
            common += 1
        logits = log_softmax(reference.logits(tokens + answer["tokens"][:common]))
        second, first = np.sort(logits)[-2:]
        print(f"{prompt!r} differs after {common} tokens; the reference's best two are {first - second:.3f} apart")
        assert first - second < bound
    print(f"{equal} of {len(PROMPTS)} prompts have the same {TOKEN_COUNT} tokens")
    assert equal >= 0.8 * len(PROMPTS)


def detokenized(llama, tokens: list[int]) -> str:
    base = llama.url.removesuffix("/v1")
    return httpx.post(f"{base}/detokenize", json={"tokens": tokens}, timeout=60).json()["content"]


def test_the_first_step_is_llama_cpps_bit_for_bit_where_the_instructions_are(program, prompts, theirs) -> None:
    if "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no AVX2: sums are added in another order than llama.cpp's")
    for tokens, answer, logits in zip(prompts, theirs, our_logits(program, prompts)):
        off = log_softmax(logits) - answer["first"]
        off = off[np.isfinite(off)]
        # llama.cpp adds the sum of the softmax up in single precision: the same offset for all.
        assert np.ptp(off) < 1e-4 and np.abs(off).max() < 1e-2


def test_the_reference_is_transformers(reference, prompts) -> None:
    """The reference above, held against the one that others trust; of `make test-all`."""
    python = ROOT / ".venv-reference" / "bin" / "python"
    if not python.exists():
        pytest.skip("Scripts/venv.sh reference, a part of make test-all, installs transformers")
    ended = subprocess.run(
        [str(python), str(ROOT / "Scripts" / "transformers_logits.py"), str(SMOLLM)],
        input=json.dumps(prompts[:4]), capture_output=True, text=True, check=True, timeout=900,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
    )
    for tokens, theirs in zip(prompts[:4], json.loads(ended.stdout)):
        assert np.abs(reference.logits(tokens) - np.array(theirs)).max() < 1e-2


