"""A condition that Ctrl-C cannot leave owned by a thread for good."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

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
