"""
What threads inherit from the thread that starts them.

All that the package knows of how threads are started. `threading.Thread.start` calls
`_start_new_thread` of its module (CPython 3.11 and 3.12) or `_start_joinable_thread`
(3.13), at each use; whoever wants no object calls a function of `_thread`. Checked on
CPython 3.11.7, 3.12.1 and 3.13.0. A name that somebody has bound earlier is none of
these, and where a Python has none of them, threads inherit nothing.
"""

from __future__ import annotations

import _thread
import functools
import threading
from typing import TYPE_CHECKING, Any

from ipywarmup.importlock.replacements import Replacements

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Inheritance = Callable[[str | None], AbstractContextManager[object]]

_STARTERS: tuple[tuple[Any, str], ...] = (
    (threading, "_start_new_thread"),
    (threading, "_start_joinable_thread"),
    (_thread, "start_new_thread"),
    (_thread, "start_new"),
    (_thread, "start_joinable_thread"),
)


class Births:
    """
    Stand in front of the functions that start threads.

    Parameters
    ----------
    inheritance : callable
        Called on a thread that is about to start another; returns what the other one
        inherits, None if nothing: a function that is called with its name, None if it
        has none, on the new thread and before anything else. What that returns is a
        context which is entered, and left when the thread ends.
    """

    def __init__(self, inheritance: Callable[[], Inheritance | None]) -> None:
        self._inheritance = inheritance
        self._installed = False
        self._starters = Replacements()

    def install(self) -> None:
        """Have threads inherit from now on."""
        self._installed = True
        for module, name in _STARTERS:
            self._starters.put(module, name, self._heeding)

    def remove(self) -> None:
        """Have them inherit no longer; what somebody has put there meanwhile stays."""
        self._installed = False
        self._starters.remove()

    def _heeding(self, start: Callable[..., object]) -> Callable[..., object]:
        # Whoever has put something in front of it goes on calling it afterwards.
        @functools.wraps(start)
        def start_heir(function: Any, *arguments: Any, **named: Any) -> object:  # noqa: ANN401
            inheritance = self._inheritance() if self._installed else None
            if inheritance is not None and callable(function):
                function = _heir(function, inheritance)
            return start(function, *arguments, **named)

        return start_heir


def _heir(
    function: Callable[..., object], inheritance: Inheritance
) -> Callable[..., None]:
    """Return what a thread runs that inherits something."""
    body = getattr(function, "__self__", None)
    try:
        name = body.name if isinstance(body, threading.Thread) else None
    except Exception:  # a property of a subclass, which may need a thread that runs
        name = None
    name = name if isinstance(name, str) else None

    @functools.wraps(function)
    def run(*arguments: object, **named: object) -> None:
        with inheritance(name):
            function(*arguments, **named)

    return run
