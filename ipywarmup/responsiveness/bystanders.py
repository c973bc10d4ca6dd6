"""Whether anybody but the importing threads computes."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from ipywarmup.forks import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LITTLE = 0.2
"""
Share of a processor that idle bystanders may use: what looks after a kernel's sockets,
and our own threads that measure and draw.
"""


def thread_clock() -> Callable[[], float] | None:
    """Return a clock of the calling thread's processor time, which others can read."""
    try:
        clock_id = time.pthread_getcpuclockid(threading.get_ident())
    except (AttributeError, OSError):  # macOS, Windows, Pyodide
        return None
    return lambda: time.clock_gettime(clock_id)


class _Look(NamedTuple):
    """What was seen at one moment, in seconds."""

    at: float
    process: float
    imports: float


# Guarantees
# - What cannot be known counts as busy: the first look, and every look on systems where
#   no thread can read the processor time of another.
# - A forked child starts over.
# This code assumes
# - that one thread looks;
# - that a thread is alive while it is in `importing`.


class Bystanders:
    """
    Watch the processor time that is not used for imports.

    Parameters
    ----------
    clock, process_clock : callable
        Return seconds, and seconds of processor time.
    clock_of_thread : callable
        Returns a clock of the calling thread's processor time, None if there is none.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.perf_counter,
        process_clock: Callable[[], float] = time.process_time,
        clock_of_thread: Callable[[], Callable[[], float] | None] = thread_clock,
    ) -> None:
        self._clock = clock
        self._process_clock = process_clock
        self._clock_of_thread = clock_of_thread
        # By thread that imports: its clock, None if there is none.
        self._clocks: dict[int, Callable[[], float] | None] = {}
        # Processor time of the imports, the present of the clocks left out.
        self._imports = 0.0
        self._lock = threading.Lock()
        self._last: _Look | None = None
        in_child(self._forget)

    @contextlib.contextmanager
    def importing(self) -> Iterator[None]:
        """Let the calling thread not count as a bystander during a block."""
        me = threading.get_ident()
        if me in self._clocks:
            yield
            return
        clock = self._clock_of_thread()
        with self._lock:
            self._imports -= clock() if clock else 0.0
            self._clocks[me] = clock
        try:
            yield
        finally:
            with self._lock:
                # A forked child has forgotten it.
                if self._clocks.pop(me, None) is not None and clock is not None:
                    self._imports += clock()

    def are_idle(self) -> bool:
        """Tell whether nobody else has computed since the last look."""
        with self._lock:
            before, self._last = self._last, self._look()
            now = self._last
        if before is None or now is None:
            return False
        others = now.process - before.process - (now.imports - before.imports)
        return others < LITTLE * (now.at - before.at)

    def _look(self) -> _Look | None:
        imports = self._imports
        for clock in self._clocks.values():
            if clock is None:
                return None
            imports += clock()
        return _Look(self._clock(), self._process_clock(), imports)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._last = None
        self._imports = 0.0
        self._clocks.clear()
