"""
The moment at which the interpreter begins to leave.

All that the package knows of threading's private life: `threading._shutdown` calls what
was given to `threading._register_atexit`, and then joins the threads that keep the
process alive; exit handlers come later still. Checked on CPython 3.11.7, 3.12.1 and
3.13.0. Where there is no such function, or Ctrl-C ends the calls early, an exit handler
of ours is that moment.
"""

from __future__ import annotations

import atexit
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_threading: Any = threading


def when_leaving(call: Callable[[], object]) -> None:
    """
    Call something as soon as the main thread has nothing left to do.

    Parameters
    ----------
    call : callable
        Called once more by an exit handler, and at once if it is too late.
    """
    atexit.register(call)
    register = getattr(_threading, "_register_atexit", None)
    if register is not None:
        try:
            register(call)
        except RuntimeError:  # it is too late
            call()
