"""Waiting for conditions. Nothing in these tests waits for time to pass."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Far above anything seen, also on a loaded machine: reaching it means that the thing does not happen.
DEADLINE_S = 60.0


def eventually(condition: Callable[[], T], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Returns the first true value of `condition`, or fails saying `what` did not happen."""
    end = time.monotonic() + deadline_s
    between_polls = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"did not happen within {deadline_s} s: {what}")
        between_polls.wait(0.01)
