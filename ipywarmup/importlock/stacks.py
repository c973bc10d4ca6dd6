"""Where the threads are: all that the package does with the frames of other threads."""

from __future__ import annotations

import contextlib
import gc
import inspect
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_COLLECTS_AMID_A_LOOK = sys.version_info < (3, 12)
"""Whether making a frame an object may start the collector."""


_GENERATOR = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class MovedError(Exception):
    """A thread went on while its stack was followed, so that not all of it was seen."""


def caller_of(frame: FrameType) -> FrameType | None:
    """
    Return what has called a frame of another thread, None for the first of its thread.

    Raises
    ------
    MovedError
        If that is not known any more: a generator has no caller while it is suspended.
    """
    caller = frame.f_back
    if caller is None and frame.f_code.co_flags & _GENERATOR:
        raise MovedError
    return caller


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
