"""A line of progress in a terminal, while somebody waits there."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING

from ipywarmup.panel.rows import State, elide, enumerate_names, tabulate
from ipywarmup.panel.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipywarmup.manager import WarmupManager

_REFRESH = 0.1
"""Seconds between two looks at what is going on."""


def wait(
    manager: WarmupManager, timeout: float | None, modules: Sequence[str] | None
) -> bool:
    """
    Wait as `WarmupManager.wait` does, and show what for on one line.

    The line is overwritten in place and gone at the end, also after Ctrl-C, so the
    prompt that follows stands where it would have stood. Where stdout is not a
    terminal, nothing is written.
    """
    if not sys.stdout.isatty():
        return manager.wait(timeout, modules)
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        while True:
            left = _REFRESH if deadline is None else deadline - time.monotonic()
            if manager.wait(max(0.0, min(_REFRESH, left)), modules):
                return True
            if deadline is not None and left <= _REFRESH:
                return False
            _overwrite(_line(manager))
    finally:
        _overwrite("")


def _line(manager: WarmupManager) -> str:
    table = tabulate(manager.snapshot(manager.run), now=time.time(), limit=10)
    running = [row for row in table.rows if row.state is State.RUNNING]
    names = enumerate_names([row.module for row in running])
    since = f" ({running[0].elapsed})" if running else ""
    return printable(f"Warming up: {table.ended} of {table.total} done, {names}{since}")


def _overwrite(line: str) -> None:
    width = max(20, shutil.get_terminal_size().columns - 1)
    sys.stdout.write(f"\r\x1b[2K{elide(line, width)}")
    sys.stdout.flush()
