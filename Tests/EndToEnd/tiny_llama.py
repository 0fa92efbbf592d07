"""A Llama model of two layers with random weights and a byte-level vocabulary, as a GGUF file in 32-bit floats. Its weights
are exact in 16 bits of either kind too, so that the same model in other types is the same model."""

from pathlib import Path

import gguf
import numpy as np

WIDTH, INNER, LAYERS, HEADS, KEY_HEADS, CONTEXT = 64, 96, 2, 4, 2, 512
MARKS = ["<|im_start|>", "<|im_end|>"]
MERGES = ["t h", "th e", "Ġ the"]
TEMPLATE = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"


def alphabet() -> list[str]:
    """How byte-level vocabularies spell the bytes."""
    plain = [byte for byte in range(256) if 33 <= byte <= 126 or 161 <= byte <= 172 or byte >= 174]
    spelling, extra = {byte: chr(byte) for byte in plain}, 256
    for byte in range(256):
        if byte not in spelling:
            spelling[byte], extra = chr(extra), extra + 1
    return [spelling[byte] for byte in range(256)]


def write(path: Path, seed: int = 1) -> Path:
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return (random.integers(-100, 101, (rows, columns)) / 512).astype(np.float32)

    def norm() -> np.ndarray:
        return (1 + random.integers(-16, 17, WIDTH) / 64).astype(np.float32)

    tokens = alphabet() + [merge.replace(" ", "") for merge in MERGES] + MARKS
    kinds = [gguf.TokenType.NORMAL] * (len(tokens) - 2) + [gguf.TokenType.CONTROL] * 2
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(MERGES)
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_chat_template(TEMPLATE)
    # The marks are all zeros, so that an answer does not end at once.
    embedding = matrix(len(tokens), WIDTH)
    embedding[-2:] = 0
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output_norm.weight", norm())
    key_width = WIDTH // HEADS * KEY_HEADS
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", norm())
        for name, rows, columns in (
            ("attn_q", WIDTH, WIDTH), ("attn_k", key_width, WIDTH), ("attn_v", key_width, WIDTH),
            ("attn_output", WIDTH, WIDTH), ("ffn_gate", INNER, WIDTH), ("ffn_up", INNER, WIDTH), ("ffn_down", WIDTH, INNER),
        ):
            writer.add_tensor(f"blk.{layer}.{name}.weight", matrix(rows, columns))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
