"""Writes a Llama model from a GGUF file as Hugging Face lays models out: model.safetensors, config.json, tokenizer.json,
tokenizer_config.json, generation_config.json. Weights are dequantised; what they are then is exact in 32-bit floats.

Usage: gguf_to_safetensors.py MODEL.gguf DIRECTORY [--type F32|F16|BF16]
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy

MODULES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
}
OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


class Metadata:
    def __init__(self, reader: gguf.GGUFReader) -> None:
        self.fields = reader.fields

    def __call__(self, key: str, default=None):
        return self.fields[key].contents() if key in self.fields else default


def in_halves(matrix: numpy.ndarray, heads: int) -> numpy.ndarray:
    """Rows of queries and keys as Hugging Face has them: pairs of neighbours become the halves of a head."""
    return matrix.reshape(heads, matrix.shape[0] // heads // 2, 2, matrix.shape[1]).swapaxes(1, 2).reshape(matrix.shape)


def encoded(values: numpy.ndarray, kind: str) -> bytes:
    values = numpy.ascontiguousarray(values, dtype=numpy.float32)
    if kind == "F16":
        return values.astype(numpy.float16).tobytes()
    if kind == "BF16":
        # To the nearest, ties to even.
        bits = values.view(numpy.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(numpy.uint16).tobytes()
    return values.tobytes()


def tensors(reader: gguf.GGUFReader, metadata: Metadata) -> dict[str, numpy.ndarray]:
    heads = {"attn_q": metadata("llama.attention.head_count"), "attn_k": metadata("llama.attention.head_count_kv")}
    found = {}
    for tensor in reader.tensors:
        parts = tensor.name.split(".")
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        if parts[0] != "blk":
            found[OUTER[parts[0]] + ".weight"] = values
            continue
        if parts[2] in heads:
            values = in_halves(values, heads[parts[2]])
        found[f"model.layers.{parts[1]}.{MODULES[parts[2]]}.weight"] = values
    return found


def write_safetensors(path: Path, found: dict[str, numpy.ndarray], kind: str) -> None:
    """By hand: a format of eight bytes, JSON and the data (numpy knows no BF16)."""
    header, data = {}, []
    end = 0
    for name, values in found.items():
        data.append(encoded(values, kind))
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [end, end + len(data[-1])]}
        end += len(data[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.writelines(data)


def config(metadata: Metadata, is_tied: bool, vocabulary: int) -> dict:
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "attention_bias": False,
        "mlp_bias": False, "rope_scaling": None, "vocab_size": vocabulary, "tie_word_embeddings": is_tied,
        "hidden_size": metadata("llama.embedding_length"), "intermediate_size": metadata("llama.feed_forward_length"),
        "num_hidden_layers": metadata("llama.block_count"), "num_attention_heads": metadata("llama.attention.head_count"),
        "num_key_value_heads": metadata("llama.attention.head_count_kv"),
        "max_position_embeddings": metadata("llama.context_length"),
        "rope_theta": float(metadata("llama.rope.freq_base", 10000.0)),
        "rms_norm_eps": float(metadata("llama.attention.layer_norm_rms_epsilon")),
        "bos_token_id": metadata("tokenizer.ggml.bos_token_id"), "eos_token_id": metadata("tokenizer.ggml.eos_token_id"),
        "pad_token_id": metadata("tokenizer.ggml.padding_token_id"),
    }


def tokenizer(metadata: Metadata) -> dict:
    tokens = metadata("tokenizer.ggml.tokens")
    types = metadata("tokenizer.ggml.token_type")
    special = [
        {"id": index, "content": tokens[index], "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": kind == gguf.TokenType.CONTROL}
        for index, kind in enumerate(types) if kind in (gguf.TokenType.CONTROL, gguf.TokenType.USER_DEFINED)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    cutter = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
        "pre_tokenizer": cutter if metadata("tokenizer.ggml.pre") == "smollm" else byte_level,
        "post_processor": None, "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(tokens)}, "merges": metadata("tokenizer.ggml.merges"),
        },
    }


def convert(model: Path, directory: Path, kind: str) -> None:
    reader = gguf.GGUFReader(model)
    metadata = Metadata(reader)
    found = tensors(reader, metadata)
    directory.mkdir(parents=True, exist_ok=True)
    write_safetensors(directory / "model.safetensors", found, kind)
    tokens = metadata("tokenizer.ggml.tokens")
    files = {
        "config.json": config(metadata, "lm_head.weight" not in found, len(tokens)),
        "generation_config.json": {"eos_token_id": metadata("tokenizer.ggml.eos_token_id")},
        "tokenizer.json": tokenizer(metadata),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": metadata("tokenizer.chat_template"),
            "eos_token": tokens[metadata("tokenizer.ggml.eos_token_id")],
        },
    }
    for name, content in files.items():
        (directory / name).write_text(json.dumps(content, ensure_ascii=False))


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--type", choices=["F32", "F16", "BF16"], default="F32")
    options = parser.parse_args()
    convert(options.model, options.directory, options.type)


if __name__ == "__main__":
    main()
