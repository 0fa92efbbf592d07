"""How hard LiteLLM's local heuristics find prompts, read from standard input as a JSON list.

Prints {"version", "v1": [score], "v2": [gain]}, or one line that says why there is nothing to print. v1 is the complexity
router's weighted score; v2 is what its success predictor expects the highest tier to gain over the lowest.
"""

import json
import os
import sys


def main():
    prompts = json.load(sys.stdin)
    try:
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        from importlib.metadata import version
        from unittest.mock import MagicMock

        from litellm.router_strategy.adaptive_router.classifier import classify_prompt
        from litellm.router_strategy.complexity_router import ComplexityRouter
        from litellm.router_strategy.complexity_router.tier_predictor import (
            TierSuccessPredictor,
            resolve_tier_artifact,
        )

        first = ComplexityRouter("eval", MagicMock())
        second = TierSuccessPredictor(resolve_tier_artifact("ultrafeedback"))
    except Exception as error:  # Whatever is missing, the evaluation goes on without this baseline.
        print(f"LiteLLM is not usable in this environment: {type(error).__name__}: {error}")
        return
    v1, v2 = [], []
    for prompt in prompts:
        v1.append(first.classify(prompt)[1])
        chances = second.predict(prompt, classify_prompt(prompt)).probabilities
        v2.append(chances[4] - chances[1])
    print(json.dumps({"version": version("litellm"), "v1": v1, "v2": v2}))


if __name__ == "__main__":
    main()
