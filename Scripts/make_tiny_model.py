"""Writes a tiny language model with random weights as a GGUF file: real enough for llama.cpp to serve, fast enough
for tests. It answers random printable ASCII, one character a token, and ends only where a grammar or a limit ends it.

Usage: make_tiny_model.py FILE
"""

import os
import sys

import gguf
import numpy

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 4096
SPECIAL = ["<unk>", "<s>", "</s>"]
PRINTABLE = [chr(code) for code in range(0x20, 0x7F)]
# Turns in ChatML, tools listed first.
CHAT_TEMPLATE = """\
{%- if tools %}<|im_start|>system
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}<|im_end|>
{% endif %}
{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content or "" }}
{%- for call in message.tool_calls or [] %}
{{ call | tojson }}
{%- endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def vocabulary() -> tuple[list[str], list[int]]:
    """Tokens and their types: the special ones, every byte, then every printable character."""
    kinds = gguf.TokenType
    tokens = SPECIAL + [f"<0x{byte:02X}>" for byte in range(256)] + ["\u2581"] + PRINTABLE[1:]
    types = [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL] + [kinds.BYTE] * 256 + [kinds.NORMAL] * len(PRINTABLE)
    return tokens, [int(kind) for kind in types]


def write(path: str) -> None:
    random = numpy.random.default_rng(135)

    def matrix(rows: int, columns: int) -> numpy.ndarray:
        return (random.standard_normal((rows, columns)) / numpy.sqrt(columns)).astype(numpy.float32)

    tokens, types = vocabulary()
    first_printable = len(tokens) - len(PRINTABLE)
    # Column 0 of the residual stream is one large constant; through it the output layer keeps bytes that are not
    # text, and the end token, out of reach of sampling. So an answer is valid UTF-8 and as long as asked for.
    embedding = matrix(len(tokens), WIDTH)
    embedding[:, 0] = 4.0
    output = matrix(len(tokens), WIDTH) * 0.5
    output[:, 0] = 0.0
    output[:first_printable, 0] = -20.0

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny-random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(types)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_chat_template(CHAT_TEMPLATE)

    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    writer.add_tensor("output_norm.weight", numpy.ones(WIDTH, numpy.float32))
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v"):
            writer.add_tensor(f"{block}{name}.weight", matrix(WIDTH, WIDTH))
        # What is added to the residual stream leaves its column 0 alone.
        for name, columns in (("attn_output", WIDTH), ("ffn_down", INNER)):
            added = matrix(WIDTH, columns)
            added[0, :] = 0.0
            writer.add_tensor(f"{block}{name}.weight", added)
        for name in ("ffn_gate", "ffn_up"):
            writer.add_tensor(f"{block}{name}.weight", matrix(INNER, WIDTH))
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}{name}.weight", numpy.ones(WIDTH, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(sys.argv[1] + ".part")
    os.replace(sys.argv[1] + ".part", sys.argv[1])
