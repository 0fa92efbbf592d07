"""The logits that transformers computes in 32-bit floats: token lists from standard input, JSON to standard output.

Usage: transformers_logits.py MODEL < [[1, 2, 3], ...]     MODEL is a GGUF file, or a folder as Hugging Face lays it out
"""

import json
import sys
from pathlib import Path

import torch
import transformers


def main() -> None:
    path = Path(sys.argv[1])
    place = {"pretrained_model_name_or_path": path}
    if path.suffix == ".gguf":
        place = {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name}
    model = transformers.AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32)
    with torch.no_grad():
        logits = [model(torch.tensor([tokens])).logits[0, -1].tolist() for tokens in json.load(sys.stdin)]
    json.dump(logits, sys.stdout)


main()
