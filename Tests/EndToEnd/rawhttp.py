"""HTTP over a bare socket: exactly these bytes, and what came back."""

import socket

from waiting import DEADLINE_S


class RawClient:
    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(("127.0.0.1", port))
        self.received = b""

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_as_far_as_accepted(self, data: bytes) -> None:
        """Sends; a peer that closed in the middle is no error here."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def finish_sending(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def read_some(self) -> bytes:
        """The next bytes; empty when the peer closed or reset."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return b""
        self.received += data
        return data

    def read_until(self, text: bytes) -> bytes:
        while text not in self.received:
            if not self.read_some():
                raise AssertionError(f"closed before {text!r}; received {self.received!r}")
        return self.received

    def read_all(self) -> bytes:
        """Everything up to the peer's close."""
        while self.read_some():
            pass
        return self.received


def post(path: str, body: bytes, fields: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{fields}"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def status_of(answer: bytes) -> int | None:
    """The status of the first answer in the bytes; nothing when there is none."""
    if not answer.startswith(b"HTTP/1.1 "):
        return None
    return int(answer[9:12])
