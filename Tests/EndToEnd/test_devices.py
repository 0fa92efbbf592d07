"""`gpuserve devices`: what there is and, without a GPU, exactly why not."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from gateway import ROOT, find_binary


@pytest.fixture(scope="module")
def real_libcuda() -> str:
    """The folder of a real driver library; the machine need not have a GPU."""
    finished = subprocess.run([str(ROOT / "Scripts" / "libcuda.sh")], capture_output=True, text=True)
    if finished.returncode == 3:
        pytest.skip(finished.stderr.strip())
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip().splitlines()[-1]


def devices(program: str, *words: str, libraries: str = "") -> subprocess.CompletedProcess:
    env = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    if libraries:
        env["LD_LIBRARY_PATH"] = libraries
    return subprocess.run([program, "devices", *words], capture_output=True, text=True, env=env)


def has_system_driver() -> bool:
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    return "libcuda.so.1" in listed


def test_without_a_driver_it_says_that_there_is_no_library(gpuserve):
    if has_system_driver():
        pytest.skip("this machine has an NVIDIA driver, so the case without one cannot be seen")
    finished = devices(gpuserve)
    assert finished.returncode == 0, finished.stderr
    assert "host:0" in finished.stdout
    assert "none: noLibrary: the CUDA driver cannot be opened (libcuda.so.1" in finished.stdout
    assert "install the NVIDIA driver" in finished.stdout


def test_json_says_the_same(gpuserve):
    report = json.loads(devices(gpuserve, "--json").stdout)
    assert report["devices"][0]["id"] == "host:0"
    assert report["devices"][0]["total_bytes"] > 2**28
    if not has_system_driver():
        assert report["cuda"]["available"] is False and report["cuda"]["code"] == "noLibrary"


def test_a_real_driver_without_a_device_says_so(gpuserve, real_libcuda):
    if Path("/proc/driver/nvidia").exists():  # not /dev/nvidiactl: libcuda makes that itself where it may
        pytest.skip("this machine has a GPU, so the case without one cannot be seen")
    report = json.loads(devices(gpuserve, "--json", libraries=real_libcuda).stdout)
    assert report["cuda"]["available"] is False and report["cuda"]["code"] == "noDevice"
    assert report["cuda"]["reason"].startswith("cuInit returned CUDA_ERROR_NO_DEVICE (100): ")


def test_a_library_that_is_no_driver_is_told_by_what_it_lacks(gpuserve, tmp_path: Path):
    source = tmp_path / "empty.c"
    source.write_text("int nothing;\n")
    subprocess.run(["clang", "-shared", "-o", str(tmp_path / "libcuda.so.1"), str(source)], check=True)
    report = json.loads(devices(gpuserve, "--json", libraries=str(tmp_path)).stdout)
    assert report["cuda"]["code"] == "symbolMissing"
    assert "has no cuInit" in report["cuda"]["reason"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["devices", "--jsn"], "did you mean --json?"),
        (["devices", "cuda:0"], "devices takes no words"),
        (["devces"], "did you mean devices?"),
    ],
)
def test_mistakes_are_explained(gpuserve, words, said):
    finished = subprocess.run([gpuserve, *words], capture_output=True, text=True)
    assert finished.returncode == 2
    assert said in finished.stderr


def bench_gpu(folder: Path, libraries: str = "") -> subprocess.CompletedProcess:
    env = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    words = [find_binary("bench-gpu"), "--quick", "--work", str(folder / "work"), "--out", str(folder / "results")]
    return subprocess.run(
        words, capture_output=True, text=True, env=env | ({"LD_LIBRARY_PATH": libraries} if libraries else {})
    )


def test_the_gpu_benchmark_without_a_driver_says_so_and_writes_nothing(tmp_path: Path):
    if has_system_driver():
        pytest.skip("this machine has an NVIDIA driver, so the case without one cannot be seen")
    finished = bench_gpu(tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "nothing was measured, there is no GPU: noLibrary: " in finished.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_gpu_benchmark_with_a_real_driver_and_no_device_says_so(tmp_path: Path, real_libcuda):
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("this machine has a GPU, so the case without one cannot be seen")
    finished = bench_gpu(tmp_path, real_libcuda)
    assert finished.returncode == 0, finished.stderr
    assert "there is no GPU: noDevice: cuInit returned CUDA_ERROR_NO_DEVICE (100)" in finished.stdout
    assert list(tmp_path.iterdir()) == []
