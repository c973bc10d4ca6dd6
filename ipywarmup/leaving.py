"""
The moment at which the interpreter begins to leave.

All that the package knows of threading's private life: `threading._shutdown` calls what
was given to `threading._register_atexit`, and joins the threads that keep the process
alive afterwards; exit handlers come later still. Checked on CPython 3.11.7, 3.12.1
and 3.13.0. Where there is no such function, the first exit handler is that moment.
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
        Called at once if the interpreter leaves already.
    """
    register = getattr(_threading, "_register_atexit", atexit.register)
    try:
        register(call)
    except RuntimeError:  # it is too late for that
        call()
