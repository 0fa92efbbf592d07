"""The model server's greedy tokens on real weights, beside llama.cpp's."""

import httpx
from conftest import start_llama
from gateway import find_binary
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
]
TOKEN_COUNT = 32


def answers(url: str) -> list[str]:
    def body(prompt: str) -> dict:
        messages = [{"role": "user", "content": prompt}]
        return {"messages": messages, "temperature": 0, "max_tokens": TOKEN_COUNT, "cache_prompt": False}

    found = [httpx.post(f"{url}/chat/completions", json=body(prompt), timeout=120).json() for prompt in PROMPTS]
    return [answer["choices"][0]["message"]["content"] for answer in found]


def test_greedy_answers_are_llama_cpps() -> None:
    llama = start_llama(SMOLLM, "smollm2")
    ours = start(find_binary("custom-model-server"), "--context", "256")
    try:
        pairs = list(zip(PROMPTS, answers(f"{ours.url}/v1"), answers(llama.url)))
    finally:
        llama.stop()
        ours.stop()
    differing = [pair for pair in pairs if pair[1] != pair[2]]
    print(f"{len(PROMPTS) - len(differing)} of {len(PROMPTS)} answers of {TOKEN_COUNT} tokens are the same")
    # On processors with AVX2 all of them are: roundings agree. Others add sums up in another order.
    assert len(differing) <= 4, differing
