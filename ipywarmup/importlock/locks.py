"""Package locks: one import at a time in each package, and no way to get stuck."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from ipywarmup.importlock.graph import EVERYTHING, LockGraph, nothing_is_complete

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_LOOKS = 10
"""How often a waiting thread looks after those it waits for, within `patience`."""


class Counts(NamedTuple):
    """
    What has happened so far.

    Parameters
    ----------
    waits : int
        Acquisitions that had to wait.
    circles : int
        Those that were let in because waiting would have closed a circle.
    opened : int
        Those that were let in because the holder made no progress.
    """

    waits: int = 0
    circles: int = 0
    opened: int = 0


# Guarantees
# - What `LockGraph` guarantees, for real threads: of those inside a package all but
#   one are blocked in `acquire`.
# - Nobody waits for ever: not in a circle, not for a thread that started it during
#   its import, not for one that has died, and no longer than `patience` for one that
#   makes no progress at all. Each of these ways out is reported, with its reason.
# - A wait can be interrupted, and leaves nothing behind then.
# This code assumes
# - that a thread releases packages in the reverse order of acquiring them;
# - that the garbage collector or a signal handler may acquire at any point, on the
#   same thread: hence the re-entrant lock, and the look at everything anew after
#   each wait.


class PackageLocks:
    """
    Re-entrant locks, one per package.

    Parameters
    ----------
    apart : collection of str
        Packages that never count as one with those they import in a circle.
    patience : float
        Seconds without progress of those it waits for, after which a wait ends.
    is_complete : callable
        ``is_complete(package)``: whether the top level of a package is all there.
    pulse : callable
        ``pulse(thread_id)`` returns something that changes as the thread goes on,
        and None once the thread does not import anything any more.
    on_free : callable
        Called whenever a package has been left by all, before anybody enters it.
    report : callable
        Takes a sentence on each way out that was taken; called outside of all locks.
    """

    def __init__(  # noqa: PLR0913 - what it asks, and whom it tells
        self,
        *,
        apart: Collection[str] = (),
        patience: float = 10.0,
        is_complete: Callable[[str], bool] = nothing_is_complete,
        pulse: Callable[[int], object | None] = lambda _: 0,
        on_free: Callable[[], object] = lambda: None,
        report: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.patience = patience
        self.counts = Counts()
        self._pulse = pulse
        self._on_free = on_free
        self._report = report
        self._graph = LockGraph(
            apart=apart, yields=self._yields, is_complete=is_complete
        )
        self._condition = threading.Condition(threading.RLock())
        self._is_open = False
        # By thread: the one that started it during an import that is not over yet.
        self._parents: dict[int, int] = {}
        # By thread that made no progress: its pulse at that time.
        self._stuck: dict[int, object] = {}

    def __bool__(self) -> bool:
        """Whether any package is held, or anybody waits."""
        return bool(self._graph)

    def again(self, package: str) -> bool:
        """Enter a package once more; False if the calling thread is not inside."""
        return self._graph.again(threading.get_ident(), package)

    def acquire(self, package: str) -> bool:
        """
        Enter a package, after those who are inside have left.

        Interrupting a wait (Ctrl-C) raises and leaves nothing behind.

        Returns
        -------
        bool
            Whether nobody else is inside.
        """
        me = threading.get_ident()
        if self._graph.again(me, package):
            return self._graph.is_alone(me, package)
        reasons: list[str] = []
        with self._condition:
            try:
                circle = self._graph.enter(me, package, force=self._is_open)
                if circle is None:
                    self.counts = self.counts._replace(waits=self.counts.waits + 1)
                    circle = self._wait(me, package, reasons)
            except BaseException:
                self._graph.stop_waiting(me)
                self._condition.notify_all()
                raise
            others = self._graph.others(me, package)
            if any(self._graph.waits_for(other, me) for other in others):
                self.counts = self.counts._replace(circles=self.counts.circles + 1)
                reasons.append(
                    f"{_names(circle)} import each other"
                    if circle
                    else "they wait for this thread"
                )
            elif self._parents.get(me) in others:
                reasons.append("it was started by one of them")
            elif others and not reasons and not self._is_open:
                reasons.append("still no progress")
            alone = self._graph.is_alone(me, package)
        for reason in reasons:
            self._report(f"entered {package!r} while others are in it: {reason}")
        return alone

    def release(self, package: str) -> None:
        """Leave a package once."""
        me = threading.get_ident()
        if self._graph.back(me, package):
            return
        with self._condition:
            if self._graph.leave(me, package):
                self._on_free()
            if (self._parents or self._stuck) and me not in self._graph.holders():
                self._end_import(me)
            self._condition.notify_all()

    def open(self) -> None:
        """Let everybody enter from now on, without waiting."""
        self._is_open = True

    @contextlib.contextmanager
    def holding(self, package: str) -> Iterator[None]:
        """Be inside a package during a block."""
        self.acquire(package)
        try:
            yield
        finally:
            self.release(package)

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Let nobody else be inside any package, or enter one, during a block."""
        return self.holding(EVERYTHING)

    @contextlib.contextmanager
    def waiting_for(self, thread: int) -> Iterator[bool]:
        """
        Let a block that waits for another thread count as a wait for it.

        Yields
        ------
        bool
            False if that thread waits for the calling one: the block must not wait.
        """
        me = threading.get_ident()
        with self._condition:
            may_wait = self._graph.wait_for(me, thread)
        try:
            yield may_wait
        finally:
            if may_wait:
                with self._condition:
                    self._graph.stop_waiting(me)

    def is_held(self, package: str) -> bool:
        """Whether any thread is inside a package."""
        return self._graph.is_held(package)

    def is_inside(self, package: str) -> bool:
        """Whether the calling thread is inside a package."""
        return self._graph.is_inside(threading.get_ident(), package)

    def is_waiting(self, thread: int) -> bool:
        """Whether a thread waits for others."""
        return bool(self._graph.blockers(thread))

    def is_suspended(self, thread: int) -> bool:
        """Whether a thread cannot go on before the calling one does."""
        with self._condition:
            return self._graph.waits_for(thread, threading.get_ident())

    def started(self, child: int) -> None:
        """Note that the calling thread has started another."""
        me = threading.get_ident()
        with self._condition:
            self._parents.pop(child, None)
            if me in self._graph.holders():
                self._parents[child] = me
            elif me in self._parents:
                self._parents[child] = self._parents[me]
            self._condition.notify_all()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let no other thread change anything, as around a fork."""
        with self._condition:
            yield

    def forget_others(self) -> None:
        """Keep only what the calling thread holds, the only one after a fork."""
        self._condition = threading.Condition(threading.RLock())
        with self._condition:
            for thread in self._graph.threads() - {threading.get_ident()}:
                self._drop(thread)

    def _yields(self, holder: int, thread: int) -> bool:
        """Whether a holder makes way for a thread that it does not wait for."""
        if self._parents.get(thread) == holder:
            return True
        return holder in self._stuck and self._stuck[holder] == self._pulse(holder)

    def _wait(self, me: int, package: str, reasons: list[str]) -> set[str]:
        """Wait until a package can be entered, and enter it; call under the lock."""
        seen: dict[int, object] = {}
        since = time.monotonic()
        # Others may be let in since this thread waits.
        self._condition.notify_all()
        while (circle := self._graph.enter(me, package)) is None:
            pulses = {thread: self._pulse(thread) for thread in self._graph.runners(me)}
            gone = [thread for thread, pulse in pulses.items() if pulse is None]
            for thread in gone:
                self._drop(thread)
                reasons.append("a thread in it does not import any more")
            if gone:
                continue
            now = time.monotonic()
            if pulses != seen:
                seen, since = pulses, now
            elif self._is_open or now - since >= self.patience:
                # Those who come later need not find out again.
                self._stuck.update(pulses)
                self.counts = self.counts._replace(opened=self.counts.opened + 1)
                reasons.append(f"no progress for {self.patience:g} s")
                return self._graph.enter(me, package, force=True) or set()
            self._condition.wait(self.patience / _LOOKS)
        return circle

    def _drop(self, thread: int) -> None:
        """Forget a thread; call under the lock."""
        self._graph.drop(thread)
        self._on_free()
        self._parents.pop(thread, None)
        self._end_import(thread)
        self._condition.notify_all()

    def _end_import(self, thread: int) -> None:
        """Forget what was only true of a thread's import, now over."""
        self._stuck.pop(thread, None)
        self._parents = {
            child: parent for child, parent in self._parents.items() if parent != thread
        }


def _names(packages: Collection[str]) -> str:
    return " and ".join(repr(package) for package in sorted(packages))
