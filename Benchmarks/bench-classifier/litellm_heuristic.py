"""Times LiteLLM's heuristic complexity classifier ("v1") on prompts read from standard input as a JSON list.

Prints {"p50_us", "p99_us", "v2_p50_us" (null where there is none), "version"}: the quietest of five rounds by p99, as the Swift side does it, or one line that
says why there is nothing to time.
"""

import json
import os
import sys
import time

ROUNDS = 5


def percentile(ordered, fraction):
    """Nearest rank, as in BenchSupport.Percentiles."""
    rank = -int(-fraction * len(ordered) // 1)
    return ordered[min(len(ordered) - 1, max(0, rank - 1))]


def load():
    """The classifier with its default configuration; it needs no running router to score a prompt."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from importlib.metadata import version
    from unittest.mock import MagicMock

    from litellm.router_strategy.complexity_router import ComplexityRouter

    return ComplexityRouter("bench", MagicMock()), version("litellm")


def main():
    prompts = json.load(sys.stdin)
    try:
        router, version = load()
    except Exception as error:  # Whatever is missing, the benchmark goes on without its peer.
        print(f"LiteLLM is not usable in this environment: {type(error).__name__}: {error}")
        return
    best = measure(prompts, router.classify)
    second = second_heuristic()
    print(
        json.dumps(
            {
                "p50_us": percentile(best, 0.5),
                "p99_us": percentile(best, 0.99),
                "v2_p50_us": percentile(measure(prompts, second), 0.5) if second else None,
                "version": version,
            }
        )
    )


def second_heuristic():
    """The success predictor ("v2"), or None where this version has none."""
    try:
        from litellm.router_strategy.adaptive_router.classifier import classify_prompt
        from litellm.router_strategy.complexity_router.tier_predictor import (
            TierSuccessPredictor,
            resolve_tier_artifact,
        )

        predictor = TierSuccessPredictor(resolve_tier_artifact("ultrafeedback"))
    except Exception:
        return None
    return lambda prompt: predictor.predict(prompt, classify_prompt(prompt))


def measure(prompts, classify):
    """Times per prompt of the quietest round, sorted."""
    for prompt in prompts[:200]:
        classify(prompt)
    best = None
    for _ in range(ROUNDS):
        times = []
        for prompt in prompts:
            started = time.perf_counter_ns()
            classify(prompt)
            times.append((time.perf_counter_ns() - started) / 1000)
        times.sort()
        if best is None or percentile(times, 0.99) < percentile(best, 0.99):
            best = times
    return best


if __name__ == "__main__":
    main()
