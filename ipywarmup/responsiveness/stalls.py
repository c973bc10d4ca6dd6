"""How long a thread that wants the interpreter has to wait for it."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, TypedDict

from ipywarmup.conditions import Condition
from ipywarmup.forks import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BEAT = 0.02
"""
Seconds between two looks. A stall is seen too short by as much as that, at worst. A
look takes some 30 us; with the interpreter handed to it and back, the import is held up
for a multiple of that.
"""


NOTED_MS = 10.0
"""Milliseconds from which a stall is told of: shorter ones nobody feels."""


class Stall(TypedDict):
    """When a thread wanted the interpreter, and how long it waited for it."""

    start_ts: float
    duration_ms: float


class Stalls:
    """
    What was seen since a moment.

    Parameters
    ----------
    on_stall : callable
        Called with each `Stall` of 10 ms or more; must neither block nor raise.

    Attributes
    ----------
    worst_ms : float or None
        The longest wait, in milliseconds; None if nobody has looked.
    """

    __slots__ = ("on_stall", "worst_ms")

    def __init__(self, on_stall: Callable[[Stall], object]) -> None:
        self.on_stall = on_stall
        self.worst_ms: float | None = None


# Guarantees
# - One daemon thread looks, and only while somebody watches; it starts with the first
#   watch and sleeps in between.
# - A watch has a wait that is not over when it ends, as far as it has come.
# - A forked child starts over.
# This code assumes
# - that a thread which has slept for its time wants the interpreter from then on: what
#   it is late by, it has waited. A machine that is busy otherwise makes it late, too.


class StallWatch:
    """
    A thread that sleeps, and notes by how much it wakes too late.

    Parameters
    ----------
    on_beat : callable
        Called at each look, after it.
    sleep, clock : callable
        Those of the tests.
    """

    def __init__(
        self,
        on_beat: Callable[[], object] = lambda: None,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._on_beat = on_beat
        self._sleep = sleep
        self._clock = clock
        self._condition = Condition()
        self._thread: threading.Thread | None = None
        self._watches: list[Stalls] = []
        self._since = clock()
        in_child(self._forget_threads)

    @contextlib.contextmanager
    def watching(
        self, on_stall: Callable[[Stall], object] = lambda _: None
    ) -> Iterator[Stalls]:
        """
        Note the stalls of a block.

        Parameters
        ----------
        on_stall : callable
            Called with each `Stall` of 10 ms or more, as soon as it is over, on any
            thread; must neither block nor raise. Who watches at the same time is
            called with the same one.

        Yields
        ------
        Stalls
            Complete once the block has ended.
        """
        stalls = Stalls(on_stall)
        with self._condition:
            if not self._watches:
                self._since = self._clock()
            if self._thread is None:
                self._thread = self._start()
            if self._thread is not None:
                self._watches.append(stalls)
            self._condition.notify_all()
        try:
            yield stalls
        finally:
            with self._condition:
                # A forked child has forgotten it.
                if stalls in self._watches:
                    self._watches.remove(stalls)
                    self._note([stalls])

    def _start(self) -> threading.Thread | None:
        thread = threading.Thread(
            target=self._look, name="ipywarmup-stalls", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no more threads, says the system
            return None
        return thread

    def _look(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: bool(self._watches))
            self._sleep(BEAT)
            with self._condition:
                self._note(self._watches)
                self._since = self._clock()
            # It is called again at the next look.
            with contextlib.suppress(Exception):
                self._on_beat()

    def _note(self, watches: list[Stalls]) -> None:
        """Note how late it is by now; call under the lock."""
        late_ms = 1000 * (self._clock() - self._since - BEAT)
        stall: Stall = {
            "start_ts": time.time() - late_ms / 1000,
            "duration_ms": late_ms,
        }
        for stalls in watches:
            stalls.worst_ms = max(stalls.worst_ms or 0.0, late_ms)
            if late_ms >= NOTED_MS:
                stalls.on_stall(stall)

    def _forget_threads(self) -> None:
        self._condition = Condition()
        self._thread = None
        self._watches.clear()
