"""Makes LoRA adapters with random weights for a GGUF model, as PEFT writes them; and merges one into the model in full, so
that what the model server does with it can be held against something else.

Usage: make_test_adapter.py make MODEL.gguf DIRECTORY [--count N] [--rank R] [--alpha A] [--modules q_proj,v_proj]
           [--base NAME] [--size S]     DIRECTORY/variant-000 ... ; S is the change's size beside the matrix' own (0.3)
       make_test_adapter.py merge MODEL.gguf ADAPTER OUT.gguf
"""

import argparse
import json
import os
from pathlib import Path

import gguf
import numpy
from safetensors.numpy import load_file, save_file

MODULES = {
    "q_proj": ("self_attn", "attn_q"), "k_proj": ("self_attn", "attn_k"), "v_proj": ("self_attn", "attn_v"),
    "o_proj": ("self_attn", "attn_output"), "gate_proj": ("mlp", "ffn_gate"), "up_proj": ("mlp", "ffn_up"),
    "down_proj": ("mlp", "ffn_down"),
}


def peft_name(layer: int, module: str, part: str) -> str:
    return f"base_model.model.model.layers.{layer}.{MODULES[module][0]}.{module}.lora_{part}.weight"


def tensors_of(reader: gguf.GGUFReader) -> dict:
    return {tensor.name: tensor for tensor in reader.tensors}


def number(reader: gguf.GGUFReader, key: str) -> int:
    field = reader.fields[f"llama.{key}"]
    return int(field.parts[field.data[0]][0])


def make(options: argparse.Namespace) -> None:
    reader = gguf.GGUFReader(options.model)
    found = tensors_of(reader)
    modules = options.modules.split(",")
    base = options.base or Path(options.model).name.split(".")[0]
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": f"someone/{base}", "r": options.rank,
        "lora_alpha": options.alpha, "lora_dropout": 0.0, "target_modules": modules, "bias": "none", "use_dora": False,
        "use_rslora": False, "fan_in_fan_out": False, "modules_to_save": None, "rank_pattern": {}, "alpha_pattern": {},
    }
    shapes = {}
    for layer in range(number(reader, "block_count")):
        for module in modules:
            tensor = found[f"blk.{layer}.{MODULES[module][1]}.weight"]
            columns, rows = (int(count) for count in tensor.shape)
            typical = float(numpy.std(gguf.quants.dequantize(tensor.data, tensor.tensor_type)))
            shapes[layer, module] = (rows, columns, typical)
    for index in range(options.count):
        random = numpy.random.default_rng(index)
        matrices = {}
        for (layer, module), (rows, columns, typical) in shapes.items():
            # A product of standard normals of this rank has elements of sqrt(rank); the scale is alpha / rank.
            size = options.size * typical * numpy.sqrt(options.rank) / options.alpha
            matrices[peft_name(layer, module, "A")] = random.standard_normal((options.rank, columns)).astype(numpy.float16)
            matrices[peft_name(layer, module, "B")] = (
                size * random.standard_normal((rows, options.rank))
            ).astype(numpy.float16)
        directory = Path(options.directory) / f"variant-{index:03}"
        directory.mkdir(parents=True, exist_ok=True)
        save_file(matrices, directory / "adapter_model.safetensors")
        (directory / "adapter_config.json").write_text(json.dumps(config, indent=2))


def in_gguf_order(b: numpy.ndarray, heads: int) -> numpy.ndarray:
    """Rows of queries and keys as llama.cpp's converter puts them: the halves of a head become pairs of neighbours."""
    return b.reshape(heads, 2, b.shape[0] // heads // 2, b.shape[1]).swapaxes(1, 2).reshape(b.shape)


def merged(tensor, a: numpy.ndarray, b: numpy.ndarray, scale: float) -> numpy.ndarray:
    """In float32, from the first rank to the last: the order decides the last bit."""
    total = numpy.zeros((b.shape[0], a.shape[1]), numpy.float32)
    for k in range(a.shape[0]):
        total += b[:, k : k + 1] * a[k : k + 1, :]
    weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
    return gguf.quants.quantize(weights + numpy.float32(scale) * total, tensor.tensor_type)


def merge(options: argparse.Namespace) -> None:
    reader = gguf.GGUFReader(options.model)
    config = json.loads((Path(options.adapter) / "adapter_config.json").read_text())
    matrices = load_file(Path(options.adapter) / "adapter_model.safetensors")
    whole = bytearray(Path(options.model).read_bytes())
    found = tensors_of(reader)
    heads = {"q_proj": number(reader, "attention.head_count"), "k_proj": number(reader, "attention.head_count_kv")}
    for layer in range(number(reader, "block_count")):
        for module in config["target_modules"]:
            tensor = found[f"blk.{layer}.{MODULES[module][1]}.weight"]
            a, b = (matrices[peft_name(layer, module, part)].astype(numpy.float32) for part in "AB")
            if module in heads:
                b = in_gguf_order(b, heads[module])
            out = merged(tensor, a, b, config["lora_alpha"] / config["r"]).tobytes()
            assert len(out) == tensor.n_bytes
            whole[tensor.data_offset : tensor.data_offset + tensor.n_bytes] = out
    Path(options.out + ".part").write_bytes(whole)
    os.replace(options.out + ".part", options.out)


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    verbs = parser.add_subparsers(required=True)
    making = verbs.add_parser("make")
    making.set_defaults(run=make)
    making.add_argument("model")
    making.add_argument("directory")
    making.add_argument("--count", type=int, default=1)
    making.add_argument("--rank", type=int, default=8)
    making.add_argument("--alpha", type=int, default=16)
    making.add_argument("--modules", default="v_proj")
    making.add_argument("--base")
    making.add_argument("--size", type=float, default=0.3)
    merging = verbs.add_parser("merge")
    merging.set_defaults(run=merge)
    merging.add_argument("model")
    merging.add_argument("adapter")
    merging.add_argument("out")
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
