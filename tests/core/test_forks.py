"""What is called in forked children."""

from __future__ import annotations

import gc

from ipywarmup import forks
from ipywarmup.manager import WarmupManager


def test_nothing_remains_of_managers_that_are_gone() -> None:
    """However many are made and collected, a child has little to forget."""
    gc.collect()
    managers = [WarmupManager(log_to_stderr=False)]
    first = len(forks._calls)
    managers.append(WarmupManager(log_to_stderr=False))
    of_one = len(forks._calls) - first
    for _ in range(10):
        WarmupManager(log_to_stderr=False)
        gc.collect()
    assert len(forks._calls) <= first + 2 * of_one
