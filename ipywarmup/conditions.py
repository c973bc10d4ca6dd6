"""Conditions that Ctrl-C cannot leave owned by a thread for good."""

from __future__ import annotations

import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_RLock: Any = type(threading.RLock())
_wait_for: Any = threading.Condition.wait_for


class Condition(_RLock):  # type: ignore[misc]
    """
    A `threading.Condition` with a lock of its own, to be used with `with`.

    That one is entered and left by functions in Python, in which a signal handler may
    raise just after the lock was acquired: nobody would release it then. A lock itself
    is entered and left by the interpreter, which runs no handler in between.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait as `threading.Condition.wait` does; False on timeout."""
        return self._condition.wait(timeout)

    def wait_for(
        self, predicate: Callable[[], bool], timeout: float | None = None
    ) -> bool:
        """Wait as `threading.Condition.wait_for` does, and return the last answer."""
        # By way of `wait` above, as that of a `threading.Condition` goes.
        found: bool = _wait_for(self, predicate, timeout)
        return found

    def notify_all(self) -> None:
        """Wake all who wait."""
        self._condition.notify_all()


class SafeFuture(concurrent.futures.Future[T]):
    """
    A future whose lock Ctrl-C cannot leave owned.

    It has one by the name `_condition`, on CPython 3.11.7, 3.12.1 and 3.13.0; were it
    called otherwise, that one would be used as ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self._condition: Any = Condition()
