"""What each thread imports for a warmup, module by module, and how long that takes."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")

MOST_RECORDS = 50_000
"""How many imports are kept of a warmup: the nine heaviest packages have 4,000."""
_SHORTEST = 0.000_1
"""Seconds that it has to take to find out that there is nothing to import."""

_clock = time.perf_counter


class Record(NamedTuple):
    """
    One import of one module on one thread.

    Parameters
    ----------
    module : str
    depth : int
        How many imports of the same thread it is within.
    begin, end : float
        Seconds of `time.perf_counter`.
    waited : float
        Seconds of that in which the thread waited for others, while it was within no
        import that is within this one.
    failed : bool
    """

    module: str
    depth: int
    begin: float
    end: float
    waited: float
    failed: bool


class _Open:
    """An import that has begun."""

    __slots__ = ("begin", "has_kept", "loads", "module", "waited")

    def __init__(self, module: str) -> None:
        self.module = module
        self.waited = 0.0
        self.loads = False
        # Whether an import within it has been kept.
        self.has_kept = False
        self.begin = _clock()


class Lane:
    """
    What one thread imports; only that thread writes.

    Parameters
    ----------
    thread_name : str
    started_by : str or None
        The module whose import has started the thread.

    Attributes
    ----------
    records : list of Record
        In the order in which the imports ended.
    over : bool
        Whether the import has ended that has started the thread.
    """

    def __init__(
        self, trace: Trace, thread_name: str, started_by: str | None = None
    ) -> None:
        self.trace = trace
        self.thread_name = thread_name
        self.started_by = started_by
        self.records: list[Record] = []
        self.over = False
        self._open: list[_Open] = []

    @property
    def current(self) -> str | None:
        """The module that the thread is importing."""
        return self._open[-1].module if self._open else None

    def enter(self, module: str) -> None:
        """Begin an import."""
        self._open.append(_Open(module))

    def load(self, module: str) -> None:
        """Note that there is such a module, and that this thread loads it."""
        if self._open and self._open[-1].module == module:
            self._open[-1].loads = True

    def leave(self, *, failed: bool) -> None:
        """End the import that has begun last."""
        end = _clock()
        if not self._open:  # Ctrl-C
            return
        ended = self._open.pop()
        # Circles look for modules that they are about to complete, by the thousand.
        if not (ended.loads or ended.has_kept or end - ended.begin >= _SHORTEST):
            return
        # What is kept has all around it kept.
        if not self.trace.has_room() and not ended.has_kept:
            self.trace.dropped += 1
            return
        depth = len(self._open)
        self.records.append(
            Record(ended.module, depth, ended.begin, end, ended.waited, failed)
        )
        if self._open:
            self._open[-1].has_kept = True

    def wait(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Wait for other threads."""
        begin = _clock()
        try:
            return call(*args, **kwargs)
        finally:
            if self._open:
                self._open[-1].waited += _clock() - begin


class Trace:
    """
    All that some imports have imported, on whichever threads.

    Attributes
    ----------
    lanes : list of Lane
        A lane for each thread.
    dropped : int
        How many imports were not kept, since there were too many.
    """

    def __init__(self) -> None:
        self.lanes: list[Lane] = []
        self.dropped = 0

    def has_room(self) -> bool:
        """Whether more can be kept."""
        return sum(len(lane.records) for lane in self.lanes) < MOST_RECORDS


class _OfThread(threading.local):
    """What the imports of one thread are noted down in."""

    def __init__(self) -> None:
        self.lane: Lane | None = None
        # All that it had and that are still of use: a worker goes on in its own.
        self.lanes = weakref.WeakSet[Lane]()


_of_thread = _OfThread()


class tracing:  # noqa: N801 - used as a function
    """
    Note down what the calling thread imports during a block, while hooks are in.

    What threads import that are started meanwhile is noted down, too.

    Parameters
    ----------
    trace : Trace
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._former: Lane | None = None

    def __enter__(self) -> None:
        """Begin."""
        lane = next(
            (each for each in _of_thread.lanes if each.trace is self._trace), None
        )
        if lane is None:
            lane = Lane(self._trace, threading.current_thread().name)
            _of_thread.lanes.add(lane)
            self._trace.lanes.append(lane)
        self._former = _of_thread.lane
        _of_thread.lane = lane

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End; what threads import that were started meanwhile counts no longer."""
        for lane in self._trace.lanes:
            lane.over = lane.started_by is not None
        _of_thread.lane = self._former


def lane() -> Lane | None:
    """Return what the imports of the calling thread are noted down in, if anywhere."""
    mine = _of_thread.lane
    return None if mine is None or mine.over else mine


def branch() -> Callable[[str | None], None] | None:
    """Return what gives a lane to a thread that an import of the calling one starts."""
    mine = lane()
    if mine is None or mine.current is None:
        return None
    trace, started_by = mine.trace, mine.current

    def branch_off(name: str | None) -> None:
        _of_thread.lane = new = Lane(
            trace, name or f"thread {threading.get_ident()}", started_by
        )
        trace.lanes.append(new)

    return branch_off


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Note nothing down of the calling thread during a block."""
    mine = _of_thread.lane
    _of_thread.lane = None
    try:
        yield
    finally:
        _of_thread.lane = mine


def waiting(call: Callable[P, T]) -> Callable[P, T]:
    """Make a call count as waiting within the import of the calling thread."""
    mine = lane()
    return call if mine is None else functools.partial(mine.wait, call)


class RecordingLock:
    """
    The lock of a module, taken for its import on a thread that has a lane.

    Parameters
    ----------
    module : str
    module_lock : object
        With `acquire` and `release`.
    lane : Lane
    """

    __slots__ = ("__weakref__", "_lane", "_module", "_module_lock")

    def __init__(self, module: str, module_lock: object, lane: Lane) -> None:
        self._module = module
        self._module_lock = module_lock
        self._lane = lane

    def acquire(self) -> bool:
        """Begin an import."""
        self._lane.enter(self._module)
        try:
            taken: bool = self._module_lock.acquire()  # type: ignore[attr-defined]
        except BaseException:
            self._lane.leave(failed=True)
            raise
        return taken

    def release(self) -> None:
        """End it."""
        self._lane.leave(failed=sys.exception() is not None)
        self._module_lock.release()  # type: ignore[attr-defined]
