"""Who starts threads, and which: told while somebody wants to know."""

from __future__ import annotations

import _thread
import functools
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Births:
    """
    Stand in front of the functions that start threads.

    Parameters
    ----------
    tell : callable
        ``tell(thread_id)`` is called on the thread that has started another.
    """

    def __init__(self, tell: Callable[[int], object]) -> None:
        self._tell = tell
        self._installed = False
        self._originals: tuple[Any, Any] = (None, None)
        self._ours: tuple[Any, Any] = (None, None)

    def install(self) -> None:
        """Tell from now on."""
        start, start_new_thread = threading.Thread.start, _thread.start_new_thread

        # Whoever has put something in front of these goes on calling them afterwards.

        @functools.wraps(start)
        def start_and_tell(thread: threading.Thread) -> None:
            start(thread)
            if self._installed and thread.ident is not None:
                self._tell(thread.ident)

        @functools.wraps(start_new_thread)
        def start_new_thread_and_tell(*arguments: Any, **named: Any) -> int:  # noqa: ANN401
            ident = start_new_thread(*arguments, **named)
            if self._installed:
                self._tell(ident)
            return ident

        self._originals = start, start_new_thread
        self._ours = start_and_tell, start_new_thread_and_tell
        threading.Thread.start = start_and_tell  # type: ignore[assignment,method-assign]
        _thread.start_new_thread = start_new_thread_and_tell
        self._installed = True

    def remove(self) -> None:
        """Tell no longer; what somebody else has put there meanwhile stays."""
        self._installed = False
        if threading.Thread.start is self._ours[0]:
            threading.Thread.start = self._originals[0]  # type: ignore[method-assign]
        if _thread.start_new_thread is self._ours[1]:
            _thread.start_new_thread = self._originals[1]
