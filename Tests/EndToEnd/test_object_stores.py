"""`gpuserve snapshot push|pull` with real object servers: moto, and OpenStack Swift, which checks signatures and clocks."""

import subprocess
from pathlib import Path

import pytest
from safetensors.numpy import load_file
from snapshots import ObjectServer, digests_of, one_long_chunk

# A FAKE clock at the C library's edge: `time` is FAKE_CLOCK_OFFSET_S ahead, and everything else as it was.
FAKE_CLOCK = """
#include <stdlib.h>
#include <time.h>
time_t time(time_t *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time_t ahead = now.tv_sec + atol(getenv("FAKE_CLOCK_OFFSET_S"));
    if (to) *to = ahead;
    return ahead;
}
"""


@pytest.fixture
def fake_clock(tmp_path: Path):
    """The environment of a program whose clock is that many seconds ahead."""
    source, library = tmp_path / "fake_clock.c", tmp_path / "fake_clock.so"
    source.write_text(FAKE_CLOCK)
    subprocess.run(["clang", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return lambda ahead_s: {"LD_PRELOAD": str(library), "FAKE_CLOCK_OFFSET_S": str(ahead_s)}


def test_a_model_goes_through_a_bucket(snapshot, model, server: ObjectServer):
    place, env = server.place("models"), server.env()
    made = snapshot("create", "m", "--from", str(model), "--chunk-mib", "1")
    assert snapshot("push", "m", "--to", place, env=env)["moved_chunks"] == made["chunks"]
    assert snapshot("push", "m", "--to", place, env=env)["moved_chunks"] == 0
    assert snapshot("pull", "m", "--from", place, store="far", env=env)["id"] == made["id"]
    assert snapshot("verify", store="far")["problems"] == []
    assert snapshot.restored("m", store="far") == digests_of(load_file(model))


def test_long_chunks_go_in_parts(snapshot, server: ObjectServer, tmp_path: Path):
    place, env = server.place("parts"), server.env()
    one_long_chunk(tmp_path / "long.safetensors")
    made = snapshot("create", "m", "--from", str(tmp_path / "long.safetensors"), "--chunk-mib", "16")
    assert snapshot("push", "m", "--to", place, env=env)["moved_chunks"] == made["chunks"]
    assert snapshot("pull", "m", "--from", place, store="far", env=env)["id"] == made["id"]
    assert snapshot("verify", store="far")["problems"] == []


def test_a_wrong_secret_is_refused_and_not_shown(snapshot, model, server: ObjectServer):
    snapshot("create", "m", "--from", str(model))
    wrong = server.env(secret_key="this-is-not-the-secret")
    for verb, way in [("push", "--to"), ("pull", "--from")]:
        said = snapshot(verb, "m", way, server.place("refused"), status=1, env=wrong)
        assert "accessDenied" in said and "SignatureDoesNotMatch" in said and "this-is-not-the-secret" not in said
    said = snapshot("push", "m", "--to", server.place("refused"), status=2)
    assert "AWS_ACCESS_KEY_ID" in said


def test_an_unknown_key_and_a_bucket_that_is_not_there_are_named(snapshot, model, server: ObjectServer):
    snapshot("create", "m", "--from", str(model))
    said = snapshot(
        "push", "m", "--to", server.place("x"), status=1, env=server.env() | {"AWS_ACCESS_KEY_ID": "nobody"}
    )
    assert "accessDenied" in said
    said = snapshot("push", "m", "--to", "s3://no-such-bucket/x", status=1, env=server.env())
    assert "NoSuchBucket" in said and "make the bucket first" in said


@pytest.mark.parametrize("ahead_s", [3600, -3600])
def test_a_clock_that_is_an_hour_off_is_named(snapshot, model, openstack_swift: ObjectServer, fake_clock, ahead_s):
    """Only Swift looks at the time; moto does not."""
    snapshot("create", "m", "--from", str(model))
    env = openstack_swift.env() | fake_clock(ahead_s)
    for verb, way in [("push", "--to"), ("pull", "--from")]:
        said = snapshot(verb, "m", way, openstack_swift.place("clock"), status=1, env=env)
        assert "clockSkew" in said and "RequestTimeTooSkewed" in said
        ahead, behind = said.split(" s ahead")[0].split()[-1], said.split(" s behind")[0].split()[-1]
        off_s = int(ahead) if ahead_s > 0 else int(behind)
        assert abs(off_s - 3600) < 60, said
    assert snapshot("push", "m", "--to", openstack_swift.place("clock"), env=openstack_swift.env() | fake_clock(60))
