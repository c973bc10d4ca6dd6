"""Whether anybody but the importing threads computes."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from ipywarmup.forks import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LITTLE = 0.1
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


class _Span(NamedTuple):
    """How long a thread has imported, in seconds of its processor time."""

    counted: float = 0.0
    # What it has imported since it was at `began` is to be added, if it has a clock.
    imports: bool = False
    clock: Callable[[], float] | None = None
    began: float = 0.0

    def now(self) -> float | None:
        """Return the seconds, None if they cannot be known."""
        if not self.imports:
            return self.counted
        if self.clock is None:
            return None
        try:
            return self.counted + self.clock() - self.began
        except OSError:  # the thread has ended
            return None


class _Look(NamedTuple):
    """What was seen at one moment, in seconds."""

    at: float
    process: float
    imports: float


# Guarantees
# - What cannot be known is not guessed: at the first look, and at every look on systems
#   where no thread can read the processor time of another.
# - Nothing blocks: a thread writes only what is its own, and who looks takes a copy.
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
        # By thread.
        self._spans: dict[int, _Span] = {}
        self._last: _Look | None = None
        in_child(self._forget)

    @contextlib.contextmanager
    def importing(self) -> Iterator[None]:
        """Let the calling thread not count as a bystander during a block."""
        me = threading.get_ident()
        span = self._spans.get(me, _Span())
        if span.imports:
            yield
            return
        try:
            clock = self._clock_of_thread()
            began = clock() if clock else 0.0
            self._spans[me] = _Span(
                span.counted, imports=True, clock=clock, began=began
            )
            yield
        finally:
            # A forked child has forgotten it.
            counted = self._spans.get(me, _Span()).now()
            self._spans[me] = _Span(span.counted if counted is None else counted)

    def are_idle(self) -> bool | None:
        """Tell whether nobody else has computed since the last look; None: unknown."""
        before, now = self._last, self._look()
        self._last = now
        if before is None or now is None:
            return None
        others = now.process - before.process - (now.imports - before.imports)
        return others < LITTLE * (now.at - before.at)

    def _look(self) -> _Look | None:
        imports = 0.0
        for span in self._spans.copy().values():
            seconds = span.now()
            if seconds is None:
                return None
            imports += seconds
        return _Look(self._clock(), self._process_clock(), imports)

    def _forget(self) -> None:
        self._last = None
        self._spans.clear()
