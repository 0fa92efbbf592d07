"""Loads one safetensors file to host memory with other loaders, each in a fresh process, several times.

Reads {"file": PATH, "rounds": N} from standard input and prints {loader: [GB/s, ...]} as JSON; a loader that cannot be
used is there with its reason instead. Each reads the file from the page cache, and what it gives are tensors of its own.
"""

import json
import os
import subprocess
import sys
import time


def safetensors_clone(path):
    from safetensors import safe_open

    kept = {}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():
            kept[name] = file.get_tensor(name).clone()
    return kept


def runai(path):
    from runai_model_streamer import SafetensorsStreamer

    kept = {}
    with SafetensorsStreamer() as streamer:
        streamer.stream_file(path)
        for name, tensor in streamer.get_tensors():
            kept[name] = tensor.clone()
    return kept


def runai_stream(path):
    """Without keeping the tensors: the buffers are the streamer's and are used again."""
    from runai_model_streamer import SafetensorsStreamer

    count = 0
    with SafetensorsStreamer() as streamer:
        streamer.stream_file(path)
        for _, tensor in streamer.get_tensors():
            count += tensor.numel()
    return count


def fast(path):
    from fastsafetensors import SafeTensorsFileLoader, SingleGroup

    loader = SafeTensorsFileLoader(SingleGroup(), "cpu", nogds=True, debug_log=False)
    loader.add_filenames({0: [path]})
    buffers = loader.copy_files_to_device()
    kept = {name: buffers.get_tensor(name) for name in list(buffers.key_to_rank_lidx)}
    return (loader, buffers, kept)


LOADERS = {
    "safetensors_load_clone": safetensors_clone,
    "runai_model_streamer": runai_stream,
    "runai_model_streamer_clone": runai,
    "fastsafetensors": fast,
}


def measure(name, path):
    import torch

    torch.set_num_threads(os.cpu_count())
    start = time.perf_counter()
    kept = LOADERS[name](path)
    seconds = time.perf_counter() - start
    print(json.dumps(os.path.getsize(path) / seconds / 1e9))
    del kept


def main():
    order = json.load(sys.stdin)
    results = {}
    for name in LOADERS:
        rates = []
        for _ in range(order["rounds"]):
            done = subprocess.run(
                [sys.executable, __file__, name, order["file"]], capture_output=True, text=True, timeout=300
            )
            lines = done.stdout.strip().splitlines()
            if done.returncode != 0 or not lines:
                rates = (done.stderr.strip().splitlines() or ["no output"])[-1][:300]
                break
            rates.append(json.loads(lines[-1]))
        results[name] = rates
    print(json.dumps(results))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[1], sys.argv[2])
    else:
        main()
