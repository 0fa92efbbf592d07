"""Real prompts through the gateway to real language models, and what the router made of each.

Usage: demo.py PATH_OF_ROUTER PATH_OF_MODEL_SERVER. Starts two servers of SmolLM2-135M as pool members (the repository's
own, from a snapshot that the first run makes; llama.cpp's with DEMO_MODELS=llama.cpp), adds a strong model when one is at
hand, sends a dozen prompts to `model: "auto"`, and prints one row for each. With a terminal the
gateway then stays up to be tried; DEMO_ONCE=1, or no terminal, ends after the table.

A strong model is taken from the first of these that is set (ROUTER_STRONG_MODEL names the model there):
ROUTER_STRONG_URL (an OpenAI-compatible base URL; key in ROUTER_STRONG_KEY), OPENAI_API_KEY, ANTHROPIC_API_KEY.
"""

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from processes import Child
from waiting import eventually

ROOT = Path(__file__).resolve().parents[1]
MAX_TOKENS = 40

# From what anybody answers to what takes an expert.
PROMPTS = [
    "Hello! How are you today?",
    "What is the capital of France?",
    "Translate 'good morning' into Spanish.",
    "Is 'banana' a fruit? Answer yes or no.",
    "Give me a synonym for 'happy'.",
    "Write a two-line rhyme about rain.",
    "Explain in two sentences why the sky is blue.",
    "Summarise the plot of Romeo and Juliet in one paragraph.",
    "Write a Python function that merges two sorted lists, and state its complexity.",
    "A train leaves at 9:40 at 80 km/h, a second one at 10:10 at 110 km/h on the same line. When does it catch up?",
    "Prove that there are infinitely many primes congruent to 3 modulo 4.",
    "Design a lock-free multi-producer queue in C++20 and justify every memory order and the ABA protection.",
]


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def strong_model() -> dict | None:
    """The pool entry of a real strong model, when the environment names one."""
    for url_of, key_of, default_model in (
        (os.environ.get("ROUTER_STRONG_URL"), "ROUTER_STRONG_KEY", "default"),
        (os.environ.get("OPENAI_API_KEY") and "https://api.openai.com/v1", "OPENAI_API_KEY", "gpt-4.1"),
        (os.environ.get("ANTHROPIC_API_KEY") and "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY",
         "claude-sonnet-4-5"),
    ):
        if url_of:
            name = os.environ.get("ROUTER_STRONG_MODEL", default_model)
            target = {"id": "remote", "base_url": url_of, "model": name, "auth": "none"}
            if os.environ.get(key_of):
                target |= {"auth": "bearer", "key_env": key_of}
            return member("strong", "strong", {"input": 3.0, "output": 15.0}, target, context_window=128_000)
    return None


def member(name: str, tier: str, price: dict, deployment: dict, context_window: int = 2048) -> dict:
    return {
        "name": name, "tier": tier, "price": price, "context_window": context_window,
        "max_output_tokens": min(context_window // 2, 4096), "modalities": ["text"], "tools": True,
        "json_mode": True, "json_schema": True, "reasoning": False, "dialects": ["chat_completions"],
        "deployments": [deployment],
    }


def start_model(program: str, weights: Path, alias: str) -> Child:
    """A server that computes on one thread."""
    if os.environ.get("DEMO_MODELS") == "llama.cpp":
        return Child([sys.executable, str(ROOT / "Scripts" / "llama_server.py"), str(weights), "--alias", alias])
    store = ROOT / ".cache" / "snapshots"
    return Child([program, "--model", str(weights), "--listen", "127.0.0.1:0", "--name", alias,
                  "--snapshot-store", str(store)])


def request(url: str, body: dict | None = None) -> tuple[dict, dict]:
    """The JSON answer and its header fields (lower-case names)."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(asked, timeout=300) as answer:
        return json.load(answer), {name.lower(): value for name, value in answer.headers.items()}


def shorten(text: str, width: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def money(dollars: float | None) -> str:
    return "unknown" if dollars is None else f"${dollars:.6f}"


# The reason comes last and whole: it is what the table is for.
COLUMNS = [("prompt", 40), ("difficulty", 10), ("model", 7), ("tokens", 8), ("cost", 9), ("saved", 9), ("why", 200)]


def row(*cells: str) -> str:
    return "  ".join(shorten(cell, width).ljust(width) for cell, (_, width) in zip(cells, COLUMNS)).rstrip()


def log_line(log: Path, request_id: str) -> dict:
    """The decision log's line of a request; the log is written a moment after the answer."""

    def find() -> dict | None:
        for line in log.read_text().splitlines() if log.exists() else []:
            if request_id in line and line.endswith("}"):
                return json.loads(line)
        return None

    return eventually(find, f"the decision log has a line for {request_id}")


def ask_all(url: str, log: Path) -> None:
    """Sends the prompts and prints the table as the answers come."""
    print()
    print(row(*(name for name, _ in COLUMNS)))
    print(row(*("-" * min(width, 40) for _, width in COLUMNS)))
    cost = saved = 0.0
    taken: dict[str, int] = {}
    for prompt in PROMPTS:
        messages = [{"role": "user", "content": prompt}]
        body = {"model": "auto", "temperature": 0, "max_tokens": MAX_TOKENS, "messages": messages}
        try:
            answer, fields = request(f"{url}/v1/chat/completions", body)
        except urllib.error.HTTPError as error:
            print(row(prompt, "", "", "", "", "", f"failed: {error.code} {error.read().decode(errors='replace')}"))
            continue
        receipt, _ = request(f"{url}/v1/routes/{fields['x-request-id']}")
        line = log_line(log, fields["x-request-id"])
        paid, dearest = line["cost_usd"], line["baseline_usd"]
        kept = None if paid is None or dearest is None else dearest - paid
        usage = answer["usage"]
        print(row(
            prompt, f"{receipt['difficulty']:.2f}", fields["x-router-model"],
            f"{usage['prompt_tokens']}+{usage['completion_tokens']}", money(paid), money(kept), receipt["reason"],
        ))
        print(f"    -> {shorten(answer['choices'][0]['message']['content'], 120)}", flush=True)
        cost += paid or 0
        saved += kept or 0
        taken[fields["x-router-model"]] = taken.get(fields["x-router-model"], 0) + 1
    print()
    shares = ", ".join(f"{name} {count}" for name, count in sorted(taken.items()))
    print(f"answered by: {shares}")
    if cost + saved > 0:
        always = cost + saved
        print(f"cost {money(cost)} instead of {money(always)} with the strongest model for all: "
              f"{100 * saved / always:.0f} % saved")


def show_lines_to_try(url: str, log: Path, router: str) -> None:
    print(f"""
The gateway stays up at {url} until Ctrl-C. To try it, from another terminal:

curl -N {url}/v1/chat/completions -H 'Content-Type: application/json' \\
  -d '{{"model": "auto", "stream": true, "messages": [{{"role": "user", "content": "Tell me a joke."}}]}}'

.venv/bin/python -c '
from openai import OpenAI
client = OpenAI(base_url="{url}/v1", api_key="unused")
answer = client.chat.completions.create(model="auto", messages=[{{"role": "user", "content": "Tell me a joke."}}])
print(answer.model, answer.choices[0].message.content)'

curl {url}/v1/models
curl {url}/metrics
{os.path.relpath(router, ROOT)} report {log}
""", flush=True)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    router, model_server = sys.argv[1:]
    weights = next((ROOT / ".cache" / "models").glob("SmolLM2*.gguf"), None)
    if weights is None:
        sys.exit("the weights are missing: run `make demo`, or Scripts/venv.sh demo model")

    with contextlib.ExitStack() as cleanup:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="router-demo-")))
        say("starting two servers of SmolLM2-135M")
        urls = {}
        for alias in ("small", "large"):
            began = time.monotonic()
            server = start_model(model_server, weights, f"smollm2-{alias}")
            cleanup.callback(server.stop)
            urls[alias] = f"http://127.0.0.1:{server.listening_port()}/v1"
            say(f"{server.name} serves smollm2-{alias} after {time.monotonic() - began:.2f} s")

        def local(alias: str) -> dict:
            return {"id": "local", "base_url": urls[alias], "model": f"smollm2-{alias}", "auth": "none"}

        strong = strong_model()
        models = [
            member("small", "cheap", {"input": 0.05, "output": 0.08}, local("small")),
            member("large", "mid" if strong else "strong", {"input": 2.5, "output": 10.0}, local("large")),
        ]
        if strong:
            models.append(strong)
            say(f"the strong slot holds {strong['deployments'][0]['model']} at {strong['deployments'][0]['base_url']}")
        else:
            say("no strong model is set (OPENAI_API_KEY, ANTHROPIC_API_KEY or ROUTER_STRONG_URL): both slots hold the")
            print("    same small model under example prices. Judge the routing and the sums here, not the answers.")
        log = folder / "decisions.jsonl"
        path = folder / "router.json"
        path.write_text(json.dumps({"listen": "127.0.0.1:0", "models": models, "log": {"path": str(log)}}, indent=2))
        gateway = Child([router, "serve", "--config", str(path), "--listen", "127.0.0.1:0"])
        cleanup.callback(gateway.stop)
        url = f"http://127.0.0.1:{gateway.listening_port()}"
        say(f"the gateway listens on {url}; asking {len(PROMPTS)} prompts with model \"auto\"")
        try:
            ask_all(url, log)
        except OSError as error:
            sys.exit(f"the gateway cannot be reached ({error}); it printed:\n{gateway.output}")
        if sys.stdout.isatty() and os.environ.get("DEMO_ONCE") != "1":
            show_lines_to_try(url, log, router)
            with contextlib.suppress(KeyboardInterrupt):
                gateway.process.wait()
            print()
            say("stopped")


if __name__ == "__main__":
    # Ctrl-C anywhere is a plain end: what was started is stopped on the way out.
    with contextlib.suppress(KeyboardInterrupt):
        main()
