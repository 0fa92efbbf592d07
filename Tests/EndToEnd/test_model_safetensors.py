"""Models as Hugging Face lays them out: the same answers as from GGUF files, and what transformers computes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
import tiny_llama
from conftest import ROOT
from float_llama import FloatLlama
from gateway import find_binary
from test_model_server import SMOLLM, nasty_strings, start

CONVERTER = [sys.executable, str(ROOT / "Scripts" / "gguf_to_safetensors.py")]
MAKER = [sys.executable, str(ROOT / "Scripts" / "make_test_adapter.py")]
SEQUENCES = [[116, 104, 101], list(range(5, 90)), [258, 32, 40, 258]]
# Sixteen bits of keys and values and of attention's sums are all that is rounded: what the first step's logits may be off.
FLOAT_TOLERANCE = 0.05


@pytest.fixture(scope="module")
def program() -> str:
    return find_binary("custom-model-server")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return tiny_llama.write(tmp_path_factory.mktemp("tiny") / "Tiny.gguf")


@pytest.fixture(scope="module")
def folder(tiny: Path) -> Path:
    """The same model as a folder."""
    subprocess.run([*CONVERTER, tiny, tiny.parent / "Tiny", "--type", "BF16"], check=True)
    return tiny.parent / "Tiny"


@pytest.fixture(scope="module")
def smollm(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("smollm") / "SmolLM2-135M-Instruct"
    subprocess.run([*CONVERTER, SMOLLM, made, "--type", "F32"], check=True)
    return made


def logits(program: str, model: Path, sequences: list[list[int]]) -> np.ndarray:
    lines = "".join(json.dumps(tokens) + "\n" for tokens in sequences).encode()
    ended = subprocess.run(
        [program, "logits", "--model", str(model)], input=lines, capture_output=True, check=True, timeout=600)
    return np.frombuffer(ended.stdout, np.float32).reshape(len(sequences), -1)


def tokens(program: str, model: Path, texts: list[str]) -> list[list[int]]:
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    ended = subprocess.run(
        [program, "tokenize", "--model", str(model)], input=lines, capture_output=True, text=True, check=True, timeout=300)
    return [json.loads(line) for line in ended.stdout.splitlines()]


def answer(url: str, model: str = "smollm2") -> str:
    body = {"model": model, "messages": [{"role": "user", "content": "the, they"}], "temperature": 0, "max_tokens": 24}
    found = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=120)
    assert found.status_code == 200, found.text
    return found.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_logits_are_those_of_the_gguf_file_bit_for_bit(program: str, tiny: Path, tmp_path: Path, kind: str) -> None:
    subprocess.run([*CONVERTER, tiny, tmp_path / "model", "--type", kind], check=True)
    wanted = logits(program, tiny, SEQUENCES)
    assert np.ptp(wanted, axis=1).min() > 1
    # Named as a folder, and as the file in it.
    for path in (tmp_path / "model", tmp_path / "model" / "model.safetensors"):
        assert np.array_equal(logits(program, path, SEQUENCES).view(np.uint32), wanted.view(np.uint32))


def test_a_folder_is_served_from_its_snapshot_and_made_anew_when_a_file_changes(
    program: str, tiny: Path, folder: Path, tmp_path: Path
) -> None:
    whole = start(program, model=tiny)
    wanted = answer(whole.url)
    whole.stop()
    copy = shutil.copytree(folder, tmp_path / "model")
    store = ["--snapshot-store", str(tmp_path / "store")]
    for changed in (False, False, True):
        if changed:
            settings = json.loads((copy / "config.json").read_text())
            (copy / "config.json").write_text(json.dumps(settings | {"rope_theta": 500.0}))
        server = start(program, *store, model=copy)
        assert (answer(server.url) == wanted) != changed
        server.stop()
        assert "chunks verified" in server.output
    assert server.output.count("making a snapshot") == 1


def test_shards_are_found_by_their_index(program: str, folder: Path, tmp_path: Path) -> None:
    from safetensors import safe_open

    copy = shutil.copytree(folder, tmp_path / "model")
    (copy / "model.safetensors").unlink()
    whole = (folder / "model.safetensors").read_bytes()
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    names = list(header)
    index = {}
    for number, part in enumerate((names[:5], names[5:])):
        file = f"model-{number + 1:05}-of-00002.safetensors"
        data, entries = b"", {}
        for name in part:
            start_at, end = header[name]["data_offsets"]
            entries[name] = header[name] | {"data_offsets": [len(data), len(data) + end - start_at]}
            data += whole[8 + size + start_at : 8 + size + end]
            index[name] = file
        text = json.dumps(entries).encode()
        (copy / file).write_bytes(len(text).to_bytes(8, "little") + text + data)
        # The library that others use reads it.
        assert set(safe_open(copy / file, "np").keys()) == set(part)
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    assert np.array_equal(logits(program, copy, SEQUENCES), logits(program, folder, SEQUENCES))
    (copy / "model-00002-of-00002.safetensors").unlink()
    ended = subprocess.run([program, "logits", "--model", str(copy)], input=b"", capture_output=True, timeout=60)
    assert ended.returncode == 1 and b"model-00002-of-00002.safetensors" in ended.stderr


def test_adapters_change_both_forms_alike(program: str, tiny: Path, folder: Path, tmp_path: Path) -> None:
    modules = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"
    subprocess.run([*MAKER, "make", tiny, tmp_path / "adapters", "--modules", modules, "--size", "1"], check=True)
    said = []
    # In 32 bits both: what is added to weights of 16 bits is rounded to them.
    subprocess.run([*CONVERTER, tiny, tmp_path / "Tiny", "--type", "F32"], check=True)
    for model in (tiny, tmp_path / "Tiny"):
        server = start(program, "--variants", str(tmp_path / "adapters"), model=model)
        said.append((answer(server.url), answer(server.url, "smollm2:variant-000")))
        server.stop()
    assert said[0] == said[1] and said[0][0] != said[0][1]


def test_tokens_are_those_of_hugging_faces_tokenizers_from_the_same_file(program: str, smollm: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    copy = tmp_path / "model"
    copy.mkdir()
    for file in smollm.iterdir():
        if file.name != "tokenizer.json":
            (copy / file.name).symlink_to(file)
    described = json.loads((smollm / "tokenizer.json").read_text())
    # In the place of the last three merges: tokens that are not special and stand for themselves, the longest first.
    vocabulary, merges = described["model"]["vocab"], described["model"]["merges"]
    for content in ("größe", "<think>>", "<think>"):
        merged = merges.pop().replace(" ", "")
        assert vocabulary.pop(merged) == len(vocabulary)
        described["added_tokens"].append(
            {"id": len(vocabulary), "content": content, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": False})
    described["added_tokens"].sort(key=lambda token: token["id"])
    (copy / "tokenizer.json").write_text(json.dumps(described, ensure_ascii=False))
    texts = nasty_strings(4000) + ["a<think>>b", "<think>", " größe <think", "größegröße"]
    found = tokens(program, copy, texts)
    reference = Tokenizer.from_file(str(copy / "tokenizer.json"))
    wanted = [encoding.ids for encoding in reference.encode_batch(texts)]
    differing = [(text, a, b) for text, a, b in zip(texts, found, wanted) if a != b]
    assert not differing, f"{len(differing)} differ, first: {differing[:3]}"


def test_the_first_step_is_the_float_references(program: str, smollm: Path) -> None:
    reference = FloatLlama(SMOLLM)
    sequences = [[1, 520, 9531, 198], [504, 3575, 282, 4649, 314], list(range(100, 160))]
    found = logits(program, smollm, sequences)
    off = max(np.abs(a - reference.logits(b)).max() for a, b in zip(found, sequences))
    print(f"off the reference in floats: {off:.4f}")
    assert off < FLOAT_TOLERANCE


def test_the_first_step_is_transformers_from_the_same_file(program: str, smollm: Path) -> None:
    """`make test-all`: transformers reads the very folder that the server reads."""
    python = ROOT / ".venv-reference" / "bin" / "python"
    if not python.exists():
        pytest.skip("Scripts/venv.sh reference, a part of make test-all, installs transformers")
    sequences = [[1, 520, 9531, 198], [504, 3575, 282, 4649, 314], list(range(100, 160))]
    ended = subprocess.run(
        [str(python), str(ROOT / "Scripts" / "transformers_logits.py"), str(smollm)],
        input=json.dumps(sequences), capture_output=True, text=True, check=True, timeout=900,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
    )
    found = logits(program, smollm, sequences)
    wanted = np.array(json.loads(ended.stdout))
    print(f"off transformers: {np.abs(found - wanted).max():.4f}")
    assert np.abs(found - wanted).max() < FLOAT_TOLERANCE
    assert (found.argmax(1) == wanted.argmax(1)).all()


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("config.json", "LlamaForCausalLM", "MambaForCausalLM", "architecture is MambaForCausalLM"),
        ("config.json", '"intermediate_size": 96', '"intermediate_size": 128', "mlp.gate_proj.weight has the shape [96, 64], not [128, 64]"),
        ("config.json", '"rope_scaling": null', '"rope_scaling": {"type": "yarn"}', "rope_scaling is set"),
        ("tokenizer.json", '"type": "BPE"', '"type": "WordPiece"', "model.type is not BPE (at byte"),
        ("tokenizer.json", '"t h"', '"t"', "a merge is not two tokens and a space between them (at byte"),
        ("tokenizer.json", "}}", "}", "not JSON"),
    ],
)
def test_mistakes_are_named(program: str, folder: Path, tmp_path: Path, file: str, old: str, new: str, words: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new, 1))
    ended = subprocess.run(
        [program, "--model", str(copy), "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert words in ended.stderr and str(copy) in ended.stderr
