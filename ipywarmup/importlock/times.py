"""How long threads import for a warmup, and how long others wait for that."""

from __future__ import annotations

import functools
import threading
import time
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ipywarmup.forks import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

P = ParamSpec("P")
T = TypeVar("T")

# Guarantees
# - A call within a call counts once, and one that goes on as far as it has come.
# - An exception ends what it passes, Ctrl-C at any point included: at worst one call
#   is not counted.
# - Nothing blocks: a thread writes only what is its own, and readers take a copy.
# This code assumes
# - that an entry of a dict is read and set, and a dict of numbers copied, in one step.


class Stopwatch:
    """
    How long each thread has been in certain calls.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # By thread: the seconds counted, and since when it counts, None if it does not.
        self._spans: dict[int, tuple[float, float | None]] = {}

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Count during a call."""
        me = threading.get_ident()
        counted, since = self._spans.setdefault(me, (0.0, None))
        if since is not None:
            return call(*args, **kwargs)
        began = ended = self._clock()
        try:
            self._spans[me] = counted, began
            try:
                return call(*args, **kwargs)
            finally:
                ended = self._clock()
        finally:
            # Nothing is called here, since whatever is called can be interrupted.
            counted, since = self._spans[me]
            if since is not None and since < ended:
                counted += ended - since
            self._spans[me] = counted, None

    def rest(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Count nothing during a call within a call that counts."""
        me = threading.get_ident()
        counted, since = self._spans.setdefault(me, (0.0, None))
        if since is None:
            return call(*args, **kwargs)
        began = ended = self._clock()
        try:
            self._spans[me] = counted + began - since, None
            try:
                return call(*args, **kwargs)
            finally:
                ended = self._clock()
        finally:
            counted, _ = self._spans[me]
            self._spans[me] = counted, ended

    def seconds(self) -> dict[int, float]:
        """Return how long it has been, by thread."""
        now = self._clock()
        return {
            thread: counted if since is None else counted + max(0.0, now - since)
            for thread, (counted, since) in self._spans.copy().items()
        }

    def stop_others(self) -> None:
        """Count on for the calling thread alone, the only one after a fork."""
        me = threading.get_ident()
        for thread, seconds in self.seconds().items():
            if thread != me:
                self._spans[thread] = seconds, None


class Times:
    """
    What one warmup has taken: imports, and waits for them.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._imports = Stopwatch(clock)
        self._waits = Stopwatch(clock)

    def importing(self, call: Callable[P, T]) -> Callable[P, T]:
        """Make a call count as an import for the warmup, on whichever thread."""
        return functools.partial(self._import, call)

    def waiting(self, call: Callable[P, T]) -> Callable[P, T]:
        """Make a call count as waiting for the warmup."""
        return _waiting([self], call)

    def waited_ms(self, thread: int) -> float:
        """Return for how many milliseconds a thread has waited."""
        return 1000 * self._waits.seconds().get(thread, 0.0)

    def imported_ms(self, *, except_on: int) -> float:
        """Return for how many milliseconds all threads but one have imported."""
        return 1000 * sum(
            seconds
            for thread, seconds in self._imports.seconds().items()
            if thread != except_on
        )

    def stop_others(self) -> None:
        """Count on for the calling thread alone, the only one after a fork."""
        self._imports.stop_others()
        self._waits.stop_others()

    def _import(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        me = threading.get_ident()
        before = _importing_for.get(me, ())
        try:
            _importing_for[me] = (*before, self)
            return self._imports.run(call, *args, **kwargs)
        finally:
            if before:
                _importing_for[me] = before
            else:
                _importing_for.pop(me, None)


# By thread: the warmups that it imports for.
_importing_for: dict[int, tuple[Times, ...]] = {}


def waiting_for(threads: Iterable[int], call: Callable[P, T]) -> Callable[P, T]:
    """Make a call count as waiting for the warmups that some threads import for."""
    return _waiting(
        {times for thread in threads for times in _importing_for.get(thread, ())}, call
    )


def _waiting(all_times: Iterable[Times], call: Callable[P, T]) -> Callable[P, T]:
    # Who waits does not import. What it waits for may be what the main thread imports,
    # or be counted on the thread that imports it.
    for times in _importing_for.get(threading.get_ident(), ()):
        call = functools.partial(times._imports.rest, call)  # noqa: SLF001 - of this file
    for times in all_times:
        call = functools.partial(times._waits.run, call)  # noqa: SLF001 - same
    return call


def _forget_others() -> None:
    """Keep the calling thread alone, the only one after a fork."""
    me = threading.get_ident()
    for thread in _importing_for.copy():
        if thread != me:
            del _importing_for[thread]


in_child(_forget_others)
