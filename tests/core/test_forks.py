"""What is called in forked children."""

from __future__ import annotations

import gc

from ipywarmup import forks
from ipywarmup.manager import WarmupManager


def test_nothing_remains_of_managers_that_are_gone() -> None:
    """However many are made and collected, a child has no more to forget."""
    WarmupManager(log_to_stderr=False)
    gc.collect()
    before = len(forks._calls)
    for _ in range(10):
        WarmupManager(log_to_stderr=False)
    gc.collect()
    assert len(forks._calls) == before
