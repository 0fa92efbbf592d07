"""`gpuserve snapshot restore`, `predict` and `bench`: devices, and what is learned of the host."""

import re
import stat

import pytest
from snapshots import digests_of
from safetensors.numpy import load_file


@pytest.fixture
def made(snapshot, model) -> dict:
    return snapshot("create", "m", "--from", str(model))


def test_bandwidths_are_measured_once_kept_and_learned(snapshot, made, tmp_path):
    kept = tmp_path / "cache" / "gpuserve" / "bandwidths"
    snapshot("predict", "m", "--into", "host")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    measured = kept.read_text()
    # The process that measured has memory left over from it; those after it expect to need new memory, and the same time.
    first, second = (snapshot("predict", "m", "--into", "host")["predicted_ms"] for _ in range(2))
    assert first == second
    assert kept.read_text() == measured, "a prediction alone teaches nothing"
    took = snapshot("restore", "m", "--into", "host")
    learned = kept.read_text()
    assert learned != measured and "seen full " in learned
    # The first of its kind is believed, so the next process expects what this one took, and new memory at its own rate.
    rate = float(re.search(r"present_bytes_per_s ([\d.e+]+)", learned)[1])
    again = snapshot("predict", "m", "--into", "host")
    moving_ms = took["ready_ms"] - took["memory_ms"]
    assert took["fresh_bytes"] > 0 and 0 < took["memory_ms"] < took["ready_ms"]
    assert again["predicted_ms"] == pytest.approx(moving_ms + took["fresh_bytes"] / rate * 1000, rel=0.01)
    snapshot("predict", "m", "--into", "host", "--probe")
    assert "seen" not in kept.read_text()


def test_a_damaged_file_of_bandwidths_is_measured_anew(snapshot, made, tmp_path):
    kept = tmp_path / "cache" / "gpuserve" / "bandwidths"
    kept.parent.mkdir(parents=True)
    kept.write_text("nonsense")
    assert snapshot("predict", "m", "--into", "host")["predicted_ms"] > 0
    assert kept.read_text().startswith("gpuservekit-bandwidths ")


def test_without_a_place_for_the_file_nothing_fails(snapshot, made):
    env = {"XDG_CACHE_HOME": "/proc/none", "HOME": ""}
    assert snapshot("restore", "m", "--into", "host", env=env)["ready_ms"] > 0


def test_bench_restores_every_way(snapshot, made):
    report = snapshot("bench", "m", "--into", "host", "--rounds", "3")
    assert report["rounds"] == 3
    rows = {row["kind"]: row for row in report["results"]}
    assert {kind: row["choice"] for kind, row in rows.items()} == {
        "cold": "full", "warm": "full", "clone": "clone", "attach": "attach",
    }
    assert rows["warm"]["tier"] == "page_cache" and rows["clone"]["tier"] == "resident"
    for kind, row in rows.items():
        assert 0 < row["ready_ms_min"] <= row["ready_ms_p50"] <= row["ready_ms_max"], kind
        # Clones are checked, too; what is shared moves nothing.
        assert row["verified_chunks"] == (0 if kind == "attach" else made["chunks"]), kind
    refused = snapshot("bench", "m", "--into", "host", "--rounds", "0", status=2)
    assert "--rounds takes a whole number" in refused


def test_several_host_devices_hold_whole_regions(snapshot, made, model):
    report = snapshot("restore", "m", "--into", "host", "--devices", "2", "--digests")
    whole = digests_of(load_file(model))
    assert {(row["region"], row["device"]): row["sha256"] for row in report["regions"]} == {
        (name, device): digest for name, digest in whole.items() for device in (0, 1)
    }


def test_a_gpu_that_is_not_there_is_refused_with_the_reason(snapshot, made, gpuserve):
    for place in ["cuda", "cuda:0"]:
        refused = snapshot("restore", "m", "--into", place, status=1)
        assert any(code in refused for code in ("noLibrary", "noDevice", "driverTooOld")), refused
    assert "--into takes host, cuda or cuda:N" in snapshot("restore", "m", "--into", "gpu", status=2)
    assert "--into takes host, cuda or cuda:N" in snapshot("predict", "m", "--into", "cuda:-1", status=2)
