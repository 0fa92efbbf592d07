"""The logits that transformers computes from a GGUF file in 32-bit floats: token lists from standard input, JSON to standard output.

Usage: transformers_logits.py FILE.gguf < [[1, 2, 3], ...]
"""

import json
import sys
from pathlib import Path

import torch
import transformers


def main() -> None:
    path = Path(sys.argv[1])
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    with torch.no_grad():
        logits = [model(torch.tensor([tokens])).logits[0, -1].tolist() for tokens in json.load(sys.stdin)]
    json.dump(logits, sys.stdout)


main()
