"""A Llama model in 32-bit floats: the weights of a GGUF file as its blocks say, and no other rounding."""

from pathlib import Path

import gguf
import numpy as np


class FloatLlama:
    """Written from arXiv 2302.13971 in numpy, one sequence at a time."""

    def __init__(self, path: Path) -> None:
        reader = gguf.GGUFReader(path)
        self.tensors = {t.name: gguf.dequantize(t.data, t.tensor_type).astype(np.float32) for t in reader.tensors}

        def number(key: str) -> float:
            return reader.fields[f"llama.{key}"].parts[-1][0]

        self.layers = int(number("block_count"))
        self.heads = int(number("attention.head_count"))
        self.key_heads = int(number("attention.head_count_kv"))
        self.size = int(number("embedding_length")) // self.heads
        self.epsilon = float(number("attention.layer_norm_rms_epsilon"))
        self.base = float(number("rope.freq_base"))

    def logits(self, tokens: list[int]) -> np.ndarray:
        """Those after the last of `tokens`."""
        x = self.tensors["token_embd.weight"][tokens]
        count = len(tokens)
        mask = np.triu(np.full((count, count), -np.inf, np.float32), 1)
        for index in range(self.layers):
            h = self._norm(x, f"blk.{index}.attn_norm")
            q = self._rotate(self._heads(h, f"blk.{index}.attn_q"))
            k = np.repeat(self._rotate(self._heads(h, f"blk.{index}.attn_k")), self.heads // self.key_heads, 1)
            v = np.repeat(self._heads(h, f"blk.{index}.attn_v"), self.heads // self.key_heads, 1)
            scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(self.size, dtype=np.float32) + mask
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            mixed = np.einsum("hqk,khd->qhd", weights, v).reshape(count, -1)
            x = x + self._times(mixed, f"blk.{index}.attn_output")
            h = self._norm(x, f"blk.{index}.ffn_norm")
            gate = self._times(h, f"blk.{index}.ffn_gate")
            gate = gate / (1 + np.exp(-gate)) * self._times(h, f"blk.{index}.ffn_up")
            x = x + self._times(gate, f"blk.{index}.ffn_down")
        last = self._norm(x[-1:], "output_norm")[0]
        output = self.tensors.get("output.weight")
        return (self.tensors["token_embd.weight"] if output is None else output) @ last

    def _times(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self.tensors[f"{name}.weight"].T

    def _heads(self, x: np.ndarray, name: str) -> np.ndarray:
        return self._times(x, name).reshape(len(x), -1, self.size)

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon) * self.tensors[f"{name}.weight"]

    def _rotate(self, x: np.ndarray) -> np.ndarray:
        angles = np.arange(len(x))[:, None] * self.base ** (-np.arange(0, self.size, 2) / self.size)
        cosine, sine = np.cos(angles)[:, None].astype(np.float32), np.sin(angles)[:, None].astype(np.float32)
        even, odd = x[..., 0::2], x[..., 1::2]
        return np.stack([even * cosine - odd * sine, even * sine + odd * cosine], -1).reshape(x.shape)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max()
    return shifted - np.log(np.exp(shifted).sum())
