"""Who starts threads, and which: told while somebody wants to know."""

from __future__ import annotations

import _thread
import functools
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Inherit = Callable[[int, str | None], object]


class Births:
    """
    Stand in front of the functions that start threads.

    Parameters
    ----------
    tell : callable
        ``tell(thread_id)`` is called on the thread that has started another.
    inheritance : callable
        Called on a thread that is about to start another; returns what the other one
        inherits, if anything: a function to be called with its identifier and its name,
        if it has one, before it imports anything.
    disinherit : callable
        ``disinherit(thread_id)`` is called when an heir has ended.
    frozen : callable
        Returns a context that lets one thread in at a time, for these two.
    """

    def __init__(
        self,
        tell: Callable[[int], object],
        inheritance: Callable[[], Inherit | None],
        disinherit: Callable[[int], object],
        frozen: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._tell = tell
        self._inheritance = inheritance
        self._disinherit = disinherit
        self._frozen = frozen
        self._installed = False
        self._originals: tuple[Any, Any] = (None, None)
        self._ours: tuple[Any, Any] = (None, None)
        # What threads expect that are being started, until they have come into it; and
        # by identifier those that have.
        self._expecting: dict[threading.Thread, Inherit] = {}
        self._heirs: dict[int, threading.Thread] = {}

    def install(self) -> None:
        """Tell from now on."""
        start, start_new_thread = threading.Thread.start, _thread.start_new_thread

        # Whoever has put something in front of these goes on calling them afterwards.

        @functools.wraps(start)
        def start_and_tell(thread: threading.Thread) -> None:
            self.forget_gone()
            inherit = self._inheritance() if self._installed else None
            if inherit is not None:
                self._expecting[thread] = inherit
            try:
                start(thread)
                self._come_into(thread)
            finally:
                self._expecting.pop(thread, None)
            if self._installed and thread.ident is not None:
                self._tell(thread.ident)

        @functools.wraps(start_new_thread)
        def start_new_thread_and_tell(*arguments: Any, **named: Any) -> int:  # noqa: ANN401
            self.forget_gone()
            inherit = self._inheritance() if self._installed else None
            if inherit is not None and arguments:
                heir = self._heir(arguments[0], inherit)
                arguments = (heir, *arguments[1:])
            ident = start_new_thread(*arguments, **named)
            if self._installed:
                self._tell(ident)
            return ident

        self._originals = start, start_new_thread
        self._ours = start_and_tell, start_new_thread_and_tell
        threading.Thread.start = start_and_tell  # type: ignore[assignment,method-assign]
        _thread.start_new_thread = start_new_thread_and_tell
        self._installed = True

    def come_into(self) -> None:
        """Let the calling thread have what it inherits; it may be about to import."""
        if self._expecting:
            me = threading.get_ident()
            for thread in list(self._expecting):
                if thread.ident == me:
                    self._come_into(thread)

    def remove(self) -> None:
        """Tell no longer; what somebody else has put there meanwhile stays."""
        self._installed = False
        if threading.Thread.start is self._ours[0]:
            threading.Thread.start = self._originals[0]  # type: ignore[method-assign]
        if _thread.start_new_thread is self._ours[1]:
            _thread.start_new_thread = self._originals[1]

    def forget_gone(self) -> None:
        """Forget the heirs that have ended: whoever has their identifiers is none."""
        if not self._heirs:
            return
        with self._frozen():
            for ident, thread in list(self._heirs.items()):
                if not thread.is_alive():
                    del self._heirs[ident]
                    self._disinherit(ident)

    def _come_into(self, thread: threading.Thread) -> None:
        # By whoever is first: the thread itself, or the one that has started it, which
        # may look when it has ended, and another one has its identifier.
        with self._frozen():
            inherit = self._expecting.get(thread)
            if inherit is None or thread.ident is None or not thread.is_alive():
                return
            self._heirs[thread.ident] = thread
            inherit(thread.ident, thread.name)
            # Not before: as long as it expects something it looks here.
            self._expecting.pop(thread, None)

    def _heir(
        self, function: Callable[..., object], inherit: Inherit
    ) -> Callable[..., None]:
        """Return what a thread without an object runs that inherits something."""

        @functools.wraps(function)
        def run(*arguments: object, **named: object) -> None:
            me = threading.get_ident()
            self.forget_gone()
            with self._frozen():
                inherit(me, None)
            try:
                function(*arguments, **named)
            finally:
                with self._frozen():
                    self._disinherit(me)

        return run
