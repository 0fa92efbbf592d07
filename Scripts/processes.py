"""Child processes that say when they are ready, and never outlive the tests."""

import ctypes
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

from waiting import DEADLINE_S, eventually

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A started program and the lines it printed."""

    def __init__(self, arguments: list[str], env: dict[str, str] | None = None, before_exec=None, cwd=None,
                 ended_by: int = signal.SIGKILL) -> None:
        """`ended_by` is what `stop` sends; a program with children of its own needs SIGTERM, to end them too."""
        def prepare() -> None:
            die_with_parent()
            if before_exec:
                before_exec()

        self.name = Path(arguments[0]).name
        self.ended_by = ended_by
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=cwd,
            env=os.environ | (env or {}), preexec_fn=prepare, text=True, errors="replace",
        )
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def listening_port(self) -> int:
        """Waits for the line `listening on http://HOST:PORT`."""

        def port() -> int | None:
            if self.process.poll() is not None:
                self.reader.join(DEADLINE_S)
                raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.output}")
            matches = (re.search(r"listening on http://\S+:(\d+)", line) for line in list(self.lines))
            return next((int(match[1]) for match in matches if match), None)

        return eventually(port, f"{self.name} says that it listens; it said:\n{self.output}")

    def wait_for_line(self, text: str) -> str:
        return eventually(
            lambda: next((line for line in list(self.lines) if text in line), None),
            f"{self.name} prints {text!r}",
        )

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit status, once it ended by itself."""
        status = self.process.wait(DEADLINE_S)
        self.reader.join(DEADLINE_S)
        return status

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(self.ended_by)
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.wait()
