"""The one thread that draws what changes."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol

from ipywarmup.conditions import Condition
from ipywarmup.forks import in_child

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("ipywarmup")

_LAST_DRAWING = 1.0
"""Seconds for which an exit waits for a drawing under way."""

_SHARE = 0.1
"""How much of the time may go into drawing, which the imports lack."""


class Drawing(Protocol):
    """What a publisher keeps up to date."""

    def draw(self) -> bool:
        """Draw the present state; return whether it was the last one."""


# Guarantees
# - Every `draw` runs on the one publisher thread, so drawings need no locks.
# - Drawings are drawn at most once in `interval` seconds, however often `wake` is
#   called, and once more after the last `wake`: the final state always shows.
#   Drawings that take long are drawn less often, a tenth of the time at most.
# - A drawing that raises is logged and dropped; the others go on.
# - Once the interpreter exits, nothing is drawn: a kernel closes its sockets then, and
#   a thread that is cut off in the middle of a message takes the process with it.
# This code assumes
# - that a drawing reads the state it draws itself, so wakes may be merged.


class Publisher:
    """
    Draw on one daemon thread, when woken, but not too often.

    Parameters
    ----------
    interval : float
        Seconds between two rounds of drawing, at least. The default keeps each
        widget below 10 messages a second.
    tick : float
        Seconds after which a drawing is brought up to date without a wake, for
        times that count up.
    clock : callable
        Returns monotonic seconds.
    """

    def __init__(
        self,
        *,
        interval: float = 0.125,
        tick: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval = interval
        self._tick = tick
        self._clock = clock
        self._condition = Condition()
        self._drawings: list[Drawing] = []
        self._woken = False
        self._rounds_begun = 0
        self._rounds_drawn = 0
        self._last_round = float("-inf")
        # Seconds that the last round took.
        self._took = 0.0
        # The round that somebody waits for who has nothing else to do.
        self._wanted = 0
        self._thread: threading.Thread | None = None
        in_child(self._forget_thread)

    def follow(self, drawing: Drawing) -> None:
        """Keep a drawing up to date until it says that it is final."""
        with self._condition:
            self._drawings.append(drawing)
            # It has just been drawn by whoever made it.
            self._last_round = self._clock()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="ipywarmup-publisher", daemon=True
                )
                self._thread.start()
                atexit.register(self._stop_at_exit)
        self.wake()

    def wake(self, *_: object) -> None:
        """Ask for a round of drawing; takes any arguments, to serve as a callback."""
        with self._condition:
            if self._woken:
                # The thread knows; to wake it for each of thousands of modules would
                # cost them more than the drawing does.
                return
            self._woken = True
            self._condition.notify_all()

    def flush(self, timeout: float) -> bool:
        """
        Wait until the present state is drawn.

        Parameters
        ----------
        timeout : float
            Seconds.

        Returns
        -------
        bool
            False on timeout.
        """
        with self._condition:
            wanted = self._wanted = self._rounds_begun + 1
            self._woken = True
            self._condition.notify_all()
            return self._condition.wait_for(
                lambda: not self._drawings or self._rounds_drawn >= wanted, timeout
            )

    def close(self) -> None:
        """Draw no more; the thread ends."""
        with self._condition:
            self._drawings.clear()
            self._thread = None
            self._condition.notify_all()
        atexit.unregister(self._stop_at_exit)

    def _stop_at_exit(self) -> None:
        """Draw no more, and let a drawing under way come to its end."""
        with self._condition:
            thread, self._thread = self._thread, None
            self._condition.notify_all()
        if thread is not None:
            thread.join(_LAST_DRAWING)

    def _forget_thread(self) -> None:
        """Draw nothing of the process forked from."""
        self._condition = Condition()
        self._drawings.clear()
        self._thread = None

    def due(self) -> float | None:
        """Return the seconds until the next round, None if there is none."""
        if not self._drawings:
            return None
        pause = self._interval if self._woken else self._tick
        if self._wanted <= self._rounds_begun:
            pause = max(pause, self._took / _SHARE)
        return max(0.0, self._last_round + pause - self._clock())

    def draw(self) -> None:
        """Draw everything once, and let go of what is final."""
        with self._condition:
            self._woken = False
            self._rounds_begun += 1
            self._last_round = self._clock()
            drawings = self._drawings.copy()
        final = [drawing for drawing in drawings if _drawn(drawing)]
        with self._condition:
            for drawing in final:
                if drawing in self._drawings:
                    self._drawings.remove(drawing)
            self._rounds_drawn += 1
            self._took = self._clock() - self._last_round
            self._condition.notify_all()

    def _run(self) -> None:
        me = threading.current_thread()
        while True:
            with self._condition:
                while self._thread is me and (due := self.due()) != 0.0:
                    self._condition.wait(due)
                if self._thread is not me:
                    return
            self.draw()


def _drawn(drawing: Drawing) -> bool:
    """Draw; return whether there is nothing more to draw."""
    try:
        return drawing.draw()
    except Exception:
        logger.exception("%r cannot be drawn", drawing)
        return True
