"""OpenStack Swift with its S3 interface, which checks every signature and clock, until standard input ends.

Its proxy, account, container and object servers run in this process, over a directory that goes away with them.
Prints one line: ENDPOINT BUCKET ACCESS_KEY SECRET_KEY
"""

import logging
import os
import secrets
import socket
import sys
import tempfile
from pathlib import Path

from swift.common import utils

utils.monkey_patch()

import eventlet  # noqa: E402
import eventlet.wsgi  # noqa: E402
from swift.common import storage_policy, wsgi  # noqa: E402
from swift.common.internal_client import InternalClient  # noqa: E402
from swift.common.http_protocol import SwiftHttpProtocol  # noqa: E402
from swift.common.ring import RingBuilder  # noqa: E402

STORAGE = ["account", "container", "object"]
ACCESS_KEY, BUCKET = "test:tester", "snapshots"

PROXY = """
[DEFAULT]
swift_dir = {folder}
[pipeline:main]
pipeline = catch_errors listing_formats s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = {secret} .admin
[filter:slo]
use = egg:swift#slo
"""

INTERNAL = """
[DEFAULT]
swift_dir = {folder}
[pipeline:main]
pipeline = catch_errors proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
"""

STORE = """
[DEFAULT]
swift_dir = {folder}
devices = {folder}
mount_check = false
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""


def listening() -> socket.socket:
    return eventlet.listen(("127.0.0.1", 0), backlog=256)


def serve(name: str, folder: Path, sock: socket.socket, text: str) -> None:
    """As swift.common.wsgi.run_server does, which takes the event loop for itself."""
    path = folder / f"{name}.conf"
    path.write_text(text)
    app = wsgi.loadapp(str(path), global_conf={"log_name": name})
    eventlet.spawn(
        eventlet.wsgi.server, sock, app, utils.NullLogger(), protocol=SwiftHttpProtocol, custom_pool=eventlet.GreenPool(),
        socket_timeout=60.0, capitalize_response_headers=False,
    )


def make_ring(name: str, folder: Path, port: int) -> None:
    builder = RingBuilder(part_power=4, replicas=1, min_part_hours=0)
    place = {"ip": "127.0.0.1", "port": port, "device": "disk"}
    builder.add_dev(place | {"id": 0, "region": 1, "zone": 1, "weight": 1.0})
    builder.rebalance()
    builder.get_ring().save(str(folder / f"{name}.ring.gz"))


def main() -> None:
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="swift-") as name:
        folder = Path(name)
        (folder / "disk").mkdir()
        # Swift salts the places of objects; the policy is the one that it has without being told.
        (folder / "swift.conf").write_text(f"[swift-hash]\nswift_hash_path_suffix = {secrets.token_hex(8)}\n")
        utils.set_swift_dir(str(folder))
        utils.validate_hash_conf()
        storage_policy.reload_storage_policies()
        sockets = {kind: listening() for kind in STORAGE}
        for kind, sock in sockets.items():
            make_ring(kind, folder, sock.getsockname()[1])
        for kind, sock in sockets.items():
            serve(kind, folder, sock, STORE.format(folder=folder, name=kind))
        secret, front = secrets.token_hex(16), listening()
        serve("proxy", folder, front, PROXY.format(folder=folder, secret=secret))
        endpoint = f"http://127.0.0.1:{front.getsockname()[1]}"
        make_bucket(folder)
        print(endpoint, BUCKET, ACCESS_KEY, secret, flush=True)
        while True:
            eventlet.hubs.trampoline(sys.stdin.fileno(), read=True)
            if not os.read(sys.stdin.fileno(), 4096):
                return


def make_bucket(folder: Path) -> None:
    path = folder / "internal.conf"
    path.write_text(INTERNAL.format(folder=folder))
    InternalClient(str(path), "setup", request_tries=1).create_container("AUTH_test", BUCKET)


main()
os._exit(0)
