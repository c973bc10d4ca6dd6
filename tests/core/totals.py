"""What the tests of what a warmup has saved share: a clock, and short words."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipywarmup.manager import WarmupManager

TIMEOUT = 10.0


class Clock:
    """Time as the test wants it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.now += seconds


def saved(manager: WarmupManager) -> tuple[float, float]:
    """Return the seconds hidden and waited."""
    totals = manager.totals()
    return totals["hidden_ms"] / 1000, totals["waited_ms"] / 1000


def until_done(manager: WarmupManager) -> None:
    """Wait for the end of a warmup in a way that does not count."""
    done = threading.Event()
    manager.on_complete(lambda _: done.set())
    assert done.wait(TIMEOUT)
