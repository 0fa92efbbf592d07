"""`gpuserve snapshot`: real model files into a store, and back bit for bit."""

import hashlib
import json
import os
import pty
import struct
import subprocess
from pathlib import Path

import gguf
import pytest
from conftest import MODELS
from safetensors.numpy import load_file, save_file
from snapshots import clean_env, digests_of, many_chunks, random_tensors


def test_a_safetensors_model_comes_back_bit_for_bit(snapshot, model):
    made = snapshot("create", "m", "--from", str(model))
    assert made["regions"] == 4 and made["stored_chunks"] == made["chunks"] > 0
    assert snapshot.restored("m") == digests_of(load_file(model))
    shown = snapshot("inspect", made["id"][:12])
    assert shown["id"] == made["id"] and shown["producer"]["source"] == "safetensors"
    assert {region["name"]: region["dtype"] for region in shown["regions"]}["model.layers.0.mlp.weight"] == "F16"
    assert [entry["name"] for entry in snapshot("list")] == ["m"]
    plan = snapshot("predict", "m", "--into", "host")
    assert plan["predicted_ms"] > 0 and sum(plan["bytes_by_tier"].values()) >= made["bytes"] * 0.99


def test_a_gguf_model_comes_back_bit_for_bit(snapshot):
    path = next(MODELS.glob("SmolLM2*.gguf"), None)
    assert path, "the weights are missing: run Scripts/venv.sh model"
    snapshot("create", "smol", "--from", str(path))
    expected = {tensor.name: hashlib.sha256(tensor.data.tobytes()).hexdigest() for tensor in gguf.GGUFReader(path).tensors}
    assert snapshot.restored("smol") == expected


def test_a_variant_costs_its_difference(snapshot, model, tmp_path):
    snapshot("create", "base", "--from", str(model), "--chunk-mib", "1")
    tensors = random_tensors(1)
    tensors["model.norm.weight"][0] += 1
    variant = tmp_path / "variant.safetensors"
    save_file(tensors, variant, metadata={"format": "pt"})
    made = snapshot("create", "variant", "--from", str(variant), "--chunk-mib", "1")
    difference = snapshot("diff", "base", "variant")
    assert made["stored_bytes"] == difference["different_bytes"] == 1024
    assert [(row["name"], row["change"]) for row in difference["regions"]] == [("model.norm.weight", "changed")]


def test_deleted_chunks_go_with_gc_and_not_with_its_rehearsal(snapshot, model):
    made = snapshot("create", "m", "--from", str(model))
    snapshot("delete", "m")
    assert snapshot("gc", "--dry-run")["removed_chunks"] == made["chunks"]
    assert snapshot("gc")["removed_chunks"] == made["chunks"]
    assert snapshot("gc")["removed_chunks"] == 0


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_damage_is_named_and_repaired_from_another_store(snapshot, model, tmp_path):
    snapshot("create", "m", "--from", str(model))
    snapshot("push", "m", "--to", str(tmp_path / "other"))
    pack = next((tmp_path / "store" / "packs").glob("*.pack"))
    flip(pack, 100)
    report = snapshot("verify", status=1)
    assert [(p["code"], p["file"], p["offset"]) for p in report["problems"]] == [("chunkCorrupt", str(pack), 0)]
    refused = snapshot("restore", "m", "--into", "host", status=1)
    assert "chunkCorrupt" in refused
    healed = snapshot("verify", "--repair", str(tmp_path / "other"))
    assert [problem["repaired"] for problem in healed["problems"]] == [True]
    assert snapshot("verify")["problems"] == []
    flip(pack, 100)
    assert snapshot("pull", "m", "--from", str(tmp_path / "other"))["moved_chunks"] == 1
    assert snapshot("verify")["problems"] == []


def test_a_damaged_manifest_is_named(snapshot, model, tmp_path):
    made = snapshot("create", "m", "--from", str(model))
    manifest = tmp_path / "store" / "snapshots" / f"{made['id']}.json"
    flip(manifest, 50)
    report = snapshot("verify", status=1)
    assert [(problem["code"], problem["file"]) for problem in report["problems"]] == [("manifestCorrupt", str(manifest))]


# Files that lie


def with_header(path: Path, header: dict, data: bytes = b"") -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.mark.parametrize("kind", ["cut data", "cut header", "4 TB claim", "overlap", "gguf cut", "gguf magic"])
def test_a_file_that_lies_is_refused_by_name(snapshot, tmp_path, model, kind):
    tensor = {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}
    path = tmp_path / ("bad.gguf" if kind.startswith("gguf") else "bad.safetensors")
    if kind == "cut data":
        path.write_bytes(model.read_bytes()[:-10])
    elif kind == "cut header":
        path.write_bytes(model.read_bytes()[:20])
    elif kind == "4 TB claim":
        with_header(path, {"a": {"dtype": "U8", "shape": [1 << 42], "data_offsets": [0, 1 << 42]}}, b"x" * 900)
    elif kind == "overlap":
        with_header(path, {"a": tensor, "b": tensor}, b"x" * 8)
    elif kind == "gguf cut":
        path.write_bytes(next(MODELS.glob("SmolLM2*.gguf")).read_bytes()[:5000])
    else:
        path.write_bytes(b"GGUX" + b"\0" * 100)
    said = snapshot("create", "bad", "--from", str(path), status=1)
    assert str(path) in said and ("truncatedSource" in said or "malformedSource" in said), said
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["snapshot"], 2, "say what to do"),
        (["snapshot", "crate"], 2, "did you mean create?"),
        (["snapshot", "list"], 2, "--store is required"),
        (["snapshot", "list", "--store", "/nowhere/at/all"], 1, "notAStore in /nowhere/at/all"),
        (["snapshot", "create", "m", "--store", "x"], 2, "--from is required"),
        (["snapshot", "create", "m", "--store", "x", "--from", "/nowhere.safetensors"], 1, "/nowhere.safetensors"),
        (["snapshot", "restore", "m", "--store", "x", "--into", "cuda"], 1, "notAStore"),
    ],
)
def test_mistakes_are_explained(gpuserve, tmp_path, words, status, said):
    finished = subprocess.run([gpuserve, *words], capture_output=True, text=True, cwd=tmp_path, env=clean_env())
    assert finished.returncode == status and said in finished.stderr, finished.stderr


def test_an_unknown_name_is_told_with_the_nearest(snapshot, model):
    snapshot("create", "llama-8b", "--from", str(model))
    said = snapshot("inspect", "lama-8b", status=1)
    assert "did you mean llama-8b?" in said and "store" in said


def test_progress_is_for_terminals_only(gpuserve, model, tmp_path):
    command = [gpuserve, "snapshot", "create", "m", "--from", str(model), "--store", str(tmp_path / "store")]
    quiet = subprocess.run(command, capture_output=True, text=True)
    assert quiet.returncode == 0 and quiet.stderr == ""
    leader, follower = pty.openpty()
    shown = subprocess.run(command[:-1] + [str(tmp_path / "other")], stdout=subprocess.PIPE, stderr=follower)
    os.close(follower)
    assert shown.returncode == 0
    assert b"create [####################] 100 %" in os.read(leader, 65536)
    os.close(leader)


# In a file system of 6 MiB that only this test sees.
FULL_DISK = """
set -e
mount -t tmpfs -o size=6m none "$2"
run() { verb=$1; shift; "$program" snapshot "$verb" "$@" --store "$disk/store" --json; }
program=$1 disk=$2
run create first --from "$3" >&2
for try in 1 2; do
    if run create second --from "$4"; then echo "it fitted"; exit 1; fi
    test "$(run list | grep -o '"name":"[a-z]*"')" = '"name":"first"'
    run verify
    run gc >&2
done
"""


def test_a_disk_that_is_full_is_named_and_leaves_what_was_there(gpuserve, model, tmp_path):
    (tmp_path / "disk").mkdir()
    many_chunks(tmp_path / "many.safetensors")
    mount = ["unshare", "-m", "mount", "-t", "tmpfs", "none", str(tmp_path / "disk")]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a file system of one's own needs the right to mount (root)")
    words = [gpuserve, str(tmp_path / "disk"), str(model), str(tmp_path / "many.safetensors")]
    finished = subprocess.run(
        ["unshare", "-m", "sh", "-c", FULL_DISK, "sh", *words], capture_output=True, text=True, env=clean_env()
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stderr.count("storeFull in ") == 2, finished.stderr
    assert finished.stdout.count('"problems":[]') == 2
