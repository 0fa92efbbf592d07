"""`gpuserve snapshot push|pull` over a fake line to a real moto: what breaks is survived or named, and nothing is moved twice."""

import signal
import threading
import time
from email.utils import formatdate

import pytest
from fake_line import Break, Exchange, FakeLine
from snapshots import ObjectServer, digests_of, many_chunks, one_long_chunk

# 16 of tensors, and one of the file's header.
CHUNKS = 17
# Workers of a push or a pull: so many requests wait at a gate at once.
WORKERS = 4


@pytest.fixture
def made(snapshot, tmp_path) -> dict:
    """A snapshot `m` of 17 chunks in the store; what `create` said, and the digests of its regions."""
    tensors = many_chunks(tmp_path / "m.safetensors")
    said = snapshot("create", "m", "--from", str(tmp_path / "m.safetensors"), "--chunk-mib", "1")
    assert said["chunks"] == CHUNKS
    return said | {"digests": digests_of(tensors)}


@pytest.fixture
def place(moto: ObjectServer, request) -> str:
    """A place of the test's own in the bucket."""
    return moto.place("".join(letter if letter.isalnum() else "-" for letter in request.node.name))


@pytest.fixture
def pushed(snapshot, made, moto, place) -> dict:
    """The same snapshot, whole in the bucket too."""
    snapshot("push", "m", "--to", place, env=moto.env())
    return made


PASSING = {
    "reset before the server hears of it": Break(reset="before"),
    "reset within the body": Break(reset="within"),
    "reset after the server has done it": Break(reset="after"),
    "503 SlowDown": Break(status=503, code="SlowDown"),
    "503 with Retry-After": Break(status=503, code="SlowDown", fields={"Retry-After": "0"}),
    "500 InternalError": Break(status=500, code="InternalError"),
    "429": Break(status=429, code="TooManyRequests"),
    "a body that ends early": Break(cut_bytes=1000),
}


def every_third(broken: Break):
    """Breaks every third request, twice, whenever its tries come."""
    tries: dict[tuple, list[int]] = {}
    lock = threading.Lock()

    def rule(number: int, exchange: Exchange) -> Break | None:
        with lock:
            order, count = tries.get((exchange.method, exchange.path, exchange.query), (len(tries), 0))
            tries[exchange.method, exchange.path, exchange.query] = (order, count + 1)
        return broken if order % 3 == 1 and count < 2 else None

    return rule


@pytest.mark.parametrize("broken", PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_survived_both_ways(snapshot, made, moto, place, broken: Break):
    with FakeLine(moto.endpoint, every_third(broken)) as line:
        env = moto.env(line.url)
        assert snapshot("push", "m", "--to", place, env=env)["moved_chunks"] == CHUNKS
        assert snapshot("pull", "m", "--from", place, store="far", env=env)["moved_chunks"] == CHUNKS
    assert snapshot("verify", store="far")["problems"] == []
    assert snapshot.restored("m", store="far") == made["digests"]


LASTING = {
    "resets": (Break(reset="before"), "network", "after 5 tries"),
    "503": (Break(status=503, code="SlowDown", fields={"Retry-After": "0"}), "network", "SlowDown"),
    "403": (Break(status=403, code="AccessDenied"), "accessDenied", "check the key, its secret and its rights"),
    "507": (Break(status=507, code="QuotaExceeded"), "storeFull", "QuotaExceeded"),
    "other bytes arrived": (Break(status=400, code="XAmzContentSHA256Mismatch"), "integrity", "on their way"),
    "404": (Break(status=404, code="NoSuchBucket"), {"push": "invalidArgument", "pull": "chunkMissing"}, ""),
    "clock": (
        Break(status=403, code="RequestTimeTooSkewed", fields={"Date": formatdate(time.time() - 7200, usegmt=True)}),
        "clockSkew", "s ahead: set the clock",
    ),
}


@pytest.mark.parametrize(("broken", "code", "words"), LASTING.values(), ids=LASTING.keys())
@pytest.mark.parametrize("way", ["push", "pull"])
def test_what_lasts_is_named_and_nothing_partial_is_visible(snapshot, made, moto, place, way, broken, code, words):
    if way == "pull":
        snapshot("push", "m", "--to", place, env=moto.env())

    def rule(number: int, exchange: Exchange) -> Break | None:
        moves = ("PUT", "POST") if way == "push" else ("GET",)
        return broken if exchange.is_chunk and exchange.method in moves else None

    with FakeLine(moto.endpoint, rule) as line:
        env = moto.env(line.url)
        if way == "push":
            said = snapshot("push", "m", "--to", place, status=1, env=env)
        else:
            said = snapshot("pull", "m", "--from", place, store="far", status=1, env=env)
    assert (code if isinstance(code, str) else code[way]) in said and words in said and "chunk" in said, said
    if way == "push":
        assert "none of the 0 snapshots" in snapshot("pull", "m", "--from", place, store="new", status=1, env=moto.env())
    else:
        assert snapshot("list", store="far") == []
    # With the line whole, the same command does it.
    again = ["push", "m", "--to", place] if way == "push" else ["pull", "m", "--from", place]
    snapshot(*again, store="store" if way == "push" else "far", env=moto.env())


def test_bodies_that_always_end_early_end_somewhere(snapshot, pushed, moto, place):
    """A line that lets only 100,000 bytes through at a time needs three requests a chunk; one that lets none, five."""
    with FakeLine(moto.endpoint, lambda number, exchange: Break(cut_bytes=100_000) if exchange.is_chunk else None) as line:
        snapshot("pull", "m", "--from", place, store="slow", env=moto.env(line.url))
        assert len(line.asked("GET")) == 3 * 16 + 1
    assert snapshot.restored("m", store="slow") == pushed["digests"]
    with FakeLine(moto.endpoint, lambda number, exchange: Break(cut_bytes=0) if exchange.is_chunk else None) as line:
        said = snapshot("pull", "m", "--from", place, store="far", status=1, env=moto.env(line.url))
    assert "network" in said and "after 5 tries" in said and "/chunks/" in said


def test_an_object_that_changes_while_it_is_read_is_named(snapshot, pushed, moto, place):
    """A cut body is taken up again only if the ETag is still the same."""
    seen: set[str] = set()

    def rule(number: int, exchange: Exchange) -> Break | None:
        if not exchange.is_chunk:
            return None
        if exchange.name in seen:
            return Break(tag='"another"')
        seen.add(exchange.name)
        return Break(cut_bytes=1000)

    with FakeLine(moto.endpoint, rule) as line:
        said = snapshot("pull", "m", "--from", place, store="far", status=1, env=moto.env(line.url))
    assert "integrity" in said and "ETag" in said and "/chunks/" in said
    assert snapshot("list", store="far") == []


def test_a_part_with_a_wrong_tag_is_named(snapshot, tmp_path, moto, place):
    one_long_chunk(tmp_path / "long.safetensors")
    snapshot("create", "long", "--from", str(tmp_path / "long.safetensors"), "--chunk-mib", "16")

    def rule(number: int, exchange: Exchange) -> Break | None:
        return Break(tag=f'"{"0" * 32}"') if "partNumber=2" in exchange.query else None

    with FakeLine(moto.endpoint, rule) as line:
        said = snapshot("push", "long", "--to", place, status=1, env=moto.env(line.url))
        assert "integrity" in said and "InvalidPart" in said and "/chunks/" in said
        assert [each.status for each in line.exchanges if each.method == "DELETE"] == [204], "the parts are given up"
    snapshot("push", "long", "--to", place, env=moto.env())


@pytest.mark.parametrize("what", ["chunk", "manifest"])
def test_a_flipped_bit_on_the_line_is_named(snapshot, pushed, moto, place, what):
    def rule(number: int, exchange: Exchange) -> Break | None:
        is_it = exchange.is_chunk if what == "chunk" else "/snapshots/" in exchange.path
        return Break(flip=True) if is_it and exchange.method == "GET" else None

    with FakeLine(moto.endpoint, rule) as line:
        name = "m" if what == "chunk" else pushed["id"]
        said = snapshot("pull", name, "--from", place, store="far", status=1, env=moto.env(line.url))
    assert f"{what}Corrupt" in said and f"/{what if what == 'chunk' else 'snapshot'}s/" in said, said
    assert snapshot("list", store="far") == []


# Interrupted


@pytest.fixture(params=[signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=["kill -9", "Ctrl-C", "SIGTERM"])
def end(request) -> signal.Signals:
    return request.param


def after(count: int, method: str, gate: threading.Event):
    """Lets `count` chunks through and holds every later one."""
    passed: set[str] = set()
    lock = threading.Lock()

    def rule(number: int, exchange: Exchange) -> Break | None:
        if not exchange.is_chunk or exchange.method != method:
            return None
        with lock:
            if len(passed) < count:
                passed.add(exchange.name)
                return None
        return Break(gate=gate)

    return rule


def test_a_push_that_is_ended_goes_on_where_it_was(snapshot, made, moto, place, end):
    gate = threading.Event()
    with FakeLine(moto.endpoint, after(7, "PUT", gate)) as line:
        program = snapshot.start("push", "m", "--to", place, env=moto.env(line.url))
        line.wait_for_waiting(WORKERS)
        program.send_signal(end)
        assert program.wait() != 0
        sent = line.wait_for_whole("PUT", 7)
        assert len(sent) == 7
    gate.set()
    with FakeLine(moto.endpoint) as line:
        assert snapshot("push", "m", "--to", place, env=moto.env(line.url))["moved_chunks"] == CHUNKS - 7
        again = line.asked("PUT")
        assert len(again) == CHUNKS - 7 and not set(again) & set(sent)
    snapshot("pull", "m", "--from", place, store="far", env=moto.env())
    assert snapshot.restored("m", store="far") == made["digests"]


def test_a_pull_that_is_ended_goes_on_where_it_was(snapshot, pushed, moto, place, end):
    gate = threading.Event()
    with FakeLine(moto.endpoint, after(7, "GET", gate)) as line:
        program = snapshot.start("pull", "m", "--from", place, store="far", env=moto.env(line.url))
        # When all workers wait for another chunk, those before are on disk.
        line.wait_for_waiting(WORKERS)
        program.send_signal(end)
        assert program.wait() != 0
        fetched = line.wait_for_whole("GET", 7)
        assert len(fetched) == 7
    gate.set()
    assert snapshot("list", store="far") == []
    with FakeLine(moto.endpoint) as line:
        assert snapshot("pull", "m", "--from", place, store="far", env=moto.env(line.url))["moved_chunks"] == CHUNKS - 7
        again = line.asked("GET")
        assert len(again) == CHUNKS - 7 and not set(again) & set(fetched)
    assert snapshot("verify", store="far")["problems"] == []
    assert snapshot.restored("m", store="far") == pushed["digests"]
