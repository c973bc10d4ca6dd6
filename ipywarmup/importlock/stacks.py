"""Where the threads are: all that the package does with the frames of other threads."""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_COLLECTS_AMID_A_LOOK = sys.version_info < (3, 12)
"""Whether making a frame an object may start the collector."""


@contextlib.contextmanager
def stacks() -> Iterator[dict[int, FrameType]]:
    """
    Look at where the threads are; only within the block may the frames be followed.

    What the collector calls may let the other thread leave the frame that is being made
    an object, up to CPython 3.11: the process crashes then. So it is off meanwhile.

    Yields
    ------
    dict of int to types.FrameType
        The topmost frame of each other thread, by identifier.
    """
    off = _COLLECTS_AMID_A_LOOK and gc.isenabled()
    if off:
        gc.disable()
    try:
        yield sys._current_frames()  # noqa: SLF001
    finally:
        if off:
            gc.enable()
